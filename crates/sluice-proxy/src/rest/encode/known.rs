//! Which fields of an answer are known. A field that is not stays here, however harmless its name: a new one of BigQuery's could carry a value out.

use serde_json::{Map, Value};
use std::collections::HashMap;
use std::sync::LazyLock;

use super::resources::RESOURCES;

/// What may stand in the place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Known {
    Fields(Vec<(&'static str, Known)>),
    /// Names that people chose, with resources.
    Entries(&'static str),
    /// Names that people chose, with plain values.
    Map,
    /// A text, a number, a flag, or a list of such.
    Plain,
    /// Another resource, also this one.
    Resource(&'static str),
}

const DEPTH_MAX: usize = 64;

static KNOWN: LazyLock<HashMap<&'static str, Known>> =
    LazyLock::new(|| RESOURCES.iter().filter_map(|(name, text)| Some((*name, parse(text)?))).collect());

/// The known part of a resource of this name, and how many fields were left behind. A name that is not known leaves nothing.
pub fn keep(resource: &str, value: Value) -> (Value, u64) {
    let mut dropped = 0;
    let kept = match KNOWN.get(resource) {
        Some(known) => known.keep(value, &mut dropped, 0),
        None => None,
    };
    (kept.unwrap_or_else(|| Value::Object(Map::new())), dropped)
}

impl Known {
    fn keep(&self, value: Value, dropped: &mut u64, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            *dropped += 1;
            return None;
        }
        match (self, value) {
            (Known::Resource(name), value) => KNOWN.get(name)?.keep(value, dropped, depth + 1),
            (_, Value::Array(elements)) => {
                let kept = elements.into_iter().filter_map(|element| self.keep_element(element, dropped, depth + 1));
                Some(Value::Array(kept.collect()))
            }
            (Known::Fields(known), Value::Object(fields)) => {
                let mut kept = Map::new();
                for (name, value) in fields {
                    match known.iter().find(|(known, _)| *known == name) {
                        Some((_, known)) => kept.extend(known.keep(value, dropped, depth + 1).map(|value| (name, value))),
                        None => *dropped += 1,
                    }
                }
                Some(Value::Object(kept))
            }
            (Known::Entries(resource), Value::Object(entries)) => {
                let known = KNOWN.get(resource)?;
                let kept = entries.into_iter().filter_map(|(name, value)| Some((name, known.keep(value, dropped, depth + 1)?)));
                Some(Value::Object(kept.collect()))
            }
            (Known::Map, Value::Object(entries)) => {
                let kept = entries.into_iter().filter(|(_, value)| is_plain(value, dropped));
                Some(Value::Object(kept.collect()))
            }
            (_, Value::Null) => Some(Value::Null),
            (Known::Plain, value) if is_plain(&value, dropped) => Some(value),
            (Known::Plain, _) => None,
            _ => {
                *dropped += 1;
                None
            }
        }
    }

    /// Lists of lists are in no resource.
    fn keep_element(&self, element: Value, dropped: &mut u64, depth: usize) -> Option<Value> {
        if element.is_array() {
            *dropped += 1;
            return None;
        }
        self.keep(element, dropped, depth)
    }
}

fn is_plain(value: &Value, dropped: &mut u64) -> bool {
    let plain = !matches!(value, Value::Array(_) | Value::Object(_));
    *dropped += u64::from(!plain);
    plain
}

/// `name` is plain, `name{}` a map, `name{Resource}` one of resources, `name(...)` an object or a list of them, `name@Resource` another resource.
fn parse(text: &'static str) -> Option<Known> {
    let mut rest = text;
    let fields = fields(&mut rest, 0)?;
    rest.trim().is_empty().then_some(Known::Fields(fields))
}

fn fields(rest: &mut &'static str, depth: usize) -> Option<Vec<(&'static str, Known)>> {
    let mut fields = Vec::new();
    loop {
        *rest = rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at_checked(end)?;
        if name.is_empty() {
            return (depth < DEPTH_MAX).then_some(fields);
        }
        *rest = after;
        let known = if let Some(after) = rest.strip_prefix("{}") {
            *rest = after;
            Known::Map
        } else if let Some((resource, after)) = rest.strip_prefix('{').and_then(|after| after.split_once('}')) {
            *rest = after;
            Known::Entries(resource)
        } else if let Some(after) = rest.strip_prefix('@') {
            let end = after.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(after.len());
            let (resource, after) = after.split_at_checked(end)?;
            *rest = after;
            Known::Resource(resource)
        } else if let Some(after) = rest.strip_prefix('(') {
            *rest = after;
            let below = self::fields(rest, depth + 1)?;
            *rest = rest.trim_start().strip_prefix(')')?;
            Known::Fields(below)
        } else {
            Known::Plain
        };
        fields.push((name, known));
    }
}

#[cfg(test)]
mod tests;
