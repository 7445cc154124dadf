//! Values as the module writes them (ValueProto), both ways.

use super::calendar::{self, MICROSECONDS_PER_SECOND, NANOSECONDS_PER_MICROSECOND};
use super::datum::Datum;
use super::{decimal, interval};
use crate::encode::{Item, Record};
use sluice_model::{Field, Type};
use sluice_sql::tree::{NodeId, Tree};

/// The datum is not of its type, or its text is not one of the type's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFault {
    pub kind: String,
}

pub fn record(kind: &Type, datum: &Datum) -> Result<Record, ValueFault> {
    let fault = || ValueFault { kind: kind.to_string() };
    let record = Record::new();
    let bytes = |bytes: Option<Vec<u8>>| bytes.map(Item::Bytes).ok_or_else(fault);
    Ok(match (kind, datum) {
        // A value without a field is NULL.
        (_, Datum::Null) => record,
        (Type::Int64, Datum::Int64(number)) => record.with("int64_value", *number),
        (Type::Float64, Datum::Float64(number)) => record.with("double_value", Item::Double(*number)),
        (Type::Bool, Datum::Bool(flag)) => record.with("bool_value", *flag),
        (Type::String, Datum::String(text) | Datum::Geography(text)) => record.with("string_value", text.as_str()),
        (Type::Bytes, Datum::Bytes(content)) => record.with("bytes_value", Item::Bytes(content.clone())),
        (Type::Date, Datum::Date(days)) => record.with("date_value", *days),
        (Type::Datetime, Datum::Datetime(microseconds)) => {
            let (packed, nanoseconds) = calendar::pack_datetime(*microseconds);
            record.with("datetime_value", Record::new().with("bit_field_datetime_seconds", packed).with("nanos", nanoseconds))
        }
        (Type::Time, Datum::Time(microseconds)) => record.with("time_value", calendar::pack_time(*microseconds)),
        (Type::Timestamp, Datum::Timestamp(microseconds)) => {
            let nanoseconds = microseconds.rem_euclid(MICROSECONDS_PER_SECOND) * NANOSECONDS_PER_MICROSECOND;
            let seconds = microseconds.div_euclid(MICROSECONDS_PER_SECOND);
            record.with("timestamp_value", Record::new().with("seconds", seconds).with("nanos", nanoseconds))
        }
        (Type::Numeric, Datum::Numeric(text)) => record.with("numeric_value", bytes(decimal::to_bytes(text, decimal::NUMERIC_SCALE))?),
        (Type::BigNumeric, Datum::BigNumeric(text)) => {
            record.with("bignumeric_value", bytes(decimal::to_bytes(text, decimal::BIG_NUMERIC_SCALE))?)
        }
        (Type::Interval, Datum::Interval(text)) => record.with("interval_value", bytes(interval::to_bytes(text))?),
        (Type::Json, Datum::Json(text)) => record.with("json_value", text.as_str()),
        (Type::Range(element), Datum::Range(ends)) => {
            let [start, end] = &**ends;
            record.with("range_value", Record::new().with("start", self::record(element, start)?).with("end", self::record(element, end)?))
        }
        (Type::Array(element), Datum::Array(elements)) => {
            let elements = elements.iter().map(|datum| self::record(element, datum)).collect::<Result<Vec<_>, _>>()?;
            record.with("array_value", Record::new().with("element", elements))
        }
        (Type::Struct(fields), Datum::Struct(values)) if fields.len() == values.len() => {
            let values = fields.iter().zip(values).map(|(field, datum)| self::record(&field.kind, datum)).collect::<Result<Vec<_>, _>>()?;
            record.with("struct_value", Record::new().with("field", values))
        }
        _ => return Err(fault()),
    })
}

/// The type that stands for it in the evaluator, which has no geography: texts take its place.
pub fn stand_in(kind: &Type) -> Type {
    match kind {
        Type::Geography => Type::String,
        Type::Array(element) => Type::array(stand_in(element)),
        Type::Struct(fields) => {
            Type::Struct(fields.iter().map(|field| Field { name: field.name.clone(), kind: stand_in(&field.kind) }).collect())
        }
        plain => plain.clone(),
    }
}

