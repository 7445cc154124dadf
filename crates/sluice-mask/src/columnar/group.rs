//! Messages of a stream cut and joined anew. BigQuery ends a message after about a megabyte, counted before anything is hidden: whoever makes a hidden
//! value long for one answer to a question, and short for the other, would read it off the number of rows. So a message that leaves ends where shown
//! bytes say so: a hidden cell counts as much as any other.

use super::arrow;
use super::stream::{MaskedBatch, StreamMasking};
use crate::masker::MaskFault;
use crate::write::{Count, Writer};
use bytes::Bytes;
use std::{fmt, mem};

/// A message ends behind the row that reaches this.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// Of one message.
pub const GROUP_ROWS_MAX: usize = 10_000;
/// What a hidden cell counts for, whatever is left of it. The longest hash has 44 letters.
pub(super) const HIDDEN_CELL_BYTES: usize = 48;

/// Rows that are masked and have not left.
pub struct Group {
    pub(super) rows_max: usize,
    pub(super) bytes_max: usize,
    pub(super) rows: usize,
    /// That count for where a message ends.
    pub(super) bytes: usize,
    pub(super) counts: Vec<Count>,
    pub(super) held: Held,
}

#[derive(Default)]
pub(super) enum Held {
    Arrow(arrow::Held),
    Avro(Vec<u8>),
    #[default]
    Nothing,
}

impl Group {
    pub(super) fn within(rows_max: usize, bytes_max: usize) -> Group {
        Group { rows_max, bytes_max, rows: 0, bytes: 0, counts: Vec::new(), held: Held::Nothing }
    }

    /// Some rows are held.
    pub fn is_begun(&self) -> bool {
        self.rows > 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.rows_max || self.bytes >= self.bytes_max
    }

    /// Room for the counts of each masked path.
    pub(super) fn begin(&mut self, writer: &Writer) {
        self.counts.resize(writer.cover.paths.len(), Count::default());
    }

    /// All of it, and the next one begins.
    pub(super) fn leave(&mut self) -> Result<(u64, Vec<Bytes>, Vec<Count>), MaskFault> {
        let (rows, counts) = (mem::take(&mut self.rows), mem::take(&mut self.counts));
        self.bytes = 0;
        let parts = match mem::take(&mut self.held) {
            Held::Arrow(held) => held.written(rows)?,
            Held::Avro(bytes) => vec![Bytes::from(bytes)],
            Held::Nothing => return Err(MaskFault::Shape),
        };
        Ok((rows as u64, parts, counts))
    }
}

impl Default for Group {
    fn default() -> Group {
        Group::within(GROUP_ROWS_MAX, GROUP_BYTES_MAX)
    }
}

/// Rows do not reach a log.
impl fmt::Debug for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Group").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl StreamMasking {
    /// The messages that are whole by now, where something is masked. `rows` is how many this one is said to have.
    pub fn regroup(&self, group: &mut Group, message: &Bytes, rows: u64) -> Result<Vec<MaskedBatch>, MaskFault> {
        let (writer, count) = self.opened(message, rows)?;
        group.begin(writer);
        let mut whole = Vec::new();
        let mut behind = |group: &mut Group| -> Result<(), MaskFault> {
            if group.is_full() {
                whole.push(self.batch(writer, group.leave()?));
                group.begin(writer);
            }
            Ok(())
        };
        self.regroup_in_format(writer, group, message, count, &mut behind)?;
        Ok(whole)
    }

    /// The stream has ended: its last rows.
    pub fn rest(&self, group: &mut Group) -> Result<Option<MaskedBatch>, MaskFault> {
        match self.writer() {
            Some(writer) if group.rows > 0 => Ok(Some(self.batch(writer, group.leave()?))),
            _ => Ok(None),
        }
    }
}
