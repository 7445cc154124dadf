//! One value, of every type that BigQuery has.

/// Its type stands elsewhere: with the column, the parameter or the variable. Texts have the form that GoogleSQL itself writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    Null,
    Array(Vec<Datum>),
    /// Decimal digits, at most 39 before the point and 38 behind it.
    BigNumeric(String),
    Bool(bool),
    Bytes(Vec<u8>),
    /// Days since 1970.
    Date(i64),
    /// Microseconds since 1970, of no time zone.
    Datetime(i64),
    Float64(f64),
    /// The reference evaluator has no geography: such a value goes in as a text, and comes back as a STRING.
    Geography(String),
    Int64(i64),
    /// `years-months days hours:minutes:seconds.fraction`, each part with its own sign.
    Interval(String),
    Json(String),
    /// Decimal digits, at most 29 before the point and 9 behind it.
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
