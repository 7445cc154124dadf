//! Whether a text holds a labelled value, as it stands or in a form that a query can give it.

use crate::talk::Answer;
use crate::world::{API, World};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sluice_sandbox::data::clinic::ClinicSettings;
use std::collections::{BTreeSet, HashMap};

/// A run of letters and digits this long is made for its one value, and stands for it.
const CORE_LETTERS: usize = 10;
/// A part of such a run that no other text of a test holds by chance, where it is no number to quote and no hash.
const PART_LETTERS: usize = 7;
/// A number to quote, and a hash as a mask gives it: nobody who asks chooses a letter of them.
const REFERENCE_LETTERS: usize = 32;
const HASH_LETTERS: usize = 44;
const BEFORE_REFERENCE: &str = "Quote `";
/// Of a text in which something was found, so much is shown around it.
const AROUND_LETTERS: usize = 40;
/// What needles are found by. Every one of them is longer.
const HEAD_BYTES: usize = 4;
/// Labelled columns beside those that the clinic declares.
const BESIDE: [(&str, &str); 4] =
    [("staging.raw_patients", "ssn"), ("staging.raw_patients", "email"), ("staging.raw_visits", "diagnosis"), ("shop.customers", "email")];

/// Five ways to look at a text, with what must not be seen in each.
#[derive(Default)]
pub struct Canaries {
    /// As it is.
    exact: Needles,
    /// In small letters.
    lowered: Needles,
    /// Its numbers, with one space between them.
    numbers: Needles,
    /// Letters and digits of cells and messages alone, in small letters, one behind the other.
    letters: Needles,
    /// The same without numbers to quote and hashes, for parts of values.
    parts: Needles,
}

