//! CSV: fields between delimiters, quotes doubled inside of quotes, a record on each line.

use super::cells;
use super::sink::{Failure, Sink};
use super::{CsvOptions, FileFormat};
use crate::problem::Problem;
use crate::store::Row;
use crate::values::{Column, ColumnMode, Datum, Scalar};

const BAD_CHARACTER: &str = "Bad character (ASCII 0) encountered.";
const DATA_BEHIND_QUOTE: &str = "Data between close quote character and field separator.";
const NO_CLOSE_QUOTE: &str = "Missing close quote character.";

/// One record as it stands in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Counted from one.
    pub line: u64,
    pub start_bytes: usize,
    pub fields: Vec<Field>,
    pub broken: Option<&'static str>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Field {
    pub text: String,
    pub quoted: bool,
}

pub struct Records<'a> {
    bytes: &'a [u8],
    options: &'a CsvOptions,
    position: usize,
    line: u64,
}

enum End {
    Delimiter,
    Line,
}

pub fn read(
    bytes: &[u8],
    options: &CsvOptions,
    columns: &[Column],
    skipped: u64,
    ignore_unknown: bool,
    sink: &mut Sink<'_>,
) -> Result<(), Failure> {
    check_flat(columns).map_err(Failure::of)?;
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    for record in Records::new(bytes, options).skip(skipped).filter(|record| !record.is_blank()) {
        sink.take(row(&record, options, columns, ignore_unknown))?;
    }
    Ok(())
}

impl<'a> Records<'a> {
    pub fn new(bytes: &'a [u8], options: &'a CsvOptions) -> Records<'a> {
        Records { bytes, options, position: 0, line: 1 }
    }

    fn field(&mut self) -> (Field, End, Option<&'static str>) {
        let quote = self.options.quote;
        if quote.is_some() && self.peek() == quote {
            self.position += 1;
            return self.quoted_field();
        }
        let mut text = Vec::new();
        let end = self.plain(&mut text);
        let (field, broken) = Field::of(&text, false);
        (field, end, broken)
    }

    /// Up to the next delimiter or the end of the line.
    fn plain(&mut self, text: &mut Vec<u8>) -> End {
        while let Some(byte) = self.take() {
            match byte {
                byte if byte == self.options.delimiter => return End::Delimiter,
                b'\n' | b'\r' => {
                    self.end_line(byte);
                    return End::Line;
                }
                byte => text.push(byte),
            }
        }
        End::Line
    }

    /// Behind the opening quote.
    fn quoted_field(&mut self) -> (Field, End, Option<&'static str>) {
        let mut text = Vec::new();
        let quote = self.options.quote;
        loop {
            match self.take() {
                None => return (Field::of(&text, true).0, End::Line, Some(NO_CLOSE_QUOTE)),
                byte if byte == quote && self.peek() == quote => {
                    text.extend(byte);
                    self.position += 1;
                }
                byte if byte == quote => {
                    let mut behind = Vec::new();
                    let end = self.plain(&mut behind);
                    let (field, broken) = Field::of(&text, true);
                    return (field, end, broken.or((!behind.is_empty()).then_some(DATA_BEHIND_QUOTE)));
                }
                Some(byte @ (b'\n' | b'\r')) => {
                    let start = self.position - 1;
                    self.end_line(byte);
                    if !self.options.quoted_newlines {
                        return (Field::of(&text, true).0, End::Line, Some(NO_CLOSE_QUOTE));
                    }
                    text.extend(self.bytes.get(start..self.position).unwrap_or_default());
                }
                Some(byte) => text.push(byte),
            }
        }
    }

    /// Lines end with a line feed, a carriage return, or both.
    fn end_line(&mut self, byte: u8) {
        if byte == b'\r' && self.peek() == Some(b'\n') {
            self.position += 1;
        }
        self.line += 1;
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        self.peek()?;
        let mut record = Record { line: self.line, start_bytes: self.position, ..Record::default() };
        loop {
            let (field, end, broken) = self.field();
            record.fields.push(field);
            record.broken = record.broken.or(broken);
            if let End::Line = end {
                return Some(record);
            }
        }
    }
}

impl Record {
    /// An empty line is no record.
    pub fn is_blank(&self) -> bool {
        matches!(self.fields.as_slice(), [only] if only.text.is_empty() && !only.quoted)
    }
}

impl Field {
    /// What is not UTF-8 is replaced, as BigQuery does.
    fn of(bytes: &[u8], quoted: bool) -> (Field, Option<&'static str>) {
        let broken = bytes.contains(&0).then_some(BAD_CHARACTER);
        (Field { text: String::from_utf8_lossy(bytes).into_owned(), quoted }, broken)
    }
}

impl Default for CsvOptions {
    fn default() -> CsvOptions {
        CsvOptions {
            skipped_rows: None,
            delimiter: b',',
            quote: Some(b'"'),
            quoted_newlines: false,
            jagged_rows: false,
            null_markers: vec![String::new()],
        }
    }
}

impl Default for FileFormat {
    fn default() -> FileFormat {
        FileFormat::Csv(CsvOptions::default())
    }
}

fn check_flat(columns: &[Column]) -> Result<(), Problem> {
    for column in columns {
        if column.mode == ColumnMode::Repeated {
            return Err(Problem::invalid(format!("Cannot load CSV data with a repeated field. Field: {}", column.name)));
        }
        if column.kind == Scalar::Record {
            return Err(Problem::invalid(format!("Cannot load CSV data with a nested schema. Field: {}", column.name)));
        }
    }
    Ok(())
}

fn row(record: &Record, options: &CsvOptions, columns: &[Column], ignore_unknown: bool) -> Result<Row, String> {
    let Record { line, start_bytes, fields, broken } = record;
    let place = format!("line_number: {line} byte_offset_to_start_of_line: {start_bytes}");
    let of_column = |index: usize, column: &Column| {
        format!("{place} column_index: {index} column_name: \"{}\" column_type: {}", column.name, column.full_type())
    };
    if let Some(broken) = broken {
        return Err(format!("{broken}; {place}"));
    }
    if fields.len() > columns.len() && !ignore_unknown {
        return Err(format!("Too many values in line. Found {} column(s) while expected {}.; {place}", fields.len(), columns.len()));
    }
    let cell = |(index, column): (usize, &Column)| {
        let cell = match fields.get(index) {
            Some(field) => cells::of_text(column, field, &options.null_markers)
                .map_err(|message| format!("{message}; {} value: \"{}\"", of_column(index, column), field.text))?,
            None if options.jagged_rows => Datum::Null,
            None => {
                let message = format!("CSV table references column position {index}, but line contains only {} columns.", fields.len());
                return Err(format!("{message}; {}", of_column(index, column)));
            }
        };
        if cell == Datum::Null && column.mode == ColumnMode::Required {
            return Err(format!("Required column value is missing; {}", of_column(index, column)));
        }
        Ok(cell)
    };
    columns.iter().enumerate().map(cell).collect()
}
