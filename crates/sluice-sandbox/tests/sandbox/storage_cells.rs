//! Arrow and Avro read back into cells as REST writes them (`{"f": [{"v": ..}]}`, timestamps in microseconds), knowing nothing but the schema
//! that came with them.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Decimal256Type, Float64Type, Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{Array, RecordBatch};
use arrow_buffer::i256;
use arrow_schema::{DataType, Field};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_sandbox::values::calendar::{date_text, datetime_text, time_text};
use sluice_sandbox::values::write::float_text;
use std::collections::HashMap;

pub fn arrow(batch: &RecordBatch) -> Vec<Value> {
    let cells = |row: usize| -> Vec<Value> {
        let schema = batch.schema();
        schema.fields().iter().zip(batch.columns()).map(|(field, array)| json!({ "v": arrow_cell(field, array, row) })).collect()
    };
    (0..batch.num_rows()).map(|row| json!({ "f": cells(row) })).collect()
}

fn arrow_cell(field: &Field, array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let text = match array.data_type() {
        DataType::List(item) => {
            let inside = array.as_list::<i32>().value(row);
            // What BigQuery says of an element stands on the list.
            let item = item.as_ref().clone().with_metadata(field.metadata().clone());
            return (0..inside.len()).map(|place| json!({ "v": arrow_cell(&item, &inside, place) })).collect();
        }
        DataType::Struct(fields) if field.metadata().get("google:sqlType").map(String::as_str) == Some("range") => {
            let ends = array.as_struct();
            let end = |place: usize| match arrow_cell(&fields[place], ends.column(place), row) {
                Value::Null => "UNBOUNDED".to_owned(),
                other => other.as_str().unwrap().to_owned(),
            };
            format!("[{}, {})", end(0), end(1))
        }
        DataType::Struct(fields) => {
            let record = array.as_struct();
            let cells = fields.iter().zip(record.columns()).map(|(field, array)| json!({ "v": arrow_cell(field, array, row) }));
            return json!({ "f": cells.collect::<Vec<_>>() });
        }
        DataType::Boolean => array.as_boolean().value(row).to_string(),
        DataType::Binary => STANDARD.encode(array.as_binary::<i32>().value(row)),
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Float64 => float_text(array.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => date_text(array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time64(_) => time_text(array.as_primitive::<Time64MicrosecondType>().value(row)),
        DataType::Timestamp(_, None) => datetime_text(array.as_primitive::<TimestampMicrosecondType>().value(row)),
        DataType::Timestamp(_, Some(zone)) => {
            assert_eq!(zone.as_ref(), "UTC");
            array.as_primitive::<TimestampMicrosecondType>().value(row).to_string()
        }
        DataType::Decimal128(_, scale) => decimal(i256::from_i128(array.as_primitive::<Decimal128Type>().value(row)), *scale),
        DataType::Decimal256(_, scale) => decimal(array.as_primitive::<Decimal256Type>().value(row), *scale),
        DataType::Interval(_) => {
            let span = array.as_primitive::<IntervalMonthDayNanoType>().value(row);
            interval(span.months.into(), span.days.into(), span.nanoseconds)
        }
        other => panic!("BigQuery sends no {other}"),
    };
    Value::String(text)
}

pub fn avro(schema: &Value, mut bytes: &[u8]) -> Vec<Value> {
    let mut names = HashMap::new();
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        rows.push(avro_cell(schema, &mut names, &mut bytes));
    }
    rows
}

fn avro_cell(kind: &Value, names: &mut HashMap<String, Value>, bytes: &mut &[u8]) -> Value {
    if let Some(branches) = kind.as_array() {
        let branch = usize::try_from(long(bytes)).unwrap();
        return avro_cell(&branches[branch], names, bytes);
    }
    let own = |name: &str| names.get(name).cloned();
    if let Some(known) = kind.as_str().and_then(own) {
        return avro_cell(&known, names, bytes);
    }
    let word = kind.get("type").unwrap_or(kind).as_str().unwrap();
    let logical = kind.get("logicalType").and_then(Value::as_str);
    let text = match (word, logical) {
        ("null", _) => return Value::Null,
        ("record", _) => return record(kind, names, bytes),
        ("array", _) => {
            let mut elements = Vec::new();
            loop {
                let count = long(bytes);
                if count == 0 {
                    return Value::Array(elements);
                }
                elements.extend((0..count).map(|_| json!({ "v": avro_cell(&kind["items"], names, bytes) })));
            }
        }
        ("boolean", _) => (take(bytes, 1)[0] == 1).to_string(),
        ("double", _) => float_text(f64::from_le_bytes(take(bytes, 8).try_into().unwrap())),
        ("int", Some("date")) => date_text(long(bytes)),
        ("long", Some("time-micros")) => time_text(long(bytes)),
        ("int", None) | ("long", None | Some("timestamp-micros")) => long(bytes).to_string(),
        ("string", _) => String::from_utf8(text(bytes).to_vec()).unwrap(),
        ("bytes", None) => STANDARD.encode(text(bytes)),
        ("bytes", Some("decimal")) => {
            let digits = text(bytes);
            let fill = if digits[0] >= 0x80 { 0xff } else { 0 };
            let mut whole = [fill; 32];
            whole[32 - digits.len()..].copy_from_slice(digits);
            decimal(i256::from_be_bytes(whole), i8::try_from(kind["scale"].as_i64().unwrap()).unwrap())
        }
        other => panic!("{other:?}"),
    };
    Value::String(text)
}

fn record(kind: &Value, names: &mut HashMap<String, Value>, bytes: &mut &[u8]) -> Value {
    let name = kind["name"].as_str().unwrap();
    let own = kind.get("namespace").is_some();
    if let Some(namespace) = kind.get("namespace").and_then(Value::as_str) {
        names.insert(format!("{namespace}.{name}"), kind.clone());
    }
    let cells: Vec<Value> = kind["fields"].as_array().unwrap().iter().map(|field| avro_cell(&field["type"], names, bytes)).collect();
    let plain = |place: usize| cells[place].as_str().map_or("UNBOUNDED".to_owned(), str::to_owned);
    let number = |place: usize| plain(place).parse::<i64>().unwrap();
    match name {
        "INTERVAL" if own => Value::String(interval(number(0), number(1), number(2) * 1_000)),
        _ if own && kind["sqlType"] == "RANGE" => Value::String(format!("[{}, {})", plain(0), plain(1))),
        _ => json!({ "f": cells.into_iter().map(|cell| json!({ "v": cell })).collect::<Vec<_>>() }),
    }
}

fn long(bytes: &mut &[u8]) -> i64 {
    let (mut number, mut shift) = (0_u64, 0);
    loop {
        let byte = take(bytes, 1)[0];
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (number >> 1).cast_signed() ^ -((number & 1).cast_signed());
        }
    }
}

fn text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = usize::try_from(long(bytes)).unwrap();
    take(bytes, length)
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (first, rest) = bytes.split_at(count);
    *bytes = rest;
    first
}

fn decimal(number: i256, scale: i8) -> String {
    let digits = number.to_string();
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |digits| ("-", digits));
    let scale = usize::try_from(scale).unwrap();
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

fn interval(months: i64, days: i64, nanoseconds: i64) -> String {
    let sign = |number: i64| if number < 0 { "-" } else { "" };
    let (seconds, fraction) = (nanoseconds.abs() / 1_000_000_000, nanoseconds.abs() % 1_000_000_000);
    let clock = format!("{}{}:{}:{}", sign(nanoseconds), seconds / 3600, seconds / 60 % 60, seconds % 60);
    let digits = match fraction {
        0 => String::new(),
        _ if fraction % 1_000_000 == 0 => format!(".{:03}", fraction / 1_000_000),
        _ if fraction % 1_000 == 0 => format!(".{:06}", fraction / 1_000),
        _ => format!(".{fraction:09}"),
    };
    format!("{}{}-{} {days} {clock}{digits}", sign(months), months.abs() / 12, months.abs() % 12)
}
