//! Days and clock times as text, both ways. Years one to 9999, as in GoogleSQL.

pub const MICROSECONDS_PER_SECOND: i64 = 1_000_000;
pub const SECONDS_PER_DAY: i64 = 86_400;
const DAYS_MIN: i64 = -719_162;
const DAYS_MAX: i64 = 2_932_896;

/// `2026-01-31` for days since 1970.
pub fn date_text(days: i64) -> String {
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-01-31`, also with single digits, to days since 1970.
pub fn date_days(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let mut number = || parts.next().filter(|part| !part.is_empty() && part.len() <= 4).and_then(digits);
    let (year, month, day) = (number()?, number()?, number()?);
    let days = days_of(year, month, day);
    (civil(days) == (year, month, day) && (DAYS_MIN..=DAYS_MAX).contains(&days)).then_some(days)
}

/// `01:02:03`, with a fraction only where there is one.
pub fn time_text(microseconds: i64) -> String {
    let (seconds, fraction) = (microseconds.div_euclid(MICROSECONDS_PER_SECOND), microseconds.rem_euclid(MICROSECONDS_PER_SECOND));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 { clock } else { format!("{clock}.{fraction:06}") }
}

/// `01:02:03.5` to microseconds of the day; seconds may be left out.
pub fn time_microseconds(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let mut number = |end: i64| parts.next().filter(|part| (1..=2).contains(&part.len())).and_then(digits).filter(|value| *value < end);
    let (hours, minutes) = (number(24)?, number(60)?);
    let seconds = if clock.matches(':').count() == 2 { number(60)? } else { 0 };
    if clock.matches(':').count() > 2 || fraction.len() > 9 || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    let padded = format!("{fraction:0<6}");
    let micros = digits(padded.get(..6)?)?;
    Some((hours * 3600 + minutes * 60 + seconds) * MICROSECONDS_PER_SECOND + micros)
}

/// A timestamp as RFC 3339 or as GoogleSQL writes it, to microseconds since 1970. Without an offset it is UTC.
pub fn timestamp_microseconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let (local, offset_minutes) = split_zone(text)?;
    let (date, time) = local.split_once(['T', 't', ' ']).unwrap_or((local, "00:00:00"));
    let days = date_days(date)?;
    let micros = time_microseconds(time.trim())?;
    Some((days * SECONDS_PER_DAY - offset_minutes * 60) * MICROSECONDS_PER_SECOND + micros)
}

/// `2026-01-31T01:02:03.000004`, as DATETIME values are written.
pub fn datetime_text(microseconds: i64) -> String {
    let day = SECONDS_PER_DAY * MICROSECONDS_PER_SECOND;
    format!("{}T{}", date_text(microseconds.div_euclid(day)), time_text(microseconds.rem_euclid(day)))
}

pub fn datetime_microseconds(text: &str) -> Option<i64> {
    let (date, time) = text.trim().split_once(['T', 't', ' ']).unwrap_or((text.trim(), "00:00:00"));
    Some(date_days(date)? * SECONDS_PER_DAY * MICROSECONDS_PER_SECOND + time_microseconds(time)?)
}

fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(local) = text.strip_suffix(['Z', 'z']).or_else(|| text.strip_suffix("UTC")) {
        return Some((local.trim_end(), 0));
    }
    let clock_start = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let Some(position) = text.rfind(['+', '-']).filter(|position| *position > clock_start) else {
        return Some((text, 0));
    };
    let (local, zone) = text.split_at_checked(position)?;
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = zone.get(1..)?.split_once(':').unwrap_or((zone.get(1..)?, "0"));
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    (hours <= 14 && minutes < 60).then_some((local.trim_end(), sign * (hours * 60 + minutes)))
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// The proleptic Gregorian calendar in 400-year eras that begin in March.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let shifted = year - i64::from(month <= 2);
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_round_trip() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(date_days(text), expect, "{text}");
        check("1970-01-01", Some(0));
        check("2024-02-29", Some(19_782));
        check("0001-01-01", Some(DAYS_MIN));
        check("9999-12-31", Some(DAYS_MAX));
        check("2023-02-29", None);
        check("2023-13-01", None);
        check("2023-1", None);
        check("x", None);
        for days in (DAYS_MIN..=DAYS_MAX).step_by(997) {
            assert_eq!(date_days(&date_text(days)), Some(days));
        }
    }

    #[test]
    fn timestamps_are_read_or_refused() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(timestamp_microseconds(text), expect, "{text}");
        check("1970-01-01T00:00:01Z", Some(1_000_000));
        check("1970-01-01 00:00:01.5 UTC", Some(1_500_000));
        check("1970-01-01 01:00:00+01:00", Some(0));
        check("1969-12-31T19:00:00-05", Some(0));
        check("1970-01-02", Some(86_400_000_000));
        check("1970-01-01T25:00:00Z", None);
        check("1970-01-01T00:00:00+99:00", None);
        check("yesterday", None);
    }

    #[test]
    fn times_are_written_with_a_fraction_only_where_needed() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(time_microseconds(text).map(time_text).as_deref(), expect, "{text}");
        check("01:02:03", Some("01:02:03"));
        check("1:2", Some("01:02:00"));
        check("23:59:59.000001", Some("23:59:59.000001"));
        check("24:00:00", None);
        check("12:00:00.", None);
        check("12", None);
        assert_eq!(datetime_text(datetime_microseconds("1969-12-31 23:59:59.5").unwrap()), "1969-12-31T23:59:59.500000");
    }
}
