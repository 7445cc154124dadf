//! Columns as they lie in a body: read with every length, count and offset checked, and nothing taken along that no row holds.

use super::bits::{self, Pushed};
use crate::masker::MaskFault;
use crate::schema::{Column, Columns, Mode};
use bytes::Bytes;
use sluice_model::Type;
use std::ops::Range;
use std::sync::Arc;

/// Of one array. A batch of BigQuery has some ten thousand.
pub const ARRAY_ROWS_MAX: usize = 1 << 26;
pub(super) const OFFSET_BYTES: usize = 4;

pub(super) struct Array {
    pub(super) rows: usize,
    /// Where there is a value; nothing if everywhere.
    pub(super) validity: Option<Vec<u8>>,
    /// Which rows can be seen: those of which no record and no list around them is null. Nothing if all.
    pub(super) seen: Option<Arc<Vec<u8>>>,
    pub(super) held: Held,
}

/// Bytes are parts of the message that came: nobody copies them.
pub(super) enum Held {
    Bits(Vec<u8>),
    /// Values of one width, one behind the other.
    Fixed(Bytes),
    /// Where each value begins, and where the last one ends.
    Text {
        offsets: Bytes,
        bytes: Bytes,
    },
    Record(Vec<Array>),
    Many {
        offsets: Bytes,
        items: Box<Array>,
    },
}

/// Nothing if there are not so many.
pub(super) fn part(bytes: &Bytes, range: Range<usize>) -> Option<Bytes> {
    bytes.get(range.clone()).map(|_| bytes.slice(range))
}

/// The same distances, from another begin.
pub(super) fn moved(offsets: &[u8], by: i32) -> Vec<u8> {
    let mut moved = vec![0; offsets.len()];
    for (to, from) in moved.as_chunks_mut::<OFFSET_BYTES>().0.iter_mut().zip(offsets.as_chunks::<OFFSET_BYTES>().0) {
        *to = i32::from_le_bytes(*from).wrapping_add(by).to_le_bytes();
    }
    moved
}

/// How wide a value of the type is; nothing if that differs.
pub(super) fn width(kind: &Type) -> Option<usize> {
    match kind {
        Type::Date => Some(4),
        Type::Datetime | Type::Float64 | Type::Int64 | Type::Time | Type::Timestamp => Some(8),
        Type::Interval | Type::Numeric => Some(16),
        Type::BigNumeric => Some(32),
        _ => None,
    }
}

/// The two columns that a range is.
pub(super) fn ends(inner: &Type) -> [Column; 2] {
    ["start", "end"].map(|name| Column::new(name, inner.clone(), Mode::Nullable, None))
}

/// As numbers, one behind the other.
pub(super) fn numbers(offsets: &[u8]) -> impl Iterator<Item = usize> + '_ {
    offsets.as_chunks::<OFFSET_BYTES>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

/// All columns of a batch, and no array or buffer beside them.
pub(super) fn arrays(columns: &Columns, nodes: &[(usize, usize)], buffers: &[Bytes], rows: usize) -> Result<Vec<Array>, MaskFault> {
    let mut reader = Reader { nodes: nodes.iter(), buffers: buffers.iter() };
    let arrays = columns.0.iter().map(|column| reader.column(column, &Wanted { length: Some(rows), rows: 0..rows, seen: None }));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    if reader.nodes.next().is_some() || reader.buffers.next().is_some() { Err(MaskFault::Shape) } else { Ok(arrays) }
}

/// What of an array is wanted.
struct Wanted {
    /// That it has to have, where that is known.
    length: Option<usize>,
    rows: Range<usize>,
    seen: Option<Arc<Vec<u8>>>,
}

struct Reader<'a> {
    nodes: std::slice::Iter<'a, (usize, usize)>,
    buffers: std::slice::Iter<'a, Bytes>,
}

impl<'a> Reader<'a> {
    fn column(&mut self, column: &Column, wanted: &Wanted) -> Result<Array, MaskFault> {
        if !column.repeated {
            return self.element(column, wanted);
        }
        let (length, validity) = self.begin(wanted)?;
        // Many of something are none, and never null.
        if !is_all_there(wanted, validity.as_deref()) {
            return Err(MaskFault::Shape);
        }
        let (items, offsets) = self.offsets(length, &wanted.rows)?;
        let there = bits::both(wanted.seen.as_ref().map(|seen| seen.as_slice()), validity.as_deref());
        let seen = there.map(|there| Arc::new(spread(&there, &offsets)));
        let items = self.element(column, &Wanted { length: None, rows: items, seen })?;
        let held = Held::Many { offsets, items: Box::new(items) };
        Ok(Array { rows: wanted.rows.len(), validity, seen: wanted.seen.clone(), held })
    }

    fn element(&mut self, column: &Column, wanted: &Wanted) -> Result<Array, MaskFault> {
        let (length, validity) = self.begin(wanted)?;
        if column.is_required() && !is_all_there(wanted, validity.as_deref()) {
            return Err(MaskFault::Shape);
        }
        let held = match (&column.fields, &column.kind) {
            (Some(fields), _) => self.record(&fields.0, length, wanted, validity.as_deref())?,
            (None, Type::Range(inner)) => self.record(&ends(inner), length, wanted, validity.as_deref())?,
            (None, kind) => self.scalar(kind, length, &wanted.rows)?,
        };
        Ok(Array { rows: wanted.rows.len(), validity, seen: wanted.seen.clone(), held })
    }

