//! Rows read value by value, and written anew where something is masked: what is clear is copied as it stands, what is masked is not.

use super::super::arrow::{ARRAY_ROWS_MAX, BATCH_DECODED_BYTES_MAX};
use super::super::cells::{Way, add, scalar, way};
use super::super::group::{Group, Held};
use super::scan::{FLOAT_BYTES, Found, Scan};
use crate::cover::Part;
use crate::masker::MaskFault;
use crate::moment::{begin_of_year_of_datetime, begin_of_year_of_days, begin_of_year_of_microseconds};
use crate::schema::{Column, Columns};
use crate::value::{Always, Scalar, Values, always, default_of, default_text};
use crate::write::{Count, Writer};
use sluice_model::Type;
use sluice_policy::Mask;
use std::mem;

/// So many rows of that shape, and nothing behind them.
pub(in super::super) fn check(columns: &Columns, message: &[u8], rows: usize) -> Found<()> {
    let mut scan = Scan { bytes: message, at: 0 };
    (0..room_for(rows)?).try_for_each(|_| scan.record(columns))?;
    scan.end()
}

pub(in super::super) fn mask(columns: &Columns, writer: &Writer, message: &[u8], rows: usize, counts: &mut [Count]) -> Found<Vec<u8>> {
    let mut scan = Scan { bytes: message, at: 0 };
    let mut row = Row { out: Vec::with_capacity(message.len()), copied: 0, text: String::new(), values: &writer.values, counts };
    for _ in 0..room_for(rows)? {
        row.record(columns, &writer.cover.parts, &mut scan)?;
        // Masks can make a message longer than it was.
        if row.out.len() > BATCH_DECODED_BYTES_MAX {
            return Err(MaskFault::Shape);
        }
    }
    row.copy(&scan, scan.at)?;
    scan.end()?;
    Ok(row.out)
}

/// Rows behind those that are held already; `behind` looks at each.
pub(in super::super) fn regroup(
    columns: &Columns,
    writer: &Writer,
    group: &mut Group,
    (message, rows): (&[u8], usize),
    behind: &mut dyn FnMut(&mut Group) -> Found<()>,
) -> Found<()> {
    let mut scan = Scan { bytes: message, at: 0 };
    for _ in 0..room_for(rows)? {
        let (held, from) = (mem::take(&mut group.held), scan.at);
        let out = match held {
            Held::Avro(bytes) => bytes,
            _ => Vec::new(),
        };
        let before = out.len();
        let mut row = Row { out, copied: from, text: String::new(), values: &writer.values, counts: &mut group.counts };
        row.record(columns, &writer.cover.parts, &mut scan)?;
        row.copy(&scan, scan.at)?;
        group.bytes += row.out.len() - before;
        group.held = Held::Avro(row.out);
        group.rows += 1;
        behind(group)?;
    }
    scan.end()
}

fn room_for(rows: usize) -> Found<usize> {
    if rows > ARRAY_ROWS_MAX { Err(MaskFault::Shape) } else { Ok(rows) }
}

/// Rows on their way from the one message into the other.
struct Row<'a> {
    out: Vec<u8>,
    /// How far the message that is read has been copied.
    copied: usize,
    /// Room for a text that is being made.
    text: String,
    values: &'a Values,
    counts: &'a mut [Count],
}

