//! JSON of clients into values: rows of `insertAll`, and scalars as text.

use super::calendar::{date_days, datetime_microseconds, time_microseconds, timestamp_microseconds};
use super::datum::Datum;
use super::decimal;
use super::limit;
use super::schema::{Column, ColumnMode, Scalar};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use sluice_model::Type;

/// One row that does not fit its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// The path of the field.
    pub location: String,
    pub message: String,
}

/// A row object by its columns. Names are compared without case, as BigQuery does.
pub fn row(columns: &[Column], object: &Map<String, Value>, ignore_unknown: bool) -> Result<Vec<Datum>, RowError> {
    record(columns, object, "", ignore_unknown)
}

/// A scalar out of its text. `None` where the text is no value of that type.
pub fn scalar(kind: &Type, text: &str) -> Option<Datum> {
    Some(match kind {
        Type::Int64 => Datum::Int64(text.trim().parse().ok()?),
        Type::Float64 => Datum::Float64(float(text.trim())?),
        Type::Bool => Datum::Bool(boolean(text.trim())?),
        Type::String => Datum::String(text.to_owned()),
        Type::Bytes => Datum::Bytes(STANDARD.decode(text).ok()?),
        Type::Date => Datum::Date(date_days(text.trim())?),
        Type::Datetime => Datum::Datetime(datetime_microseconds(text)?),
        Type::Time => Datum::Time(time_microseconds(text.trim())?),
        Type::Timestamp => Datum::Timestamp(timestamp_microseconds(text)?),
        Type::Numeric => Datum::Numeric(decimal::canonical(text.trim(), decimal::NUMERIC)?),
        Type::BigNumeric => Datum::BigNumeric(decimal::canonical(text.trim(), decimal::BIG_NUMERIC)?),
        Type::Json => Datum::Json(json(serde_json::from_str(text).ok()?)),
        Type::Geography => Datum::Geography(text.to_owned()),
        Type::Interval => Datum::Interval(super::interval::canonical(text.trim())?),
        Type::Range(element) => range(element, text)?,
        Type::Array(_) | Type::Struct(_) => return None,
    })
}

