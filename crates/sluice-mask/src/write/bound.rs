//! Where rows that are written end, by what is written alone.

use super::Written;
use crate::scan::{Odd, Scan};

/// Of an answer, which may be of several pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) rows: u64,
    pub(crate) rows_max: Option<u64>,
    pub(crate) bytes: usize,
    /// The answer ends behind the row that reaches it.
    pub(crate) bytes_max: usize,
    /// Rows came that belong behind it.
    pub(crate) passed: bool,
}

impl Bound {
    pub(crate) fn new(rows_max: Option<u64>, bytes_max: usize) -> Bound {
        Bound { rows: 0, rows_max, bytes: 0, bytes_max, passed: false }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max || self.rows_max.is_some_and(|max| self.rows >= max)
    }
}

impl Written {
    /// The next row, as far as rows belong here. Others are looked at, and left out.
    pub(crate) fn next(&mut self, scan: &mut Scan<'_>, piece_bytes_max: usize) -> Result<(), Odd> {
        if let Some(bound) = self.bound.as_mut().filter(|bound| bound.is_full()) {
            self.columns.row(scan)?;
            bound.passed = true;
            return Ok(());
        }
        let before = self.bytes();
        self.row(scan, piece_bytes_max)?;
        let after = self.bytes();
        if let Some(bound) = &mut self.bound {
            bound.rows += 1;
            bound.bytes += after.saturating_sub(before);
        }
        Ok(())
    }
}
