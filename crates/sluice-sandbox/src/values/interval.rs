//! INTERVAL as text: `[-]years-months [-]days [-]hours:minutes:seconds[.fraction]`.

/// As Arrow and Avro write it. Each part has a sign of its own. BigQuery's longest clock has more nanoseconds than 64 bits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    pub months: i32,
    pub days: i32,
    pub nanoseconds: i128,
}

pub fn parts(text: &str) -> Option<Parts> {
    let canonical = canonical(text)?;
    let mut words = canonical.split(' ');
    let (sign, year_month) = signed(words.next()?);
    let (years, months) = year_month.split_once('-')?;
    let months = years.parse::<i32>().ok()? * 12 + months.parse::<i32>().ok()?;
    let days = words.next()?.parse().ok()?;
    let (clock_sign, clock) = signed(words.next()?);
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut numbers = whole.split(':').map(|number| number.parse::<i64>().ok());
    let (hours, minutes, seconds) = (numbers.next()??, numbers.next()??, numbers.next()??);
    let fraction: i128 = format!("{fraction:0<9}").parse().ok()?;
    let seconds = hours.checked_mul(3_600)?.checked_add(minutes * 60 + seconds)?;
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + fraction;
    let months = if sign.is_empty() { months } else { -months };
    let nanoseconds = if clock_sign.is_empty() { nanoseconds } else { -nanoseconds };
    Some(Parts { months, days, nanoseconds })
}

/// The same interval as GoogleSQL writes it. `None` for text that is not one.
pub fn canonical(text: &str) -> Option<String> {
    let mut parts = text.split(' ');
    let (months, days, clock) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let days: i64 = days.parse().ok()?;
    Some(format!("{} {days} {}", year_month(months)?, clock_text(clock)?))
}

fn year_month(text: &str) -> Option<String> {
    let (sign, digits) = signed(text);
    let (years, months) = digits.split_once('-')?;
    let (years, months): (u32, u32) = (years.parse().ok()?, months.parse().ok()?);
    (years <= 10_000 && months < 12).then(|| format!("{}{years}-{months}", if years + months == 0 { "" } else { sign }))
}

fn clock_text(text: &str) -> Option<String> {
    let (sign, digits) = signed(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut parts = whole.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
    let digits_only = fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if parts.next().is_some() || minutes > 59 || seconds > 59 || !digits_only {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    let sign = if hours + minutes + seconds == 0 && fraction.is_empty() { "" } else { sign };
    // Three digits at a time, as GoogleSQL pads them.
    let padded = format!("{fraction:0<width$}", width = fraction.len().div_ceil(3) * 3);
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{hours}:{minutes}:{seconds}{point}{padded}"))
}

fn signed(text: &str) -> (&'static str, &str) {
    match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_parts() {
        let check = |text: &str, expect: Option<(i32, i32, i128)>| {
            assert_eq!(parts(text).map(|parts| (parts.months, parts.days, parts.nanoseconds)), expect, "{text}");
        };
        check("1-2 3 4:5:6.789", Some((14, 3, 14_706_789_000_000)));
        check("-10000-0 -3660000 -87840000:0:0", Some((-120_000, -3_660_000, -316_224_000_000_000_000_000)));
        check("0-0 0 -0:0:0.000000001", Some((0, 0, -1)));
        check("3 days", None);
    }

    #[test]
    fn intervals_are_canonical_or_refused() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(canonical(text).as_deref(), expect, "{text}");
        check("0-0 3 0:0:0", Some("0-0 3 0:0:0"));
        check("-1-2 -3 -4:05:06.5", Some("-1-2 -3 -4:5:6.500"));
        check("-0-0 0 -0:0:0", Some("0-0 0 0:0:0"));
        check("1-12 0 0:0:0", None);
        check("0-0 0 0:60:0", None);
        check("3 days", None);
    }
}
