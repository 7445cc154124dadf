//! Columns of one message or of several, one behind the other, before they are written. Values stay where they lie: parts of messages that came, and what masks made.

use super::array::{Array, Held, OFFSET_BYTES, moved, part};
use super::bits;
use crate::masker::MaskFault;
use bytes::{Bytes, BytesMut};

/// Rows of one column.
pub(super) struct Gathered {
    pub(super) rows: usize,
    /// Where there is a value; nothing if everywhere.
    pub(super) validity: Option<Vec<u8>>,
    pub(super) kept: Kept,
}

pub(super) enum Kept {
    Bits(Vec<u8>),
    Fixed(Rope),
    Text { offsets: Rope, bytes: Rope },
    Record(Vec<Gathered>),
    Many { offsets: Rope, items: Box<Gathered> },
}

/// Bytes in parts, one behind the other.
#[derive(Default)]
pub(super) struct Rope {
    pub(super) parts: Vec<Bytes>,
    pub(super) bytes: usize,
}

impl Rope {
    pub(super) fn of(part: impl Into<Bytes>) -> Rope {
        let mut rope = Rope::default();
        rope.push(part.into());
        rope
    }

    pub(super) fn push(&mut self, part: Bytes) {
        self.bytes += part.len();
        if !part.is_empty() {
            self.parts.push(part);
        }
    }

    /// Copied where there are several.
    pub(super) fn joined(self) -> Bytes {
        match <[Bytes; 1]>::try_from(self.parts) {
            Ok([part]) => part,
            Err(parts) => {
                let mut joined = BytesMut::with_capacity(self.bytes);
                parts.iter().for_each(|part| joined.extend_from_slice(part));
                joined.freeze()
            }
        }
    }
}

impl Gathered {
    /// What was hidden by what is around it has been masked by now.
    pub(super) fn of(array: Array) -> Gathered {
        let kept = match array.held {
            Held::Bits(values) => Kept::Bits(values),
            Held::Fixed(values) => Kept::Fixed(Rope::of(values)),
            Held::Text { offsets, bytes } => Kept::Text { offsets: Rope::of(offsets), bytes: Rope::of(bytes) },
            Held::Record(fields) => Kept::Record(fields.into_iter().map(Gathered::of).collect()),
            Held::Many { offsets, items } => Kept::Many { offsets: Rope::of(offsets), items: Box::new(Gathered::of(*items)) },
        };
        Gathered { rows: array.rows, validity: array.validity, kept }
    }

    /// More rows of the same column.
    pub(super) fn append(&mut self, more: Array) -> Result<(), MaskFault> {
        let rows = self.rows;
        if self.validity.is_some() || more.validity.is_some() {
            let validity = self.validity.get_or_insert_with(|| bits::all(rows));
            match &more.validity {
                Some(there) => bits::append(validity, rows, there, more.rows),
                None => bits::append(validity, rows, &bits::all(more.rows), more.rows),
            }
        }
        match (&mut self.kept, more.held) {
            (Kept::Bits(values), Held::Bits(more_values)) => bits::append(values, rows, &more_values, more.rows),
            (Kept::Fixed(values), Held::Fixed(more)) => values.push(more),
            (Kept::Text { offsets, bytes }, Held::Text { offsets: more_offsets, bytes: more }) => {
                append_offsets(offsets, &more_offsets, bytes.bytes)?;
                bytes.push(more);
            }
            (Kept::Record(fields), Held::Record(more)) if fields.len() == more.len() => {
                fields.iter_mut().zip(more).try_for_each(|(field, more)| field.append(more))?;
            }
            (Kept::Many { offsets, items }, Held::Many { offsets: more_offsets, items: more }) => {
                append_offsets(offsets, &more_offsets, items.rows)?;
                items.append(*more)?;
            }
            _ => return Err(MaskFault::Shape),
        }
        self.rows += more.rows;
        Ok(())
    }
}

/// The first of them says where the first value begins, which is where the last one ends. They rise, so the last one is the largest.
fn append_offsets(offsets: &mut Rope, more: &Bytes, by: usize) -> Result<(), MaskFault> {
    let last = more.last_chunk::<OFFSET_BYTES>().map(|bytes| u32::from_le_bytes(*bytes)).ok_or(MaskFault::Shape)?;
    let by = i32::try_from(by).map_err(|_| MaskFault::Shape)?;
    i32::try_from(last).ok().and_then(|last| last.checked_add(by)).ok_or(MaskFault::Shape)?;
    let behind_first = part(more, OFFSET_BYTES..more.len()).ok_or(MaskFault::Shape)?;
    offsets.push(if by == 0 { behind_first } else { Bytes::from(moved(&behind_first, by)) });
    Ok(())
}