fn record(columns: &[Column], object: &Map<String, Value>, path: &str, ignore_unknown: bool) -> Result<Vec<Datum>, RowError> {
    let unknown = object.keys().find(|key| !columns.iter().any(|column| column.name.eq_ignore_ascii_case(key)));
    if let (Some(key), false) = (unknown, ignore_unknown) {
        let location = joined(path, key);
        return Err(RowError { message: format!("no such field: {location}."), location });
    }
    columns
        .iter()
        .map(|column| {
            let given = object.iter().find(|(key, _)| column.name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
            cell(column, given.unwrap_or(&Value::Null), &joined(path, &column.name), ignore_unknown)
        })
        .collect()
}

fn cell(column: &Column, value: &Value, path: &str, ignore_unknown: bool) -> Result<Datum, RowError> {
    let wrong = |message: String| RowError { location: path.to_owned(), message };
    match (column.mode, value) {
        (ColumnMode::Required, Value::Null) => Err(wrong(format!("Missing required field: {path}."))),
        (ColumnMode::Repeated, Value::Null) => Ok(Datum::Array(Vec::new())),
        (ColumnMode::Repeated, Value::Array(elements)) => {
            let element = |element: &Value| match element {
                Value::Null => Err(wrong("Only optional fields can be set to NULL.".to_owned())),
                given => single(column, given, path, ignore_unknown),
            };
            Ok(Datum::Array(elements.iter().map(element).collect::<Result<_, _>>()?))
        }
        (ColumnMode::Repeated, _) => Err(wrong(format!("Array specified for non-repeated field or reverse: {path}."))),
        (_, Value::Null) => Ok(Datum::Null),
        (_, given) => single(column, given, path, ignore_unknown),
    }
}

fn single(column: &Column, value: &Value, path: &str, ignore_unknown: bool) -> Result<Datum, RowError> {
    let mut cell = unlimited(column, value, path, ignore_unknown)?;
    limit::fit(column, &mut cell).map_err(|message| RowError { location: path.to_owned(), message })?;
    Ok(cell)
}

fn unlimited(column: &Column, value: &Value, path: &str, ignore_unknown: bool) -> Result<Datum, RowError> {
    let wrong = || RowError { location: path.to_owned(), message: format!("Cannot convert value to {}: {path}.", column.full_type()) };
    match (&column.kind, value) {
        (Scalar::Record, Value::Object(object)) => Ok(Datum::Struct(record(&column.fields, object, path, ignore_unknown)?)),
        (Scalar::Of(Type::Json), Value::String(text)) => scalar(&Type::Json, text).ok_or_else(wrong),
        (Scalar::Of(Type::Json), given) => Ok(Datum::Json(json(given.clone()))),
        (Scalar::Of(Type::Timestamp), Value::Number(seconds)) => seconds_timestamp(seconds).ok_or_else(wrong),
        (Scalar::Of(kind), Value::String(text)) => scalar(kind, text).ok_or_else(wrong),
        (Scalar::Of(kind), Value::Bool(_) | Value::Number(_)) => scalar(kind, &value.to_string()).ok_or_else(wrong),
        (Scalar::Of(Type::Range(element)), Value::Object(ends)) => {
            let end = |name: &str| match ends.get(name) {
                None | Some(Value::Null) => Some(Datum::Null),
                Some(given) => scalar(element, given.as_str()?),
            };
            let ends = end("start").zip(end("end")).ok_or_else(wrong)?;
            Ok(Datum::Range(Box::new([ends.0, ends.1])))
        }
        _ => Err(wrong()),
    }
}

/// As GoogleSQL writes it: keys in order.
fn json(mut value: Value) -> String {
    value.sort_all_objects();
    value.to_string()
}

/// Seconds since 1970, whole or with a fraction.
pub fn seconds_timestamp(seconds: &serde_json::Number) -> Option<Datum> {
    if let Some(whole) = seconds.as_i64() {
        return whole.checked_mul(super::calendar::MICROSECONDS_PER_SECOND).map(Datum::Timestamp);
    }
    let micros = (seconds.as_f64()? * 1e6).round();
    if micros.abs() >= 3e17 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
    let micros = micros as i64;
    Some(Datum::Timestamp(micros))
}

/// `[2020-01-01, UNBOUNDED)`.
fn range(element: &Type, text: &str) -> Option<Datum> {
    let (from, to) = text.trim().strip_prefix('[')?.strip_suffix(')')?.split_once(',')?;
    let end = |end: &str| match end.trim() {
        unbounded if unbounded.eq_ignore_ascii_case("UNBOUNDED") || unbounded.eq_ignore_ascii_case("NULL") => Some(Datum::Null),
        given => scalar(element, given),
    };
    Some(Datum::Range(Box::new([end(from)?, end(to)?])))
}

fn float(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "+inf" | "infinity" | "+infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        lower => lower.parse().ok().filter(|value: &f64| value.is_finite()),
    }
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "1" => Some(true),
        "false" | "f" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;
    use crate::values::write::Format;
    use serde_json::json;

    fn check(columns: &str, given: Value, expect: Result<Value, &str>) {
        let columns = columns_of(columns).unwrap();
        let found = row(&columns, given.as_object().unwrap(), false).map(|cells| Format::default().row(&cells));
        match expect {
            Ok(cells) => assert_eq!(found, Ok(json!({ "f": cells })), "{given}"),
            Err(part) => assert!(found.as_ref().is_err_and(|error| error.message.contains(part)), "{given}: {found:?}"),
        }
    }

    #[test]
    fn rows_are_read_or_refused() {
        check("a INT64, b STRING", json!({ "A": "7", "b": null }), Ok(json!([{ "v": "7" }, { "v": null }])));
        check("a INT64", json!({ "a": 7.5 }), Err("Cannot convert"));
        check("a INT64", json!({ "b": 7 }), Err("no such field: b"));
        check("a ARRAY<INT64>", json!({ "a": [1, 2] }), Ok(json!([{ "v": [{ "v": "1" }, { "v": "2" }] }])));
        check("a ARRAY<INT64>", json!({ "a": [1, null] }), Err("NULL"));
        check("a ARRAY<INT64>", json!({ "a": 1 }), Err("Array"));
        check(
            "s STRUCT<x STRING, y JSON>",
            json!({ "s": { "y": { "k": 1 } } }),
            Ok(json!([{ "v": { "f": [{ "v": null }, { "v": "{\"k\":1}" }] } }])),
        );
        check("s STRUCT<x STRING>", json!({ "s": { "z": 1 } }), Err("s.z"));
        check("t TIMESTAMP", json!({ "t": 1.5 }), Ok(json!([{ "v": "1.5" }])));
        check("n NUMERIC", json!({ "n": "0010.50" }), Ok(json!([{ "v": "10.5" }])));
        check("r RANGE<DATE>", json!({ "r": "[2020-01-01, unbounded)" }), Ok(json!([{ "v": "[2020-01-01, UNBOUNDED)" }])));
        check("r RANGE<DATE>", json!({ "r": { "end": "2020-01-01" } }), Ok(json!([{ "v": "[UNBOUNDED, 2020-01-01)" }])));
        check("b BYTES", json!({ "b": "YWI=" }), Ok(json!([{ "v": "YWI=" }])));
        check("b BYTES", json!({ "b": "?" }), Err("BYTES"));
        check("j JSON", json!({ "j": "{broken" }), Err("JSON"));
        check(
            "j JSON",
            json!({ "j": "{\"b\": 1, \"a\": {\"d\": 2, \"c\": 3}}" }),
            Ok(json!([{ "v": "{\"a\":{\"c\":3,\"d\":2},\"b\":1}" }])),
        );
    }

    #[test]
    fn required_columns_are_demanded() {
        let mut columns = columns_of("a INT64").unwrap();
        columns[0].mode = ColumnMode::Required;
        assert_eq!(row(&columns, &Map::new(), false).unwrap_err().message, "Missing required field: a.");
    }
}
