//! Addresses of mail that are one beyond doubt: what BigQuery finds valid is not said, and what is not an address can hold anything behind its `@`.

pub(crate) const LOCAL_PART_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
const DOMAIN_LABEL_BYTES_MAX: usize = 63;

/// What stands behind the `@`. Each byte is looked at once: most columns of addresses have nothing else in them.
pub(crate) fn domain(value: &str) -> Option<&str> {
    let local_bytes = local_part_bytes(value.as_bytes())?;
    let domain = value.get(local_bytes..)?.strip_prefix('@')?;
    is_domain(domain.as_bytes()).then_some(domain)
}

/// Of words with a dot between each two.
fn local_part_bytes(value: &[u8]) -> Option<usize> {
    let (mut previous, mut bytes) = (b'.', 0);
    for byte in value {
        let goes_on = is_local(*byte) || (*byte == b'.' && previous != b'.');
        if !goes_on {
            break;
        }
        (previous, bytes) = (*byte, bytes + 1);
    }
    (previous != b'.' && bytes <= LOCAL_PART_BYTES_MAX).then_some(bytes)
}

/// Two labels at least, and the last one is no number.
fn is_domain(domain: &[u8]) -> bool {
    if domain.len() > DOMAIN_BYTES_MAX {
        return false;
    }
    let (mut previous, mut label_bytes, mut has_letter, mut has_dot) = (b'.', 0, false, false);
    for byte in domain {
        match byte {
            b'.' if matches!(previous, b'.' | b'-') || label_bytes > DOMAIN_LABEL_BYTES_MAX => return false,
            b'.' => (label_bytes, has_letter, has_dot) = (0, false, true),
            b'-' if previous == b'.' => return false,
            b'-' | b'0'..=b'9' => label_bytes += 1,
            b'a'..=b'z' | b'A'..=b'Z' => (label_bytes, has_letter) = (label_bytes + 1, true),
            _ => return false,
        }
        previous = *byte;
    }
    has_dot && has_letter && previous != b'-' && (2..=DOMAIN_LABEL_BYTES_MAX).contains(&label_bytes)
}

fn is_local(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^'..=b'`' | b'{'..=b'~')
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
