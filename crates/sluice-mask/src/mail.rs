//! Addresses of mail that are one beyond doubt: what BigQuery finds valid is not said, and what is not an address can hold anything behind its `@`.

use std::sync::LazyLock;

pub(crate) const LOCAL_PART_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const DOMAIN_LABEL_BYTES_MAX: usize = 63;

/// What a byte is in an address: one bit each, so that many of them are looked at before anything is decided.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const DASH: u8 = 4;
const DOT: u8 = 8;
/// In the local part alone.
const SIGN: u8 = 16;
const OTHER: u8 = 32;

static KINDS: LazyLock<[u8; 256]> = LazyLock::new(|| {
    let mut byte = 0_u8;
    [(); 256].map(|()| {
        let kind = kind(byte);
        byte = byte.wrapping_add(1);
        kind
    })
});

/// What stands behind the `@`.
pub(crate) fn domain(value: &str) -> Option<&str> {
    let kinds: &[u8; 256] = &KINDS;
    let bytes = value.as_bytes();
    let at = bytes.iter().take(LOCAL_PART_BYTES_MAX + 1).position(|byte| *byte == b'@')?;
    let (local, domain) = (bytes.get(..at)?, bytes.get(at + 1..)?);
    if is_local_part(local, kinds) && is_domain(domain, kinds) { value.get(at + 1..) } else { None }
}

/// Of words with a dot between each two.
fn is_local_part(local: &[u8], kinds: &[u8; 256]) -> bool {
    let kind = kind_of_all(local, kinds);
    let are_words = kind & DOT == 0 || labels(local).all(|word| !word.is_empty());
    !local.is_empty() && kind & OTHER == 0 && are_words
}

/// Two labels at least, and the last one is no number.
fn is_domain(domain: &[u8], kinds: &[u8; 256]) -> bool {
    let kind = kind_of_all(domain, kinds);
    if domain.len() > DOMAIN_BYTES_MAX || kind & (SIGN | OTHER) != 0 || kind & DOT == 0 {
        return false;
    }
    let has_dash = kind & DASH != 0;
    let is_label = |label: &[u8]| {
        let is_between_dashes = has_dash && (label.starts_with(b"-") || label.ends_with(b"-"));
        (1..=DOMAIN_LABEL_BYTES_MAX).contains(&label.len()) && !is_between_dashes
    };
    let top = labels(domain).next_back().unwrap_or_default();
    labels(domain).all(is_label) && top.len() > 1 && kind_of_all(top, kinds) & LETTER != 0
}

fn labels(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| *byte == b'.')
}

fn kind_of_all(text: &[u8], kinds: &[u8; 256]) -> u8 {
    text.iter().fold(0, |all, byte| all | kinds.get(usize::from(*byte)).copied().unwrap_or(OTHER))
}

fn kind(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => LETTER,
        b'0'..=b'9' => DIGIT,
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

    proptest! {
        #[test]
        fn the_rules_as_they_are_told_agree(value in "[a-c1.@_-]{0,14}|[a.]{0,4}[ab]{60,66}@[a-]{0,3}[b.1]{58,66}[.]{0,2}[a1-]{0,3}|a@([a-z]{1,30}[.-]){1,16}[a-z1é ]{0,4}") {
            prop_assert_eq!(domain(&value), naive(&value), "{}", value);
        }
    }
}
