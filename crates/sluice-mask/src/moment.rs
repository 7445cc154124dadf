//! Dates and times as cells write them: in which form, and of which year.

const SECONDS_PER_DAY: i64 = 86_400;
const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
const YEARS: std::ops::RangeInclusive<i64> = 1..=9_999;
/// Beyond it there is no year.
const SECONDS_FAR: f64 = 1e12;
/// The last second of the year 9999. Its last moments are no numbers of floating point: they are written as the one behind it.
const SECONDS_LAST: i64 = 253_402_300_799;
/// Java writes smaller numbers without an exponent.
const SECONDS_PLAIN_MAX: i64 = 10_000_000;

/// How a TIMESTAMP stands in a cell: `1.7E9`, `1700000000000000`, `2023-11-14T22:13:20Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum TimestampForm {
    #[default]
    FloatSeconds,
    Int64Microseconds,
    Iso8601,
}

impl TimestampForm {
    /// What was asked for, by the parameters of the call.
    pub(crate) fn of_query(query: &[(String, String)]) -> TimestampForm {
        let said = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match said("formatOptions.timestampOutputFormat") {
            Some("FLOAT64") => TimestampForm::FloatSeconds,
            Some("INT64") => TimestampForm::Int64Microseconds,
            Some("ISO8601_STRING") => TimestampForm::Iso8601,
            _ if said("formatOptions.useInt64Timestamp") == Some("true") => TimestampForm::Int64Microseconds,
            _ => TimestampForm::FloatSeconds,
        }
    }

    /// That a value has, whatever was asked for.
    pub(crate) fn of_value(value: &str) -> Option<TimestampForm> {
        let unsigned = value.strip_prefix('-').unwrap_or(value).as_bytes();
        if !unsigned.first().is_some_and(u8::is_ascii_digit) {
            None
        } else if unsigned.iter().all(u8::is_ascii_digit) {
            Some(TimestampForm::Int64Microseconds)
        } else if unsigned.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'E' | b'e' | b'+' | b'-'))
            && value.contains(['.', 'E', 'e'])
        {
            Some(TimestampForm::FloatSeconds)
        } else {
            year_of_date(value).map(|_| TimestampForm::Iso8601)
        }
    }

    pub(crate) fn epoch(self) -> &'static str {
        match self {
            TimestampForm::FloatSeconds => "0.0",
            TimestampForm::Int64Microseconds => "0",
            TimestampForm::Iso8601 => "1970-01-01T00:00:00Z",
        }
    }

    /// The first moment of the year that a value is in, by UTC.
    pub(crate) fn begin_of_year(self, value: &str) -> Option<String> {
        let year = match self {
            TimestampForm::FloatSeconds => year_of_seconds(within_calendar(whole_seconds(value)?)),
            TimestampForm::Int64Microseconds => return Some(begin_of_year_of_microseconds(value.parse().ok()?)?.to_string()),
            TimestampForm::Iso8601 => year_of_utc(value)?,
        };
        let seconds = days_before_year(year)? * SECONDS_PER_DAY;
        Some(match self {
            TimestampForm::FloatSeconds => seconds_text(seconds),
            TimestampForm::Int64Microseconds => (seconds * MICROSECONDS_PER_SECOND).to_string(),
            TimestampForm::Iso8601 => format!("{year:04}-01-01T00:00:00Z"),
        })
    }
}

/// Since 1970, by UTC if it is a moment.
pub(crate) fn begin_of_year_of_microseconds(microseconds: i64) -> Option<i64> {
    let days = days_before_year(year_of_seconds(microseconds.div_euclid(MICROSECONDS_PER_SECOND)))?;
    Some(days * SECONDS_PER_DAY * MICROSECONDS_PER_SECOND)
}

/// Since 1970.
pub(crate) fn begin_of_year_of_days(days: i32) -> Option<i32> {
    i32::try_from(days_before_year(year_of_seconds(i64::from(days) * SECONDS_PER_DAY))?).ok()
}

fn days_before_year(year: i64) -> Option<i64> {
    YEARS.contains(&year).then(|| days_before(year))
}

/// `2023-05-17` is `2023-01-01`.
pub(crate) fn begin_of_year_of_date(value: &str) -> Option<String> {
    let year = year_of_date(value).filter(|_| value.len() == DATE_BYTES)?;
    Some(format!("{year:04}-01-01"))
}

