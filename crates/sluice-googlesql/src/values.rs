//! ValueProto.

use crate::encode::{Item, Record};
use sluice_model::Type;

/// A value of the type that is always there: zero, empty, the epoch.
pub fn plainest(kind: &Type) -> Record {
    let record = Record::new();
    match kind {
        Type::Int64 => record.with("int64_value", 0),
        Type::Float64 => record.with("double_value", Item::Double(0.0)),
        Type::Bool => record.with("bool_value", false),
        Type::String => record.with("string_value", ""),
        Type::Bytes => record.with("bytes_value", Item::Bytes(Vec::new())),
        Type::Date => record.with("date_value", 0),
        Type::Datetime => record.with("datetime_value", Record::new().with("bit_field_datetime_seconds", 132_047_011_840).with("nanos", 0)),
        Type::Time => record.with("time_value", 0),
        Type::Timestamp => record.with("timestamp_value", Record::new().with("seconds", 0).with("nanos", 0)),
        Type::Array(_) => record.with("array_value", Record::new()),
        Type::Struct(fields) => {
            let fields = fields.iter().map(|field| plainest(&field.kind)).collect::<Vec<_>>();
            record.with("struct_value", Record::new().with("field", fields))
        }
        // No value at all reads as NULL.
        Type::Numeric | Type::BigNumeric | Type::Json | Type::Geography | Type::Interval | Type::Range(_) => record,
    }
}
