//! NUMERIC and BIGNUMERIC as text.

use arrow_buffer::i256;

/// Digits before and behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    whole_digits_max: usize,
    fraction_digits_max: usize,
}

pub const NUMERIC: Size = Size { whole_digits_max: 29, fraction_digits_max: 9 };
pub const BIG_NUMERIC: Size = Size { whole_digits_max: 39, fraction_digits_max: 38 };

/// The number without needless zeros, exponents written out. `None` for anything else, and for more digits than fit.
pub fn canonical(text: &str, size: Size) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (number, exponent) = match digits.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok().filter(|exponent| exponent.abs() <= 100)?),
        None => (digits, 0),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let all: String = [whole, fraction].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (whole, fraction) = point_at(&all, i64::try_from(whole.len()).ok()? + i64::from(exponent))?;
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.len() > size.whole_digits_max || fraction.len() > size.fraction_digits_max {
        return None;
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match (whole, fraction) {
        ("0", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    })
}

/// The number without its point, in units of the last of `scale` digits behind it. Nothing where more of them are needed.
pub fn unscaled(text: &str, scale: i8) -> Option<i256> {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let room = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    format!("{sign}{whole}{fraction}{}", "0".repeat(room)).parse().ok()
}

/// Digits behind the point cut down to that many, halves away from zero. For text in canonical form.
pub fn rounded(text: &str, fraction_digits_max: usize) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let Some((kept, cut)) = fraction.split_at_checked(fraction_digits_max) else { return text.to_owned() };
    let mut all: Vec<u8> = [whole, kept].concat().into_bytes();
    if cut.bytes().next().is_some_and(|first| first >= b'5') {
        let nines = all.iter().rev().take_while(|digit| **digit == b'9').count();
        let last = all.len().saturating_sub(nines);
        all.iter_mut().skip(last).for_each(|digit| *digit = b'0');
        match last.checked_sub(1).and_then(|place| all.get_mut(place)) {
            Some(digit) => *digit += 1,
            None => all.insert(0, b'1'),
        }
    }
    let point = all.len().saturating_sub(kept.len());
    let all: String = all.into_iter().map(char::from).collect();
    let (whole, fraction) = all.split_at_checked(point).unwrap_or((&all, ""));
    match (whole, fraction.trim_end_matches('0')) {
        (whole, "") if whole.bytes().all(|digit| digit == b'0') => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{whole}.{fraction}"),
    }
}

fn point_at(digits: &str, position: i64) -> Option<(String, String)> {
    if position <= 0 {
        return Some((String::new(), format!("{}{digits}", "0".repeat(usize::try_from(-position).ok()?))));
    }
    let position = usize::try_from(position).ok()?;
    let padded = format!("{digits:0<position$}");
    let (whole, fraction) = padded.split_at_checked(position)?;
    Some((whole.to_owned(), fraction.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_is_taken_out() {
        let check = |text: &str, scale: i8, expect: Option<&str>| {
            assert_eq!(unscaled(text, scale).map(|number| number.to_string()).as_deref(), expect, "{text} {scale}");
        };
        check("1.5", 9, Some("1500000000"));
        check("-0.000000001", 9, Some("-1"));
        check("0", 38, Some("0"));
        check("7", 0, Some("7"));
        check("1.25", 1, None);
        let largest = "578960446186580977117854925043439539266.34992332820282019728792003956564819967";
        check(largest, 38, Some(&largest.replace('.', "")));
        let smallest = "-578960446186580977117854925043439539266.34992332820282019728792003956564819968";
        check(smallest, 38, Some(&smallest.replace('.', "")));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let check = |text: &str, digits: usize, expect: &str| assert_eq!(rounded(text, digits), expect, "{text} {digits}");
        check("1.239", 2, "1.24");
        check("1.235", 2, "1.24");
        check("-1.235", 2, "-1.24");
        check("1.234", 2, "1.23");
        check("9.995", 2, "10");
        check("99.5", 0, "100");
        check("-0.4", 0, "0");
        check("-0.004", 2, "0");
        check("7", 2, "7");
        check("7.1", 2, "7.1");
        check("1.204", 2, "1.2");
    }

    #[test]
    fn numbers_are_canonical_or_refused() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(canonical(text, NUMERIC).as_deref(), expect, "{text}");
        check("1.50", Some("1.5"));
        check("-0.0", Some("0"));
        check("007", Some("7"));
        check(".5", Some("0.5"));
        check("1e3", Some("1000"));
        check("-12e-3", Some("-0.012"));
        check("0.1234567891", None);
        check("1234567890123456789012345678901", None);
        check("", None);
        check(".", None);
        check("1,5", None);
        check("1e999", None);
    }
}
