//! Values in Avro's binary encoding, one behind the other, without their names.

use super::schema::digits;
use crate::problem::Problem;
use crate::values::calendar::datetime_text;
use crate::values::{Column, ColumnMode, Datum, Scalar, decimal, interval};
use sluice_model::Type;

pub fn write(columns: &[Column], row: &[Datum], out: &mut Vec<u8>) -> Result<(), Problem> {
    let cells = row.iter().chain(std::iter::repeat(&Datum::Null));
    columns.iter().zip(cells).try_for_each(|(column, cell)| field(column, cell, out))
}

fn field(column: &Column, cell: &Datum, out: &mut Vec<u8>) -> Result<(), Problem> {
    match (column.mode, cell) {
        (ColumnMode::Repeated, Datum::Array(elements)) => {
            if !elements.is_empty() {
                count(elements.len(), out);
                elements.iter().try_for_each(|element| value(column, element, out))?;
            }
            count(0, out);
            Ok(())
        }
        (ColumnMode::Repeated, Datum::Null) => {
            count(0, out);
            Ok(())
        }
        (ColumnMode::Nullable, Datum::Null) => {
            long(0, out);
            Ok(())
        }
        (ColumnMode::Nullable, cell) => {
            long(1, out);
            value(column, cell, out)
        }
        (ColumnMode::Required | ColumnMode::Repeated, cell) => value(column, cell, out),
    }
}

fn value(column: &Column, cell: &Datum, out: &mut Vec<u8>) -> Result<(), Problem> {
    match (&column.kind, cell) {
        (Scalar::Record, Datum::Struct(cells)) => write(&column.fields, cells, out),
        (Scalar::Of(kind), cell) => scalar(kind, column, cell, out).ok_or_else(|| misfit(column)),
        (Scalar::Record, _) => Err(misfit(column)),
    }
}

/// Nothing where the value is not of that type.
fn scalar(kind: &Type, column: &Column, cell: &Datum, out: &mut Vec<u8>) -> Option<()> {
    match (kind, cell) {
        (Type::Bool, Datum::Bool(value)) => out.push(u8::from(*value)),
        (Type::Bytes, Datum::Bytes(value)) => bytes(value, out),
        (Type::Date, Datum::Date(number))
        | (Type::Int64, Datum::Int64(number))
        | (Type::Time, Datum::Time(number))
        | (Type::Timestamp, Datum::Timestamp(number)) => long(*number, out),
        (Type::Datetime, Datum::Datetime(microseconds)) => bytes(datetime_text(*microseconds).as_bytes(), out),
        (Type::Float64, Datum::Float64(value)) => out.extend(value.to_le_bytes()),
        (Type::Numeric, Datum::Numeric(text)) | (Type::BigNumeric, Datum::BigNumeric(text)) => {
            let (_, scale) = digits(kind, column);
            bytes(shortest(&decimal::unscaled(text, scale)?.to_be_bytes()), out);
        }
        (Type::Interval, Datum::Interval(text)) => {
            let parts = interval::parts(text)?;
            long(i64::from(parts.months), out);
            long(i64::from(parts.days), out);
            long(i64::try_from(parts.nanoseconds / 1_000).ok()?, out);
        }
        (Type::Range(inner), Datum::Range(ends)) => {
            for end in ends.iter() {
                long(i64::from(*end != Datum::Null), out);
                if *end != Datum::Null {
                    scalar(inner, column, end, out)?;
                }
            }
        }
        // GEOGRAPHY comes out of queries as STRING.
        (Type::Geography | Type::Json | Type::String, Datum::Geography(text) | Datum::Json(text) | Datum::String(text)) => {
            bytes(text.as_bytes(), out);
        }
        _ => return None,
    }
    Some(())
}

/// Numbers near zero are short, whatever their sign.
fn long(number: i64, out: &mut Vec<u8>) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or_default());
}

fn count(number: usize, out: &mut Vec<u8>) {
    long(i64::try_from(number).unwrap_or(i64::MAX), out);
}

fn bytes(bytes: &[u8], out: &mut Vec<u8>) {
    count(bytes.len(), out);
    out.extend(bytes);
}

/// A number in two's complement without the leading bytes that only repeat its sign.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [first, second, ..] = rest
        && ((*first == 0 && *second < 0x80) || (*first == 0xff && *second >= 0x80))
    {
        rest = rest.get(1..).unwrap_or_default();
    }
    rest
}

fn misfit(column: &Column) -> Problem {
    Problem::internal(format!("column {} of type {} holds a value of another kind", column.name, column.full_type()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::schema::columns_of;

    fn check(columns: &str, row: Vec<Datum>, expect: &[u8]) {
        let mut out = Vec::new();
        write(&columns_of(columns).unwrap(), &row, &mut out).unwrap();
        assert_eq!(out, expect, "{columns} {row:?}");
    }

    #[test]
    fn numbers_are_short() {
        let cases: [(i64, &[u8]); 7] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (-64, &[0x7f]),
            (64, &[0x80, 1]),
            (300, &[0xd8, 4]),
            (i64::MIN, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ];
        for (number, expect) in cases {
            let mut out = Vec::new();
            long(number, &mut out);
            assert_eq!(out, expect, "{number}");
        }
    }

    #[test]
    fn values_stand_behind_each_other() {
        let text = |text: &str| Datum::String(text.to_owned());
        check("a INT64, b STRING", vec![Datum::Int64(-2), text("ab")], &[2, 3, 2, 4, b'a', b'b']);
        check("a INT64, b STRING", vec![Datum::Null, Datum::Null], &[0, 0]);
        check("r ARRAY<STRING>", vec![Datum::Array(vec![text(""), text("x")])], &[4, 0, 2, b'x', 0]);
        check("r ARRAY<STRING>", vec![Datum::Array(Vec::new())], &[0]);
        check("s STRUCT<x BOOL>", vec![Datum::Struct(vec![Datum::Bool(true)])], &[2, 2, 1]);
        check("r RANGE<DATE>", vec![Datum::Range(Box::new([Datum::Date(1), Datum::Null]))], &[2, 2, 2, 0]);
        check("i INTERVAL", vec![Datum::Interval("-1-2 3 -0:0:0.000500".to_owned())], &[2, 27, 6, 0xe7, 7]);
    }

    #[test]
    fn decimals_are_the_shortest_two_s_complement() {
        let number = |text: &str, expect: &[u8]| {
            let mut bytes = vec![2, u8::try_from(expect.len() * 2).unwrap()];
            bytes.extend(expect);
            check("n NUMERIC", vec![Datum::Numeric(text.to_owned())], &bytes);
        };
        number("0", &[0]);
        number("0.000000127", &[127]);
        number("0.000000128", &[0, 128]);
        number("-0.000000128", &[128]);
        number("-0.000000129", &[255, 127]);
        number("1", &[0x3b, 0x9a, 0xca, 0]);
    }

    #[test]
    fn a_value_of_another_kind_is_an_error() {
        let columns = columns_of("a INT64").unwrap();
        assert!(write(&columns, &[Datum::Bool(true)], &mut Vec::new()).is_err());
        let mut required = columns;
        required[0].mode = ColumnMode::Required;
        assert!(write(&required, &[Datum::Null], &mut Vec::new()).is_err());
    }
}
