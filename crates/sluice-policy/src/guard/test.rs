//! One look of a condition that ends in yes or no.

use super::Scene;
use super::term::{Term, Value};
use crate::mention::Root;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// This very action, or another.
    Action(bool, String),
    /// One of these actions, or in one of them.
    ActionIn(Vec<String>),
    Address(Term, Trait),
    Contains(Term, Term),
    ContainsAll(Term, Term),
    ContainsAny(Term, Term),
    Empty(Term),
    Flag(Term),
    /// One of these, or in one of them.
    In(Root, Vec<(String, String)>),
    InRange(Term, Term),
    /// This very one, or another.
    Is(bool, Root, (String, String)),
    Like(Term, Vec<Part>),
    OfType(Root, String),
    Ordered(Term, Order, Term),
    /// An attribute of the record.
    Present(Term, String),
    /// Equal, or not.
    Same(bool, Term, Term),
    Tagged(String),
}

/// Of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trait {
    Loopback,
    Multicast,
    Version4,
    Version6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Above,
    AtLeast,
    AtMost,
    Below,
}

/// Of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Anything,
    Letter(char),
}

impl Test {
    /// None: Cedar has to say.
    pub fn holds(&self, scene: &dyn Scene) -> Option<bool> {
        match self {
            Test::Action(same, name) => Some(scene.asks(name, false) == *same),
            Test::ActionIn(names) => Some(names.iter().any(|name| scene.asks(name, true))),
            Test::Address(term, wanted) => match term.value(scene)? {
                Value::Address(range) => Some(match wanted {
                    Trait::Loopback => range.is_loopback(),
                    Trait::Multicast => range.is_multicast(),
                    Trait::Version4 => range.address.is_ipv4(),
                    Trait::Version6 => range.address.is_ipv6(),
                }),
                _ => None,
            },
            Test::Contains(set, element) => match (set.value(scene)?, element.value(scene)?) {
                (Value::Numbers(numbers), Value::Number(number)) => Some(numbers.contains(&number)),
                (Value::Texts(texts), Value::Text(text)) => Some(texts.contains(text)),
                _ => None,
            },
            Test::ContainsAll(set, elements) => match (set.value(scene)?, elements.value(scene)?) {
                (Value::Texts(texts), Value::Texts(others)) => Some(texts.contains_all(others)),
                _ => None,
            },
            Test::ContainsAny(set, elements) => match (set.value(scene)?, elements.value(scene)?) {
                (Value::Texts(texts), Value::Texts(others)) => Some(texts.contains_any(others)),
                _ => None,
            },
            Test::Empty(set) => match set.value(scene)? {
                Value::Texts(texts) => Some(texts.is_empty()),
                _ => None,
            },
            Test::Flag(term) => match term.value(scene)? {
                Value::Flag(flag) => Some(flag),
                _ => None,
            },
            Test::In(root, wanted) => scene.member(*root).map(|member| wanted.iter().any(|(kind, id)| member.is_in(kind, id))),
            Test::InRange(term, within) => match (term.value(scene)?, within.value(scene)?) {
                (Value::Address(range), Value::Address(within)) => Some(range.is_in(&within)),
                _ => None,
            },
            Test::Is(same, root, (kind, id)) => scene.member(*root).map(|member| (member.kind == kind && member.id == *id) == *same),
            Test::Like(term, pattern) => match term.value(scene)? {
                Value::Text(text) => Some(is_like(text, pattern)),
                _ => None,
            },
            Test::OfType(root, kind) => scene.member(*root).map(|member| member.kind == kind),
            Test::Ordered(left, order, right) => ordered(left.value(scene)?, *order, right.value(scene)?),
            Test::Present(term, wanted) => match term.value(scene)? {
                Value::Record(fields) => Some(fields.iter().any(|(name, _)| name == wanted)),
                _ => None,
            },
            Test::Same(wanted, left, right) => same(left.value(scene)?, right.value(scene)?).map(|same| same == *wanted),
            Test::Tagged(name) => Some(scene.tag(name).is_some()),
        }
    }
}

fn ordered(left: Value<'_>, order: Order, right: Value<'_>) -> Option<bool> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else { return None };
    Some(match order {
        Order::Above => left > right,
        Order::AtLeast => left >= right,
        Order::AtMost => left <= right,
        Order::Below => left < right,
    })
}

fn same(left: Value<'_>, right: Value<'_>) -> Option<bool> {
    match (left, right) {
        (Value::Address(left), Value::Address(right)) => Some(left == right),
        (Value::Flag(left), Value::Flag(right)) => Some(left == right),
        (Value::Number(left), Value::Number(right)) => Some(left == right),
        (Value::Text(left), Value::Text(right)) => Some(left == right),
        (Value::Texts(left), Value::Texts(right)) => Some(left.contains_all(right) && right.contains_all(left)),
        _ => None,
    }
}

/// From the left; where it goes wrong, the last wildcard takes one letter more.
pub(crate) fn is_like(text: &str, pattern: &[Part]) -> bool {
    let (mut rest, mut left) = (text.chars(), pattern);
    let mut back = None;
    loop {
        match (left.split_first(), rest.clone().next()) {
            (Some((Part::Anything, after)), _) => {
                back = Some((rest.clone(), after));
                left = after;
            }
            (Some((Part::Letter(wanted), after)), Some(letter)) if letter == *wanted => {
                rest.next();
                left = after;
            }
            (None, None) => return true,
            _ => {
                let Some((mut taken, after)) = back.take() else { return false };
                if taken.next().is_none() {
                    return false;
                }
                (rest, left) = (taken.clone(), after);
                back = Some((taken, after));
            }
        }
    }
}
