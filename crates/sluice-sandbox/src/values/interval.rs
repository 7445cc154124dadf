//! INTERVAL as text: `[-]years-months [-]days [-]hours:minutes:seconds[.fraction]`.

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
