//! Columns as they lie in a body: read with every length, count and offset checked, and nothing taken along that no row holds.

use super::bits::{self, Pushed};
use crate::masker::MaskFault;
use crate::schema::{Column, Columns, Mode};
use sluice_model::Type;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Of one array. A batch of BigQuery has some ten thousand.
pub const ARRAY_ROWS_MAX: usize = 1 << 26;
pub(super) const OFFSET_BYTES: usize = 4;

pub(super) struct Array<'a> {
    pub(super) rows: usize,
    /// Where there is a value; nothing if everywhere.
    pub(super) validity: Option<Vec<u8>>,
    /// Which rows can be seen: those of which no record and no list around them is null. Nothing if all.
    pub(super) seen: Option<Arc<Vec<u8>>>,
    pub(super) held: Held<'a>,
}

pub(super) enum Held<'a> {
    Bits(Vec<u8>),
    /// Values of one width, one behind the other.
    Fixed(Cow<'a, [u8]>),
    /// Where each value begins, and where the last one ends.
    Text {
        offsets: Cow<'a, [u8]>,
        bytes: Cow<'a, [u8]>,
    },
    Record(Vec<Array<'a>>),
    Many {
        offsets: Cow<'a, [u8]>,
        items: Box<Array<'a>>,
    },
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
pub(super) fn arrays<'a>(
    columns: &Columns,
    nodes: &[(usize, usize)],
    buffers: &'a [Cow<'_, [u8]>],
    rows: usize,
) -> Result<Vec<Array<'a>>, MaskFault> {
    let mut reader = Reader { nodes: nodes.iter(), buffers: buffers.iter() };
    let arrays = columns.0.iter().map(|column| reader.column(column, &Part { length: Some(rows), rows: 0..rows, seen: None }));
    let arrays = arrays.collect::<Result<Vec<_>, _>>()?;
    if reader.nodes.next().is_some() || reader.buffers.next().is_some() { Err(MaskFault::Shape) } else { Ok(arrays) }
}

/// What of an array is wanted.
struct Part {
    /// That it has to have, where that is known.
    length: Option<usize>,
    rows: Range<usize>,
    seen: Option<Arc<Vec<u8>>>,
}

struct Reader<'n, 'a, 'b> {
    nodes: std::slice::Iter<'n, (usize, usize)>,
    buffers: std::slice::Iter<'a, Cow<'b, [u8]>>,
}

impl<'a> Reader<'_, 'a, '_> {
    fn column(&mut self, column: &Column, part: &Part) -> Result<Array<'a>, MaskFault> {
        if !column.repeated {
            return self.element(column, part);
        }
        let (length, validity) = self.begin(part)?;
        // Many of something are none, and never null.
        if !is_all_there(part, validity.as_deref()) {
            return Err(MaskFault::Shape);
        }
        let (items, offsets) = self.offsets(length, &part.rows)?;
        let there = bits::both(part.seen.as_ref().map(|seen| seen.as_slice()), validity.as_deref());
        let seen = there.map(|there| Arc::new(spread(&there, &offsets)));
        let items = self.element(column, &Part { length: None, rows: items, seen })?;
        let held = Held::Many { offsets, items: Box::new(items) };
        Ok(Array { rows: part.rows.len(), validity, seen: part.seen.clone(), held })
    }

    fn element(&mut self, column: &Column, part: &Part) -> Result<Array<'a>, MaskFault> {
        let (length, validity) = self.begin(part)?;
        if column.is_required() && !is_all_there(part, validity.as_deref()) {
            return Err(MaskFault::Shape);
        }
        let held = match (&column.fields, &column.kind) {
            (Some(fields), _) => self.record(&fields.0, length, part, validity.as_deref())?,
            (None, Type::Range(inner)) => self.record(&ends(inner), length, part, validity.as_deref())?,
            (None, kind) => self.scalar(kind, length, &part.rows)?,
        };
        Ok(Array { rows: part.rows.len(), validity, seen: part.seen.clone(), held })
    }

    fn record(&mut self, fields: &[Column], length: usize, part: &Part, validity: Option<&[u8]>) -> Result<Held<'a>, MaskFault> {
        let seen = match validity {
            Some(_) => bits::both(part.seen.as_ref().map(|seen| seen.as_slice()), validity).map(Arc::new),
            None => part.seen.clone(),
        };
        let inside = Part { length: Some(length), rows: part.rows.clone(), seen };
        Ok(Held::Record(fields.iter().map(|field| self.column(field, &inside)).collect::<Result<_, _>>()?))
    }

    fn scalar(&mut self, kind: &Type, length: usize, rows: &Range<usize>) -> Result<Held<'a>, MaskFault> {
        if *kind == Type::Bool {
            let values = self.buffer()?;
            return bits::window(values, rows).map(Held::Bits).filter(|_| values.len() >= bits::bytes_for(length)).ok_or(MaskFault::Shape);
        }
        if let Some(width) = width(kind) {
            let values = self.buffer()?.get(rows.start * width..rows.end * width);
            return values.map(|values| Held::Fixed(Cow::Borrowed(values))).ok_or(MaskFault::Shape);
        }
        if !matches!(kind, Type::Bytes | Type::Geography | Type::Json | Type::String) {
            return Err(MaskFault::Shape);
        }
        let (window, offsets) = self.offsets(length, rows)?;
        let bytes = self.buffer()?.get(window).ok_or(MaskFault::Shape)?;
        Ok(Held::Text { offsets, bytes: Cow::Borrowed(bytes) })
    }

    fn buffer(&mut self) -> Result<&'a [u8], MaskFault> {
        self.buffers.next().map(|buffer| buffer.as_ref()).ok_or(MaskFault::Shape)
    }

    /// How many rows an array has, and where there are values in those that are wanted.
    fn begin(&mut self, part: &Part) -> Result<(usize, Option<Vec<u8>>), MaskFault> {
        let (length, nulls) = *self.nodes.next().ok_or(MaskFault::Shape)?;
        let is_right = part.length.is_none_or(|expected| length == expected) && part.rows.end <= length && length <= ARRAY_ROWS_MAX;
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
        let is_whole = part.rows == (0..length);
        let there = if is_whole { Some(all) } else { bits::window(&all, &part.rows) };
        there.map(|there| (length, Some(there))).ok_or(MaskFault::Shape)
    }

    /// What the rows that are wanted hold of what the offsets lead to, and the offsets into that alone.
    fn offsets(&mut self, length: usize, rows: &Range<usize>) -> Result<(Range<usize>, Cow<'a, [u8]>), MaskFault> {
        let offsets = self.buffer()?;
        if length == 0 || rows.is_empty() {
            return Ok((0..0, Cow::Borrowed(&[0; OFFSET_BYTES])));
        }
        let wanted = offsets.get(rows.start * OFFSET_BYTES..(rows.end + 1) * OFFSET_BYTES).ok_or(MaskFault::Shape)?;
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
            return Ok((window, Cow::Borrowed(wanted)));
        }
        let moved = chunks.iter().flat_map(|bytes| i32::from_le_bytes(*bytes).wrapping_sub(first).to_le_bytes());
        Ok((window, Cow::Owned(moved.collect())))
    }
}

fn is_all_there(part: &Part, validity: Option<&[u8]>) -> bool {
    let seen = part.seen.as_ref().map(|seen| seen.as_slice());
    validity.is_none_or(|validity| bits::covers(seen, validity, part.rows.len()))
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
