//! INTERVAL: three independent parts. The module writes 16 bytes: microseconds, days, and one word with months and the nanoseconds' rest.

const MONTHS_SHIFT: u32 = 13;
const MONTHS_SIGN: u32 = 1 << 31;
const NANOSECONDS_MASK: u32 = 0x3ff;

/// Reads `1-2 3 4:5:6.789`, each part with its own sign.
pub fn to_bytes(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split(' ');
    let (months, days, clock) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let (months_negative, months) = signed(months);
    let (years, more) = months.split_once('-')?;
    let months = years.parse::<u32>().ok()?.checked_mul(12)?.checked_add(more.parse().ok()?)?;
    let (clock_negative, clock) = signed(clock);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut seconds = 0i64;
    for part in clock.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    let fraction: i64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let magnitude = i128::from(seconds) * 1_000_000_000 + i128::from(fraction);
    let nanoseconds = if clock_negative { -magnitude } else { magnitude };
    let (microseconds, rest) = (nanoseconds.div_euclid(1_000), nanoseconds.rem_euclid(1_000));
    let word = months << MONTHS_SHIFT | u32::try_from(rest).ok()? | if months_negative { MONTHS_SIGN } else { 0 };
    let mut bytes = i64::try_from(microseconds).ok()?.to_le_bytes().to_vec();
    bytes.extend(days.parse::<i32>().ok()?.to_le_bytes());
    bytes.extend(word.to_le_bytes());
    Some(bytes)
}

pub fn to_text(bytes: &[u8]) -> Option<String> {
    let (microseconds, rest) = bytes.split_at_checked(8)?;
    let (days, word) = rest.split_at_checked(4)?;
    let microseconds = i64::from_le_bytes(microseconds.try_into().ok()?);
    let days = i32::from_le_bytes(days.try_into().ok()?);
    let word = u32::from_le_bytes(word.try_into().ok()?);
    let months = (word & !MONTHS_SIGN) >> MONTHS_SHIFT;
    let months_sign = if word & MONTHS_SIGN != 0 { "-" } else { "" };
    let nanoseconds = i128::from(microseconds) * 1_000 + i128::from(word & NANOSECONDS_MASK);
    let clock_sign = if nanoseconds < 0 { "-" } else { "" };
    let (seconds, fraction) = (nanoseconds.unsigned_abs() / 1_000_000_000, nanoseconds.unsigned_abs() % 1_000_000_000);
    let fraction = match fraction {
        0 => String::new(),
        fraction if fraction % 1_000_000 == 0 => format!(".{:03}", fraction / 1_000_000),
        fraction if fraction % 1_000 == 0 => format!(".{:06}", fraction / 1_000),
        fraction => format!(".{fraction:09}"),
    };
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(format!("{months_sign}{}-{} {days} {clock_sign}{hours}:{minutes}:{seconds}{fraction}", months / 12, months % 12))
}

fn signed(text: &str) -> (bool, &str) {
    text.strip_prefix('-').map_or((false, text), |rest| (true, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_written_and_read() {
        let check = |text: &str| assert_eq!(to_bytes(text).and_then(|bytes| to_text(&bytes)).as_deref(), Some(text));
        check("1-2 3 4:5:6.789");
        check("-1-2 -3 -4:5:6.000000789");
        check("0-0 0 0:0:0");
        check("10000-0 3660000 87840000:0:0");
        let refused = |text: &str| assert_eq!(to_bytes(text), None, "{text}");
        refused("1-2 3");
        refused("1-2 3 4:5:6 7");
        refused("x 3 4:5:6");
        assert_eq!(to_text(&[0; 15]), None);
    }
}
