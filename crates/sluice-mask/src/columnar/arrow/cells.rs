//! Masks over arrays. A masked array is made anew: neither its values nor its offsets nor what lay under its nulls goes along.

use super::super::cells::{Way, add, scalar, way};
use super::array::{Array, Held, OFFSET_BYTES, numbers};
use super::body::BATCH_DECODED_BYTES_MAX;
use super::{bits, blank};
use crate::cover::Part;
use crate::masker::MaskFault;
use crate::moment::{begin_of_year_of_days, begin_of_year_of_microseconds};
use crate::schema::{Column, Columns};
use crate::value::{Always, Values, always, default_text};
use crate::write::Count;
use bytes::Bytes;
use sluice_model::Type;
use sluice_policy::Mask;

pub(super) struct Cells<'a> {
    pub(super) values: &'a Values,
    pub(super) counts: &'a mut [Count],
}

impl Cells<'_> {
    pub(super) fn columns(&mut self, columns: &Columns, parts: &[Part], arrays: Vec<Array>) -> Result<Vec<Array>, MaskFault> {
        if columns.0.len() != parts.len() || columns.0.len() != arrays.len() {
            return Err(MaskFault::Shape);
        }
        let three = columns.0.iter().zip(parts).zip(arrays);
        three.map(|((column, part), array)| self.column(column, part, array)).collect()
    }

    fn column(&mut self, column: &Column, part: &Part, array: Array) -> Result<Array, MaskFault> {
        match way(column, part) {
            Way::Clear => Ok(array),
            Way::Inside(parts) => each(column, array, |items| self.inside(column, parts, items)),
            Way::Each(mask, place) => each(column, array, |items| self.masked(column, mask, place, &items)),
            Way::Nothing(place) => {
                self.count(place, &array);
                Ok(blank::nothing(column, array.rows))
            }
        }
    }

    fn inside(&mut self, column: &Column, parts: &[Part], array: Array) -> Result<Array, MaskFault> {
        match (&column.fields, array.held) {
            (Some(fields), Held::Record(arrays)) => Ok(Array { held: Held::Record(self.columns(fields, parts, arrays)?), ..array }),
            _ => Err(MaskFault::Shape),
        }
    }

    fn masked(&mut self, column: &Column, mask: &Mask, place: usize, array: &Array) -> Result<Array, MaskFault> {
        self.count(place, array);
        let rows = array.rows;
        match always(mask, scalar(column)) {
            Some(Always::Null) => return Ok(blank::null(column, rows)),
            Some(Always::Default) => return within(default_text(&column.kind), rows).map(|()| blank::default(column, rows)),
            Some(Always::Text(text)) => return within(text, rows).map(|()| blank::text(text, rows)),
            None => {}
        }
        // Only what can be seen has a part or a hash; the rest holds nothing.
        let there = bits::both(array.seen.as_ref().map(|seen| seen.as_slice()), array.validity.as_deref());
        let there = there.as_deref();
        let held = match (&column.kind, &array.held) {
            (Type::String, Held::Text { offsets, bytes }) => self.texts(mask, there, offsets, bytes)?,
            (Type::Bytes, Held::Text { offsets, bytes }) => self.hashes(mask, there, offsets, bytes)?,
            (Type::Date, Held::Fixed(values)) if *mask == Mask::DateYear => {
                let year = |value: &[u8; 4]| begin_of_year_of_days(i32::from_le_bytes(*value)).unwrap_or_default().to_le_bytes();
                fixed(there, values, year)
            }
            (Type::Datetime | Type::Timestamp, Held::Fixed(values)) if *mask == Mask::DateYear => {
                let year = |value: &[u8; 8]| begin_of_year_of_microseconds(i64::from_le_bytes(*value)).unwrap_or_default().to_le_bytes();
                fixed(there, values, year)
            }
            (kind, _) => {
                within(default_text(kind), rows)?;
                blank::least(kind, rows, default_text(kind))
            }
        };
        let validity = if column.may_be_null { there.map(<[u8]>::to_vec) } else { None };
        Ok(Array { rows, validity, seen: None, held })
    }

    /// Cells that can be seen, and those of them that are null.
    fn count(&mut self, place: usize, array: &Array) {
        let seen = array.seen.as_ref().map(|seen| seen.as_slice());
        let cells = seen.map_or(array.rows, bits::count);
        let there = bits::both(seen, array.validity.as_deref());
        let values = there.map_or(array.rows, |there| bits::count(&there));
        add(self.counts, place, cells, cells.saturating_sub(values));
    }

    fn texts(&self, mask: &Mask, there: Option<&[u8]>, offsets: &[u8], bytes: &[u8]) -> Result<Held, MaskFault> {
        let text = std::str::from_utf8(bytes).map_err(|_| MaskFault::Shape)?;
        let mut shown = String::with_capacity(bytes.len());
        let made = each_value(there, offsets, |from, to| {
            let value = text.get(from..to).ok_or(MaskFault::Shape)?;
            // What the mask does not serve is the default of a text, which is none.
            self.values.show_text(mask, value, &mut shown);
            Ok(shown.len())
        })?;
        Ok(Held::Text { offsets: Bytes::from(made), bytes: Bytes::from(shown) })
    }

    fn hashes(&self, mask: &Mask, there: Option<&[u8]>, offsets: &[u8], bytes: &[u8]) -> Result<Held, MaskFault> {
        let mut shown = Vec::new();
        let made = each_value(there, offsets, |from, to| {
            let value = bytes.get(from..to).ok_or(MaskFault::Shape)?;
            shown.extend(self.values.hash(mask, value).iter().flatten());
            Ok(shown.len())
        })?;
        Ok(Held::Text { offsets: Bytes::from(made), bytes: Bytes::from(shown) })
    }
}

