//! One value: of which kinds it holds something.

use super::digits::{CARD_DIGITS_MAX, CARD_DIGITS_MIN, is_card, is_nhs, is_npi, is_ssn};
use super::groups::{Run, Window, runs};
use super::words::Hints;
use super::{addresses, birth, iban, telephone};
use serde_json::Value;
use sluice_model::Type;
use sluice_policy::FindingKind;

/// More of a value is not looked at.
pub const CELL_BYTES_MAX: usize = 4 << 10;
/// Members and elements of one value of JSON.
const JSON_PARTS_MAX: usize = 256;
const JSON_LEVELS_MAX: usize = 16;
const SSN_DIGITS: usize = 9;
const NATIONAL_DIGITS: usize = 10;
/// `4012 8888 8888 1881` and how else a card is printed.
const CARD_FORMS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[4, 5, 6]];

/// Some kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds(u16);

/// What one cell holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// It has the form of such a thing. Of a column whose cells are formed so and seldom are one, none is: their check digits fit by chance.
    pub formed: Kinds,
    pub found: Kinds,
}

/// Looks at one cell after the other.
#[derive(Debug)]
pub(crate) struct Looking {
    pub(crate) year_now: u32,
    /// Room for digits that belong together.
    room: Vec<u8>,
}

impl Kinds {
    pub fn has(self, kind: FindingKind) -> bool {
        self.0 & bit(kind) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = FindingKind> {
        FindingKind::ALL.iter().copied().filter(move |kind| self.has(*kind))
    }
}

fn bit(kind: FindingKind) -> u16 {
    1 << (kind as u16)
}

impl Sight {
    fn see(&mut self, kind: FindingKind, is_formed: bool, is_found: bool) {
        self.formed.0 |= if is_formed || is_found { bit(kind) } else { 0 };
        self.found.0 |= if is_found { bit(kind) } else { 0 };
    }

    fn add(&mut self, other: Sight) {
        self.formed.0 |= other.formed.0;
        self.found.0 |= other.found.0;
    }
}

impl Looking {
    pub(crate) fn new(year_now: u32) -> Looking {
        Looking { year_now, room: Vec::with_capacity(CARD_DIGITS_MAX) }
    }

    /// Values of types that hold none of it are not looked at.
    pub(crate) fn is_of_interest(kind: &Type) -> bool {
        matches!(kind, Type::Date | Type::Datetime | Type::Int64 | Type::Json | Type::Numeric | Type::String | Type::Timestamp)
    }

    pub(crate) fn cell(&mut self, cell: &str, kind: &Type, hints: Hints) -> Sight {
        match kind {
            Type::Json => self.json(cell, hints),
            Type::Date | Type::Datetime | Type::Timestamp => {
                let mut sight = Sight::default();
                sight.see(FindingKind::DateOfBirth, hints.birth, hints.birth && birth::is_birth(cell, self.year_now));
                sight
            }
            _ => self.text(cell, hints),
        }
    }

    fn text(&mut self, cell: &str, hints: Hints) -> Sight {
        let cell = cut(cell).trim();
        let mut sight = Sight::default();
        if hints.birth {
            sight.see(FindingKind::DateOfBirth, true, birth::is_birth(cell, self.year_now));
        }
        if hints.person {
            sight.see(FindingKind::PersonName, true, birth::is_name(cell));
        }
        let text = cell.as_bytes();
        if hints.telephone {
            let digits = text.iter().filter(|byte| byte.is_ascii_digit()).count();
            sight.see(FindingKind::Telephone, digits > 0, telephone::is_national(text, &mut self.room));
        }
        for run in runs(text) {
            self.run(&run, hints, &mut sight);
        }
        self.marks(text, &mut sight);
        sight
    }

    fn run(&mut self, run: &Run<'_>, hints: Hints, sight: &mut Sight) {
        for window in run.windows(1).filter(|window| window.digits(0).len() >= SSN_DIGITS && window.stands_alone()) {
            let digits = window.digits(0);
            match digits.len() {
                SSN_DIGITS if hints.ssn => sight.see(FindingKind::UsSsn, true, is_ssn(digits)),
                NATIONAL_DIGITS => {
                    sight.see(FindingKind::NhsNumber, true, is_nhs(digits));
                    sight.see(FindingKind::UsNpi, true, is_npi(digits));
                }
                CARD_DIGITS_MIN..=CARD_DIGITS_MAX => sight.see(FindingKind::CardNumber, true, is_card(digits)),
                _ => {}
            }
        }
        for window in run.windows(3).chain(run.windows(4)).chain(run.windows(5)) {
            self.grouped(&window, hints, sight);
        }
        let telephone = telephone::look(run, &mut self.room);
        sight.see(FindingKind::Telephone, telephone.formed, telephone.valid);
        let network = addresses::ipv4(run, hints.network);
        sight.see(FindingKind::IpAddress, network.formed, network.valid);
    }