/// `2023-05-17T10:11:12.5` is `2023-01-01T00:00:00`.
pub(crate) fn begin_of_year_of_datetime(value: &str) -> Option<String> {
    let year = year_of_date(value)?;
    let time = value.get(DATE_BYTES..)?.strip_prefix(['T', ' '])?;
    is_time(time).then(|| format!("{year:04}-01-01T00:00:00"))
}

const DATE_BYTES: usize = 10;

/// Of a text that begins with a date, written with four digits, two and two.
fn year_of_date(value: &str) -> Option<i64> {
    let number =
        |from: usize, to: usize| value.get(from..to).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, DATE_BYTES)?);
    let dashes = value.get(4..5) == Some("-") && value.get(7..8) == Some("-");
    (dashes && YEARS.contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)).then_some(year)
}

/// `10:11:12`, with or without a fraction.
fn is_time(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = whole.split(':').collect();
    parts.len() == 3 && parts.iter().all(|part| part.len() == 2 && digits(part)) && fraction.is_none_or(digits)
}

/// A moment with another offset than none is not read: its year by UTC would have to be computed.
fn year_of_utc(value: &str) -> Option<i64> {
    let year = year_of_date(value)?;
    let time = value.get(DATE_BYTES..)?.strip_prefix(['T', ' '])?;
    let time = ["Z", "+00:00", "+00", " UTC"].into_iter().find_map(|zone| time.strip_suffix(zone))?;
    is_time(time).then_some(year)
}

/// `1.7E9`, downwards.
fn whole_seconds(value: &str) -> Option<i64> {
    let seconds = value.parse::<f64>().ok().filter(|seconds| seconds.is_finite())?.floor();
    if seconds.abs() > SECONDS_FAR {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "whole, and far below what fits")]
    Some(seconds as i64)
}

fn within_calendar(seconds: i64) -> i64 {
    if seconds == SECONDS_LAST + 1 { SECONDS_LAST } else { seconds }
}

/// As Java writes a whole number of floating point.
fn seconds_text(seconds: i64) -> String {
    if seconds.abs() < SECONDS_PLAIN_MAX {
        return format!("{seconds}.0");
    }
    let (sign, digits) = if seconds < 0 { ("-", (-seconds).to_string()) } else { ("", seconds.to_string()) };
    let exponent = digits.len() - 1;
    let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
    let rest = match rest.trim_end_matches('0') {
        "" => "0",
        rest => rest,
    };
    format!("{sign}{first}.{rest}E{exponent}")
}

/// The calendar repeats itself after 400 years, which are so many days.
const ERA_DAYS: i64 = 146_097;
/// From the first of March of the year 0 to 1970.
const EPOCH_DAYS: i64 = 719_468;

/// By the calendar that goes on in both directions. Years begin in March here, so that the day of a leap year is the last one.
fn year_of_seconds(seconds: i64) -> i64 {
    let days = seconds.div_euclid(SECONDS_PER_DAY) + EPOCH_DAYS;
    let (era, day) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA_DAYS - 1)) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    // January and February are the last two months of the year before.
    era * 400 + year + i64::from(day_of_year >= 306)
}

/// Days since 1970 as `2023-05-17`. Nothing where there is no such year.
pub(crate) fn date_text(days: i64) -> Option<String> {
    let year = year_of_seconds(days.checked_mul(SECONDS_PER_DAY)?);
    let mut left = usize::try_from(days - days_before_year(year)?).ok()?;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    for (month, length) in (1..).zip(lengths) {
        if left < length {
            return Some(format!("{year:04}-{month:02}-{:02}", left + 1));
        }
        left -= length;
    }
    None
}