impl Row<'_> {
    fn record(&mut self, columns: &Columns, parts: &[Part], scan: &mut Scan<'_>) -> Found<()> {
        if columns.0.len() != parts.len() {
            return Err(MaskFault::Shape);
        }
        columns.0.iter().zip(parts).try_for_each(|(column, part)| self.column(column, part, scan))
    }

    fn column(&mut self, column: &Column, part: &Part, scan: &mut Scan<'_>) -> Found<()> {
        match way(column, part) {
            Way::Clear => scan.column(column),
            Way::Inside(parts) => self.each(column, scan, |row, scan| row.inside(column, parts, scan)),
            Way::Each(mask, place) => self.each(column, scan, |row, scan| row.masked(column, mask, place, scan)),
            Way::Nothing(place) => {
                self.copy(scan, scan.at)?;
                let from = scan.at;
                let is_there = scan.is_there(column)?;
                scan.at = from;
                scan.column(column)?;
                self.copied = scan.at;
                self.nothing(column);
                add(self.counts, place, 1, usize::from(!is_there));
                Ok(())
            }
        }
    }

    /// The one value of a column, or each of many. The number of bytes that many take is not what it was.
    fn each<'s>(&mut self, column: &Column, scan: &mut Scan<'s>, mut one: impl FnMut(&mut Self, &mut Scan<'s>) -> Found<()>) -> Found<()> {
        if !column.repeated {
            return one(self, scan);
        }
        loop {
            self.copy(scan, scan.at)?;
            let block = scan.block()?;
            self.copied = scan.at;
            write_length(block.count, &mut self.out);
            (0..block.count).try_for_each(|_| one(self, scan))?;
            scan.behind(&block)?;
            if block.count == 0 {
                return Ok(());
            }
        }
    }

    fn inside(&mut self, column: &Column, parts: &[Part], scan: &mut Scan<'_>) -> Found<()> {
        match &column.fields {
            Some(fields) if scan.is_there(column)? => self.record(fields, parts, scan),
            Some(_) => Ok(()),
            None => Err(MaskFault::Shape),
        }
    }

    fn masked(&mut self, column: &Column, mask: &Mask, place: usize, scan: &mut Scan<'_>) -> Found<()> {
        self.copy(scan, scan.at)?;
        let is_there = scan.is_there(column)?;
        let from = scan.at;
        if is_there {
            scan.scalar(&column.kind)?;
        }
        let value = scan.bytes.get(from..scan.at).ok_or(MaskFault::Shape)?;
        self.copied = scan.at;
        add(self.counts, place, 1, usize::from(!is_there));
        match always(mask, scalar(column)) {
            Some(Always::Null) => self.write_null(column),
            Some(Always::Default) => self.write_default(column),
            Some(Always::Text(text)) => {
                self.begin(column);
                write_bytes(text.as_bytes(), &mut self.out);
            }
            None if is_there => self.shown(column, mask, value)?,
            None => self.write_null(column),
        }
        if self.out.len() > BATCH_DECODED_BYTES_MAX { Err(MaskFault::Shape) } else { Ok(()) }
    }

    /// Of a value that is there. What cannot be read as what it should be passes with nothing of it.
    fn shown(&mut self, column: &Column, mask: &Mask, value: &[u8]) -> Found<()> {
        let mut scan = Scan { bytes: value, at: 0 };
        match (&column.kind, mask) {
            (Type::String, _) => {
                let text = std::str::from_utf8(scan.text()?).map_err(|_| MaskFault::Shape)?;
                self.text.clear();
                if self.values.show_text(mask, text, &mut self.text) {
                    self.begin(column);
                    write_bytes(self.text.as_bytes(), &mut self.out);
                    return Ok(());
                }
            }
            (Type::Bytes, _) => {
                if let Some(hash) = self.values.hash(mask, scan.text()?) {
                    self.begin(column);
                    write_bytes(&hash, &mut self.out);
                    return Ok(());
                }
            }
            (Type::Date | Type::Timestamp, Mask::DateYear) => {
                let number = scan.number()?;
                let year = match column.kind {
                    Type::Date => i32::try_from(number).ok().and_then(begin_of_year_of_days).map(i64::from),
                    _ => begin_of_year_of_microseconds(number),
                };
                if let Some(number) = year {
                    self.begin(column);
                    write_number(number, &mut self.out);
                    return Ok(());
                }
            }
            (Type::Datetime, Mask::DateYear) => {
                let text = std::str::from_utf8(scan.text()?).map_err(|_| MaskFault::Shape)?;
                if let Some(text) = begin_of_year_of_datetime(text) {
                    self.begin(column);
                    write_bytes(text.as_bytes(), &mut self.out);
                    return Ok(());
                }
            }
            _ => {}
        }
        self.write_default(column);
        Ok(())
    }

    /// In place of a column: what BigQuery gives for nothing, and where it gives nothing NULL.
    fn nothing(&mut self, column: &Column) {
        match &column.fields {
            _ if column.repeated => self.out.push(0),
            Some(_) if column.may_be_null => self.write_null(column),
            Some(fields) => fields.0.iter().for_each(|field| self.nothing(field)),
            None => self.write_default(column),
        }
    }

    fn write_null(&mut self, column: &Column) {
        // An element of many is always there.
        if column.is_required() || column.repeated { self.write_least(&column.kind) } else { self.out.push(0) }
    }

    fn write_default(&mut self, column: &Column) {
        let Scalar { kind, may_be_null } = scalar(column);
        match default_of(Scalar { kind, may_be_null: may_be_null && !column.repeated }) {
            Always::Null => self.out.push(0),
            _ => {
                self.begin(column);
                self.write_least(kind);
            }
        }
    }

    fn begin(&mut self, column: &Column) {
        if !column.is_required() && !column.repeated {
            write_length(1, &mut self.out);
        }
    }

    fn write_least(&mut self, kind: &Type) {
        match kind {
            Type::Datetime | Type::Geography | Type::Json | Type::String => write_bytes(default_text(kind).as_bytes(), &mut self.out),
            // Zero is a number in two's complement, and takes a byte.
            Type::BigNumeric | Type::Numeric => write_bytes(&[0], &mut self.out),
            Type::Float64 => self.out.extend([0; FLOAT_BYTES]),
            Type::Interval => self.out.extend([0; 3]),
            Type::Range(_) => self.out.extend([0; 2]),
            _ => self.out.push(0),
        }
    }

    fn copy(&mut self, scan: &Scan<'_>, to: usize) -> Found<()> {
        self.out.extend_from_slice(scan.bytes.get(self.copied..to).ok_or(MaskFault::Shape)?);
        self.copied = to;
        Ok(())
    }
}

fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push((rest & 0x7f) as u8);
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    write_number(i64::try_from(length).unwrap_or(i64::MAX), out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}
