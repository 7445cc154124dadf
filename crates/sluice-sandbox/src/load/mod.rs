//! Files into rows: CSV and lines of JSON, read as BigQuery's load jobs read them.

mod cells;
mod csv;
mod detect;
mod json_lines;
mod sink;

pub use sink::{Failure, LOAD_CELLS_MAX, LOAD_ROWS_MAX, NOTES_MAX};

use crate::gzip;
use crate::problem::Problem;
use crate::store::Row;
use crate::values::Column;
use sink::Sink;
use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

/// Of one file, unpacked.
pub const FILE_BYTES_MAX: usize = 256 * 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Types are found out by so many rows.
pub const DETECTED_ROWS_MAX: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Csv(CsvOptions),
    JsonLines,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Nothing where the client does not say: with found types a first row of names is found too then.
    pub skipped_rows: Option<u64>,
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub quoted_newlines: bool,
    pub jagged_rows: bool,
    pub null_markers: Vec<String>,
}

/// How a file is read, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    pub format: FileFormat,
    /// More values than columns, fields that no column has: left out.
    pub ignore_unknown: bool,
    pub bad_records_max: u64,
}

/// What was read.
#[derive(Debug)]
pub struct File {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    pub bad_records: u64,
    /// The bad records, as far as they are listed.
    pub notes: Vec<Problem>,
}

/// The columns that a file is read with.
#[derive(Clone, Copy, Debug)]
pub enum Schema<'a> {
    /// Found out; where columns are given only a row of names is.
    Detected(Option<&'a [Column]>),
    Given(&'a [Column]),
}

/// A file that is packed is known by its first bytes.
pub fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Problem> {
    let mut file = Cow::Borrowed(bytes);
    if bytes.starts_with(&gzip::MAGIC) {
        let failed = |error| Problem::invalid(format!("Error while reading data, error message: {error}"));
        file = Cow::Owned(gzip::unpacked(bytes, FILE_BYTES_MAX).map_err(failed)?);
    }
    Ok(match file.starts_with(BYTE_ORDER_MARK) {
        true => Cow::Owned(file.split_at(BYTE_ORDER_MARK.len()).1.to_vec()),
        false => file,
    })
}

pub fn read(bytes: &[u8], options: &ReadOptions, schema: Schema<'_>, cancelled: &AtomicBool) -> Result<File, Failure> {
    let (columns, skipped) = planned(bytes, options, schema).map_err(Failure::of)?;
    if columns.is_empty() {
        return Err(Failure::of(Problem::invalid("Schema has no fields.")));
    }
    let mut sink = Sink::new(options, cancelled);
    match &options.format {
        FileFormat::Csv(csv) => csv::read(bytes, csv, &columns, skipped, options.ignore_unknown, &mut sink)?,
        FileFormat::JsonLines => json_lines::read(bytes, &columns, options.ignore_unknown, &mut sink)?,
    }
    Ok(File { columns, rows: sink.rows, bad_records: sink.bad_records, notes: sink.notes })
}

/// The columns, and how many rows of CSV stand before the first one with data.
fn planned(bytes: &[u8], options: &ReadOptions, schema: Schema<'_>) -> Result<(Vec<Column>, u64), Problem> {
    match (&options.format, schema) {
        (FileFormat::Csv(csv), Schema::Given(columns)) => Ok((columns.to_vec(), csv.skipped_rows.unwrap_or(0))),
        (FileFormat::JsonLines, Schema::Given(columns) | Schema::Detected(Some(columns))) => Ok((columns.to_vec(), 0)),
        (FileFormat::Csv(csv), Schema::Detected(known)) => {
            let detected = detect::csv(bytes, csv);
            Ok((known.map_or(detected.columns, <[Column]>::to_vec), detected.skipped_rows))
        }
        (FileFormat::JsonLines, Schema::Detected(None)) => Ok((detect::json_lines(bytes)?, 0)),
    }
}

#[cfg(test)]
mod tests;
