//! Addresses of mail that are one beyond doubt: what BigQuery finds valid is not said, and what is not an address can hold anything behind its `@`.

pub(crate) const LOCAL_PART_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const DOMAIN_LABEL_BYTES_MAX: usize = 63;

/// What a byte is in an address, in a number of its own each: they are added up, so that many bytes are looked at before anything is decided. No part that is
/// added up has more bytes than one of these numbers can count.
const DASH: u32 = 1;
const DOT: u32 = 1 << 8;
/// In the local part alone.
const SIGN: u32 = 1 << 16;
const OTHER: u32 = 1 << 24;
const COUNT_MAX: u32 = 0xff;

static KINDS: [u32; 256] = {
    let mut kinds = [0; 256];
    let (mut rest, mut byte): (&mut [u32], u8) = (&mut kinds, 0);
    while let Some((first, behind)) = rest.split_first_mut() {
        *first = kind(byte);
        byte = byte.wrapping_add(1);
        rest = behind;
    }
    kinds
};

/// What stands behind the `@`.
#[inline]
pub(crate) fn domain(value: &str) -> Option<&str> {
    let bytes = value.as_bytes();
    let at = first_at(bytes)?;
    let (local, domain) = (bytes.get(..at)?, bytes.get(at + 1..)?);
    if domain.len() > DOMAIN_BYTES_MAX || !is_local_part(local) || !is_domain(domain) {
        return None;
    }
    value.get(at + 1..)
}

/// Where the first `@` is, if a local part can end there.
#[inline(always)]
fn first_at(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    let bytes = bytes.get(..LOCAL_PART_BYTES_MAX + 1).unwrap_or(bytes);
    let (words, rest) = bytes.as_chunks::<8>();
    let mut before = 0;
    for word in words {
        let different = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'@'));
        let marks = different.wrapping_sub(ONES) & !different & (ONES * 128);
        if marks != 0 {
            // The lowest mark is true, those above it may be borrowed.
            return Some(before + (marks.trailing_zeros() / 8) as usize);
        }
        before += 8;
    }
    rest.iter().position(|byte| *byte == b'@').map(|at| before + at)
}

/// Of words with a dot between each two.
#[inline(always)]
fn is_local_part(local: &[u8]) -> bool {
    let kinds = kinds_of(local);
    let are_words = kinds & (DOT * COUNT_MAX) == 0 || labels(local).all(|word| !word.is_empty());
    !local.is_empty() && kinds < OTHER && are_words
}

/// Two labels at least, and the last one is no number.
#[inline(always)]
fn is_domain(domain: &[u8]) -> bool {
    let kinds = kinds_of(domain);
    if kinds >= SIGN {
        return false;
    }
    // Two short labels without a dash, as most are: whether both are there, and whether the last one ends with a letter, is all there is to ask.
    if kinds == DOT
        && domain.len() <= DOMAIN_LABEL_BYTES_MAX
        && let [first, .., before, last] = domain
        && *first != b'.'
        && *before != b'.'
        && last.is_ascii_alphabetic()
    {
        return true;
    }
    kinds >= DOT && are_labels(domain, kinds)
}

fn are_labels(domain: &[u8], kinds: u32) -> bool {
    let has_dash = kinds & (DASH * COUNT_MAX) != 0;
    let is_label = |label: &[u8]| {
        let is_between_dashes = has_dash && (label.starts_with(b"-") || label.ends_with(b"-"));
        (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len()) && !is_between_dashes
    };
    let top = labels(domain).next_back().unwrap_or_default();
    labels(domain).all(is_label) && top.len() > 1 && top.iter().any(u8::is_ascii_alphabetic)
}

fn labels(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| *byte == b'.')
}

/// Added up in steps of a length that the compiler knows: most parts have hardly more bytes than one of them.
#[inline(always)]
fn kinds_of(text: &[u8]) -> u32 {
    let add = |sum: u32, byte: &u8| sum.wrapping_add(KINDS.get(usize::from(*byte)).copied().unwrap_or(OTHER));
    let (eights, rest) = text.as_chunks::<8>();
    let (fours, rest) = rest.as_chunks::<4>();
    let sum = eights.iter().fold(0, |sum, eight| eight.iter().fold(sum, add));
    let sum = fours.iter().fold(sum, |sum, four| four.iter().fold(sum, add));
    rest.iter().fold(sum, add)
}

const fn kind(byte: u8) -> u32 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => 0,
        b'-' => DASH,
        b'.' => DOT,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~' => SIGN,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Part by part, as the rules are told.
    fn naive(value: &str) -> Option<&str> {
        let (local, domain) = value.split_once('@')?;
        let words = |text: &str, bytes_max: usize, is_good: fn(char) -> bool| {
            (1..=bytes_max).contains(&text.len()) && text.split('.').all(|word| !word.is_empty() && word.chars().all(is_good))
        };
        let is_local = |letter: char| letter.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(letter);
        let is_of_domain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let labels: Vec<&str> = domain.split('.').collect();
        let are_good = labels.iter().all(|label| label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-'));
        let top = labels.last()?;
        let is_good = words(local, 64, is_local) && words(domain, 253, is_of_domain) && are_good && labels.len() > 1;
        (is_good && top.len() > 1 && top.contains(|letter: char| letter.is_ascii_alphabetic())).then_some(domain)
    }

    #[test]
    fn each_byte_is_told_in_each_part() {
        for letter in (0..=u8::MAX).map(char::from) {
            for value in [
                format!("a{letter}b@c.de"),
                format!("{letter}@c.de"),
                format!("a@b{letter}c.de"),
                format!("a@b.{letter}e"),
                format!("a@b.d{letter}"),
            ] {
                assert_eq!(domain(&value), naive(&value), "{value:?}");
            }
        }
    }

    /// Parts at their limits, of bytes that add up.
    #[test]
    fn limits_are_kept() {
        for letter in ["a", "1", "-", ".", "~", "é", " "] {
            for count in [0, 1, 2, 31, 62, 63, 64, 65, 66, 127, 128, 250, 251, 252, 253, 254, 255, 256, 257, 512, 513] {
                let many = letter.repeat(count);
                for value in [
                    format!("{many}@x.de"),
                    format!("a{many}b@x.de"),
                    format!("a@{many}"),
                    format!("a@{many}.de"),
                    format!("a@b{many}c.de"),
                    format!("a@b.c{many}"),
                    format!("a@b.{many}c"),
                    format!("a@{}.{many}", "b.".repeat(60)),
                    many.clone(),
                ] {
                    assert_eq!(domain(&value), naive(&value), "{value:?}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_rules_as_they_are_told_agree(value in "[a-c1.]{1,12}@[a-c1.]{1,6}[.][a-c1.]{0,3}|[a-c1.@_-]{0,14}|[a.]{0,4}[ab]{60,66}@[a-]{0,3}[b.1]{58,66}[.]{0,2}[a1-]{0,3}|a@([a-z]{1,30}[.-]){1,16}[a-z1é ]{0,4}") {
            prop_assert_eq!(domain(&value), naive(&value), "{}", value);
        }
    }
}
