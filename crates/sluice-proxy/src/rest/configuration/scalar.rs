//! Values of parameters, as texts. What does not fit its type is told to the client by the field's name, before BigQuery says it by a place in a job.

use sluice_model::Type;

const FRACTION_DIGITS_MAX: usize = 12;

/// Whether a text is a value of a type, as GoogleSQL casts it.
pub(super) fn fits(kind: &Type, text: &str) -> bool {
    match kind {
        Type::Array(_) | Type::Range(_) | Type::Struct(_) => false,
        Type::BigNumeric | Type::Numeric => is_decimal(text.trim()),
        Type::Bool => ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text.trim())),
        Type::Bytes => is_base64(text),
        Type::Date => whole(text, Scan::date),
        Type::Datetime => whole(text, Scan::datetime),
        Type::Float64 => is_float(text.trim()),
        Type::Geography => !text.trim().is_empty(),
        Type::Int64 => is_integer(text.trim()),
        Type::Interval => is_interval(text.trim()),
        Type::Json => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        Type::String => true,
        Type::Time => whole(text, Scan::time),
        Type::Timestamp => whole(text, Scan::timestamp),
    }
}

fn is_integer(text: &str) -> bool {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => !hexadecimal.starts_with(['+', '-']) && i64::from_str_radix(&format!("{sign}{hexadecimal}"), 16).is_ok(),
        None => !digits.starts_with(['+', '-']) && format!("{sign}{digits}").parse::<i64>().is_ok(),
    }
}

fn is_float(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

fn is_decimal(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'));
    plain && is_float(text)
}

/// In either alphabet, with or without its padding.
fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    text.len() - body.len() <= 2 && body.len() % 4 != 1 && body.bytes().all(is_letter)
}

/// `1-2 3 4:5:6.7` or `P1Y2M3DT4H5M6.7S`.
fn is_interval(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_digit() || b" -+:.PYMDTHSWpymdthsw".contains(&byte);
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().all(is_letter)
}

fn whole<'a>(text: &'a str, read: fn(&mut Scan<'a>) -> Option<()>) -> bool {
    let mut scan = Scan { rest: text.trim() };
    read(&mut scan).is_some() && scan.rest.is_empty()
}

struct Scan<'a> {
    rest: &'a str,
}

impl<'a> Scan<'a> {
    fn date(&mut self) -> Option<()> {
        let year = self.number(4, 1..=9_999)?;
        self.eat(&['-'])?;
        let month = self.number(2, 1..=12)?;
        self.eat(&['-'])?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        self.number(2, 1..=days).map(|_| ())
    }

    fn time(&mut self) -> Option<()> {
        self.number(2, 0..=23)?;
        self.eat(&[':'])?;
        self.number(2, 0..=59)?;
        if self.eat(&[':']).is_none() {
            return Some(());
        }
        // GoogleSQL takes a leap second for the one after it.
        self.number(2, 0..=60)?;
        match self.eat(&['.']) {
            Some(()) => self.digits(FRACTION_DIGITS_MAX).map(|_| ()),
            None => Some(()),
        }
    }

    fn datetime(&mut self) -> Option<()> {
        self.date()?;
        match self.eat(&[' ', 'T', 't']) {
            Some(()) => self.time(),
            None => Some(()),
        }
    }

    fn timestamp(&mut self) -> Option<()> {
        self.date()?;
        let before = self.rest;
        if self.eat(&[' ', 'T', 't']).is_some() && self.time().is_none() {
            self.rest = before;
        }
        self.zone()
    }

    fn zone(&mut self) -> Option<()> {
        if self.rest.is_empty() || self.eat(&['Z', 'z']).is_some() {
            return Some(());
        }
        let named = self.rest.strip_prefix(' ');
        self.rest = named.unwrap_or(self.rest);
        if self.eat(&['+', '-']).is_some() {
            self.number(2, 0..=14)?;
            return match self.eat(&[':']) {
                Some(()) => self.number(2, 0..=59).map(|_| ()),
                None => Some(()),
            };
        }
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'+' | b'-');
        let is_name = named.is_some() && self.rest.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        (is_name && self.rest.bytes().all(is_letter)).then(|| self.rest = "")
    }

    fn number(&mut self, digits_max: usize, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let number = self.digits(digits_max)?.parse().ok()?;
        range.contains(&number).then_some(number)
    }

    fn digits(&mut self, most: usize) -> Option<&'a str> {
        let end = self.rest.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).filter(|_| (1..=most).contains(&end))?;
        self.rest = rest;
        Some(digits)
    }

    fn eat(&mut self, wanted: &[char]) -> Option<()> {
        self.rest = self.rest.strip_prefix(wanted)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: &str, good: &[&str], bad: &[&str]) {
        let kind = Type::parse(kind).unwrap();
        for text in good {
            assert!(fits(&kind, text), "{kind} {text}");
        }
        for text in bad {
            assert!(!fits(&kind, text), "{kind} {text}");
        }
    }

    #[test]
    fn values_fit_their_types() {
        check(
            "INT64",
            &["0", "-7", "+7", " 7 ", "0x1F", "-0X1f", "9223372036854775807", "-9223372036854775808"],
            &["", "7.0", "1e3", "--7", "+-7", "0x", "0x+1", "9223372036854775808", "seven", "1_000", "٧"],
        );
        check("FLOAT64", &["0", "-7.5", "1e300", ".5", "5.", "NaN", "inf", "-Infinity"], &["", "x", "1,5", "0x1p3"]);
        check("NUMERIC", &["0", "-7.5", "1E-3", ".5"], &["", "NaN", "inf", "1,5", "."]);
        check("BOOL", &["true", "FALSE"], &["", "1", "yes"]);
        check("BYTES", &["", "YQ==", "YWI", "-_-_"], &["a", "a b=", "YQ===", "ä"]);
        check("STRING", &["", "\u{0}", "'; DROP TABLE t"], &[]);
        check("JSON", &["{}", "[1, \"a\"]", "null"], &["", "{", "{'a': 1}", "{} {}"]);
        check("GEOGRAPHY", &["POINT(1 2)"], &["", "  "]);
        check("INTERVAL", &["1-2 3 4:5:6.7", "P1Y2M3DT4H5M6.7S"], &["", "P", "one day"]);
    }

    #[test]
    fn times_are_of_the_calendar() {
        check(
            "DATE",
            &["2024-02-29", "2020-1-5", "0001-01-01"],
            &["2023-02-29", "0000-01-01", "2020-13-01", "2020-01-32", "20200101", "2020-01-0"],
        );
        check("TIME", &["12:30", "23:59:59.999999", "1:2:3"], &["24:00:00", "12:60:00", "12", "12:30:00.", "12:30Z"]);
        check(
            "DATETIME",
            &["2020-01-01", "2020-01-01T12:30:00.5", "2020-01-01 12:30:00"],
            &["2020-01-01T", "2020-01-01 12:30:00Z", "2020-01-01 25:00:00"],
        );
        check(
            "TIMESTAMP",
            &[
                "2020-01-01",
                "2020-01-01 12:30:00+00:00",
                "2020-01-01T12:30:00Z",
                "2020-01-01 12:30:00.123456 UTC",
                "2020-01-01 12:30:00 America/Los_Angeles",
                "2020-01-01 12:30:00-8",
                "2020-01-01 +01:00",
            ],
            &["", "2020-01-01 12:30:00+24:00", "2020-01-01 12:30:00 'x'", "1577836800", "2020-01-01 12:30:00UTC"],
        );
    }
}
