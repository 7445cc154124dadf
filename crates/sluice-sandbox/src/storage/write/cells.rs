//! Values of protobuf into cells, as BigQuery maps the types of both.

use super::descriptor::{Field, Kind};
use super::wire::Value;
use crate::values::calendar::{MICROSECONDS_PER_SECOND, date_days, datetime_microseconds};
use crate::values::{Datum, decimal, read};
use arrow_buffer::i256;
use sluice_model::Type;

const NUMERIC_SCALE: usize = 9;
const BIG_NUMERIC_SCALE: usize = 38;
const INTEGER_BYTES: usize = 32;
/// Where the parts of a packed clock and a packed date begin, above the microseconds.
const MICROSECOND_BITS: u32 = 20;
const HOUR_SHIFT: u32 = 12;
const MINUTE_SHIFT: u32 = 6;
const DAY_SHIFT: u32 = 17;
const MONTH_SHIFT: u32 = 22;
const YEAR_SHIFT: u32 = 26;

/// Whether a column of that type takes such values.
pub fn accepts(column: &Type, kind: &Kind) -> bool {
    if let Kind::Wrapped(field) = kind {
        return accepts(column, &field.kind);
    }
    let is_signed = matches!(kind, Kind::Int32 | Kind::Int64 | Kind::Sfixed32 | Kind::Sfixed64 | Kind::Sint32 | Kind::Sint64);
    let is_short = is_signed || matches!(kind, Kind::Fixed32 | Kind::Uint32);
    let is_whole = is_short || matches!(kind, Kind::Fixed64 | Kind::Uint64);
    match column {
        Type::Bool => is_whole || *kind == Kind::Bool,
        Type::Bytes => matches!(kind, Kind::Bytes | Kind::Text),
        Type::Date | Type::Datetime | Type::Time => is_signed || *kind == Kind::Text,
        Type::Float64 => matches!(kind, Kind::Double | Kind::Float),
        Type::Geography | Type::Interval | Type::Json => *kind == Kind::Text,
        Type::Int64 => is_short || matches!(kind, Kind::Enum(_)),
        Type::BigNumeric | Type::Numeric => is_whole || matches!(kind, Kind::Bytes | Kind::Double | Kind::Float | Kind::Text),
        Type::Range(element) => matches!(kind, Kind::Message(fields) if is_range(element, fields)),
        Type::String => matches!(kind, Kind::Enum(_) | Kind::Text),
        Type::Timestamp => is_short || *kind == Kind::Moment,
        Type::Array(_) | Type::Struct(_) => false,
    }
}

/// Nothing where the value is none of that type.
pub fn scalar(column: &Type, field: &Field, value: &Value) -> Option<Datum> {
    Some(match (column, value) {
        (Type::Range(element), Value::Message(found)) => range(element, field, found)?,
        (Type::Bool, Value::Bool(given)) => Datum::Bool(*given),
        (Type::Bool, Value::Integer(number)) => Datum::Bool(*number != 0),
        (Type::Bool, Value::Unsigned(number)) => Datum::Bool(*number != 0),
        (Type::Bytes, Value::Bytes(bytes)) => Datum::Bytes(bytes.clone()),
        (Type::Bytes, Value::Text(text)) => Datum::Bytes(text.clone().into_bytes()),
        (Type::Date, Value::Integer(days)) => Datum::Date(within(*days, "0001-01-01", "9999-12-31", date_days)?),
        (Type::Datetime, Value::Integer(packed)) => Datum::Datetime(packed_datetime(*packed)?),
        (Type::Time, Value::Integer(packed)) => Datum::Time(packed_time(*packed)?),
        (Type::Timestamp, Value::Integer(micros)) => Datum::Timestamp(in_time(*micros)?),
        (Type::Timestamp, Value::Unsigned(micros)) => Datum::Timestamp(in_time(i64::try_from(*micros).ok()?)?),
        (Type::Float64, Value::Float(number)) => Datum::Float64(*number),
        (Type::Int64, Value::Integer(number) | Value::Enum(number, _)) => Datum::Int64(*number),
        (Type::Int64, Value::Unsigned(number)) => Datum::Int64(i64::try_from(*number).ok()?),
        (Type::String, Value::Text(text)) => Datum::String(text.clone()),
        (Type::String, Value::Enum(number, name)) => Datum::String(name.clone().unwrap_or_else(|| number.to_string())),
        (Type::Numeric | Type::BigNumeric, Value::Text(text)) => number(column, text.trim())?,
        (Type::Numeric | Type::BigNumeric, Value::Integer(given)) => number(column, &given.to_string())?,
        (Type::Numeric | Type::BigNumeric, Value::Unsigned(given)) => number(column, &given.to_string())?,
        (Type::Numeric | Type::BigNumeric, Value::Float(given)) => number(column, &format!("{given:.0$}", digits(column)))?,
        (Type::Numeric | Type::BigNumeric, Value::Bytes(bytes)) => number(column, &unpacked(bytes, digits(column))?)?,
        (_, Value::Text(text)) => read::scalar(column, text)?,
        _ => return None,
    })
}

