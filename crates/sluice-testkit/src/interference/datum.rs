//! Values of the clinic as the evaluator takes them, and back.

use sluice_googlesql::evaluate::Datum;
use sluice_model::Type;

use super::value::Value;

const DAY_SECONDS: i64 = 86_400;

/// A value that its type does not have is null: a test of the variants keeps that from happening.
pub fn datum(kind: &Type, value: &Value) -> Datum {
    match (kind, value) {
        (Type::Array(element), Value::List(values)) => Datum::Array(values.iter().map(|value| datum(element, value)).collect()),
        (Type::Struct(fields), Value::Record(values)) => {
            Datum::Struct(fields.iter().zip(values).map(|(field, value)| datum(&field.kind, value)).collect())
        }
        (Type::Bool, Value::Bool(truth)) => Datum::Bool(*truth),
        (Type::Int64, Value::Integer(number)) => Datum::Int64(*number),
        (Type::String, Value::Text(text)) => Datum::String(text.clone()),
        (Type::Json, Value::Text(text)) => Datum::Json(text.clone()),
        (Type::Numeric, Value::Text(text)) => Datum::Numeric(text.clone()),
        (Type::Date, Value::Text(text)) => days(text).map_or(Datum::Null, Datum::Date),
        (Type::Timestamp, Value::Text(text)) => microseconds(text).map_or(Datum::Null, Datum::Timestamp),
        _ => Datum::Null,
    }
}

pub fn value(datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Array(inner) => Value::List(inner.iter().map(value).collect()),
        Datum::Struct(inner) => Value::Record(inner.iter().map(value).collect()),
        Datum::Bool(truth) => Value::Bool(*truth),
        Datum::Int64(number) | Datum::Date(number) | Datum::Datetime(number) | Datum::Time(number) | Datum::Timestamp(number) => {
            Value::Integer(*number)
        }
        Datum::String(text) | Datum::Json(text) | Datum::Numeric(text) | Datum::BigNumeric(text) => Value::Text(text.clone()),
        other => Value::Text(format!("{other:?}")),
    }
}

/// Days since 1970 of `2024-03-02`.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Counted from March on, so that the leap day is the last of its year.
    let shifted = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (year, month) = shifted;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    Some(365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468)
}

/// Microseconds since 1970 of `2024-03-02 10:00:00+00`.
fn microseconds(text: &str) -> Option<i64> {
    let (date, clock) = text.strip_suffix("+00")?.split_once(' ')?;
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    Some((days(date)? * DAY_SECONDS + hours * 3600 + minutes * 60 + seconds) * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::super::clinic::TABLES;
    use super::super::variants::{VARIANTS, content};
    use super::*;

    #[test]
    fn dates_and_times_are_counted_from_1970() {
        let check = |text: &str, expect| assert_eq!(days(text), Some(expect), "{text}");
        check("1970-01-01", 0);
        check("1969-12-31", -1);
        check("2000-03-01", 11_017);
        check("2024-02-29", 19_782);
        assert_eq!(microseconds("1970-01-02 00:00:01+00"), Some(86_401_000_000));
        assert_eq!(days("soon"), None);
    }

    #[test]
    fn only_null_becomes_null() {
        for variant in 0..VARIANTS {
            for (table, (_, rows)) in TABLES.iter().zip(content(variant)) {
                for ((name, kind), value) in rows.iter().flat_map(|row| table.kinds().into_iter().zip(row)) {
                    assert_eq!(datum(&kind, value) == Datum::Null, *value == Value::Null, "{}.{name}: {value}", table.name);
                }
            }
        }
    }
}