    fn record(&mut self, fields: &[Column], length: usize, wanted: &Wanted, validity: Option<&[u8]>) -> Result<Held, MaskFault> {
        let seen = match validity {
            Some(_) => bits::both(wanted.seen.as_ref().map(|seen| seen.as_slice()), validity).map(Arc::new),
            None => wanted.seen.clone(),
        };
        let inside = Wanted { length: Some(length), rows: wanted.rows.clone(), seen };
        Ok(Held::Record(fields.iter().map(|field| self.column(field, &inside)).collect::<Result<_, _>>()?))
    }

    fn scalar(&mut self, kind: &Type, length: usize, rows: &Range<usize>) -> Result<Held, MaskFault> {
        if *kind == Type::Bool {
            let values = self.buffer()?;
            return bits::window(values, rows).map(Held::Bits).filter(|_| values.len() >= bits::bytes_for(length)).ok_or(MaskFault::Shape);
        }
        if let Some(width) = width(kind) {
            let values = part(self.buffer()?, rows.start * width..rows.end * width);
            return values.map(Held::Fixed).ok_or(MaskFault::Shape);
        }
        if !matches!(kind, Type::Bytes | Type::Geography | Type::Json | Type::String) {
            return Err(MaskFault::Shape);
        }
        let (window, offsets) = self.offsets(length, rows)?;
        let bytes = part(self.buffer()?, window).ok_or(MaskFault::Shape)?;
        Ok(Held::Text { offsets, bytes })
    }

    fn buffer(&mut self) -> Result<&'a Bytes, MaskFault> {
        self.buffers.next().ok_or(MaskFault::Shape)
    }

    /// How many rows an array has, and where there are values in those that are wanted.
    fn begin(&mut self, wanted: &Wanted) -> Result<(usize, Option<Vec<u8>>), MaskFault> {
        let (length, nulls) = *self.nodes.next().ok_or(MaskFault::Shape)?;
        let is_right = wanted.length.is_none_or(|expected| length == expected) && wanted.rows.end <= length && length <= ARRAY_ROWS_MAX;
        let validity = self.buffer()?;
        if !is_right || (validity.is_empty() && nulls > 0) {
            return Err(MaskFault::Shape);
        }
        // An empty one says that there are values everywhere.
        if validity.is_empty() {
            return Ok((length, None));
        }
        let all = bits::window(validity, &(0..length)).ok_or(MaskFault::Shape)?;
        if length - bits::count(&all) != nulls {
            return Err(MaskFault::Shape);
        }
        if nulls == 0 {
            return Ok((length, None));
        }
        let is_whole = wanted.rows == (0..length);
        let there = if is_whole { Some(all) } else { bits::window(&all, &wanted.rows) };
        there.map(|there| (length, Some(there))).ok_or(MaskFault::Shape)
    }

    /// What the rows that are wanted hold of what the offsets lead to, and the offsets into that alone.
    fn offsets(&mut self, length: usize, rows: &Range<usize>) -> Result<(Range<usize>, Bytes), MaskFault> {
        let offsets = self.buffer()?;
        if length == 0 || rows.is_empty() {
            return Ok((0..0, Bytes::from_static(&[0; OFFSET_BYTES])));
        }
        let wanted = part(offsets, rows.start * OFFSET_BYTES..(rows.end + 1) * OFFSET_BYTES).ok_or(MaskFault::Shape)?;
        let (chunks, _) = wanted.as_chunks::<OFFSET_BYTES>();
        let (first, last) = chunks.first().zip(chunks.last()).ok_or(MaskFault::Shape)?;
        let (first, last) = (i32::from_le_bytes(*first), i32::from_le_bytes(*last));
        let pairs = chunks.iter().zip(chunks.iter().skip(1));
        let is_rising = pairs.fold(first >= 0, |rising, (one, next)| rising & (i32::from_le_bytes(*one) <= i32::from_le_bytes(*next)));
        if !is_rising || offsets.len() < (length + 1) * OFFSET_BYTES {
            return Err(MaskFault::Shape);
        }
        let number = |offset: i32| usize::try_from(offset).map_err(|_| MaskFault::Shape);
        let window = number(first)?..number(last)?;
        if first == 0 {
            return Ok((window, wanted));
        }
        Ok((window, Bytes::from(moved(&wanted, first.wrapping_neg()))))
    }
}

fn is_all_there(wanted: &Wanted, validity: Option<&[u8]>) -> bool {
    let seen = wanted.seen.as_ref().map(|seen| seen.as_slice());
    validity.is_none_or(|validity| bits::covers(seen, validity, wanted.rows.len()))
}

/// From lists to what is in them.
fn spread(lists: &[u8], offsets: &[u8]) -> Vec<u8> {
    let mut items = Pushed::default();
    for (row, (from, to)) in numbers(offsets).zip(numbers(offsets).skip(1)).enumerate() {
        let is_set = bits::is_set(lists, row);
        (from..to).for_each(|_| items.push(is_set));
    }
    items.bits
}
