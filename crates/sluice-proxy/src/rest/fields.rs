//! The parameter `fields`: only the named parts of an answer, `a,b(c,d),e/f`. Applied by us, to what we would have answered without it.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

const DEPTH_MAX: usize = 20;
const ENTRIES_MAX: usize = 1_000;

/// What is kept of an object; nothing named below an entry keeps all of it. Each name stands once, and `*` stands alone: what one cell costs does not
/// depend on how much the client wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    entries: BTreeMap<String, Mask>,
    /// `*`
    all: Option<Box<Mask>>,
}

impl Mask {
    /// `None` for text that is no mask.
    pub fn parse(text: &str) -> Option<Mask> {
        let mut reader = Reader { rest: text, entries: 0 };
        let mask = reader.list(0)?;
        reader.rest.is_empty().then_some(mask)
    }

    pub fn apply(&self, value: Value) -> Value {
        if self.is_whole() {
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

    /// Nothing where the field of that name is not wanted.
    pub fn below(&self, name: &str) -> Option<&Mask> {
        if self.is_whole() { Some(self) } else { self.all.as_deref().or_else(|| self.entries.get(name)) }
    }

    /// Whether everything is kept.
    pub fn is_whole(&self) -> bool {
        self.entries.is_empty() && self.all.is_none()
    }

    /// Of two entries for one field both count.
    fn add(&mut self, name: String, mask: Mask) -> Option<()> {
        let known = match name.as_str() {
            "*" if self.entries.is_empty() => self.all.as_deref_mut(),
            name if name != "*" && self.all.is_none() => self.entries.get_mut(name),
            _ => return None,
        };
        match known {
            Some(known) => return known.join(mask),
            None if name == "*" => self.all = Some(Box::new(mask)),
            None => drop(self.entries.insert(name, mask)),
        }
        Some(())
    }

    fn join(&mut self, other: Mask) -> Option<()> {
        if self.is_whole() || other.is_whole() {
            *self = Mask::default();
            return Some(());
        }
        other.all.into_iter().try_for_each(|mask| self.add("*".to_owned(), *mask))?;
        other.entries.into_iter().try_for_each(|(name, mask)| self.add(name, mask))
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
            let (name, below) = self.entry(depth)?;
            mask.add(name, below)?;
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
            let (below, mask) = self.entry(depth + 1)?;
            let mut one = Mask::default();
            one.add(below, mask)?;
            one
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
        check("*/c", json!({ "a": 1, "b": { "c": 2 }, "list": [{}] }));
        check("*/c,*(x)", json!({ "a": 1, "b": { "c": 2 }, "list": [{ "x": 1 }] }));
        check("b(d(e)),b(c,d(f))", json!({ "b": { "c": 2, "d": { "e": 3, "f": 4 } } }));
        check("*", answer.clone());
        check("zz", json!({}));
        check("a/b/c", json!({ "a": 1 }));
    }

    /// A thousand names for the parts of a cell are one look-up, and as many times the same name is one entry.
    #[test]
    fn what_is_said_twice_stands_once() {
        let many = |name: fn(usize) -> String| format!("rows/f/v({})", (0..ENTRIES_MAX - 3).map(name).collect::<Vec<_>>().join(","));
        let below =
            |mask: &Mask| ["rows", "f", "v"].iter().fold(mask.clone(), |mask, name| mask.below(name).unwrap().clone()).entries.len();
        assert_eq!(below(&Mask::parse(&many(|_| "a".to_owned())).unwrap()), 1);
        assert_eq!(below(&Mask::parse(&many(|number| format!("a{number}"))).unwrap()), ENTRIES_MAX - 3);
        assert_eq!(Mask::parse("a/b,a").unwrap(), Mask::parse("a").unwrap());
    }

    #[test]
    fn broken_masks_are_no_masks() {
        for mask in ["", "a,", "a(b", "a)", "(a)", "a//b", "a;b", "a\u{0}", "a/", "a()", "a b", ",", "a,,b", "*,a", "a/b,*", "a/*,a/b"] {
            assert_eq!(Mask::parse(mask), None, "{mask}");
        }
        assert_eq!(Mask::parse(&"a(".repeat(10_000)), None);
        assert_eq!(Mask::parse(&vec!["a"; ENTRIES_MAX + 1].join(",")), None);
    }
}
