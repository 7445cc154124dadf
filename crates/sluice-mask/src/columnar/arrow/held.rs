//! Columns of several batches, one behind the other.

use super::array::{Array, Held as Values, OFFSET_BYTES, arrays, moved, part};
use super::cells::Cells;
use super::gathered::Gathered;
use super::message::{Batch, Form};
use super::{bits, body};
use crate::columnar::cells::{Way, way};
use crate::columnar::group::{Group, HIDDEN_CELL_BYTES, Held as OfGroup};
use crate::cover::Part;
use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use crate::write::Writer;
use bytes::Bytes;
use std::ops::Range;
use std::sync::Arc;

/// Rows that are held keep the message that they came with, as long as it is no more than so many times as long as they are. Of a longer one they are copied:
/// whoever makes hidden values long would fill the memory with them.
const MESSAGE_PER_ROWS_MAX: usize = 4;

/// Masked, and written as the first message of them was.
pub(in crate::columnar) struct Held {
    form: Form,
    arrays: Vec<Gathered>,
}

impl Held {
    pub(in crate::columnar) fn written(self, rows: usize) -> Result<Vec<Bytes>, MaskFault> {
        self.form.written(self.arrays, rows)
    }
}

/// Rows behind those that are held already; `behind` looks at each part that may be all that one message takes.
pub(in crate::columnar) fn regroup(
    columns: &Columns,
    writer: &Writer,
    group: &mut Group,
    (message, rows): (&Bytes, usize),
    behind: &mut dyn FnMut(&mut Group) -> Result<(), MaskFault>,
) -> Result<(), MaskFault> {
    let batch = Batch::read(message, rows)?;
    let buffers = body::buffers(&batch)?;
    let arrays = arrays(columns, &batch.nodes, &buffers, rows)?;
    let message_bytes = message.len().max(buffers.iter().map(Bytes::len).sum());
    let parts = &writer.cover.parts;
    let bytes_to = |row: usize| shown_bytes(columns, parts, &arrays, row);
    let mut from = 0;
    while from < rows {
        let begun_at = bytes_to(from);
        let reaches = |row: usize| group.bytes + (bytes_to(row) - begun_at) >= group.bytes_max;
        let last = rows.min(from + group.rows_max.saturating_sub(group.rows).max(1));
        let to = first_that(from + 1..last, reaches);
        let some = arrays.iter().map(|array| window(array, from..to)).collect::<Option<Vec<_>>>().ok_or(MaskFault::Shape)?;
        let mut masked = Cells { values: &writer.values, counts: &mut group.counts }.columns(columns, parts, some)?;
        if masked.iter().map(held_bytes).sum::<usize>().saturating_mul(MESSAGE_PER_ROWS_MAX) < message_bytes {
            masked.iter_mut().for_each(detach);
        }
        group.bytes += bytes_to(to) - begun_at;
        group.rows += to - from;
        group.held = match std::mem::take(&mut group.held) {
            OfGroup::Arrow(mut held) => {
                held.arrays.iter_mut().zip(masked).try_for_each(|(held, more)| held.append(more))?;
                OfGroup::Arrow(held)
            }
            _ => OfGroup::Arrow(Held { form: batch.form, arrays: masked.into_iter().map(Gathered::of).collect() }),
        };
        behind(group)?;
        from = to;
    }
    Ok(())
}

/// The first number for which it is so, where it is so for all behind it; the end if for none.
fn first_that(numbers: Range<usize>, is_so: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (numbers.start, numbers.end);
    while from < to {
        let middle = from + (to - from) / 2;
        if is_so(middle) { to = middle } else { from = middle + 1 }
    }
    from
}

/// What the rows before this one count for. Of two rows it is the sum, wherever messages begin.
fn shown_bytes(columns: &Columns, parts: &[Part], arrays: &[Array], row: usize) -> usize {
    columns.0.iter().zip(parts).zip(arrays).map(|((column, part), array)| of_column(column, part, array, row)).sum()
}

fn of_column(column: &Column, part: &Part, array: &Array, row: usize) -> usize {
    match (way(column, part), &array.held) {
        (Way::Clear, _) => of_array(array, row),
        (Way::Inside(parts), Values::Many { offsets, items }) => {
            row * OFFSET_BYTES + of_fields(column, parts, items, begin_of(offsets, row))
        }
        (Way::Inside(parts), _) => of_fields(column, parts, array, row),
        (Way::Each(..), Values::Many { offsets, .. }) => (row + begin_of(offsets, row)) * HIDDEN_CELL_BYTES,
        (Way::Each(..) | Way::Nothing(_), _) => row * HIDDEN_CELL_BYTES,
    }
}