fn is_range(element: &Type, fields: &[Field]) -> bool {
    let is_end = |field: &Field| matches!(field.name.as_str(), "start" | "end") && !field.is_repeated && accepts(element, &field.kind);
    !fields.is_empty() && fields.iter().all(is_end)
}

/// An end that is not there is open.
fn range(element: &Type, field: &Field, found: &[Vec<Value>]) -> Option<Datum> {
    let Kind::Message(fields) = &field.kind else { return None };
    let end = |name: &str| {
        let mut both = fields.iter().zip(found);
        match both.find(|(field, _)| field.name == name).and_then(|(field, values)| Some((field, values.first()?))) {
            Some((field, value)) => scalar(element, field, value),
            None => Some(Datum::Null),
        }
    };
    Some(Datum::Range(Box::new([end("start")?, end("end")?])))
}

fn number(column: &Type, text: &str) -> Option<Datum> {
    match column {
        Type::Numeric => decimal::canonical(text, decimal::NUMERIC).map(Datum::Numeric),
        _ => decimal::canonical(text, decimal::BIG_NUMERIC).map(Datum::BigNumeric),
    }
}

fn digits(column: &Type) -> usize {
    if *column == Type::Numeric { NUMERIC_SCALE } else { BIG_NUMERIC_SCALE }
}

/// A whole number in two's complement, the least byte first, in units of the last digit.
fn unpacked(bytes: &[u8], scale: usize) -> Option<String> {
    let fill = if bytes.last().is_some_and(|last| *last >= 0x80) { 0xff } else { 0 };
    let mut whole = [fill; INTEGER_BYTES];
    whole.get_mut(..bytes.len())?.copy_from_slice(bytes);
    let text = i256::from_le_bytes(whole).to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at_checked(padded.len() - scale)?;
    Some(format!("{sign}{whole}.{fraction}"))
}

fn packed_time(packed: i64) -> Option<i64> {
    let (seconds, micros) = (packed >> MICROSECOND_BITS, packed & ((1 << MICROSECOND_BITS) - 1));
    let (hours, minutes, seconds) = (seconds >> HOUR_SHIFT, seconds >> MINUTE_SHIFT & 63, seconds & 63);
    let is_clock = (0..24).contains(&hours) && minutes < 60 && seconds < 60 && micros < MICROSECONDS_PER_SECOND;
    is_clock.then_some((hours * 3_600 + minutes * 60 + seconds) * MICROSECONDS_PER_SECOND + micros)
}

fn packed_datetime(packed: i64) -> Option<i64> {
    let date = packed >> MICROSECOND_BITS;
    let (year, month, day) = (date >> YEAR_SHIFT, date >> MONTH_SHIFT & 15, date >> DAY_SHIFT & 31);
    let midnight = datetime_microseconds(&format!("{year:04}-{month:02}-{day:02}"))?;
    let clock = packed & ((1 << (MICROSECOND_BITS + DAY_SHIFT)) - 1);
    Some(midnight + packed_time(clock)?)
}

fn in_time(micros: i64) -> Option<i64> {
    within(micros, "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999", datetime_microseconds)
}

