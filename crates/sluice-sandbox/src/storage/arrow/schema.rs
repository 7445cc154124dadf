//! BigQuery's columns as Arrow's fields. What two types of BigQuery have in common there is told apart by metadata.

use crate::values::{Column, ColumnMode, Scalar, limit};
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Metadata, Schema, TimeUnit};
use sluice_model::Type;

const EXTENSION_NAME: &str = "ARROW:extension:name";
const EXTENSION_METADATA: &str = "ARROW:extension:metadata";
/// Ranges have no name of an extension.
const SQL_TYPE: &str = "google:sqlType";
/// The name of what is in a list.
const ITEM: &str = "item";

pub fn schema(columns: &[Column]) -> Schema {
    Schema::new(fields(columns))
}

pub fn fields(columns: &[Column]) -> Fields {
    columns.iter().map(field).collect()
}

/// Metadata of an element stands on its list. An element may be null for Arrow, and never is.
fn field(column: &Column) -> Field {
    let (kind, nullable) = match column.mode {
        ColumnMode::Nullable => (element(column), true),
        ColumnMode::Repeated => (DataType::List(item(column).into()), false),
        ColumnMode::Required => (element(column), false),
    };
    Field::new(&column.name, kind, nullable).with_metadata(metadata(column))
}

pub fn item(column: &Column) -> Field {
    Field::new(ITEM, element(column), true)
}

/// One value, the mode's list left aside.
pub fn element(column: &Column) -> DataType {
    match &column.kind {
        Scalar::Record => DataType::Struct(fields(&column.fields)),
        Scalar::Of(kind) => scalar(kind, column),
    }
}

/// The two ends of a range, as columns.
pub fn ends(kind: &Type) -> [Column; 2] {
    ["start", "end"].map(|name| Column::of(name, kind))
}

fn scalar(kind: &Type, column: &Column) -> DataType {
    match kind {
        Type::Bool => DataType::Boolean,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Datetime => DataType::Timestamp(TimeUnit::Microsecond, None),
        Type::Float64 => DataType::Float64,
        Type::Int64 => DataType::Int64,
        Type::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        Type::Time => DataType::Time64(TimeUnit::Microsecond),
        Type::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Numeric => {
            let (precision, scale) = limit::digits(column).unwrap_or((38, 9));
            DataType::Decimal128(precision, scale)
        }
        Type::BigNumeric => {
            let (precision, scale) = limit::digits(column).unwrap_or((76, 38));
            DataType::Decimal256(precision, scale)
        }
        Type::Range(inner) => {
            let [start, end] = ends(inner);
            let plain = |end: &Column| Field::new(&end.name, element(end), true);
            DataType::Struct(Fields::from(vec![plain(&start), plain(&end)]))
        }
        // A column's own arrays and records are its mode and its fields.
        Type::Geography | Type::Json | Type::String | Type::Array(_) | Type::Struct(_) => DataType::Utf8,
    }
}

fn metadata(column: &Column) -> Metadata {
    let entries: &[(&str, &str)] = match &column.kind {
        Scalar::Of(Type::Datetime) => &[(EXTENSION_NAME, "google:sqlType:datetime")],
        Scalar::Of(Type::Geography) => &[(EXTENSION_NAME, "google:sqlType:geography"), (EXTENSION_METADATA, "{\"encoding\": \"WKT\"}")],
        Scalar::Of(Type::Interval) => &[(EXTENSION_NAME, "google:sqlType:interval")],
        Scalar::Of(Type::Json) => &[(EXTENSION_NAME, "google:sqlType:json")],
        Scalar::Of(Type::Range(_)) => &[(SQL_TYPE, "range")],
        _ => &[],
    };
    entries.iter().copied().collect()
}