    /// Groups with the same small gap between them.
    fn grouped(&mut self, window: &Window<'_, '_>, hints: Hints, sight: &mut Sight) {
        let (by_dash, by_space) = (window.gaps_are(b"-"), window.gaps_are(b" "));
        if !(by_dash || by_space) || !window.stands_alone() {
            return;
        }
        if CARD_FORMS.iter().any(|lengths| window.lengths_are(lengths)) {
            window.joined(&mut self.room);
            sight.see(FindingKind::CardNumber, true, is_card(&self.room));
        }
        if window.lengths_are(&[3, 2, 4]) && (by_dash || hints.ssn) {
            window.joined(&mut self.room);
            sight.see(FindingKind::UsSsn, true, is_ssn(&self.room));
        }
        if window.lengths_are(&[3, 3, 4]) {
            window.joined(&mut self.room);
            sight.see(FindingKind::NhsNumber, true, is_nhs(&self.room));
        }
    }

    /// What is told by a mark or by its first letters, not by digits.
    fn marks(&mut self, text: &[u8], sight: &mut Sight) {
        let mut behind_colons = 0;
        let mut before = b' ';
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'@' if !sight.found.has(FindingKind::Email) => {
                    let is_mail = addresses::is_mail(text, at);
                    sight.see(FindingKind::Email, is_mail, is_mail);
                }
                b':' if at >= behind_colons => {
                    if let Some((end, is_address)) = addresses::is_ipv6(text, at) {
                        behind_colons = end;
                        sight.see(FindingKind::IpAddress, is_address, is_address);
                    }
                }
                b'A'..=b'Z' if !before.is_ascii_alphanumeric() => {
                    if let Some(is_account) = iban::look(text, at, &mut self.room) {
                        sight.see(FindingKind::Iban, true, is_account);
                    }
                }
                _ => {}
            }
            before = *byte;
        }
    }

    /// Every text and number in it; what a member is called counts like the name of a column.
    fn json(&mut self, cell: &str, hints: Hints) -> Sight {
        // What is cut off is no JSON: then it is a text.
        let Ok(value) = serde_json::from_str::<Value>(cell) else { return self.text(cell, hints) };
        let mut sight = Sight::default();
        let mut waiting = vec![(&value, hints, JSON_LEVELS_MAX)];
        for _ in 0..JSON_PARTS_MAX {
            let Some((value, hints, levels_left)) = waiting.pop() else { break };
            match value {
                Value::String(text) => sight.add(self.text(text, hints)),
                Value::Number(number) => sight.add(self.text(&number.to_string(), hints)),
                Value::Array(values) if levels_left > 0 => {
                    waiting.extend(values.iter().take(JSON_PARTS_MAX).map(|value| (value, hints, levels_left - 1)));
                }
                Value::Object(members) if levels_left > 0 => {
                    // What a member is called can itself be what is looked for.
                    for (name, value) in members.iter().take(JSON_PARTS_MAX) {
                        sight.add(self.text(name, Hints::default()));
                        waiting.push((value, hints.or(Hints::of(name, None)), levels_left - 1));
                    }
                }
                _ => {}
            }
        }
        sight
    }
}

