//! JSON, checked where it lies: nothing is copied, no tree is built. Stricter than the standard where readers differ: half surrogates and bytes that are not UTF-8 do not pass.

use crate::marks::plain_bytes;
use serde_json::{Map, Number, Value};

/// Fifteen levels of repeated records take four levels of JSON each.
pub(crate) const JSON_LEVELS_MAX: u32 = 100;

/// The text is not JSON, or not as it is expected.
#[derive(Debug)]
pub(crate) struct Odd;

/// A cell as BigQuery writes most of them, and what stands between two of these.
const CELL: &[u8; 6] = b"{\"v\":\"";
const CELL_END: &[u8; 2] = b"\"}";
const NEXT_CELL: &[u8; 9] = b"\"},{\"v\":\"";

#[derive(Clone)]
pub(crate) struct Scan<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    /// Nothing is compared as a whole: each step by itself.
    #[cfg(test)]
    slow: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(text: &'a str) -> Scan<'a> {
        Scan {
            text,
            bytes: text.as_bytes(),
            at: 0,
            #[cfg(test)]
            slow: false,
        }
    }

    /// The reference for what is quick: it knows JSON and nothing of how BigQuery writes it.
    #[cfg(test)]
    pub(crate) fn slow(text: &'a str) -> Scan<'a> {
        Scan { slow: true, ..Scan::new(text) }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The text from there to here.
    pub(crate) fn since(&self, from: usize) -> Result<&'a str, Odd> {
        self.text.get(from..self.at).ok_or(Odd)
    }

    pub(crate) fn between(&self, from: usize, to: usize) -> Result<&'a str, Odd> {
        self.text.get(from..to).ok_or(Odd)
    }

    /// The next byte that is no space, left where it is.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes.get(self.at).copied() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline(always)]
    pub(crate) fn eat(&mut self, wanted: u8) -> bool {
        // Hardly anybody writes spaces.
        let found = self.bytes.get(self.at) == Some(&wanted) || self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, wanted: u8) -> Result<(), Odd> {
        if self.eat(wanted) { Ok(()) } else { Err(Odd) }
    }

    /// Exactly these bytes, or nothing.
    #[inline(always)]
    pub(crate) fn eat_all(&mut self, wanted: &[u8]) -> bool {
        let found = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(wanted));
        self.at += if found { wanted.len() } else { 0 };
        found
    }

    /// The same of so many that the compiler knows how many they are.
    #[inline(always)]
    pub(crate) fn eat_exactly<const BYTES: usize>(&mut self, wanted: &[u8; BYTES]) -> bool {
        let found = self.rest().first_chunk::<BYTES>() == Some(wanted);
        self.at += if found { BYTES } else { 0 };
        found
    }

    pub(crate) fn end(&mut self) -> Result<(), Odd> {
        if self.peek().is_none() { Ok(()) } else { Err(Odd) }
    }

    /// Cells of `{"v":"..."}` with no escape and no space, as BigQuery writes most of them: how many stand here with commas between them, a first one
    /// and each one behind it that `wants` it to be so, by its place. What stands behind them is for others.
    #[inline]
    pub(crate) fn plain_cells(&mut self, wants: impl Fn(usize) -> bool) -> usize {
        let mut found = 0;
        let Some(mut inside) = self.rest().strip_prefix(CELL) else { return found };
        while let Some((_, behind)) = inside.split_at_checked(plain_bytes(inside)) {
            if !behind.starts_with(CELL_END) {
                break;
            }
            found += 1;
            self.at = self.bytes.len() - behind.len() + CELL_END.len();
            match behind.strip_prefix(NEXT_CELL) {
                Some(next) if wants(found) => inside = next,
                _ => break,
            }
        }
        found
    }

    /// What stands in one such cell, between its quotes.
    #[inline]
    pub(crate) fn plain_text(&mut self) -> Option<&'a str> {
        let inside = self.rest().strip_prefix(CELL)?;
        let (_, behind) = inside.split_at_checked(plain_bytes(inside))?;
        let behind = behind.strip_prefix(CELL_END)?;
        let (from, to) = (self.at + CELL.len(), self.bytes.len() - behind.len());
        let text = self.text.get(from..to.checked_sub(CELL_END.len())?)?;
        self.at = to;
        Some(text)
    }

    /// Nothing of it where each step is taken by itself.
    #[inline(always)]
    fn rest(&self) -> &'a [u8] {
        #[cfg(test)]
        if self.slow {
            return &[];
        }
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A string, over to its other side.
    pub(crate) fn string(&mut self) -> Result<(), Odd> {
        self.take(b'"')?;
        loop {
            self.plain();
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(Odd),
            }
        }
    }

    /// A string, read.
    pub(crate) fn read_string(&mut self) -> Result<String, Odd> {
        self.peek();
        let from = self.at;
        self.string()?;
        serde_json::from_str(self.since(from)?).map_err(|_| Odd)
    }

    /// Any value, over to its other side. It does not call itself: depth costs no stack.
    pub(crate) fn skip(&mut self) -> Result<(), Odd> {
        // One bit for each level that is open: whether it is an object.
        let (mut open, mut levels) = (0_u128, 0_u32);
        loop {
            // Where an array is open a cell may be followed by others.
            let (is_many, is_deep) = (levels > 0 && open & 1 == 0, levels == JSON_LEVELS_MAX);
            match self.peek().ok_or(Odd)? {
                b'{' if !is_deep && self.plain_cells(|_| is_many) > 0 => {}
                start @ (b'{' | b'[') => {
                    let object = start == b'{';
                    self.at += 1;
                    if !self.eat(closing(object)) {
                        levels += 1;
                        if levels > JSON_LEVELS_MAX {
                            return Err(Odd);
                        }
                        open = open << 1 | u128::from(object);
                        if object {
                            self.name()?;
                        }
                        continue;
                    }
                }
                b'"' => self.string()?,
                _ => self.word()?,
            }
            // A value has ended: with it may end what it stands in.
            loop {
                if levels == 0 {
                    return Ok(());
                }
                let object = open & 1 == 1;
                if self.eat(b',') {
                    if object {
                        self.name()?;
                    }
                    break;
                }
                self.take(closing(object))?;
                levels -= 1;
                open >>= 1;
            }
        }
    }

    /// Any value, as a tree: for what is small and kept. No member twice.
    pub(crate) fn read(&mut self, levels_left: u32) -> Result<Value, Odd> {
        let levels_left = levels_left.checked_sub(1).ok_or(Odd)?;
        match self.peek().ok_or(Odd)? {
            b'{' => {
                let mut members = Map::new();
                self.at += 1;
                while !self.eat(b'}') {
                    if !members.is_empty() {
                        self.take(b',')?;
                    }
                    let name = self.read_string()?;
                    self.take(b':')?;
                    if members.insert(name, self.read(levels_left)?).is_some() {
                        return Err(Odd);
                    }
                }
                Ok(Value::Object(members))
            }
            b'[' => {
                let mut elements = Vec::new();
                self.at += 1;
                while !self.eat(b']') {
                    if !elements.is_empty() {
                        self.take(b',')?;
                    }
                    elements.push(self.read(levels_left)?);
                }
                Ok(Value::Array(elements))
            }
            b'"' => self.read_string().map(Value::String),
            _ => {
                let from = self.at;
                self.word()?;
                match self.since(from)? {
                    "null" => Ok(Value::Null),
                    "true" => Ok(Value::Bool(true)),
                    "false" => Ok(Value::Bool(false)),
                    number => serde_json::from_str::<Number>(number).map(Value::Number).map_err(|_| Odd),
                }
            }
        }
    }

    fn name(&mut self) -> Result<(), Odd> {
        self.string()?;
        self.take(b':')
    }

    fn next(&mut self) -> Result<u8, Odd> {
        let byte = self.bytes.get(self.at).copied().ok_or(Odd)?;
        self.at += 1;
        Ok(byte)
    }

    /// On to the next quote, backslash or control character.
    #[inline(always)]
    fn plain(&mut self) {
        self.at += plain_bytes(self.bytes.get(self.at..).unwrap_or_default());
    }

    fn escape(&mut self) -> Result<(), Odd> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => match self.hex()? {
                0xd800..0xdc00 => match (self.next()?, self.next()?, self.hex()?) {
                    (b'\\', b'u', 0xdc00..0xe000) => Ok(()),
                    _ => Err(Odd),
                },
                0xdc00..0xe000 => Err(Odd),
                _ => Ok(()),
            },
            _ => Err(Odd),
        }
    }

    fn hex(&mut self) -> Result<u32, Odd> {
        (0..4).try_fold(0, |sum, _| char::from(self.next()?).to_digit(16).map(|digit| sum * 16 + digit).ok_or(Odd))
    }

    fn word(&mut self) -> Result<(), Odd> {
        if [b"true".as_slice(), b"false", b"null"].into_iter().any(|word| self.eat_all(word)) {
            return Ok(());
        }
        self.eat_all(b"-");
        if !self.eat_all(b"0") {
            self.digits()?;
        }
        if self.eat_all(b".") {
            self.digits()?;
        }
        if self.eat_all(b"e") || self.eat_all(b"E") {
            let _ = self.eat_all(b"+") || self.eat_all(b"-");
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Odd> {
        let from = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > from { Ok(()) } else { Err(Odd) }
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(text: &str) -> (bool, Option<Value>) {
        let mut scan = Scan::new(text);
        let skipped = scan.skip().is_ok() && scan.end().is_ok();
        let mut scan = Scan::new(text);
        (skipped, scan.read(JSON_LEVELS_MAX).ok().filter(|_| scan.end().is_ok()))
    }

    #[test]
    fn what_is_no_json_does_not_pass() {
        let check = |text: &str, expect: bool| {
            let (skipped, read) = both(text);
            assert_eq!((skipped, read.is_some()), (expect, expect), "{text}");
        };
        for good in
            ["{}", " [ ] ", "[1,-0.5e+7,true,false,null,\"\"]", r#"{"a":{"b":[{}]}}"#, r#""\u00e9\ud83d\ude00\n""#, "0", "\"\u{7f}\""]
        {
            check(good, true);
        }
        for bad in [
            "",
            "[",
            "]",
            "[1,]",
            "{,}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "[1 2]",
            "{]",
            "[}",
            "{\"a\":[}]",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "-",
            "nul",
            "True",
            "'a'",
            "\"",
            "\"\\\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            "\"\n\"",
            "\"\t\"",
            "[1]]",
            "{}{}",
            "/**/1",
            "\u{feff}{}",
            "NaN",
            "\"abcdefgh\u{1}\"",
            "1a",
            "truex",
        ] {
            check(bad, false);
        }
        let deep = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        check(&deep(98), true);
        check(&deep(102), false);
        assert!(both(&"[".repeat(1_000_000)).1.is_none());
        assert_eq!(both(r#"{"a":1,"\u0061":2}"#).1, None);
    }

    proptest! {
        /// What is compared as a whole is what it is step by step.
        #[test]
        fn step_by_step_it_is_the_same(text in r#"(\{"v":"a{0,20}"\}(,\{"v":"b?"\}){0,3}|[\[\]{},:" ]|\{"v":|"v"|null|\[\{"f":\[|\]\}|\\n){0,12}"#, depth in 0_usize..3) {
            let text = ["", &"[".repeat(JSON_LEVELS_MAX as usize - 1), &"[".repeat(JSON_LEVELS_MAX as usize)][depth].to_owned() + &text;
            let (mut quick, mut slow) = (Scan::new(&text), Scan::slow(&text));
            prop_assert_eq!(quick.skip().map(|()| quick.at).ok(), slow.skip().map(|()| slow.at).ok(), "{}", text);
            for from in (0..text.len()).filter(|from| text.is_char_boundary(*from)) {
                let (mut one, mut many) = (Scan::new(text.split_at(from).1), Scan::new(text.split_at(from).1));
                let inside = one.plain_text();
                let first = inside.map(|inside| format!("{{\"v\":\"{inside}\"}}"));
                let cells = many.plain_cells(|ahead| ahead < 3);
                prop_assert!(inside.is_some() == (cells > 0) && cells <= 3);
                let mut steps = Scan::slow(text.split_at(from).1);
                for cell in 0..cells {
                    prop_assert!(cell == 0 || steps.take(b',').is_ok());
                    let start = steps.at;
                    prop_assert!(steps.skip().is_ok());
                    prop_assert!(cell > 0 || steps.since(start).ok() == first.as_deref());
                }
                prop_assert_eq!(steps.at, many.at);
            }
        }

        /// Another reader of JSON agrees on every text that is near to one.
        #[test]
        fn another_reader_agrees(text in r#"([\[\]{},:"\\u0-9a-f. e+-]|true|null|"a"|\{"b":|\\ud83d|\[1){0,12}"#) {
            let other = serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok() && serde_json::from_str::<Value>(&text).is_ok();
            let (skipped, read) = both(&text);
            // It reads names without looking at their escapes, and members twice.
            prop_assert!(skipped == other || text.contains('\\'), "{}: {} {}", text, skipped, other);
            prop_assert!(read.is_none() || serde_json::from_str::<Value>(&text).ok() == read, "{}", text);
        }
    }
}