/// From 1970 to the first of January.
fn days_before(year: i64) -> i64 {
    let before = year - 1;
    // The first of January of the year 1 is 306 days behind the first of March of the year 0.
    365 * before + before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400) + 306 - EPOCH_DAYS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_form_of_a_value_is_seen() {
        use TimestampForm::{FloatSeconds, Int64Microseconds, Iso8601};
        for (value, expect) in [
            ("1.7E9", Some(FloatSeconds)),
            ("-1.0E-6", Some(FloatSeconds)),
            ("0.0", Some(FloatSeconds)),
            ("1700000000000000", Some(Int64Microseconds)),
            ("-1", Some(Int64Microseconds)),
            ("2023-11-14T22:13:20Z", Some(Iso8601)),
            ("2023-11-14 22:13:20.123456 UTC", Some(Iso8601)),
            ("", None),
            ("-", None),
            ("soon", None),
            ("NaN", None),
            ("2023-13-14T22:13:20Z", None),
            ("1x", None),
        ] {
            assert_eq!(TimestampForm::of_value(value), expect, "{value}");
        }
    }

    #[test]
    fn what_was_asked_for_is_the_form() {
        let check = |query: &[(&str, &str)], expect: TimestampForm| {
            let query: Vec<(String, String)> =
                query.iter().map(|(name, value)| (format!("formatOptions.{name}"), (*value).to_owned())).collect();
            assert_eq!(TimestampForm::of_query(&query), expect, "{query:?}");
        };
        check(&[], TimestampForm::FloatSeconds);
        check(&[("useInt64Timestamp", "false")], TimestampForm::FloatSeconds);
        check(&[("useInt64Timestamp", "true")], TimestampForm::Int64Microseconds);
        check(&[("useInt64Timestamp", "true"), ("timestampOutputFormat", "ISO8601_STRING")], TimestampForm::Iso8601);
        check(&[("timestampOutputFormat", "INT64")], TimestampForm::Int64Microseconds);
        check(
            &[("useInt64Timestamp", "true"), ("timestampOutputFormat", "TIMESTAMP_OUTPUT_FORMAT_UNSPECIFIED")],
            TimestampForm::Int64Microseconds,
        );
    }

    #[test]
    fn years_begin_in_january() {
        let check = |value: &str, expect: Option<&str>| {
            let form = TimestampForm::of_value(value).unwrap_or_default();
            assert_eq!(form.begin_of_year(value).as_deref(), expect, "{value}");
        };
        check("1.7E9", Some("1.6725312E9"));
        check("1.7000000001234E9", Some("1.6725312E9"));
        check("0.0", Some("0.0"));
        check("-1.0E-6", Some("-3.1536E7"));
        check("3.1536E7", Some("3.1536E7"));
        check("1700000000000000", Some("1672531200000000"));
        check("-1", Some("-31536000000000"));
        check("-62135596800000000", Some("-62135596800000000"));
        check("-62135596800000001", None);
        check("253402300799999999", Some("253370764800000000"));
        check("253402300800000000", None);
        check("9223372036854775808", None);
        check("1.0E300", None);
        check("2.534023008E11", Some("2.533707648E11"));
        check("2.53402300801E11", None);
        check("2023-11-14T22:13:20Z", Some("2023-01-01T00:00:00Z"));
        check("0001-01-01T00:00:00.000001Z", Some("0001-01-01T00:00:00Z"));
        check("2023-11-14T22:13:20+01:00", None);
        check("2023-11-14T22:13Z", None);
        check("2023-11-14", None);
        for (value, expect) in [
            ("2023-05-17", Some("2023-01-01")),
            ("0001-12-31", Some("0001-01-01")),
            ("0000-12-31", None),
            ("2023-05-17T00:00:00", None),
            ("2023-5-17", None),
            ("2023-05-32", None),
            ("+023-05-17", None),
            ("", None),
        ] {
            assert_eq!(begin_of_year_of_date(value).as_deref(), expect, "{value}");
        }
        for (value, expect) in [
            ("2023-05-17T10:11:12", Some("2023-01-01T00:00:00")),
            ("2023-05-17T10:11:12.123456", Some("2023-01-01T00:00:00")),
            ("2023-05-17 10:11:12", Some("2023-01-01T00:00:00")),
            ("2023-05-17", None),
            ("2023-05-17Tx", None),
            ("2023-05-17T10:11:12.", None),
        ] {
            assert_eq!(begin_of_year_of_datetime(value).as_deref(), expect, "{value}");
        }
    }

    /// Day by day, as a calendar on the wall.
    fn naive_year(mut days: i64) -> (i64, i64) {
        let length = |year: i64| if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) { 366 } else { 365 };
        let (mut year, mut begin) = (1970, 0);
        while days < 0 {
            year -= 1;
            days += length(year);
            begin -= length(year);
        }
        while days >= length(year) {
            days -= length(year);
            begin += length(year);
            year += 1;
        }
        (year, begin)
    }

    proptest! {
        #[test]
        fn a_calendar_agrees(seconds in -62_135_596_800_i64..253_402_300_800) {
            let (year, begin) = naive_year(seconds.div_euclid(SECONDS_PER_DAY));
            prop_assert_eq!(year_of_seconds(seconds), year);
            prop_assert_eq!(days_before(year), begin);
            let text = seconds_text(seconds);
            prop_assert_eq!(whole_seconds(&text), Some(seconds));
            prop_assert_eq!(TimestampForm::of_value(&text), Some(TimestampForm::FloatSeconds));
        }
    }
}
