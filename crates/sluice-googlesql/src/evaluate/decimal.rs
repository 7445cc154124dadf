//! NUMERIC and BIGNUMERIC: decimal text to scaled integers, which the module writes as the fewest bytes in two's complement, lowest first.

pub const NUMERIC_SCALE: usize = 9;
pub const BIG_NUMERIC_SCALE: usize = 38;
/// 256 bits.
const BYTES_MAX: usize = 32;

/// `None` for text that is no plain decimal number, or one with too many digits.
pub fn to_bytes(text: &str, scale: usize) -> Option<Vec<u8>> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.len() > scale || whole.is_empty() {
        return None;
    }
    let mut magnitude = [0u8; BYTES_MAX];
    for digit in whole.chars().chain(fraction.chars()).chain(std::iter::repeat_n('0', scale - fraction.len())) {
        multiply_add(&mut magnitude, digit.to_digit(10)?)?;
    }
    if negative {
        negate(&mut magnitude);
    }
    let sign_of_bytes = magnitude.last().is_some_and(|byte| byte & 0x80 != 0);
    // Zero is the only number that may be both.
    if sign_of_bytes != negative && magnitude != [0; BYTES_MAX] {
        return None;
    }
    Some(shortest(&magnitude))
}

pub fn to_text(bytes: &[u8], scale: usize) -> Option<String> {
    if bytes.len() > BYTES_MAX {
        return None;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut magnitude = [if negative { 0xff } else { 0 }; BYTES_MAX];
    magnitude.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    if negative {
        negate(&mut magnitude);
    }
    let mut digits = Vec::new();
    while magnitude != [0; BYTES_MAX] || digits.len() <= scale {
        digits.push(char::from(b'0' + divide_by_ten(&mut magnitude)));
    }
    let fraction: String = digits.iter().take(scale).rev().collect();
    let whole: String = digits.iter().skip(scale).rev().collect();
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    let sign = if negative { "-" } else { "" };
    Some(format!("{sign}{whole}{point}{fraction}"))
}

/// `None` when the number does not fit any more.
fn multiply_add(number: &mut [u8; BYTES_MAX], digit: u32) -> Option<()> {
    let mut carry = digit;
    for byte in number.iter_mut() {
        let product = u32::from(*byte) * 10 + carry;
        *byte = (product & 0xff) as u8;
        carry = product >> 8;
    }
    (carry == 0).then_some(())
}

/// The remainder.
fn divide_by_ten(number: &mut [u8; BYTES_MAX]) -> u8 {
    let mut rest = 0u16;
    for byte in number.iter_mut().rev() {
        let part = rest << 8 | u16::from(*byte);
        *byte = (part / 10) as u8;
        rest = part % 10;
    }
    rest as u8
}

fn negate(number: &mut [u8; BYTES_MAX]) {
    let mut carry = true;
    for byte in number.iter_mut() {
        let (sum, more) = (!*byte).overflowing_add(u8::from(carry));
        *byte = sum;
        carry = more;
    }
}

/// Drops the highest bytes that only repeat the sign.
fn shortest(number: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_vec();
    while let [.., before, last] = bytes.as_slice() {
        let repeats = (*last == 0 && before & 0x80 == 0) || (*last == 0xff && before & 0x80 != 0);
        if !repeats {
            break;
        }
        bytes.pop();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, scale: usize, expect: Option<&[u8]>) {
        let bytes = to_bytes(text, scale);
        assert_eq!(bytes.as_deref(), expect, "{text}");
        if let Some(bytes) = bytes {
            assert_eq!(to_text(&bytes, scale).as_deref(), Some(text));
        }
    }

    #[test]
    fn decimals_are_written_and_read() {
        check("0", 9, Some(&[0]));
        check("-1.5", 9, Some(&[0, 0xd1, 0x97, 0xa6]));
        check("0.000000001", 9, Some(&[1]));
        check("0.000000128", 9, Some(&[0x80, 0]));
        check("-0.000000128", 9, Some(&[0x80]));
        check("1.0000000001", 9, None);
        check("", 9, None);
        check("1e3", 9, None);
        check("--1", 9, None);
        check(&"9".repeat(90), 9, None);
        let largest = format!("{}.{}", "5".repeat(38), "9".repeat(38));
        assert_eq!(to_text(&to_bytes(&largest, 38).expect("bytes"), 38), Some(largest));
    }
}
