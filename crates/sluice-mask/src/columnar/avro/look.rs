//! Values of rows, for whoever looks for what nobody labelled. The rows can be cut off: what is whole is looked at.

use super::scan::{Found, Scan};
use crate::columnar::values::{date, whole_number};
use crate::detect::{Look, Seen};
use crate::masker::MaskFault;
use crate::schema::{Column, Columns};
use sluice_model::Type;

/// Of two's complement, highest first.
const NUMERIC_BYTES_MAX: usize = 16;

pub(crate) fn look(columns: &Columns, looks: &[Look], message: &[u8], rows: usize, see: &mut Seen<'_>) -> Found<()> {
    let mut scan = Scan { bytes: message, at: 0 };
    (0..rows).try_for_each(|_| record(columns, looks, &mut scan, see))
}

fn record(columns: &Columns, looks: &[Look], scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Found<()> {
    columns.0.iter().zip(looks).try_for_each(|(column, look)| match look {
        Look::Skip => scan.column(column),
        look => values(column, look, scan, see),
    })
}

fn values(column: &Column, look: &Look, scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Found<()> {
    if !column.repeated {
        return if scan.is_there(column)? { value(column, look, scan, see) } else { Ok(()) };
    }
    loop {
        let block = scan.block()?;
        (0..block.count).try_for_each(|_| value(column, look, scan, see))?;
        scan.behind(&block)?;
        if block.count == 0 {
            return Ok(());
        }
    }
}

fn value(column: &Column, look: &Look, scan: &mut Scan<'_>, see: &mut Seen<'_>) -> Found<()> {
    let place = match (look, &column.fields) {
        (Look::Inside(looks), Some(fields)) => return record(fields, looks, scan, see),
        (Look::At(place), None) => *place,
        _ => return Err(MaskFault::Shape),
    };
    let from = scan.at;
    scan.scalar(&column.kind)?;
    let mut again = Scan { bytes: scan.bytes.get(..scan.at).unwrap_or_default(), at: from };
    match column.kind {
        Type::Datetime | Type::Json | Type::String => drop(std::str::from_utf8(again.text()?).map(|text| see(place, text))),
        Type::Date => drop(date(again.number()?).map(|text| see(place, &text))),
        Type::Int64 => see(place, &again.number()?.to_string()),
        Type::Numeric => drop(number(again.text()?).and_then(whole_number).map(|text| see(place, &text))),
        _ => {}
    }
    Ok(())
}

fn number(bytes: &[u8]) -> Option<i128> {
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let begin = if is_negative { -1 } else { 0 };
    (bytes.len() <= NUMERIC_BYTES_MAX).then(|| bytes.iter().fold(begin, |number: i128, byte| number.wrapping_shl(8) | i128::from(*byte)))
}
