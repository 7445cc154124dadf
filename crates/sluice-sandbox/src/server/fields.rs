//! The `fields` parameter: only the named parts of an answer, `a,b(c,d),e/f`.

use serde_json::{Map, Value};

const DEPTH_MAX: usize = 20;

/// What is kept of an object; nothing named below an entry keeps all of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Mask {
    entries: Vec<(String, Mask)>,
}

impl Mask {
    /// `None` for text that is no mask.
    pub fn parse(text: &str) -> Option<Mask> {
        let mut rest = text;
        let mask = list(&mut rest, 0)?;
        rest.is_empty().then_some(mask)
    }

    pub fn apply(&self, value: Value) -> Value {
        if self.entries.is_empty() {
            return value;
        }
        match value {
            Value::Array(elements) => elements.into_iter().map(|element| self.apply(element)).collect(),
            Value::Object(fields) => {
                let kept = fields.into_iter().filter_map(|(name, value)| {
                    let (_, mask) = self.entries.iter().find(|(wanted, _)| wanted == "*" || *wanted == name)?;
                    Some((name, mask.apply(value)))
                });
                Value::Object(kept.collect::<Map<_, _>>())
            }
            scalar => scalar,
        }
    }
}

fn list(rest: &mut &str, depth: usize) -> Option<Mask> {
    let mut mask = Mask::default();
    loop {
        mask.entries.push(entry(rest, depth)?);
        match rest.strip_prefix(',') {
            Some(after) => *rest = after,
            None => return Some(mask),
        }
    }
}

fn entry(rest: &mut &str, depth: usize) -> Option<(String, Mask)> {
    if depth > DEPTH_MAX {
        return None;
    }
    let end = rest.find([',', '(', ')', '/']).unwrap_or(rest.len());
    let (name, after) = rest.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    *rest = after;
    let mask = if let Some(after) = rest.strip_prefix('/') {
        *rest = after;
        Mask { entries: vec![entry(rest, depth + 1)?] }
    } else if let Some(after) = rest.strip_prefix('(') {
        *rest = after;
        let mask = list(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        mask
    } else {
        Mask::default()
    };
    Some((name.trim().to_owned(), mask))
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
        check("b(c,d(f))", json!({ "b": { "c": 2, "d": { "f": 4 } } }));
        check("list(x)", json!({ "list": [{ "x": 1 }] }));
        check("*", answer.clone());
        check("zz", json!({}));
    }

    #[test]
    fn broken_masks_are_no_masks() {
        for mask in ["", "a,", "a(b", "a)", "(a)", "a//b"] {
            assert_eq!(Mask::parse(mask), None, "{mask}");
        }
        assert_eq!(Mask::parse(&"a(".repeat(10_000)), None);
    }
}
