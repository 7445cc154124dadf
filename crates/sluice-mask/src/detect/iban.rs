//! Numbers of bank accounts: a country, two check digits, and as many letters and digits as that country has.

const CHECKED_BYTES: usize = 4;
/// Those that use them, with how long theirs are.
const COUNTRIES: [(&[u8; 2], usize); 78] = [
    (b"AD", 24),
    (b"AE", 23),
    (b"AL", 28),
    (b"AT", 20),
    (b"AZ", 28),
    (b"BA", 20),
    (b"BE", 16),
    (b"BG", 22),
    (b"BH", 22),
    (b"BR", 29),
    (b"BY", 28),
    (b"CH", 21),
    (b"CR", 22),
    (b"CY", 28),
    (b"CZ", 24),
    (b"DE", 22),
    (b"DK", 18),
    (b"DO", 28),
    (b"EE", 20),
    (b"EG", 29),
    (b"ES", 24),
    (b"FI", 18),
    (b"FO", 18),
    (b"FR", 27),
    (b"GB", 22),
    (b"GE", 22),
    (b"GI", 23),
    (b"GL", 18),
    (b"GR", 27),
    (b"GT", 28),
    (b"HR", 21),
    (b"HU", 28),
    (b"IE", 22),
    (b"IL", 23),
    (b"IQ", 23),
    (b"IS", 26),
    (b"IT", 27),
    (b"JO", 30),
    (b"KW", 30),
    (b"KZ", 20),
    (b"LB", 28),
    (b"LC", 32),
    (b"LI", 21),
    (b"LT", 20),
    (b"LU", 20),
    (b"LV", 21),
    (b"LY", 25),
    (b"MC", 27),
    (b"MD", 24),
    (b"ME", 22),
    (b"MK", 19),
    (b"MR", 27),
    (b"MT", 31),
    (b"MU", 30),
    (b"NL", 18),
    (b"NO", 15),
    (b"PK", 24),
    (b"PL", 28),
    (b"PS", 29),
    (b"PT", 25),
    (b"QA", 29),
    (b"RO", 24),
    (b"RS", 22),
    (b"SA", 24),
    (b"SC", 31),
    (b"SE", 24),
    (b"SI", 19),
    (b"SK", 24),
    (b"SM", 27),
    (b"ST", 25),
    (b"SV", 28),
    (b"TL", 23),
    (b"TN", 24),
    (b"TR", 26),
    (b"UA", 29),
    (b"VA", 22),
    (b"VG", 24),
    (b"XK", 20),
];

/// Whether an IBAN begins here, given what stands before it. Nothing if nothing has the form of one; else whether its check digits fit.
pub(crate) fn look(text: &[u8], at: usize, room: &mut Vec<u8>) -> Option<bool> {
    let rest = text.get(at..)?;
    let begin = rest.first_chunk::<CHECKED_BYTES>()?;
    let [first, second, tens, ones] = *begin;
    if !(tens.is_ascii_digit() && ones.is_ascii_digit())
        || at.checked_sub(1).and_then(|before| text.get(before)).is_some_and(|byte| is_word(*byte))
    {
        return None;
    }
    let (_, length) = COUNTRIES.iter().find(|(country, _)| **country == [first, second])?;
    let end = joined(rest, *length, room)?;
    if rest.get(end).is_some_and(|byte| is_word(*byte)) {
        return None;
    }
    Some(remainder(room) == 1)
}

/// Whole, or in groups of four with a space between them.
fn joined(rest: &[u8], length: usize, room: &mut Vec<u8>) -> Option<usize> {
    room.clear();
    let is_grouped = rest.get(CHECKED_BYTES) == Some(&b' ');
    let mut at = 0;
    while room.len() < length {
        let byte = *rest.get(at)?;
        at += 1;
        if is_grouped && byte == b' ' && room.len().is_multiple_of(CHECKED_BYTES) && !room.is_empty() {
            continue;
        }
        if !(byte.is_ascii_digit() || byte.is_ascii_uppercase()) {
            return None;
        }
        room.push(byte);
    }
    Some(at)
}

/// Its first four go to its end, letters become two digits, and it is divided by 97.
fn remainder(iban: &[u8]) -> u32 {
    let (begin, rest) = iban.split_at_checked(CHECKED_BYTES).unwrap_or((iban, &[]));
    rest.iter().chain(begin).fold(0, |remainder, byte| match byte {
        b'0'..=b'9' => (remainder * 10 + u32::from(byte - b'0')) % 97,
        _ => (remainder * 100 + u32::from(byte.wrapping_sub(b'A')) + 10) % 97,
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expect: Option<bool>) {
        assert_eq!(look(text.as_bytes(), 0, &mut Vec::new()), expect, "{text}");
    }

    #[test]
    fn numbers_of_accounts() {
        for text in [
            "DE89370400440532013000",
            "DE89 3704 0044 0532 0130 00",
            "GB82 WEST 1234 5698 7654 32",
            "FR1420041010050500013M02606",
            "CH93 0076 2011 6238 5295 7",
            "NO9386011117947",
            "NL91ABNA0417164300, paid",
        ] {
            check(text, Some(true));
        }
        check("DE88370400440532013000", Some(false));
        check("GB82 WEST 1234 5698 7654 33", Some(false));
        for text in [
            "DE8937040044053201300",
            "DE893704004405320130001",
            "XX89370400440532013000",
            "de89370400440532013000",
            "DE89",
            "",
            "DE89-3704",
        ] {
            check(text, None);
        }
    }

    /// As it is told on paper: one long number, divided.
    fn naive_remainder(iban: &str) -> u32 {
        let turned = iban.split_at_checked(4).map(|(begin, rest)| format!("{rest}{begin}")).unwrap();
        let digits: String = turned.chars().map(|letter| letter.to_digit(36).unwrap().to_string()).collect();
        digits.as_bytes().chunks(5).fold(0_u64, |remainder, chunk| {
            let chunk = std::str::from_utf8(chunk).unwrap();
            (remainder * 10_u64.pow(u32::try_from(chunk.len()).unwrap()) + chunk.parse::<u64>().unwrap()) % 97
        }) as u32
    }

    proptest! {
        #[test]
        fn the_remainder_is_that_of_one_long_number(iban in "[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}") {
            prop_assert_eq!(remainder(iban.as_bytes()), naive_remainder(&iban));
        }

        /// For every account there are check digits, and of a hundred pairs of digits at most two fit.
        #[test]
        fn one_pair_of_check_digits_fits(account in "[0-9]{18}") {
            let fitting = (0..100).filter(|pair| look(format!("DE{pair:02}{account}").as_bytes(), 0, &mut Vec::new()) == Some(true)).count();
            prop_assert!((1..=2).contains(&fitting), "{}", fitting);
        }
    }
}
