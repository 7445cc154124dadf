//! Columns of several batches, one behind the other.

use super::array::{Array, Held as Values, OFFSET_BYTES, arrays, numbers};
use super::cells::Cells;
use super::message::{Batch, Form};
use super::{bits, body};
use crate::columnar::cells::{Way, way};
use crate::columnar::group::{Group, HIDDEN_CELL_BYTES, Held as OfGroup};
use crate::cover::Part;
use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use crate::write::Writer;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Masked, and written as the first message of them was.
pub(in crate::columnar) struct Held {
    form: Form,
    arrays: Vec<Array<'static>>,
}

impl Held {
    pub(in crate::columnar) fn written(&self, rows: usize) -> Result<Vec<u8>, MaskFault> {
        self.form.written(&self.arrays, rows)
    }
}

/// Rows behind those that are held already; `behind` looks at each part that may be all that one message takes.
pub(in crate::columnar) fn regroup(
    columns: &Columns,
    writer: &Writer,
    group: &mut Group,
    (message, rows): (&[u8], usize),
    behind: &mut dyn FnMut(&mut Group) -> Result<(), MaskFault>,
) -> Result<(), MaskFault> {
    let message = Batch::read(message, rows)?;
    let buffers = body::buffers(&message)?;
    let arrays = arrays(columns, &message.nodes, &buffers, rows)?;
    let parts = &writer.cover.parts;
    let bytes_to = |row: usize| shown_bytes(columns, parts, &arrays, row);
    let mut from = 0;
    while from < rows {
        let begun_at = bytes_to(from);
        let reaches = |row: usize| group.bytes + (bytes_to(row) - begun_at) >= group.bytes_max;
        let last = rows.min(from + group.rows_max.saturating_sub(group.rows).max(1));
        let to = first_that(from + 1..last, reaches);
        let some = arrays.iter().map(|array| window(array, from..to)).collect::<Option<Vec<_>>>().ok_or(MaskFault::Shape)?;
        let masked = Cells { values: &writer.values, counts: &mut group.counts }.columns(columns, parts, some)?;
        group.bytes += bytes_to(to) - begun_at;
        group.rows += to - from;
        group.held = match std::mem::take(&mut group.held) {
            OfGroup::Arrow(mut held) => {
                held.arrays.iter_mut().zip(&masked).try_for_each(|(held, more)| append(held, more))?;
                OfGroup::Arrow(held)
            }
            _ => OfGroup::Arrow(Held { form: message.form, arrays: masked.into_iter().map(owned).collect() }),
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
fn shown_bytes(columns: &Columns, parts: &[Part], arrays: &[Array<'_>], row: usize) -> usize {
    columns.0.iter().zip(parts).zip(arrays).map(|((column, part), array)| of_column(column, part, array, row)).sum()
}

fn of_column(column: &Column, part: &Part, array: &Array<'_>, row: usize) -> usize {
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

fn of_fields(column: &Column, parts: &[Part], array: &Array<'_>, row: usize) -> usize {
    match (&column.fields, &array.held) {
        (Some(fields), Values::Record(arrays)) => shown_bytes(fields, parts, arrays, row),
        _ => row * HIDDEN_CELL_BYTES,
    }
}

fn of_array(array: &Array<'_>, row: usize) -> usize {
    match &array.held {
        Values::Bits(_) => row,
        Values::Fixed(values) => values.len().checked_div(array.rows).unwrap_or_default() * row,
        Values::Text { offsets, .. } => row * OFFSET_BYTES + begin_of(offsets, row),
        Values::Record(fields) => fields.iter().map(|field| of_array(field, row)).sum(),
        Values::Many { offsets, items } => row * OFFSET_BYTES + of_array(items, begin_of(offsets, row)),
    }
}

/// Some of its rows. Nothing if there are not so many.
fn window<'s>(array: &'s Array<'_>, rows: Range<usize>) -> Option<Array<'s>> {
    let of_bits = |held: &[u8]| bits::window(held, &rows);
    let held = match &array.held {
        Values::Bits(values) => Values::Bits(of_bits(values)?),
        Values::Fixed(values) => {
            let width = values.len().checked_div(array.rows).unwrap_or_default();
            Values::Fixed(Cow::Borrowed(values.get(rows.start * width..rows.end * width)?))
        }
        Values::Text { offsets, bytes } => {
            let (window, offsets) = moved(offsets, &rows)?;
            Values::Text { offsets, bytes: Cow::Borrowed(bytes.get(window)?) }
        }
        Values::Record(fields) => Values::Record(fields.iter().map(|field| window(field, rows.clone())).collect::<Option<_>>()?),
        Values::Many { offsets, items } => {
            let (inside, offsets) = moved(offsets, &rows)?;
            Values::Many { offsets, items: Box::new(window(items, inside)?) }
        }
    };
    let validity = array.validity.as_deref().map(of_bits).map_or(Some(None), |found| found.map(Some))?;
    let seen = array.seen.as_ref().map(|seen| of_bits(seen.as_slice())).map_or(Some(None), |found| found.map(Some))?;
    Some(Array { rows: rows.len(), validity, seen: seen.map(Arc::new), held })
}

/// What these rows hold of what the offsets lead to, and the offsets into that alone.
fn moved<'s>(offsets: &'s [u8], rows: &Range<usize>) -> Option<(Range<usize>, Cow<'s, [u8]>)> {
    let wanted = offsets.get(rows.start * OFFSET_BYTES..(rows.end + 1) * OFFSET_BYTES)?;
    let window = begin_of(offsets, rows.start)..begin_of(offsets, rows.end);
    if window.start == 0 {
        return Some((window, Cow::Borrowed(wanted)));
    }
    let moved = numbers(wanted).map(|number| u32::try_from(number.saturating_sub(window.start)).ok());
    let moved = moved.collect::<Option<Vec<_>>>()?;
    Some((window, Cow::Owned(moved.into_iter().flat_map(u32::to_le_bytes).collect())))
}

fn begin_of(offsets: &[u8], row: usize) -> usize {
    let bytes = offsets.get(row * OFFSET_BYTES..).and_then(|rest| rest.first_chunk::<OFFSET_BYTES>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

fn owned(array: Array<'_>) -> Array<'static> {
    let kept = |bytes: Cow<'_, [u8]>| Cow::Owned(bytes.into_owned());
    let held = match array.held {
        Values::Bits(values) => Values::Bits(values),
        Values::Fixed(values) => Values::Fixed(kept(values)),
        Values::Text { offsets, bytes } => Values::Text { offsets: kept(offsets), bytes: kept(bytes) },
        Values::Record(fields) => Values::Record(fields.into_iter().map(owned).collect()),
        Values::Many { offsets, items } => Values::Many { offsets: kept(offsets), items: Box::new(owned(*items)) },
    };
    // Whatever was hidden by what is around it has been masked by now.
    Array { rows: array.rows, validity: array.validity, seen: None, held }
}

fn append(held: &mut Array<'static>, more: &Array<'_>) -> Result<(), MaskFault> {
    let rows = held.rows;
    if held.validity.is_some() || more.validity.is_some() {
        let validity = held.validity.get_or_insert_with(|| bits::all(rows));
        match &more.validity {
            Some(there) => bits::append(validity, rows, there, more.rows),
            None => bits::append(validity, rows, &bits::all(more.rows), more.rows),
        }
    }
    match (&mut held.held, &more.held) {
        (Values::Bits(values), Values::Bits(more_values)) => bits::append(values, rows, more_values, more.rows),
        (Values::Fixed(values), Values::Fixed(more)) => values.to_mut().extend_from_slice(more),
        (Values::Text { offsets, bytes }, Values::Text { offsets: more_offsets, bytes: more }) => {
            append_offsets(offsets, more_offsets, bytes.len())?;
            bytes.to_mut().extend_from_slice(more);
        }
        (Values::Record(fields), Values::Record(more)) if fields.len() == more.len() => {
            fields.iter_mut().zip(more).try_for_each(|(field, more)| append(field, more))?;
        }
        (Values::Many { offsets, items }, Values::Many { offsets: more_offsets, items: more }) => {
            append_offsets(offsets, more_offsets, items.rows)?;
            append(items, more)?;
        }
        _ => return Err(MaskFault::Shape),
    }
    held.rows += more.rows;
    Ok(())
}

/// The first of them says where the first value begins, which is where the last one ends.
fn append_offsets(offsets: &mut Cow<'static, [u8]>, more: &[u8], by: usize) -> Result<(), MaskFault> {
    let offsets = offsets.to_mut();
    for number in numbers(more).skip(1) {
        let moved = i32::try_from(number + by).map_err(|_| MaskFault::Shape)?;
        offsets.extend(moved.to_le_bytes());
    }
    Ok(())
}
