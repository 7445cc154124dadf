//! Arrow's messages: a schema once, then batches of rows column by column.
//!
//! The library reads and writes their heads, which it verifies before it looks. Bodies are read here: it trusts lengths, counts and offsets more than a gateway may.

mod array;
mod bits;
mod blank;
mod body;
mod cells;
mod gathered;
mod head;
mod held;
mod look;
mod message;
mod schema;
#[cfg(test)]
mod tests;

use crate::masker::MaskFault;
use crate::schema::Columns;
use crate::write::{Count, Writer};
use bytes::Bytes;
use gathered::Gathered;

pub use array::ARRAY_ROWS_MAX;
pub use body::BATCH_DECODED_BYTES_MAX;
pub(super) use held::{Held, regroup};
pub(crate) use look::look;
pub(super) use schema::columns;

/// So many rows of these columns, as far as the head of the message tells.
pub(super) fn check(columns: &Columns, message: &Bytes, rows: usize) -> Result<(), MaskFault> {
    let message = message::Batch::read(message, rows)?;
    head::check(columns, &message, rows)
}

pub(super) fn mask(
    columns: &Columns,
    writer: &Writer,
    message: &Bytes,
    rows: usize,
    counts: &mut [Count],
) -> Result<Vec<Bytes>, MaskFault> {
    let message = message::Batch::read(message, rows)?;
    let buffers = body::buffers(&message)?;
    let arrays = array::arrays(columns, &message.nodes, &buffers, rows)?;
    let masked = cells::Cells { values: &writer.values, counts }.columns(columns, &writer.cover.parts, arrays)?;
    message.form.written(masked.into_iter().map(Gathered::of).collect(), rows)
}