/// At the end of a letter.
pub(crate) fn cut(cell: &str) -> &str {
    let end = (0..=CELL_BYTES_MAX.min(cell.len())).rev().find(|end| cell.is_char_boundary(*end)).unwrap_or_default();
    cell.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn look(name: &str, kind: &Type, cell: &str) -> Sight {
        Looking::new(2_026).cell(cell, kind, Hints::of(name, None))
    }

    fn words(kinds: Kinds) -> String {
        kinds.iter().map(FindingKind::word).collect::<Vec<_>>().join(" ")
    }

    fn check(name: &str, cell: &str, expect: &str) {
        assert_eq!(words(look(name, &Type::String, cell).found), expect, "{name}: {cell}");
    }

    #[test]
    fn alone_and_in_a_sentence() {
        for (text, expect) in [
            ("4012888888881881", "card_number"),
            ("4012 8888 8888 1881", "card_number"),
            ("4012-8888-8888-1881", "card_number"),
            ("3782 822463 10005", "card_number"),
            ("219-09-9999", "us_ssn"),
            ("ada@example.com", "email"),
            ("+14155552671", "telephone"),
            ("DE89 3704 0044 0532 0130 00", "iban"),
            ("203.0.113.7", "ip_address"),
            ("2001:db8::8a2e:370:7334", "ip_address"),
            ("943 476 5919", "nhs_number"),
            ("1234567893", "us_npi"),
        ] {
            check("x", text, expect);
            check("x", &format!("she said: {text}, and left on 2024-01-15 at 10:30"), expect);
            check("x", &format!("({text})"), expect);
        }
    }

    #[test]
    fn only_where_the_column_says_so() {
        for (name, text, expect) in [
            ("dob", "1980-02-01", "date_of_birth"),
            ("created", "1980-02-01", ""),
            ("last_name", "Brandt", "person_name"),
            ("city", "Bern", ""),
            ("ssn", "219099999", "us_ssn"),
            ("number", "219099999", ""),
            ("phone", "4155552670", "telephone"),
            ("number", "4155552670", ""),
            ("client_ip", "4.12.1.0", "ip_address"),
            ("version", "4.12.1.0", ""),
        ] {
            check(name, text, expect);
        }
    }

    #[test]
    fn what_is_something_else() {
        for text in [
            "550e8400-e29b-41d4-a716-446655440000",
            "9b74c9897bac770ffc029102a200c5de",
            "2024-01-15T10:30:00.123456Z",
            "2024-01-15 10:30:00",
            "1700000000000",
            "1700000000000000",
            "1,234,567.89",
            "$4,012.88",
            "ORD-2024-000123",
            "v1.2.3",
            "10.0.19045.3803",
            "A415-555-2671",
            "4012888888881882",
            "x4012888888881881",
            "0.4012888888881881",
            "40128888888818811881",
            "12:30:45",
            "3-2-4",
            "978-3-16-148410-0",
        ] {
            check("x", text, "");
        }
    }

    #[test]
    fn json_is_looked_through() {
        let check = |text: &str, expect: &str| assert_eq!(words(look("notes", &Type::Json, text).found), expect, "{text}");
        check(r#"{"a":{"b":["x",{"c":"paid with 4012 8888 8888 1881"}]}}"#, "card_number");
        check(r#"{"a":4012888888881881}"#, "card_number");
        check(r#"{"ada@example.com":1}"#, "email");
        check(r#"{"dob":"1980-02-01"}"#, "date_of_birth");
        check(r#"{"at":"1980-02-01"}"#, "");
        check(r#""ada@example.com""#, "email");
        check("{\"a\": \"ada@example.com\", cut of", "email");
    }

    #[test]
    fn what_is_formed_is_told_from_what_is_one() {
        let check = |text: &str, formed: &str| {
            let sight = look("x", &Type::String, text);
            assert_eq!((words(sight.formed).as_str(), words(sight.found).as_str()), (formed, ""), "{text}");
        };
        check("4012888888881882", "card_number");
        check("000-12-3456", "us_ssn");
        check("DE88370400440532013000", "iban");
        check("1.2.3.4", "ip_address");
        check("1234567890", "nhs_number us_npi");
        check("115-555-2671", "nhs_number telephone");
    }

    proptest! {
        /// Whatever stands in a cell, it is looked at in time, and nothing breaks.
        #[test]
        fn any_text_can_be_looked_at(text in "\\PC{0,200}", name in "\\PC{0,20}") {
            for kind in [Type::String, Type::Json, Type::Date, Type::Int64] {
                let sight = look(&name, &kind, &text);
                prop_assert_eq!(sight.found.0 & !sight.formed.0, 0);
            }
        }

        #[test]
        fn marks_and_digits_in_any_order(text in "[0-9@:.+() /,A-F-]{0,400}") {
            let sight = look("x", &Type::String, &text);
            prop_assert_eq!(sight.found.0 & !sight.formed.0, 0);
        }

        /// What is found alone is found in a sentence.
        #[test]
        fn a_card_is_found_in_any_sentence(before in "[a-z ,]{0,40}", behind in "[a-z ,]{0,40}", account in "[0-9]{14}") {
            let body = format!("4{account}");
            let last = (0..10).find(|last| super::super::digits::luhn(format!("{body}{last}").bytes())).unwrap();
            let text = format!("{before} {body}{last} {behind}");
            prop_assert!(look("x", &Type::String, &text).found.has(FindingKind::CardNumber), "{}", text);
        }
    }
}