/// The one value of each row, or each of many.
fn each(column: &Column, array: Array, one: impl FnOnce(Array) -> Result<Array, MaskFault>) -> Result<Array, MaskFault> {
    if !column.repeated {
        return one(array);
    }
    match array.held {
        Held::Many { offsets, items } => Ok(Array { held: Held::Many { offsets, items: Box::new(one(*items)?) }, ..array }),
        _ => Err(MaskFault::Shape),
    }
}

/// New offsets: `show` writes one value and says how long all of them are.
fn each_value(
    there: Option<&[u8]>,
    offsets: &[u8],
    mut show: impl FnMut(usize, usize) -> Result<usize, MaskFault>,
) -> Result<Vec<u8>, MaskFault> {
    // The first one is zero.
    let mut made = vec![0; offsets.len()];
    let mut length = 0;
    let ends = made.as_chunks_mut::<OFFSET_BYTES>().0.iter_mut().skip(1);
    for (row, ((from, to), end)) in numbers(offsets).zip(numbers(offsets).skip(1)).zip(ends).enumerate() {
        if there.is_none_or(|there| bits::is_set(there, row)) {
            length = show(from, to)?;
        }
        // Masks can make a text longer than it was.
        if length > BATCH_DECODED_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
        *end = u32::try_from(length).map_err(|_| MaskFault::Shape)?.to_le_bytes();
    }
    Ok(made)
}

fn fixed<const WIDTH: usize>(there: Option<&[u8]>, values: &[u8], one: impl Fn(&[u8; WIDTH]) -> [u8; WIDTH]) -> Held {
    let (chunks, _) = values.as_chunks::<WIDTH>();
    let is_there = |row: usize| there.is_none_or(|there| bits::is_set(there, row));
    let made = chunks.iter().enumerate().flat_map(|(row, value)| if is_there(row) { one(value) } else { [0; WIDTH] });
    Held::Fixed(Bytes::from_iter(made))
}

fn within(text: &str, rows: usize) -> Result<(), MaskFault> {
    if text.len() * rows > BATCH_DECODED_BYTES_MAX { Err(MaskFault::Shape) } else { Ok(()) }
}
