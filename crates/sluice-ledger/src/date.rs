//! Times as people write them, `2026-11-21T09:30:00.250Z`: always in UTC, because evidence is read in other places than where it was written.

const MS_PER_DAY: u64 = 86_400_000;
/// The year 9999 ends here; nothing later has a spelling.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// Milliseconds since 1970 as a date; beyond the year 9999 as the number itself.
pub fn text(time_ms: u64) -> String {
    if time_ms > TIME_MS_MAX {
        return format!("{time_ms} ms");
    }
    let (days, rest) = (time_ms / MS_PER_DAY, time_ms % MS_PER_DAY);
    let (year, month, day) = civil(days);
    let (hour, minute, second, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// `2026-11-21`, `2026-11-21T09:30Z`, with seconds or with milliseconds. Nothing without its zone, and no zone but UTC: a time that
/// means another moment to another reader finds the wrong records.
pub fn parse(text: &str) -> Option<u64> {
    let (date, clock) = match text.split_once('T') {
        Some((date, clock)) => (date, clock.strip_suffix('Z')?),
        None => (text, "00:00"),
    };
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let (clock, ms) = match clock.split_once('.') {
        Some((clock, ms)) => (clock, number(ms, 3).filter(|_| clock.len() == 8)?),
        None => (clock, 0),
    };
    let [hour, minute, second] =
        if clock.len() == 5 { numbers(&format!("{clock}:00"), ':', [2, 2, 2])? } else { numbers(clock, ':', [2, 2, 2])? };
    if year < 1970 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let days = days_before_year(year) + day_of_year(year, month, day)?;
    Some(days * MS_PER_DAY + ((hour * 60 + minute) * 60 + second) * 1000 + ms)
}

fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let parts: Vec<&str> = text.split(between).collect();
    let [first, second, third] = parts.as_slice() else { return None };
    let [one, two, three] = digits;
    Some([number(first, one)?, number(second, two)?, number(third, three)?])
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from 1970 to the first of January.
fn days_before_year(year: u64) -> u64 {
    let leaps = |year: u64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

fn months(year: u64) -> [u64; 12] {
    [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
}

/// From 0. None for a day that the month does not have.
fn day_of_year(year: u64, month: u64, day: u64) -> Option<u64> {
    let before = usize::try_from(month.checked_sub(1)?).ok()?;
    let length = *months(year).get(before)?;
    let days: u64 = months(year).iter().take(before).sum();
    (1..=length).contains(&day).then(|| days + day - 1)
}

fn civil(days: u64) -> (u64, u64, u64) {
    // Never later than the right year; a few years early at the end of the range.
    let mut year = 1970 + days / 366;
    while days_before_year(year + 1) <= days {
        year += 1;
    }
    let mut rest = days - days_before_year(year);
    let mut month = 1;
    for length in months(year) {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        // By `date -u -d @SECONDS`.
        for (time_ms, expect) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_868_799_000, "2000-02-29T23:59:59.000Z"),
            (951_868_800_001, "2000-03-01T00:00:00.001Z"),
            (1_800_000_000_000, "2027-01-15T08:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (TIME_MS_MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!((text(time_ms).as_str(), parse(expect)), (expect, Some(time_ms)));
        }
        assert_eq!(text(TIME_MS_MAX + 1), "253402300800000 ms");
    }

    #[test]
    fn every_day_of_four_centuries() {
        let mut days = 0;
        for year in 1970..2370 {
            for (month, length) in (1..).zip(months(year)) {
                for day in 1..=length {
                    assert_eq!(civil(days), (year, month, day));
                    assert_eq!(parse(&format!("{year}-{month:02}-{day:02}")), Some(days * MS_PER_DAY));
                    days += 1;
                }
            }
        }
        assert_eq!(days, 146_097);
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2026",
            "2026-11",
            "2026-1-21",
            "2026-13-01",
            "2026-00-01",
            "2026-11-00",
            "2026-11-31",
            "2026-02-29",
            "2100-02-29",
            "1969-12-31",
            "+026-11-21",
            "2026-11-21T",
            "2026-11-21T09:30",
            "2026-11-21T09:30+01:00",
            "2026-11-21T24:00Z",
            "2026-11-21T09:60Z",
            "2026-11-21T09:30:60Z",
            "2026-11-21T09:30.250Z",
            "2026-11-21T09:30:00.25Z",
            "2026-11-21 09:30Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("2026-11-21T09:30Z"), parse("2026-11-21T09:30:00.000Z"));
    }
}
