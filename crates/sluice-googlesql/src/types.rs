//! BigQuery's types as the engine reads them. `sluice_sql::kind` reads what it writes.

use crate::encode::{Record, word};
use sluice_model::{Field, Type};

/// TypeProto.
pub fn record(kind: &Type) -> Record {
    let record = Record::new().with("type_kind", word(enumerator(kind)));
    match kind {
        Type::Array(element) => record.with("array_type", Record::new().with("element_type", self::record(element))),
        Type::Range(element) => record.with("range_type", Record::new().with("element_type", self::record(element))),
        Type::Struct(fields) => {
            let field = |field: &Field| Record::new().with("field_name", field.name.as_str()).with("field_type", self::record(&field.kind));
            record.with("struct_type", Record::new().with("field", fields.iter().map(field).collect::<Vec<_>>()))
        }
        _ => record,
    }
}

fn enumerator(kind: &Type) -> &'static str {
    match kind {
        Type::Int64 => "TYPE_INT64",
        Type::Float64 => "TYPE_DOUBLE",
        Type::Bool => "TYPE_BOOL",
        Type::String => "TYPE_STRING",
        Type::Bytes => "TYPE_BYTES",
        Type::Date => "TYPE_DATE",
        Type::Datetime => "TYPE_DATETIME",
        Type::Time => "TYPE_TIME",
        Type::Timestamp => "TYPE_TIMESTAMP",
        Type::Numeric => "TYPE_NUMERIC",
        Type::BigNumeric => "TYPE_BIGNUMERIC",
        Type::Json => "TYPE_JSON",
        Type::Geography => "TYPE_GEOGRAPHY",
        Type::Interval => "TYPE_INTERVAL",
        Type::Range(_) => "TYPE_RANGE",
        Type::Array(_) => "TYPE_ARRAY",
        Type::Struct(_) => "TYPE_STRUCT",
    }
}
