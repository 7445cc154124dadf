//! One value of a row, as the store holds it.

/// Its type is the column's. Texts stand in the form that GoogleSQL itself writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Array(Vec<Datum>),
    BigNumeric(String),
    Bool(bool),
    Bytes(Vec<u8>),
    /// Days since 1970.
    Date(i64),
    /// Microseconds since 1970, of no time zone.
    Datetime(i64),
    Float64(f64),
    Geography(String),
    Int64(i64),
    Interval(String),
    Json(String),
    Numeric(String),
    /// Either end may be `Null`: unbounded.
    Range(Box<[Datum; 2]>),
    String(String),
    Struct(Vec<Datum>),
    /// Microseconds of the day.
    Time(i64),
    /// Microseconds since 1970.
    Timestamp(i64),
}

impl Datum {
    /// What BigQuery bills the value for, in logical bytes.
    pub fn billed_bytes(&self) -> u64 {
        match self {
            Datum::Null => 0,
            Datum::Bool(_) => 1,
            Datum::Date(_) | Datum::Datetime(_) | Datum::Float64(_) | Datum::Int64(_) | Datum::Time(_) | Datum::Timestamp(_) => 8,
            Datum::Interval(_) | Datum::Numeric(_) | Datum::Range(_) => 16,
            Datum::BigNumeric(_) => 32,
            Datum::String(text) | Datum::Geography(text) | Datum::Json(text) => 2 + text.len() as u64,
            Datum::Bytes(bytes) => 2 + bytes.len() as u64,
            Datum::Array(inner) | Datum::Struct(inner) => inner.iter().map(Datum::billed_bytes).sum(),
        }
    }
}