fn of_fields(column: &Column, parts: &[Part], array: &Array, row: usize) -> usize {
    match (&column.fields, &array.held) {
        (Some(fields), Values::Record(arrays)) => shown_bytes(fields, parts, arrays, row),
        _ => row * HIDDEN_CELL_BYTES,
    }
}

fn of_array(array: &Array, row: usize) -> usize {
    match &array.held {
        Values::Bits(_) => row,
        Values::Fixed(values) => values.len().checked_div(array.rows).unwrap_or_default() * row,
        Values::Text { offsets, .. } => row * OFFSET_BYTES + begin_of(offsets, row),
        Values::Record(fields) => fields.iter().map(|field| of_array(field, row)).sum(),
        Values::Many { offsets, items } => row * OFFSET_BYTES + of_array(items, begin_of(offsets, row)),
    }
}

/// Some of its rows. Nothing if there are not so many.
fn window(array: &Array, rows: Range<usize>) -> Option<Array> {
    let of_bits = |held: &[u8]| bits::window(held, &rows);
    let held = match &array.held {
        Values::Bits(values) => Values::Bits(of_bits(values)?),
        Values::Fixed(values) => {
            let width = values.len().checked_div(array.rows).unwrap_or_default();
            Values::Fixed(part(values, rows.start * width..rows.end * width)?)
        }
        Values::Text { offsets, bytes } => {
            let (window, offsets) = from_begin(offsets, &rows)?;
            Values::Text { offsets, bytes: part(bytes, window)? }
        }
        Values::Record(fields) => Values::Record(fields.iter().map(|field| window(field, rows.clone())).collect::<Option<_>>()?),
        Values::Many { offsets, items } => {
            let (inside, offsets) = from_begin(offsets, &rows)?;
            Values::Many { offsets, items: Box::new(window(items, inside)?) }
        }
    };
    let validity = array.validity.as_deref().map(of_bits).map_or(Some(None), |found| found.map(Some))?;
    let seen = array.seen.as_ref().map(|seen| of_bits(seen.as_slice())).map_or(Some(None), |found| found.map(Some))?;
    Some(Array { rows: rows.len(), validity, seen: seen.map(Arc::new), held })
}

/// What these rows hold of what the offsets lead to, and the offsets into that alone. They rise, that has been seen.
fn from_begin(offsets: &Bytes, rows: &Range<usize>) -> Option<(Range<usize>, Bytes)> {
    let wanted = part(offsets, rows.start * OFFSET_BYTES..(rows.end + 1) * OFFSET_BYTES)?;
    let window = begin_of(offsets, rows.start)..begin_of(offsets, rows.end);
    if window.start == 0 {
        return Some((window, wanted));
    }
    let begin = i32::try_from(window.start).ok()?;
    Some((window, Bytes::from(moved(&wanted, begin.wrapping_neg()))))
}

fn begin_of(offsets: &[u8], row: usize) -> usize {
    let bytes = offsets.get(row * OFFSET_BYTES..).and_then(|rest| rest.first_chunk::<OFFSET_BYTES>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

/// Bits are copied anyway.
fn held_bytes(array: &Array) -> usize {
    match &array.held {
        Values::Bits(_) => 0,
        Values::Fixed(values) => values.len(),
        Values::Text { offsets, bytes } => offsets.len() + bytes.len(),
        Values::Record(fields) => fields.iter().map(held_bytes).sum(),
        Values::Many { offsets, items } => offsets.len() + held_bytes(items),
    }
}

/// From the message that it came with.
fn detach(array: &mut Array) {
    let copy = |bytes: &mut Bytes| *bytes = Bytes::copy_from_slice(bytes);
    match &mut array.held {
        Values::Bits(_) => {}
        Values::Fixed(values) => copy(values),
        Values::Text { offsets, bytes } => {
            copy(offsets);
            copy(bytes);
        }
        Values::Record(fields) => fields.iter_mut().for_each(detach),
        Values::Many { offsets, items } => {
            copy(offsets);
            detach(items);
        }
    }
}
