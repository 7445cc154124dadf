//! A table's columns in the words of this API.

use super::api::table_field_schema::{FieldElementType, Mode, Type as Word};
use super::api::{TableFieldSchema, TableSchema};
use crate::values::{Column, ColumnMode, Scalar};
use sluice_model::Type;

pub fn of_columns(columns: &[Column]) -> TableSchema {
    TableSchema { fields: columns.iter().map(of_column).collect() }
}

fn of_column(column: &Column) -> TableFieldSchema {
    let text = |name: &str| column.extra.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let number = |name: &str| text(name).parse().unwrap_or_default();
    let range_element_type = match &column.kind {
        Scalar::Of(Type::Range(element)) => Some(FieldElementType { r#type: word(element).into() }),
        _ => None,
    };
    let mode = match column.mode {
        ColumnMode::Nullable => Mode::Nullable,
        ColumnMode::Repeated => Mode::Repeated,
        ColumnMode::Required => Mode::Required,
    };
    let kind = match &column.kind {
        Scalar::Of(kind) => word(kind),
        Scalar::Record => Word::Struct,
    };
    TableFieldSchema {
        name: column.name.clone(),
        r#type: kind.into(),
        mode: mode.into(),
        fields: column.fields.iter().map(of_column).collect(),
        description: text("description").to_owned(),
        max_length: number("maxLength"),
        precision: number("precision"),
        scale: number("scale"),
        default_value_expression: text("defaultValueExpression").to_owned(),
        range_element_type,
        ..TableFieldSchema::default()
    }
}

fn word(kind: &Type) -> Word {
    match kind {
        Type::Array(_) => Word::Unspecified,
        Type::BigNumeric => Word::Bignumeric,
        Type::Bool => Word::Bool,
        Type::Bytes => Word::Bytes,
        Type::Date => Word::Date,
        Type::Datetime => Word::Datetime,
        Type::Float64 => Word::Double,
        Type::Geography => Word::Geography,
        Type::Int64 => Word::Int64,
        Type::Interval => Word::Interval,
        Type::Json => Word::Json,
        Type::Numeric => Word::Numeric,
        Type::Range(_) => Word::Range,
        Type::String => Word::String,
        Type::Struct(_) => Word::Struct,
        Type::Time => Word::Time,
        Type::Timestamp => Word::Timestamp,
    }
}
