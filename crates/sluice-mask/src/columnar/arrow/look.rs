//! Values of a batch, for whoever looks for what nobody labelled.

use super::array::{Array, Held, numbers};
use super::{bits, body, message};
use crate::columnar::values::{date, date_of_microseconds, whole_number};
use crate::detect::{Look, SAMPLE_ROWS_MAX, Seen};
use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use bytes::Bytes;
use sluice_model::Type;

pub(crate) fn look(columns: &Columns, looks: &[Look], message: &Bytes, rows: usize, see: &mut Seen<'_>) -> Result<(), MaskFault> {
    let message = message::Batch::read(message, rows)?;
    let buffers = body::buffers(&message)?;
    let arrays = super::array::arrays(columns, &message.nodes, &buffers, rows)?;
    columns_of(columns, looks, &arrays, see);
    Ok(())
}

fn columns_of(columns: &Columns, looks: &[Look], arrays: &[Array], see: &mut Seen<'_>) {
    for ((column, look), array) in columns.0.iter().zip(looks).zip(arrays) {
        let array = match &array.held {
            Held::Many { items, .. } if column.repeated => items,
            _ => array,
        };
        match (look, &column.fields, &array.held) {
            (Look::At(place), _, _) => values(column, *place, array, see),
            (Look::Inside(looks), Some(fields), Held::Record(arrays)) => columns_of(fields, looks, arrays, see),
            _ => {}
        }
    }
}

fn values(column: &Column, place: usize, array: &Array, see: &mut Seen<'_>) {
    let there = bits::both(array.seen.as_ref().map(|seen| seen.as_slice()), array.validity.as_deref());
    let rows = (0..array.rows).filter(|row| there.as_deref().is_none_or(|there| bits::is_set(there, *row))).take(SAMPLE_ROWS_MAX);
    match (&array.held, &column.kind) {
        (Held::Text { offsets, bytes }, Type::Json | Type::String) => {
            let ends: Vec<(usize, usize)> = numbers(offsets).zip(numbers(offsets).skip(1)).collect();
            let texts = rows.filter_map(|row| std::str::from_utf8(bytes.get(ends.get(row)?.0..ends.get(row)?.1)?).ok());
            texts.for_each(|text| see(place, text));
        }
        (Held::Fixed(values), kind) => {
            let texts = rows.filter_map(|row| fixed(kind, values, row));
            texts.for_each(|text| see(place, &text));
        }
        _ => {}
    }
}

fn fixed(kind: &Type, values: &[u8], row: usize) -> Option<String> {
    match kind {
        Type::Date => date(i64::from(i32::from_le_bytes(*values.as_chunks::<4>().0.get(row)?))),
        Type::Datetime => date_of_microseconds(i64::from_le_bytes(*values.as_chunks::<8>().0.get(row)?)),
        Type::Int64 => Some(i64::from_le_bytes(*values.as_chunks::<8>().0.get(row)?).to_string()),
        Type::Numeric => whole_number(i128::from_le_bytes(*values.as_chunks::<16>().0.get(row)?)),
        _ => None,
    }
}
