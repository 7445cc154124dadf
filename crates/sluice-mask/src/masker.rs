//! MINT: `MaskedRows`.

use crate::page::RawPage;
use sluice_policy::Permit;
use std::fmt;

/// Rows leave in pieces of at most this, each with its own record. A single row may be longer.
pub const ROWS_BYTES_MAX: usize = 1 << 20;

/// For the rows of one permit. Until masks are applied it passes only what needs none.
#[derive(Debug)]
pub struct Masker {
    columns: Option<usize>,
}

/// Rows that may leave: each a JSON object as BigQuery writes it, with commas between them.
#[derive(Debug)]
pub struct MaskedRows {
    count: u64,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MaskFault {
    /// The permit wants masks.
    NotYet,
    /// A row does not have the shape that the schema promises.
    Shape,
}

impl Masker {
    pub fn new(permit: &Permit) -> Result<Masker, MaskFault> {
        if permit.masks().is_empty() { Ok(Masker { columns: None }) } else { Err(MaskFault::NotYet) }
    }

    pub fn mask(&self, page: RawPage) -> Result<Vec<MaskedRows>, MaskFault> {
        let _ = (self.columns, page);
        Err(MaskFault::Shape)
    }
}

impl MaskedRows {
    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for MaskFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MaskFault::NotYet => formatter.write_str("a column of the result would have to be masked, and masks are not applied yet"),
            MaskFault::Shape => formatter.write_str("a row does not have the shape that its schema promises"),
        }
    }
}

impl std::error::Error for MaskFault {}
