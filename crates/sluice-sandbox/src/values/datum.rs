//! What a value is billed for.

pub use sluice_googlesql::evaluate::Datum;

/// BigQuery's logical bytes of a value.
pub fn billed_bytes(datum: &Datum) -> u64 {
    match datum {
        Datum::Null => 0,
        Datum::Bool(_) => 1,
        Datum::Date(_) | Datum::Datetime(_) | Datum::Float64(_) | Datum::Int64(_) | Datum::Time(_) | Datum::Timestamp(_) => 8,
        Datum::Interval(_) | Datum::Numeric(_) | Datum::Range(_) => 16,
        Datum::BigNumeric(_) => 32,
        Datum::String(text) | Datum::Geography(text) | Datum::Json(text) => 2 + text.len() as u64,
        Datum::Bytes(bytes) => 2 + bytes.len() as u64,
        Datum::Array(inner) | Datum::Struct(inner) => inner.iter().map(billed_bytes).sum(),
    }
}
