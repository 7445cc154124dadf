//! Arrays of which every row holds the same: nothing, or the default of its type.

use super::super::cells::scalar;
use super::array::{Array, Held, OFFSET_BYTES, ends, width};
use super::bits;
use crate::schema::Column;
use crate::value::{Always, default_of, default_text};
use bytes::Bytes;
use sluice_model::Type;

/// In place of a column: what BigQuery gives for nothing, and where it gives nothing NULL.
pub(super) fn nothing(column: &Column, rows: usize) -> Array {
    if column.repeated {
        let offsets = Bytes::from(vec![0; (rows + 1) * OFFSET_BYTES]);
        return array(rows, None, Held::Many { offsets, items: Box::new(empty(column)) });
    }
    match &column.fields {
        Some(_) if column.may_be_null => null(column, rows),
        Some(fields) => array(rows, None, Held::Record(fields.0.iter().map(|field| nothing(field, rows)).collect())),
        None => default(column, rows),
    }
}

/// NULL in each row.
pub(super) fn null(column: &Column, rows: usize) -> Array {
    let held = match &column.fields {
        Some(fields) => Held::Record(fields.0.iter().map(|field| nothing(field, rows)).collect()),
        None => least(&column.kind, rows, ""),
    };
    array(rows, Some(bits::none(rows)), held)
}

pub(super) fn default(column: &Column, rows: usize) -> Array {
    match default_of(scalar(column)) {
        Always::Null => null(column, rows),
        _ => array(rows, None, least(&column.kind, rows, default_text(&column.kind))),
    }
}

/// The same text in each row.
pub(super) fn text(text: &str, rows: usize) -> Array {
    array(rows, None, texts(text, rows))
}

/// Zero, or a text where the type is one.
pub(super) fn least(kind: &Type, rows: usize, text: &str) -> Held {
    match (kind, width(kind)) {
        (_, Some(width)) => Held::Fixed(Bytes::from(vec![0; rows * width])),
        (Type::Bool, _) => Held::Bits(bits::none(rows)),
        (Type::Range(inner), _) => Held::Record(ends(inner).iter().map(|end| null(end, rows)).collect()),
        _ => texts(text, rows),
    }
}

fn empty(column: &Column) -> Array {
    let held = match &column.fields {
        Some(fields) => Held::Record(fields.0.iter().map(|field| nothing(field, 0)).collect()),
        None => least(&column.kind, 0, ""),
    };
    array(0, None, held)
}

fn texts(text: &str, rows: usize) -> Held {
    let offsets = (0..=rows).flat_map(|row| u32::try_from(row * text.len()).unwrap_or(u32::MAX).to_le_bytes());
    Held::Text { offsets: Bytes::from_iter(offsets), bytes: Bytes::from(text.as_bytes().repeat(rows)) }
}

fn array(rows: usize, validity: Option<Vec<u8>>, held: Held) -> Array {
    Array { rows, validity, seen: None, held }
}