fn within(number: i64, first: &str, last: &str, of: impl Fn(&str) -> Option<i64>) -> Option<i64> {
    (of(first)?..=of(last)?).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(column: Type, value: Value, expect: Option<Datum>) {
        let field = Field { number: 1, name: "a".to_owned(), kind: Kind::Text, is_repeated: false };
        assert_eq!(scalar(&column, &field, &value), expect, "{column} {value:?}");
    }

    #[test]
    fn numbers_are_read() {
        let numeric = |text: &str| Some(Datum::Numeric(text.to_owned()));
        check(Type::Numeric, Value::Text(" 1.50 ".to_owned()), numeric("1.5"));
        check(Type::Numeric, Value::Integer(-7), numeric("-7"));
        check(Type::Numeric, Value::Float(0.1), numeric("0.1"));
        check(Type::Numeric, Value::Float(f64::NAN), None);
        // In units of a milliardth.
        check(Type::Numeric, Value::Bytes((-1_500_000_000_i64).to_le_bytes().to_vec()), numeric("-1.5"));
        check(Type::Numeric, Value::Bytes(vec![0x01]), numeric("0.000000001"));
        check(Type::Numeric, Value::Bytes(Vec::new()), numeric("0"));
        check(Type::Numeric, Value::Bytes(vec![1; 33]), None);
        check(Type::BigNumeric, Value::Bytes(vec![0xff]), Some(Datum::BigNumeric(format!("-0.{}1", "0".repeat(37)))));
        check(Type::Int64, Value::Unsigned(u64::MAX), None);
        check(Type::Int64, Value::Enum(3, None), Some(Datum::Int64(3)));
        check(Type::String, Value::Enum(3, Some("C".to_owned())), Some(Datum::String("C".to_owned())));
        check(Type::Bool, Value::Unsigned(2), Some(Datum::Bool(true)));
        check(Type::Int64, Value::Text("7".to_owned()), Some(Datum::Int64(7)));
    }

    #[test]
    fn times_are_read() {
        check(Type::Date, Value::Integer(-719_162), Some(Datum::Date(-719_162)));
        check(Type::Date, Value::Integer(2_932_897), None);
        check(Type::Date, Value::Text("1970-01-02".to_owned()), Some(Datum::Date(1)));
        let clock = (1_i64 << HOUR_SHIFT | 2 << MINUTE_SHIFT | 3) << MICROSECOND_BITS | 4;
        check(Type::Time, Value::Integer(clock), Some(Datum::Time(3_723_000_004)));
        check(Type::Time, Value::Integer(60 << MICROSECOND_BITS), None);
        let day = (1970_i64 << YEAR_SHIFT | 1 << MONTH_SHIFT | 2 << DAY_SHIFT) << MICROSECOND_BITS;
        check(Type::Datetime, Value::Integer(day | clock), Some(Datum::Datetime(86_400_000_000 + 3_723_000_004)));
        check(Type::Datetime, Value::Integer(clock), None);
        check(Type::Timestamp, Value::Integer(5), Some(Datum::Timestamp(5)));
        check(Type::Timestamp, Value::Integer(i64::MAX), None);
        check(Type::Interval, Value::Text("0-0 3 0:0:0".to_owned()), Some(Datum::Interval("0-0 3 0:0:0".to_owned())));
        check(Type::Json, Value::Text("{broken".to_owned()), None);
    }

    #[test]
    fn columns_take_what_bigquery_documents() {
        let check = |column: Type, kind: Kind, expect: bool| assert_eq!(accepts(&column, &kind), expect, "{column} {kind:?}");
        check(Type::Int64, Kind::Uint64, false);
        check(Type::Int64, Kind::Uint32, true);
        check(Type::Int64, Kind::Text, false);
        check(Type::String, Kind::Bytes, false);
        check(Type::Bytes, Kind::Text, true);
        check(Type::Timestamp, Kind::Text, false);
        check(Type::Timestamp, Kind::Moment, true);
        let end = |name: &str| Field { number: 1, name: name.to_owned(), kind: Kind::Int32, is_repeated: false };
        let range = Type::Range(Box::new(Type::Date));
        check(range.clone(), Kind::Message(vec![end("start"), end("end")]), true);
        check(range.clone(), Kind::Message(vec![end("start"), end("middle")]), false);
        check(range, Kind::Text, false);
        check(Type::String, Kind::Wrapped(Box::new(Field { kind: Kind::Text, ..end("value") })), true);
    }
}