/// `None` when the value is not one of the type.
pub fn read(tree: &Tree, node: NodeId, kind: &Type) -> Option<Datum> {
    if tree.node(node).fields.is_empty() {
        return Some(Datum::Null);
    }
    let bytes = |field: &str| match tree.value(node, field)? {
        sluice_sql::tree::Value::Bytes(bytes) => Some(bytes.as_slice()),
        _ => None,
    };
    let text = |field: &str| tree.text(node, field).map(str::to_owned);
    Some(match kind {
        Type::Int64 => Datum::Int64(tree.integer(node, "int64_value")?),
        Type::Float64 => match tree.value(node, "double_value")? {
            sluice_sql::tree::Value::Float(number) => Datum::Float64(*number),
            _ => return None,
        },
        Type::Bool => match tree.value(node, "bool_value")? {
            sluice_sql::tree::Value::Boolean(flag) => Datum::Bool(*flag),
            _ => return None,
        },
        Type::String => Datum::String(text("string_value")?),
        Type::Bytes => Datum::Bytes(bytes("bytes_value")?.to_vec()),
        Type::Date => Datum::Date(tree.integer(node, "date_value")?),
        Type::Datetime => {
            let inner = tree.child(node, "datetime_value")?;
            let packed = tree.integer(inner, "bit_field_datetime_seconds")?;
            Datum::Datetime(calendar::unpack_datetime(packed, tree.integer(inner, "nanos").unwrap_or(0))?)
        }
        Type::Time => Datum::Time(calendar::unpack_time(tree.integer(node, "time_value")?)),
        Type::Timestamp => {
            let inner = tree.child(node, "timestamp_value")?;
            let seconds = tree.integer(inner, "seconds").unwrap_or(0).checked_mul(MICROSECONDS_PER_SECOND)?;
            Datum::Timestamp(seconds.checked_add(tree.integer(inner, "nanos").unwrap_or(0) / NANOSECONDS_PER_MICROSECOND)?)
        }
        Type::Numeric => Datum::Numeric(decimal::to_text(bytes("numeric_value")?, decimal::NUMERIC_SCALE)?),
        Type::BigNumeric => Datum::BigNumeric(decimal::to_text(bytes("bignumeric_value")?, decimal::BIG_NUMERIC_SCALE)?),
        Type::Interval => Datum::Interval(interval::to_text(bytes("interval_value")?)?),
        Type::Json => Datum::Json(text("json_value")?),
        // The evaluator has no such values.
        Type::Geography => return None,
        Type::Range(element) => {
            let inner = tree.child(node, "range_value")?;
            let end = |field: &str| tree.child(inner, field).map_or(Some(Datum::Null), |node| read(tree, node, element));
            Datum::Range(Box::new([end("start")?, end("end")?]))
        }
        Type::Array(element) => {
            let inner = tree.child(node, "array_value")?;
            let elements = tree.children(inner, "element").into_iter().map(|node| read(tree, node, element));
            Datum::Array(elements.collect::<Option<_>>()?)
        }
        Type::Struct(fields) => {
            let values = tree.children(tree.child(node, "struct_value")?, "field");
            if values.len() != fields.len() {
                return None;
            }
            let values = fields.iter().zip(values).map(|(field, node)| read(tree, node, &field.kind));
            Datum::Struct(values.collect::<Option<_>>()?)
        }
    })
}

/// A value that is always there: zero, empty, the epoch; NULL where a type has no such value.
pub fn plainest(kind: &Type) -> Datum {
    match kind {
        Type::Int64 => Datum::Int64(0),
        Type::Float64 => Datum::Float64(0.0),
        Type::Bool => Datum::Bool(false),
        Type::String => Datum::String(String::new()),
        Type::Bytes => Datum::Bytes(Vec::new()),
        Type::Date => Datum::Date(0),
        Type::Datetime => Datum::Datetime(0),
        Type::Time => Datum::Time(0),
        Type::Timestamp => Datum::Timestamp(0),
        Type::Numeric => Datum::Numeric("0".to_owned()),
        Type::BigNumeric => Datum::BigNumeric("0".to_owned()),
        Type::Array(_) => Datum::Array(Vec::new()),
        Type::Struct(fields) => Datum::Struct(fields.iter().map(|field| plainest(&field.kind)).collect()),
        Type::Json | Type::Geography | Type::Interval | Type::Range(_) => Datum::Null,
    }
}