impl Canaries {
    /// Everything that is labelled in this warehouse.
    pub fn of(world: &World) -> Canaries {
        let declared = ClinicSettings::default().canaries();
        let mut values: Vec<(String, String)> = declared.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
        for (table, column) in BESIDE {
            let body = json!({ "query": format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"), "useLegacySql": false });
            let answer = world.direct("POST", &format!("{API}/queries"), Some(&body)).json();
            let rows = answer["rows"].as_array().unwrap_or_else(|| panic!("{answer}"));
            values.extend(rows.iter().map(|row| (format!("{table}.{column}"), row["f"][0]["v"].as_str().unwrap().to_owned())));
        }
        Canaries::new(&values)
    }

    /// What the clinic declares, of the columns that are hidden.
    pub fn declared(is_hidden: impl Fn(&str) -> bool) -> Canaries {
        let declared = ClinicSettings::default().canaries().into_iter().filter(|(column, _)| is_hidden(column));
        Canaries::new(&declared.map(|(column, value)| (column.to_owned(), value)).collect::<Vec<_>>())
    }

    /// `(column, value)`.
    pub fn new(values: &[(String, String)]) -> Canaries {
        let mut canaries = Canaries::default();
        for (column, value) in values {
            let core = core(value);
            for form in BTreeSet::from([value.as_str(), core.as_str()]) {
                canaries.add(column, form);
            }
            // Numbers alone occur by chance.
            if core.len() == CORE_LETTERS && core.bytes().any(|byte| byte.is_ascii_alphabetic()) {
                canaries.parts.add(core.get(..PART_LETTERS).unwrap(), &format!("the begin of `{value}` of {column}"));
                canaries.parts.add(core.get(CORE_LETTERS - PART_LETTERS..).unwrap(), &format!("the end of `{value}` of {column}"));
            }
        }
        canaries
    }

    fn add(&mut self, column: &str, value: &str) {
        let reversed: String = value.chars().rev().collect();
        for (turned, text) in [("", value), (" backwards", &reversed)] {
            let what = |form: &str| format!("`{value}` of {column}{turned}{form}");
            let small = text.to_lowercase();
            self.lowered.add(&small, &what(""));
            self.lowered.add(&hex(text.as_bytes(), ""), &what(" in hexadecimal"));
            self.lowered.add(&hex(text.as_bytes(), "\\u00"), &what(" in escapes of JSON"));
            self.lowered.add(&turned_by_13(&small), &what(" by ROT13"));
            self.lowered.add(&percent(&small), &what(" as a part of an address"));
            self.letters.add(&letters(&small), &what(" with something between"));
            self.letters.add(&letters(&turned_by_13(&small)), &what(" by ROT13 with something between"));
            let points: Vec<String> = text.chars().map(|letter| u32::from(letter).to_string()).collect();
            self.numbers.add(&format!(" {} ", points.join(" ")), &what(" as code points"));
            for before in 0..3 {
                for form in base64_pieces(text.as_bytes(), before) {
                    self.exact.add(&form, &what(" in base64"));
                }
            }
        }
    }

    /// In whatever was written somewhere.
    pub fn find(&self, text: &str) -> Option<String> {
        let found = self.exact.find(text).or_else(|| self.lowered.find(&text.to_lowercase()));
        found.or_else(|| self.numbers.find(&numbers(text)))
    }

    /// In status, headers and body, and in what its cells say together, row by row and column by column.
    pub fn find_in(&self, answer: &Answer) -> Option<String> {
        let headers: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        if let Some(found) = self.find(&headers).or_else(|| self.find(&answer.text())) {
            return Some(found);
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let found = views(&body, &str::to_owned)
            .into_iter()
            .find_map(|view| self.lowered.find(&view).or_else(|| self.letters.find(&letters(&view))));
        found.or_else(|| views(&body, &chosen).into_iter().find_map(|view| self.parts.find(&letters(&view))))
    }
}

/// Texts to find, by their first bytes.
#[derive(Default)]
struct Needles {
    by_head: HashMap<[u8; HEAD_BYTES], Vec<(String, String)>>,
    /// Which two bytes begin one, and which two follow: most places of a long file are left by these alone.
    pairs: [Pairs; 2],
}

#[derive(Default)]
struct Pairs(Vec<bool>);

impl Pairs {
    fn place(first: u8, second: u8) -> usize {
        usize::from(first) << 8 | usize::from(second)
    }

    fn add(&mut self, first: u8, second: u8) {
        self.0.resize(1 << 16, false);
        self.0[Self::place(first, second)] = true;
    }

    fn hold(&self, first: u8, second: u8) -> bool {
        self.0.get(Self::place(first, second)).copied().unwrap_or_default()
    }
}

impl Needles {
    fn add(&mut self, needle: &str, what: &str) {
        let head = needle.as_bytes().first_chunk().unwrap_or_else(|| panic!("`{needle}` is too short to be told from chance"));
        self.pairs[0].add(head[0], head[1]);
        self.pairs[1].add(head[2], head[3]);
        let known = self.by_head.entry(*head).or_default();
        if known.iter().all(|(other, _)| other != needle) {
            known.push((needle.to_owned(), what.to_owned()));
        }
    }

    /// What it is, and what stands around it.
    fn find(&self, text: &str) -> Option<String> {
        let bytes = text.as_bytes();
        bytes.windows(HEAD_BYTES).enumerate().find_map(|(position, head)| {
            if !self.pairs[0].hold(head[0], head[1]) || !self.pairs[1].hold(head[2], head[3]) {
                return None;
            }
            let known = self.by_head.get(head)?;
            let found = known.iter().find(|(needle, _)| bytes[position..].starts_with(needle.as_bytes()));
            found.map(|(needle, what)| {
                let around = position.saturating_sub(AROUND_LETTERS)..bytes.len().min(position + needle.len() + AROUND_LETTERS);
                format!("{what}, in `{}`", String::from_utf8_lossy(&bytes[around]))
            })
        })
    }
}

/// The longest run of letters and digits, where it is long enough to stand for the value.
fn core(value: &str) -> String {
    let runs = value.split(|letter: char| !letter.is_ascii_alphanumeric());
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    if longest.len() >= CORE_LETTERS { longest.to_owned() } else { value.to_owned() }
}

/// What is the same in base64 whatever stands around it, with so many bytes before.
fn base64_pieces(bytes: &[u8], before: usize) -> [String; 2] {
    let padded = [&vec![0; before][..], bytes].concat();
    let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)].map(|text| text.get(first..last).unwrap().to_owned())
}

fn hex(bytes: &[u8], before: &str) -> String {
    bytes.iter().map(|byte| format!("{before}{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    text.bytes().map(encode).collect()
}

fn turned_by_13(text: &str) -> String {
    let turn = |letter: char| match letter {
        'a'..='z' => char::from((letter as u8 - b'a' + 13) % 26 + b'a'),
        other => other,
    };
    text.chars().map(turn).collect()
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn numbers(text: &str) -> String {
    let parts = text.split(|letter: char| !letter.is_ascii_digit()).filter(|part| !part.is_empty());
    format!(" {} ", parts.collect::<Vec<_>>().join(" "))
}

/// What an answer says in small letters: its error, its rows one by one and its columns one by one, each text told by `told`.
fn views(body: &Value, told: &impl Fn(&str) -> String) -> Vec<String> {
    let rows = body["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let width = rows.iter().filter_map(|row| row["f"].as_array()).map(Vec::len).max().unwrap_or_default();
    let mut views = ["error", "errors", "status"].map(|field| texts(&body[field], told)).to_vec();
    views.push(rows.iter().map(|row| texts(row, told)).collect());
    views.extend((0..width).map(|column| rows.iter().map(|row| texts(&row["f"][column], told)).collect::<String>()));
    views.iter().map(|view| view.to_lowercase()).collect()
}

/// Every text in a value, one behind the other.
fn texts(value: &Value, told: &impl Fn(&str) -> String) -> String {
    match value {
        Value::String(text) => told(text),
        Value::Array(values) => values.iter().map(|value| texts(value, told)).collect(),
        Value::Object(fields) => fields.values().map(|value| texts(value, told)).collect(),
        _ => String::new(),
    }
}

/// A text without what the gateway itself draws or computes: the number to quote, and all of a cell that is a hash.
fn chosen(text: &str) -> String {
    if text.len() == HASH_LETTERS && STANDARD.decode(text).is_ok_and(|bytes| bytes.len() == REFERENCE_LETTERS) {
        return String::new();
    }
    let reference = |begin: usize| {
        let end = begin + REFERENCE_LETTERS;
        let is_number = text.get(begin..end).is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_hexdigit()));
        (is_number && text.get(end..).is_some_and(|rest| rest.starts_with('`'))).then_some(begin..end)
    };
    match text.rfind(BEFORE_REFERENCE).and_then(|place| reference(place + BEFORE_REFERENCE.len())) {
        Some(number) => [text.get(..number.start), text.get(number.end..)].into_iter().flatten().collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &Value, expect: bool) {
        let values = [("c.ssn", "995-76-0013"), ("c.email", "0a1b2c3d4e@canary.example"), ("c.phone", "+999-0123456789")];
        let canaries = Canaries::new(&values.map(|(column, value)| (column.to_owned(), value.to_owned())));
        let answer = Answer { status: 200, body: body.to_string().into_bytes(), ..Answer::default() };
        assert_eq!(canaries.find_in(&answer).is_some(), expect, "{body}");
    }

    fn cell(value: &str) -> Value {
        json!({ "rows": [{ "f": [{ "v": "1" }, { "v": value }] }] })
    }

    #[test]
    fn each_form_of_a_value_is_found() {
        for form in [
            "no. 995-76-0013!",
            "3100-67-599",
            "995760013",
            "995/76/0013",
            "9 9 5 - 7 6 - 0 0 1 3",
            "0A1B2C3D4E@CANARY.EXAMPLE",
            "elpmaxe.yranac@e4d3c2b1a0",
            "0n1o2p3q4r@pnanel.rknzcyr",
            "0a1b2c3d4e%40canary.example",
            "3939352d37362d30303133",
            "3939352D37362D30303133",
            "OTk1LTc2LTAwMTM=",
            "YTk5NS03Ni0wMDEz",
            "YWE5OTUtNzYtMDAxMyE=",
            "[57,57,53,45,55,54,45,48,48,49,51]",
            "57-57-53-45-55-54-45-48-48-49-51",
            "of 0a1b2c3",
            "tel 0123456789",
        ] {
            check(&cell(form), true);
        }
        let letters: Vec<Value> = "995-76-0013".chars().map(|letter| json!({ "v": letter.to_string() })).collect();
        check(&json!({ "rows": [{ "f": [{ "v": letters }] }] }), true);
        let rows: Vec<Value> = "995-76-0013".chars().map(|letter| json!({ "f": [{ "v": "7" }, { "v": letter.to_string() }] })).collect();
        check(&json!({ "rows": rows }), true);
        check(&json!({ "error": { "message": "Bad int64 value: 995-76-0013" } }), true);
        check(&json!({ "rows": [{ "f": [{ "v": "9\u{39}5\u{2d}76-0013" }] }] }), true);
    }

    #[test]
    fn parts_of_a_value_are_not_looked_for_in_what_nobody_chooses() {
        let message = |text: &str| json!({ "error": { "message": text } });
        check(&message("Not found. Quote `77770a1b2c37777777777777777777aa` to the operator of this gateway"), false);
        check(&message("Not found: 0a1b2c3. Quote `77777777777777777777777777777777` to the operator of this gateway"), true);
        check(&message("Quote `77770a1b2c37777777777777777777aa"), true);
        check(&message("Quote `77770a1b2c377` to"), true);
        // All of a value is no chance.
        check(&message("Quote `770a1b2c3d4e77777777777777777777` to the operator"), true);
        check(&cell("AA0A1B2C3AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), false);
        check(&cell("AA0A1B2C3AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), true);
    }

    #[test]
    fn what_masks_leave_is_not_found() {
        for masked in ["XXXXX0013", "XXXXX@canary.example", "", "0", "kDXpvdcLb4FgziuiFQ0KXvpqnUFoPUsyUY+09ppLeYA="] {
            check(&cell(masked), false);
        }
    }
}
