//! Cedar's JSON form of an expression, read as far as it is plain.

use super::Guard;
use super::term::{Range, Term};
use super::test::{Order, Part, Test, Trait};
use crate::mention::Root;
use serde_json::Value;
use std::collections::BTreeSet;

/// An operator on two numbers.
type Calculated = (&'static str, fn(Box<[Term; 2]>) -> Term);

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
    let root = member(is.get("left")?)?;
    let kind = Test::OfType(root, is.get("entity_type")?.as_str()?.to_owned());
    let within = match is.get("in") {
        None => None,
        Some(above) => Some(Guard::Test(Test::In(root, vec![entity(above)?]))),
    };
    Some(Guard::All(std::iter::once(Guard::Test(kind)).chain(within).collect()))
}

fn test(expression: &Value) -> Option<Test> {
    let (word, _) = expression.as_object()?.iter().next()?;
    let sides = || sides(expression, word);
    let terms = || sides().and_then(|(left, right)| Some((term(left, 0)?, term(right, 0)?)));
    let alone = || term(argument(expression, word)?, 0);
    let ordered = |order: Order| terms().map(|(left, right)| Test::Ordered(left, order, right));
    let address = |wanted: Trait| Some(Test::Address(term(arguments::<1>(expression, word)?.first()?, 0)?, wanted));
    match word.as_str() {
        "!=" | "==" => equal(word == "==", sides()?),
        "." => term(expression, 0).map(Test::Flag),
        "<" => ordered(Order::Below),
        "<=" => ordered(Order::AtMost),
        ">" => ordered(Order::Above),
        ">=" => ordered(Order::AtLeast),
        "contains" => terms().map(|(set, element)| Test::Contains(set, element)),
        "containsAll" => terms().map(|(set, elements)| Test::ContainsAll(set, elements)),
        "containsAny" => terms().map(|(set, elements)| Test::ContainsAny(set, elements)),
        "has" => {
            let has = expression.get("has")?;
            Some(Test::Present(term(has.get("left")?, 0)?, has.get("attr")?.as_str()?.to_owned()))
        }
        "hasTag" => tag(sides()?).map(Test::Tagged),
        "in" => within(sides()?),
        "isEmpty" => alone().map(Test::Empty),
        "isInRange" => {
            let [range, within] = arguments::<2>(expression, word)?;
            Some(Test::InRange(term(range, 0)?, term(within, 0)?))
        }
        "isIpv4" => address(Trait::Version4),
        "isIpv6" => address(Trait::Version6),
        "isLoopback" => address(Trait::Loopback),
        "isMulticast" => address(Trait::Multicast),
        "like" => {
            let like = expression.get("like")?;
            Some(Test::Like(term(like.get("left")?, 0)?, pattern(like.get("pattern")?)?))
        }
        _ => None,
    }
}

fn equal(wanted: bool, (left, right): (&Value, &Value)) -> Option<Test> {
    if is_action(left) {
        return Some(Test::Action(wanted, action(right)?));
    }
    match (entity(left), entity(right)) {
        (None, None) => Some(Test::Same(wanted, term(left, 0)?, term(right, 0)?)),
        (None, Some(named)) => Some(Test::Is(wanted, member(left)?, named)),
        (Some(named), None) => Some(Test::Is(wanted, member(right)?, named)),
        (Some(_), Some(_)) => None,
    }
}

fn within((left, above): (&Value, &Value)) -> Option<Test> {
    let named = above.get("Set").and_then(Value::as_array).map_or(std::slice::from_ref(above), Vec::as_slice);
    if is_action(left) {
        return named.iter().map(action).collect::<Option<Vec<_>>>().map(Test::ActionIn);
    }
    Some(Test::In(member(left)?, named.iter().map(entity).collect::<Option<Vec<_>>>()?))
}

fn term(expression: &Value, depth: usize) -> Option<Term> {
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some((root, path)) = path(expression, depth) {
        return Some(Term::Attribute(root, path));
    }
    if let Some(literal) = literal(expression) {
        return match literal {
            Value::Bool(flag) => Some(Term::Flag(*flag)),
            Value::Number(number) => Some(Term::Number(number.as_i64()?)),
            Value::String(text) => Some(Term::Text(text.clone())),
            _ => None,
        };
    }
    if let Some(elements) = expression.get("Set").and_then(Value::as_array) {
        return set(elements);
    }
    if let Some(tagged) = sides(expression, "getTag") {
        return tag(tagged).map(Term::Tag);
    }
    if let Some([text]) = arguments::<1>(expression, "ip") {
        return Range::parse(literal(text)?.as_str()?).map(Term::Address);
    }
    if let Some(part) = argument(expression, "neg") {
        return Some(Term::Negative(Box::new(term(part, depth + 1)?)));
    }
    let calculated: [Calculated; 3] = [("+", Term::Sum), ("-", Term::Difference), ("*", Term::Product)];
    let (wrap, (left, right)) = calculated.into_iter().find_map(|(word, wrap)| Some((wrap, sides(expression, word)?)))?;
    Some(wrap(Box::new([term(left, depth + 1)?, term(right, depth + 1)?])))
}

/// Of texts alone, or of numbers alone.
fn set(elements: &[Value]) -> Option<Term> {
    let texts: Option<BTreeSet<String>> = elements.iter().map(|element| Some(literal(element)?.as_str()?.to_owned())).collect();
    let numbers = || elements.iter().map(|element| literal(element)?.as_i64()).collect::<Option<BTreeSet<i64>>>();
    texts.map(Term::Texts).or_else(|| numbers().map(Term::Numbers))
}

/// `principal.getTag("a")`: nothing else has tags.
fn tag((left, name): (&Value, &Value)) -> Option<String> {
    member(left).filter(|root| *root == Root::Principal)?;
    literal(name)?.as_str().map(str::to_owned)
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

fn sides<'a>(expression: &'a Value, word: &str) -> Option<(&'a Value, &'a Value)> {
    let operation = expression.get(word)?;
    Some((operation.get("left")?, operation.get("right")?))
}

fn argument<'a>(expression: &'a Value, word: &str) -> Option<&'a Value> {
    expression.get(word)?.get("arg")
}

/// Of a function.
fn arguments<'a, const COUNT: usize>(expression: &'a Value, word: &str) -> Option<&'a [Value; COUNT]> {
    expression.get(word)?.as_array()?.as_slice().try_into().ok()
}

fn literal(expression: &Value) -> Option<&Value> {
    expression.get("Value")
}

/// `Group::"a"`.
fn entity(expression: &Value) -> Option<(String, String)> {
    let entity = literal(expression)?.get("__entity")?;
    Some((entity.get("type")?.as_str()?.to_owned(), entity.get("id")?.as_str()?.to_owned()))
}

fn is_action(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("action")
}

/// `Action::"Read"`.
fn action(expression: &Value) -> Option<String> {
    entity(expression).filter(|(kind, _)| kind == "Action").map(|(_, name)| name)
}

/// The caller, or the thing.
fn member(expression: &Value) -> Option<Root> {
    Root::parse(expression.get("Var")?.as_str()?).filter(|root| *root != Root::Context)
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
