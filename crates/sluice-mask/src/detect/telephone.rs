//! Telephone numbers: behind a plus for the whole world, and the forms that are written in North America and Britain. Any other form needs a column that says so.

use super::groups::{Run, Window};

/// E.164: with the code of the country.
const DIGITS_MAX: usize = 15;
const INTERNATIONAL_DIGITS_MIN: usize = 9;
/// Where the column says what it is.
const NATIONAL_DIGITS_MIN: usize = 7;
const NORTH_AMERICAN_DIGITS: usize = 10;
/// The first two digits of every country's code, but for 1 and 7.
const COUNTRIES: [&[u8; 2]; 63] = [
    b"20", b"21", b"22", b"23", b"24", b"25", b"26", b"27", b"29", b"30", b"31", b"32", b"33", b"34", b"35", b"36", b"37", b"38", b"39",
    b"40", b"41", b"42", b"43", b"44", b"45", b"46", b"47", b"48", b"49", b"50", b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58",
    b"59", b"60", b"61", b"62", b"63", b"64", b"65", b"66", b"67", b"68", b"81", b"82", b"84", b"85", b"86", b"90", b"91", b"92", b"93",
    b"94", b"95", b"96", b"97", b"98", b"99",
];
const BRITISH: [&[usize]; 6] = [&[5, 6], &[5, 3, 3], &[4, 3, 4], &[3, 4, 4], &[3, 8], &[4, 7]];
const BRITISH_DIGITS: usize = 11;

/// Whether something has the form of one, and whether it is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) formed: bool,
    pub(crate) valid: bool,
}

pub(crate) fn look(run: &Run<'_>, room: &mut Vec<u8>) -> Looked {
    let mut looked = Looked::default();
    let mut see = |valid: Option<bool>| {
        looked.formed |= valid.is_some();
        looked.valid |= valid == Some(true);
    };
    for window in run.behind_plus() {
        see(international(&window, room));
    }
    for window in run.windows(3) {
        see(north_american(&window, room));
    }
    for window in run.windows(4) {
        see(north_american_with_one(&window, room));
    }
    for window in run.windows(2).chain(run.windows(3)) {
        see(british(&window, room));
    }
    looked
}

/// The whole of a cell whose column is called like it.
pub(crate) fn is_national(cell: &[u8], room: &mut Vec<u8>) -> bool {
    let is_written = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')' | b'+');
    if !cell.iter().all(is_written) {
        return false;
    }
    room.clear();
    room.extend(cell.iter().filter(|byte| byte.is_ascii_digit()));
    let is_plain = room.iter().all(|digit| Some(digit) == room.first());
    (NATIONAL_DIGITS_MIN..=DIGITS_MAX).contains(&room.len()) && !is_plain
}

/// Nothing if it has not the form.
fn international(window: &Window<'_, '_>, room: &mut Vec<u8>) -> Option<bool> {
    // As many groups as one number may have; what comes behind it is something else.
    let longest = (1..=window.len()).rev().map(|groups| window.first(groups)).find(|part| {
        part.joined(room);
        room.len() <= DIGITS_MAX
    })?;
    longest.joined(room);
    if room.len() < INTERNATIONAL_DIGITS_MIN || !longest.stands_alone() {
        return None;
    }
    Some(match room.split_first() {
        Some((b'1', national)) => is_north_american(national),
        Some((b'7', national)) => national.len() == NORTH_AMERICAN_DIGITS,
        _ => room.first_chunk::<2>().is_some_and(|begin| COUNTRIES.contains(&begin)),
    })
}

/// `415-555-2671`, `415.555.2671`, `(415) 555-2671`.
fn north_american(window: &Window<'_, '_>, room: &mut Vec<u8>) -> Option<bool> {
    if !window.lengths_are(&[3, 3, 4]) {
        return None;
    }
    let gaps = (window.gap(0), window.gap(1));
    let in_brackets = window.before() == Some(b'(') && matches!(gaps, (b") " | b")" | b")-", b"-" | b" " | b"."));
    let in_row = matches!(gaps, (b"-", b"-") | (b".", b"."));
    if !(in_brackets || in_row && window.stands_alone()) {
        return None;
    }
    window.joined(room);
    Some(is_north_american(room))
}

