//! Lines of JSON: an object on each.

use super::sink::{Failure, Sink};
use crate::store::Row;
use crate::values::read::{self, RowError};
use crate::values::{Column, Scalar};
use serde_json::{Map, Value};
use sluice_model::Type;

pub fn read(bytes: &[u8], columns: &[Column], ignore_unknown: bool, sink: &mut Sink<'_>) -> Result<(), Failure> {
    let documents = columns.iter().any(holds_documents);
    for (start, line) in lines(bytes) {
        let row = row(line, columns, documents, ignore_unknown);
        sink.take(row.map_err(|message| format!("JSON parsing error in row starting at position {start}: {message}")))?;
    }
    Ok(())
}

/// Lines that are not empty, and where they begin.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let from = |next: &mut usize, line: &[u8]| {
        let start = *next;
        *next += line.len();
        start
    };
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').scan(0, move |next, line| Some((from(next, line), line.trim_ascii())));
    lines.filter(|(_, line)| !line.is_empty())
}

fn row(line: &[u8], columns: &[Column], documents: bool, ignore_unknown: bool) -> Result<Row, String> {
    let text = String::from_utf8_lossy(line);
    let mut object = match serde_json::from_str(&text) {
        Ok(Value::Object(object)) => object,
        Ok(Value::Array(_)) => return Err("Start of array encountered without start of object.".to_owned()),
        Ok(_) => return Err("Value encountered without start of object.".to_owned()),
        Err(error) => return Err(format!("Parser terminated before end of string: {error}")),
    };
    if documents {
        quote_documents(columns, &mut object);
    }
    read::row(columns, &object, ignore_unknown).map_err(|error| described(&error, &object))
}

fn described(error: &RowError, object: &Map<String, Value>) -> String {
    let RowError { location, message } = error;
    match message.split_once(": ").map(|(what, _)| what) {
        Some(what) if what.starts_with("Cannot convert value") => {
            let value = at(object, location).map(|value| format!("; Value: {}", plain(value))).unwrap_or_default();
            format!("Could not{}. Field: {location}{value}", what.strip_prefix("Cannot").unwrap_or(what))
        }
        Some("no such field") => format!("No such field: {location}."),
        _ => message.clone(),
    }
}

/// The value on a path through records; none where an array is on the way.
fn at<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let (_, value) = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(first))?;
    match rest {
        None => Some(value),
        Some(rest) => at(value.as_object()?, rest),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn holds_documents(column: &Column) -> bool {
    column.kind == Scalar::Of(Type::Json) || column.fields.iter().any(holds_documents)
}

/// In a JSON column a text of a file is a text, where `insertAll` takes it for a document.
fn quote_documents(columns: &[Column], object: &mut Map<String, Value>) {
    for (key, value) in object {
        if let Some(column) = columns.iter().find(|column| column.name.eq_ignore_ascii_case(key)).filter(|column| holds_documents(column)) {
            quote(column, value);
        }
    }
}

fn quote(column: &Column, value: &mut Value) {
    match value {
        Value::Array(elements) if column.mode == crate::values::ColumnMode::Repeated => {
            elements.iter_mut().for_each(|element| quote(column, element));
        }
        Value::Object(fields) if column.kind == Scalar::Record => quote_documents(&column.fields, fields),
        Value::String(_) if column.kind != Scalar::Record => *value = Value::String(value.to_string()),
        _ => {}
    }
}
