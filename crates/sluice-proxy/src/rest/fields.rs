//! The parameter `fields`: only the named parts of an answer, `a,b(c,d),e/f`. Applied by us, to what we would have answered without it.

use serde_json::{Map, Value};

const DEPTH_MAX: usize = 20;
const ENTRIES_MAX: usize = 1_000;

/// What is kept of an object; nothing named below an entry keeps all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    entries: Vec<(String, Mask)>,
}

impl Mask {
    /// `None` for text that is no mask.
    pub fn parse(text: &str) -> Option<Mask> {
        let mut reader = Reader { rest: text, entries: 0 };
        let mask = reader.list(0)?;
        reader.rest.is_empty().then_some(mask)
    }

    pub fn apply(&self, value: Value) -> Value {
        if self.entries.is_empty() {
            return value;
        }
        match value {
            Value::Array(elements) => elements.into_iter().map(|element| self.apply(element)).collect(),
            Value::Object(fields) => {
                let kept = fields.into_iter().filter_map(|(name, value)| self.below(&name).map(|mask| (name, mask.apply(value))));
                Value::Object(kept.collect::<Map<_, _>>())
            }
            scalar => scalar,
        }
    }

    /// Nothing where the field of that name is not wanted. Of two entries for one field, both count.
    pub fn below(&self, name: &str) -> Option<Mask> {
        if self.entries.is_empty() {
            return Some(Mask::default());
        }
        let mut named = self.entries.iter().filter(|(wanted, _)| wanted == "*" || wanted == name).map(|(_, mask)| mask);
        let first = named.next()?.clone();
        Some(named.fold(first, Mask::joined))
    }

    /// Whether everything is kept.
    pub fn is_whole(&self) -> bool {
        self.entries.is_empty()
    }

    fn joined(self, other: &Mask) -> Mask {
        if self.is_whole() || other.is_whole() {
            return Mask::default();
        }
        let mut entries = self.entries;
        entries.extend(other.entries.iter().cloned());
        Mask { entries }
    }
}

struct Reader<'a> {
    rest: &'a str,
    entries: usize,
}

impl Reader<'_> {
    fn list(&mut self, depth: usize) -> Option<Mask> {
        let mut mask = Mask::default();
        loop {
            mask.entries.push(self.entry(depth)?);
            match self.rest.strip_prefix(',') {
                Some(after) => self.rest = after,
                None => return Some(mask),
            }
        }
    }

    fn entry(&mut self, depth: usize) -> Option<(String, Mask)> {
        self.entries += 1;
        if depth > DEPTH_MAX || self.entries > ENTRIES_MAX {
            return None;
        }
        let end = self.rest.find([',', '(', ')', '/']).unwrap_or(self.rest.len());
        let (name, after) = self.rest.split_at_checked(end)?;
        let name = name.trim();
        if name != "*" && (name.is_empty() || !name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))) {
            return None;
        }
        self.rest = after;
        let mask = if let Some(after) = self.rest.strip_prefix('/') {
            self.rest = after;
            Mask { entries: vec![self.entry(depth + 1)?] }
        } else if let Some(after) = self.rest.strip_prefix('(') {
            self.rest = after;
            let mask = self.list(depth + 1)?;
            self.rest = self.rest.strip_prefix(')')?;
            mask
        } else {
            Mask::default()
        };
        Some((name.to_owned(), mask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_reduced() {
        let answer = json!({ "a": 1, "b": { "c": 2, "d": { "e": 3, "f": 4 } }, "list": [{ "x": 1, "y": 2 }] });
        let check = |mask: &str, expect: Value| assert_eq!(Mask::parse(mask).unwrap().apply(answer.clone()), expect, "{mask}");
        check("a", json!({ "a": 1 }));
        check("b/d/e,a", json!({ "a": 1, "b": { "d": { "e": 3 } } }));
        check("b/c,b/d/f", json!({ "b": { "c": 2, "d": { "f": 4 } } }));
        check("b(c,d(f))", json!({ "b": { "c": 2, "d": { "f": 4 } } }));
        check("b/c,b", json!({ "b": { "c": 2, "d": { "e": 3, "f": 4 } } }));
        check("list(x)", json!({ "list": [{ "x": 1 }] }));
        check("*/c,a", json!({ "a": 1, "b": { "c": 2 }, "list": [{}] }));
        check("*", answer.clone());
        check("zz", json!({}));
        check("a/b/c", json!({ "a": 1 }));
    }

    #[test]
    fn broken_masks_are_no_masks() {
        for mask in ["", "a,", "a(b", "a)", "(a)", "a//b", "a;b", "a\u{0}", "a/", "a()", "a b", ",", "a,,b"] {
            assert_eq!(Mask::parse(mask), None, "{mask}");
        }
        assert_eq!(Mask::parse(&"a(".repeat(10_000)), None);
        assert_eq!(Mask::parse(&vec!["a"; ENTRIES_MAX + 1].join(",")), None);
    }
}
