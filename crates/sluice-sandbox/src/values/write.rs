//! Values as BigQuery's answers write them: rows are `{"f": [{"v": ...}]}`, every scalar is a string.

use super::calendar::{date_text, datetime_text, time_text};
use super::datum::Datum;
use super::schema::Column;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// What the client chose in `formatOptions`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// Microseconds as an integer, in place of seconds with a fraction.
    pub int64_timestamps: bool,
}

impl Format {
    pub fn row(self, cells: &[Datum]) -> Value {
        let cells: Vec<Value> = cells.iter().map(|cell| json!({ "v": self.cell(cell) })).collect();
        json!({ "f": cells })
    }

    fn cell(self, datum: &Datum) -> Value {
        match datum {
            Datum::Null => Value::Null,
            Datum::Array(elements) => elements.iter().map(|element| json!({ "v": self.cell(element) })).collect(),
            Datum::Struct(fields) => self.row(fields),
            scalar => Value::String(self.text(scalar)),
        }
    }

    fn text(self, datum: &Datum) -> String {
        match datum {
            Datum::Array(_) | Datum::Null | Datum::Struct(_) => String::new(),
            Datum::Bool(value) => value.to_string(),
            Datum::Bytes(bytes) => STANDARD.encode(bytes),
            Datum::Date(days) => date_text(*days),
            Datum::Datetime(microseconds) => datetime_text(*microseconds),
            Datum::Float64(value) => float_text(*value),
            Datum::Int64(value) => value.to_string(),
            Datum::BigNumeric(text)
            | Datum::Geography(text)
            | Datum::Interval(text)
            | Datum::Json(text)
            | Datum::Numeric(text)
            | Datum::String(text) => text.clone(),
            Datum::Range(ends) => {
                let end = |end: &Datum| if *end == Datum::Null { "UNBOUNDED".to_owned() } else { self.text(end) };
                let [from, to] = ends.as_ref();
                format!("[{}, {})", end(from), end(to))
            }
            Datum::Time(microseconds) => time_text(*microseconds),
            Datum::Timestamp(microseconds) if self.int64_timestamps => microseconds.to_string(),
            Datum::Timestamp(microseconds) => seconds_text(*microseconds),
        }
    }
}

/// A row as `insertAll` takes it, so that what is written can be read back.
pub fn object(columns: &[Column], cells: &[Datum]) -> Value {
    let entry = |(column, cell): (&Column, &Datum)| (column.name.clone(), plain(column, cell));
    Value::Object(columns.iter().zip(cells).map(entry).collect())
}

fn plain(column: &Column, datum: &Datum) -> Value {
    match datum {
        Datum::Null => Value::Null,
        Datum::Array(elements) => elements.iter().map(|element| plain(column, element)).collect(),
        Datum::Struct(fields) => object(&column.fields, fields),
        Datum::Range(ends) => {
            let [from, to] = ends.as_ref();
            json!({ "start": plain(column, from), "end": plain(column, to) })
        }
        Datum::Timestamp(microseconds) => json!(format!("{}Z", datetime_text(*microseconds))),
        scalar => json!(Format::default().text(scalar)),
    }
}

/// BigQuery's services write floating point as Java does: `1.0`, `1.5E10`.
pub fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if value == 0.0 || (1e-3..1e7).contains(&value.abs()) {
        return format!("{value:?}");
    }
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    format!("{mantissa}{point}E{exponent}")
}

/// Seconds since 1970, exact to the microsecond within the range of a timestamp.
fn seconds_text(microseconds: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "the range of a timestamp in microseconds is below 2^53 for all but far years")]
    let seconds = microseconds as f64 / 1e6;
    float_text(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(datum: Datum, expect: Value) {
        assert_eq!(Format::default().row(std::slice::from_ref(&datum)), json!({ "f": [{ "v": expect }] }), "{datum:?}");
    }

    #[test]
    fn scalars_are_strings() {
        check(Datum::Null, Value::Null);
        check(Datum::Int64(-1), json!("-1"));
        check(Datum::Bool(true), json!("true"));
        check(Datum::Bytes(b"ab\xff".to_vec()), json!("YWL/"));
        check(Datum::Date(0), json!("1970-01-01"));
        check(Datum::Timestamp(1_735_689_600_500_000), json!("1.7356896005E9"));
        check(Datum::Timestamp(0), json!("0.0"));
        check(Datum::Range(Box::new([Datum::Date(0), Datum::Null])), json!("[1970-01-01, UNBOUNDED)"));
        check(Datum::Numeric("1.5".to_owned()), json!("1.5"));
        let exact = Format { int64_timestamps: true };
        assert_eq!(exact.row(&[Datum::Timestamp(1_000_001)]), json!({ "f": [{ "v": "1000001" }] }));
    }

    #[test]
    fn nested_values_keep_their_wrappers() {
        let address = Datum::Struct(vec![Datum::String("x".to_owned()), Datum::Null]);
        check(address.clone(), json!({ "f": [{ "v": "x" }, { "v": null }] }));
        check(Datum::Array(vec![address]), json!([{ "v": { "f": [{ "v": "x" }, { "v": null }] } }]));
        check(Datum::Array(Vec::new()), json!([]));
    }

    #[test]
    fn floats_are_written_as_java_does() {
        let cases = [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e7, "1.0E7"),
            (1.5e-5, "1.5E-5"),
            (-0.0, "-0.0"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expect) in cases {
            assert_eq!(float_text(value), expect);
        }
    }
}
