//! A page of rows as BigQuery answers it: `jobs.getQueryResults`, `jobs.query` and `tabledata.list`.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;

/// BigQuery's own pages end at some ten megabytes.
pub const PAGE_BYTES_MAX: usize = 64 << 20;

/// What stands around the rows: known fields and no others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    pub complete: bool,
    /// `{"fields": [...]}`, of known members alone.
    pub schema: Option<Value>,
    pub total_rows: Option<u64>,
    pub page_token: Option<String>,
    /// Counts and flags that are no rows: `totalBytesProcessed`, `cacheHit`, `numDmlAffectedRows`, `dmlStats` ...
    pub rest: Map<String, Value>,
}

/// Rows that nobody has looked at.
#[derive(Debug)]
pub struct RawPage {
    pub head: Head,
    pub(crate) rows: Vec<Box<RawValue>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// It is not what BigQuery would send. No text of it is repeated.
    Shape(&'static str),
    TooLarge {
        bytes_max: usize,
    },
}

impl fmt::Display for PageFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageFault::Shape(what) => write!(formatter, "the page of rows is not as expected: {what}"),
            PageFault::TooLarge { bytes_max } => write!(formatter, "the page of rows has more than {bytes_max} bytes"),
        }
    }
}

impl std::error::Error for PageFault {}