/// `1-415-555-2671`.
fn north_american_with_one(window: &Window<'_, '_>, room: &mut Vec<u8>) -> Option<bool> {
    let is_formed = window.lengths_are(&[1, 3, 3, 4]) && window.digits(0) == b"1" && (window.gaps_are(b"-") || window.gaps_are(b"."));
    if !is_formed || !window.stands_alone() {
        return None;
    }
    window.joined(room);
    Some(is_north_american(room.get(1..).unwrap_or_default()))
}

/// No area and no exchange begins with 0 or 1, and none ends in 11.
fn is_north_american(digits: &[u8]) -> bool {
    let begins = |at: usize| digits.get(at).is_some_and(|digit| *digit >= b'2');
    let is_service = |at: usize| digits.get(at..at + 2) == Some(b"11");
    digits.len() == NORTH_AMERICAN_DIGITS && begins(0) && begins(3) && !is_service(1) && !is_service(4)
}

/// `07700 900123`, `020 7946 0958`.
fn british(window: &Window<'_, '_>, room: &mut Vec<u8>) -> Option<bool> {
    let is_formed =
        window.digits(0).first() == Some(&b'0') && window.gaps_are(b" ") && BRITISH.iter().any(|lengths| window.lengths_are(lengths));
    if !is_formed || !window.stands_alone() {
        return None;
    }
    window.joined(room);
    Some(room.len() == BRITISH_DIGITS && matches!(room.get(1), Some(b'1' | b'2' | b'3' | b'7' | b'8')))
}

#[cfg(test)]
mod tests {
    use super::super::groups::runs;
    use super::*;

    fn check(text: &str, formed: bool, valid: bool) {
        let mut room = Vec::new();
        let looked = runs(text.as_bytes())
            .map(|run| look(&run, &mut room))
            .fold(Looked::default(), |all, one| Looked { formed: all.formed || one.formed, valid: all.valid || one.valid });
        assert_eq!(looked, Looked { formed, valid }, "{text}");
    }

    #[test]
    fn forms_that_are_written() {
        for text in [
            "+14155552671",
            "+1 415 555 2671",
            "+1 (415) 555-2671",
            "+1-415-555-2671",
            "(415) 555-2671",
            "(415)555-2671",
            "415-555-2671",
            "1-415-555-2671 after six",
            "415.555.2671",
            "+44 20 7946 0958",
            "+442079460958",
            "+49 30 901820",
            "+41 44 668 18 00",
            "+33 1 42 68 53 00",
            "+351 21 346 4400",
            "+7 495 123 45 67",
            "07700 900123",
            "020 7946 0958",
            "0161 496 0123",
            "call +14155552671, ask for Ada",
        ] {
            check(text, true, true);
        }
    }

    #[test]
    fn what_is_only_formed_so() {
        for text in ["115-555-2671", "415-155-2671", "911-555-2671", "+1 115 555 2671", "+0049301234567", "+21", "0461 496"] {
            let formed = !matches!(text, "+21" | "0461 496");
            check(text, formed, false);
        }
        for text in [
            "2024-01-15",
            "4155552671",
            "10.0.19045",
            "+12.5",
            "123-45-6789",
            "A415-555-2671",
            "415-555-2671-9",
            "2024-01-15T10:30:00+01:00",
        ] {
            check(text, false, false);
        }
    }

    #[test]
    fn a_column_that_says_so_needs_less() {
        let mut room = Vec::new();
        for (cell, expect) in [
            ("4155552671", true),
            ("030/901820", true),
            ("555 2671", true),
            ("12", false),
            ("0000000000", false),
            ("ext. 12345678", false),
            ("1234567890123456", false),
        ] {
            assert_eq!(is_national(cell.as_bytes(), &mut room), expect, "{cell}");
        }
    }
}
