//! Numbers that carry a check digit, and numbers that are only formed like something.

/// Some of a text, digits alone.
pub(crate) type Digits<'a> = &'a [u8];

/// Issuers, by the first digits of their cards, with the lengths that they give out.
const ISSUERS: [(u32, u32, u32, &[usize]); 22] = [
    // Digits that are looked at, from, to, lengths.
    (1, 4, 4, &[13, 16, 19]),
    (2, 51, 55, &[16]),
    (4, 2_221, 2_720, &[16]),
    (2, 34, 34, &[15]),
    (2, 37, 37, &[15]),
    (4, 6_011, 6_011, &[16, 17, 18, 19]),
    (3, 644, 649, &[16, 17, 18, 19]),
    (2, 65, 65, &[16, 17, 18, 19]),
    (3, 300, 305, &[14, 16, 17, 18, 19]),
    (4, 3_095, 3_095, &[14, 16, 17, 18, 19]),
    (2, 36, 36, &[14, 15, 16, 17, 18, 19]),
    (2, 38, 39, &[14, 16, 17, 18, 19]),
    (4, 3_528, 3_589, &[16, 17, 18, 19]),
    (2, 62, 62, &[16, 17, 18, 19]),
    (4, 5_018, 5_018, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5_020, 5_020, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5_038, 5_038, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 5_893, 5_893, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 6_304, 6_304, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 6_759, 6_759, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 6_761, 6_763, &[13, 14, 15, 16, 17, 18, 19]),
    (4, 2_200, 2_204, &[16, 17, 18, 19]),
];
pub(crate) const CARD_DIGITS_MIN: usize = 13;
pub(crate) const CARD_DIGITS_MAX: usize = 19;
/// Stands before a National Provider Identifier when its check digit is made.
const NPI_ISSUER: [u8; 5] = *b"80840";
const NHS_DIGITS: usize = 10;
const NPI_DIGITS: usize = 10;

/// A card number of somebody who gives them out, with its check digit.
pub(crate) fn is_card(digits: Digits<'_>) -> bool {
    let is_issued = ISSUERS.iter().any(|(looked_at, from, to, lengths)| {
        let begin = number(digits.get(..*looked_at as usize).unwrap_or_default());
        lengths.contains(&digits.len()) && (*from..=*to).contains(&begin)
    });
    is_issued && luhn(digits.iter().copied())
}

/// Every second digit from the last but one on counts twice; the sum of all digits ends in zero.
pub(crate) fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> bool {
    let sum = digits.rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let value = u32::from(digit.wrapping_sub(b'0'));
        let value = if place % 2 == 1 { value * 2 } else { value };
        sum + value / 10 + value % 10
    });
    sum.is_multiple_of(10)
}

pub(crate) fn is_npi(digits: Digits<'_>) -> bool {
    let begins = matches!(digits.first(), Some(b'1' | b'2'));
    digits.len() == NPI_DIGITS && begins && luhn(NPI_ISSUER.iter().chain(digits).copied())
}

/// Ten digits whose weighted sum leaves nothing, divided by eleven.
pub(crate) fn is_nhs(digits: Digits<'_>) -> bool {
    let sum: u32 = digits.iter().zip((1..=10).rev()).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    let is_plain = digits.iter().all(|digit| Some(digit) == digits.first());
    digits.len() == NHS_DIGITS && sum.is_multiple_of(11) && !is_plain
}

/// Areas that were never given out, and parts of zeros, are nobody's.
pub(crate) fn is_ssn(digits: Digits<'_>) -> bool {
    let (Some(area), Some(group), Some(serial)) = (digits.get(..3), digits.get(3..5), digits.get(5..9)) else { return false };
    let area = number(area);
    digits.len() == 9 && !matches!(area, 0 | 666 | 900..) && number(group) != 0 && number(serial) != 0 && digits != b"123456789"
}

/// Of at most nine digits.
pub(crate) fn number(digits: Digits<'_>) -> u32 {
    digits.iter().take(9).fold(0, |number, digit| number * 10 + u32::from(digit.wrapping_sub(b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(is: fn(Digits<'_>) -> bool, digits: &str, expect: bool) {
        assert_eq!(is(digits.as_bytes()), expect, "{digits}");
    }

    #[test]
    fn cards_are_those_of_an_issuer() {
        // Those that issuers give to whoever tests.
        for card in [
            "4111111111111111",
            "4012888888881881",
            "4222222222222",
            "5555555555554444",
            "5105105105105100",
            "2223003122003222",
            "378282246310005",
            "371449635398431",
            "6011111111111117",
            "6011000990139424",
            "30569309025904",
            "38520000023237",
            "3530111333300000",
            "6200000000000005",
        ] {
            check(is_card, card, true);
        }
        for other in
            ["4012888888881882", "411111111111", "0000000000000000", "1700000000000000", "9012888888881881", "40128888888818811", ""]
        {
            check(is_card, other, false);
        }
    }

    #[test]
    fn national_numbers_have_their_check_digit() {
        for (digits, expect) in [("1234567893", true), ("1234567890", false), ("3234567893", false), ("123456789", false)] {
            check(is_npi, digits, expect);
        }
        for (digits, expect) in
            [("9434765919", true), ("9434765918", false), ("4505577104", true), ("0000000000", false), ("943476591", false)]
        {
            check(is_nhs, digits, expect);
        }
        for (digits, expect) in [
            ("219099999", true),
            ("000121234", false),
            ("666121234", false),
            ("995760013", false),
            ("219001234", false),
            ("219120000", false),
            ("123456789", false),
            ("21909999", false),
        ] {
            check(is_ssn, digits, expect);
        }
    }

    /// As it is told on paper: from the right, into a list, then summed.
    fn naive_luhn(digits: &str) -> bool {
        let mut values: Vec<u32> = digits.chars().map(|digit| digit.to_digit(10).unwrap()).collect();
        values.reverse();
        for value in values.iter_mut().skip(1).step_by(2) {
            *value *= 2;
            if *value > 9 {
                *value -= 9;
            }
        }
        values.iter().sum::<u32>() % 10 == 0
    }

    proptest! {
        #[test]
        fn luhn_is_what_it_is_on_paper(digits in "[0-9]{1,24}") {
            prop_assert_eq!(luhn(digits.bytes()), naive_luhn(&digits));
        }

        /// Of ten numbers that differ in their last digit alone, one passes.
        #[test]
        fn one_last_digit_in_ten_fits(digits in "[0-9]{1,18}") {
            let fitting = (0..10).filter(|last| luhn(format!("{digits}{last}").bytes())).count();
            prop_assert_eq!(fitting, 1);
        }

        /// A digit that is changed is always seen.
        #[test]
        fn one_changed_digit_is_seen(digits in "[0-9]{2,19}", place in 0..19_usize, add in 1..10_u8) {
            let place = place % digits.len();
            let mut changed = digits.clone().into_bytes();
            changed[place] = b'0' + (changed[place] - b'0' + add) % 10;
            prop_assert!(!(luhn(digits.bytes()) && luhn(changed.into_iter())));
        }

        #[test]
        fn nhs_is_the_remainder(digits in "[0-9]{10}") {
            let values: Vec<u32> = digits.chars().map(|digit| digit.to_digit(10).unwrap()).collect();
            let sum: u32 = (0..9).map(|place| values[place] * (10 - u32::try_from(place).unwrap())).sum();
            let check_digit = (11 - sum % 11) % 11;
            let expect = check_digit == values[9] && values.iter().any(|value| *value != values[0]);
            prop_assert_eq!(is_nhs(digits.as_bytes()), expect);
        }
    }
}
