//! A page of rows as BigQuery answers it: `jobs.getQueryResults`, `jobs.query` and `tabledata.list`.

use crate::around::Around;
use crate::masker::{MaskFault, ROWS_BYTES_MAX};
use crate::scan::{Odd, Scan};
use crate::schema::Columns;
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// BigQuery's own pages end at some ten megabytes.
pub const PAGE_BYTES_MAX: usize = 64 << 20;
/// What stands around the rows, each member of it. Ten thousand columns stay below.
pub const HEAD_MEMBER_BYTES_MAX: usize = 4 << 20;
pub const PAGE_TOKEN_BYTES_MAX: usize = 8 << 10;
/// Members beside the rows, known or not.
pub const HEAD_MEMBERS_MAX: usize = 64;

/// The member that holds them.
pub(crate) const ROWS: &str = "rows";

/// What stands around the rows: known fields and no others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Head {
    pub complete: bool,
    /// `{"fields": [...]}`, of known members alone.
    pub schema: Option<Value>,
    pub total_rows: Option<u64>,
    pub page_token: Option<String>,
    /// Counts and flags that are no rows: `totalBytesProcessed`, `cacheHit`, `numDmlAffectedRows`, `dmlStats`, `jobReference`, `kind`.
    pub rest: Map<String, Value>,
    /// How many members were not known, and left out.
    pub dropped: u64,
}

/// Rows that nobody has looked at.
pub struct RawPage {
    pub head: Head,
    pub(crate) job: Option<PageJob>,
    /// What stands between the brackets: JSON, and no more is known of it.
    pub(crate) rows: Arc<String>,
    /// Where the schema stood before the rows they were looked at once, and this is what was found.
    pub(crate) checked: Option<Checked>,
}

/// Rows that have the shape of these columns, in pieces.
pub(crate) struct Checked {
    pub(crate) columns: Columns,
    pub(crate) pieces: Pieces,
}

/// Where each piece begins and ends in the rows, and how many it has of them.
#[derive(Clone, Default)]
pub(crate) struct Pieces(pub(crate) Vec<(usize, usize, u64)>);

impl Pieces {
    /// The next row.
    pub(crate) fn add(&mut self, from: usize, to: usize) {
        self.add_within(from, to, ROWS_BYTES_MAX);
    }

    pub(crate) fn add_within(&mut self, from: usize, to: usize, bytes_max: usize) {
        match self.0.last_mut() {
            Some((start, end, count)) if to - *start <= bytes_max => {
                *end = to;
                *count += 1;
            }
            _ => self.0.push((from, to, 1)),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PageJob {
    pub(crate) project: String,
    pub(crate) id: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageFault {
    /// It is not what BigQuery would send. No text of it is repeated.
    Shape(&'static str),
    TooLarge {
        bytes_max: usize,
    },
}

impl RawPage {
    /// Members may come in any order, and none of them twice. Nothing of an unknown one is kept but that it was there.
    pub fn read(bytes: &[u8]) -> Result<RawPage, PageFault> {
        if bytes.len() > PAGE_BYTES_MAX {
            return Err(PageFault::TooLarge { bytes_max: PAGE_BYTES_MAX });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| PageFault::Shape("text"))?;
        let mut scan = Scan::new(text);
        let mut reading = Reading::default();
        scan.take(b'{')?;
        while !scan.eat(b'}') {
            if !reading.around.is_empty() {
                scan.take(b',')?;
            }
            reading.member(&mut scan)?;
        }
        scan.end()?;
        reading.finish()
    }

    /// How many rows there are, if each has the shape that the schema of this page promises. It shows none of them.
    pub fn fits_schema(&self) -> Result<u64, MaskFault> {
        let columns = self.head.schema.as_ref().and_then(Columns::of_schema);
        let mut count = 0;
        self.each_row(columns.as_ref(), |_, _| count += 1)?;
        Ok(count)
    }

    pub fn rows_bytes(&self) -> usize {
        self.rows.len()
    }

    /// Tells where each row begins and ends, after its shape is checked.
    pub(crate) fn each_row(&self, columns: Option<&Columns>, found: impl FnMut(usize, usize)) -> Result<(), MaskFault> {
        let mut scan = Scan::new(&self.rows);
        if scan.peek().is_none() {
            return Ok(());
        }
        each_row(&mut scan, columns.ok_or(MaskFault::Shape)?, found)?;
        Ok(scan.end()?)
    }
}

fn each_row(scan: &mut Scan<'_>, columns: &Columns, mut found: impl FnMut(usize, usize)) -> Result<(), Odd> {
    loop {
        scan.peek();
        let from = scan.at();
        columns.row(scan)?;
        found(from, scan.at());
        if !scan.eat(b',') {
            return Ok(());
        }
    }
}

#[derive(Default)]
struct Reading<'a> {
    around: Around,
    rows: Option<&'a str>,
    checked: Option<Checked>,
}

impl<'a> Reading<'a> {
    fn member(&mut self, scan: &mut Scan<'a>) -> Result<(), PageFault> {
        let name = scan.read_string()?;
        scan.take(b':')?;
        scan.peek();
        let from = scan.at();
        let checked = if name == ROWS { self.check(scan) } else { None };
        if checked.is_none() {
            scan.skip()?;
        }
        let text = scan.since(from)?;
        if name != ROWS {
            return self.around.keep(name, text);
        }
        self.around.enter(name)?;
        self.checked = checked;
        self.rows = match text {
            "null" => None,
            _ => Some(text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(PageFault::Shape("rows"))?),
        };
        Ok(())
    }

    /// The rows, over to their other side, if the schema is known and they have its shape. What is odd about them is for the masker to say.
    fn check(&self, scan: &mut Scan<'a>) -> Option<Checked> {
        let columns = Columns::of_schema(self.around.head.schema.as_ref()?)?;
        let mut ahead = scan.clone();
        ahead.take(b'[').ok()?;
        let (start, mut pieces) = (ahead.at(), Pieces::default());
        each_row(&mut ahead, &columns, |from, to| pieces.add(from - start, to - start)).ok()?;
        ahead.take(b']').ok()?;
        *scan = ahead;
        Some(Checked { columns, pieces })
    }

    fn finish(self) -> Result<RawPage, PageFault> {
        let rows = self.rows.unwrap_or_default();
        let has_rows = Scan::new(rows).peek().is_some();
        let (head, job) = self.around.finish(has_rows)?;
        Ok(RawPage { head, job, rows: Arc::new(rows.to_owned()), checked: self.checked })
    }
}

/// Rows do not reach a log.
impl fmt::Debug for RawPage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RawPage").field("head", &self.head).field("rows_bytes", &self.rows.len()).finish_non_exhaustive()
    }
}

impl From<Odd> for PageFault {
    fn from(_: Odd) -> PageFault {
        PageFault::Shape("JSON")
    }
}

impl fmt::Display for PageFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PageFault::Shape(what) => write!(formatter, "the page of rows is not as expected: {what}"),
            PageFault::TooLarge { bytes_max } => {
                write!(formatter, "the page of rows, or a member beside its rows, has more than {bytes_max} bytes")
            }
        }
    }
}

impl std::error::Error for PageFault {}
