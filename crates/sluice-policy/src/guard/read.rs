//! Cedar's JSON form of an expression, read as far as it is plain.

use super::{Guard, Part, Test, Wants};
use crate::mention::Root;
use serde_json::Value;
use std::collections::BTreeSet;

/// An operator with a number on its right.
type Compared = (&'static str, fn(i64) -> Wants);

/// Cedar itself parses no condition that is nested so deep.
const DEPTH_MAX: usize = 500;

pub fn expression(expression: &Value) -> Guard {
    read(expression, 0)
}

fn read(expression: &Value, depth: usize) -> Guard {
    if depth > DEPTH_MAX {
        return Guard::Unknown;
    }
    let inner = |part: &Value| read(part, depth + 1);
    if let Some((left, right)) = sides(expression, "&&") {
        return Guard::All(vec![inner(left), inner(right)]);
    }
    if let Some((left, right)) = sides(expression, "||") {
        return Guard::Any(vec![inner(left), inner(right)]);
    }
    if let Some(part) = argument(expression, "!") {
        return Guard::Not(Box::new(inner(part)));
    }
    if let Some(choice) = expression.get("if-then-else") {
        let part = |name: &str| choice.get(name).map_or(Guard::Unknown, inner);
        return Guard::Choice(Box::new([part("if"), part("then"), part("else")]));
    }
    if let Some(known) = literal(expression).and_then(Value::as_bool) {
        return Guard::Known(known);
    }
    if let Some(is) = expression.get("is") {
        return of_type(is).unwrap_or(Guard::Unknown);
    }
    test(expression).map_or(Guard::Unknown, Guard::Test)
}

/// `resource is Table`, `resource is Table in Dataset::"p.d"`.
fn of_type(is: &Value) -> Option<Guard> {
    let (root, path) = path(is.get("left")?, 0).filter(|(root, path)| path.is_empty() && *root != Root::Context)?;
    let kind = Test { root, path: path.clone(), wants: Wants::OfType(is.get("entity_type")?.as_str()?.to_owned()) };
    let within = is.get("in").map(|above| Some(Test { root, path, wants: Wants::In(vec![entity(above)?]) }));
    let within = match within {
        None => None,
        Some(within) => Some(Guard::Test(within?)),
    };
    Some(Guard::All(std::iter::once(Guard::Test(kind)).chain(within).collect()))
}

fn test(expression: &Value) -> Option<Test> {
    let of = |left: &Value, wants: Wants| path(left, 0).map(|(root, path)| Test { root, path, wants });
    let of_member = |left: &Value, wants: Wants| of(left, wants).filter(|test| test.path.is_empty() && test.root != Root::Context);
    if let Some(has) = expression.get("has") {
        return of(has.get("left")?, Wants::Present(has.get("attr")?.as_str()?.to_owned()));
    }
    if let Some((set, element)) = sides(expression, "contains") {
        return of(set, Wants::Containing(literal(element)?.as_str()?.to_owned()));
    }
    if let Some((set, elements)) = sides(expression, "containsAll") {
        return of(set, Wants::ContainingAll(texts(elements)?));
    }
    if let Some((set, elements)) = sides(expression, "containsAny") {
        return of(set, Wants::ContainingAny(texts(elements)?));
    }
    if let Some(set) = argument(expression, "isEmpty") {
        return of(set, Wants::Empty);
    }
    if let Some(like) = expression.get("like") {
        return of(like.get("left")?, Wants::Like(pattern(like.get("pattern")?)?));
    }
    if let Some((member, above)) = sides(expression, "in") {
        let named = match above.get("Set").and_then(Value::as_array) {
            Some(elements) => elements.iter().map(entity).collect::<Option<Vec<_>>>()?,
            None => vec![entity(above)?],
        };
        return of_member(member, Wants::In(named));
    }
    let compared: [Compared; 4] = [(">", Wants::Above), (">=", Wants::AtLeast), ("<=", Wants::AtMost), ("<", Wants::Below)];
    for (word, wants) in compared {
        if let Some((left, right)) = sides(expression, word) {
            return of(left, wants(literal(right)?.as_i64()?));
        }
    }
    for (word, is_same) in [("==", true), ("!=", false)] {
        if let Some((left, right)) = sides(expression, word) {
            return match entity(right) {
                Some(named) => of_member(left, Wants::Is(is_same, named)),
                None => of(left, equal(literal(right)?, is_same)?),
            };
        }
    }
    of(expression, Wants::Flag).filter(|test| !test.path.is_empty())
}

fn equal(literal: &Value, is_same: bool) -> Option<Wants> {
    match literal {
        Value::Number(number) if is_same => Some(Wants::Number(number.as_i64()?)),
        Value::Number(number) => Some(Wants::OtherNumber(number.as_i64()?)),
        Value::String(text) if is_same => Some(Wants::Text(text.clone())),
        Value::String(text) => Some(Wants::OtherText(text.clone())),
        _ => None,
    }
}

fn sides<'a>(expression: &'a Value, word: &str) -> Option<(&'a Value, &'a Value)> {
    let operation = expression.get(word)?;
    Some((operation.get("left")?, operation.get("right")?))
}

fn argument<'a>(expression: &'a Value, word: &str) -> Option<&'a Value> {
    expression.get(word)?.get("arg")
}

/// A set of texts, nothing else in it.
fn texts(expression: &Value) -> Option<BTreeSet<String>> {
    let elements = expression.get("Set")?.as_array()?;
    elements.iter().map(|element| Some(literal(element)?.as_str()?.to_owned())).collect()
}

fn pattern(parts: &Value) -> Option<Vec<Part>> {
    let mut pattern = Vec::new();
    for part in parts.as_array()? {
        match (part.as_str(), part.get("Literal").and_then(Value::as_str)) {
            (Some("Wildcard"), _) => pattern.push(Part::Anything),
            (_, Some(text)) => pattern.extend(text.chars().map(Part::Letter)),
            _ => return None,
        }
    }
    Some(pattern)
}

fn literal(expression: &Value) -> Option<&Value> {
    expression.get("Value")
}

/// `Group::"a"`.
fn entity(expression: &Value) -> Option<(String, String)> {
    let entity = literal(expression)?.get("__entity")?;
    Some((entity.get("type")?.as_str()?.to_owned(), entity.get("id")?.as_str()?.to_owned()))
}

/// `context.run.event`, down from a variable.
fn path(expression: &Value, depth: usize) -> Option<(Root, Vec<String>)> {
    if let Some(word) = expression.get("Var").and_then(Value::as_str) {
        return Some((Root::parse(word)?, Vec::new()));
    }
    let access = expression.get(".").filter(|_| depth < DEPTH_MAX)?;
    let (root, mut path) = path(access.get("left")?, depth + 1)?;
    path.push(access.get("attr")?.as_str()?.to_owned());
    Some((root, path))
}
