//! What a condition compares: facts, literals, sums of them; and their values where a question is asked.

use super::Scene;
use crate::fact::Fact;
use crate::mention::Root;
use core::net::IpAddr;
use std::collections::BTreeSet;

/// Has a value where a question is asked, or none that can be said without Cedar: where Cedar fails there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    Address(Range),
    Attribute(Root, Vec<String>),
    Difference(Box<[Term; 2]>),
    Flag(bool),
    Negative(Box<Term>),
    Number(i64),
    Numbers(BTreeSet<i64>),
    Product(Box<[Term; 2]>),
    Sum(Box<[Term; 2]>),
    /// `principal.getTag("a")`.
    Tag(String),
    Text(String),
    Texts(BTreeSet<String>),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'v> {
    Address(Range),
    Flag(bool),
    Number(i64),
    Numbers(&'v BTreeSet<i64>),
    Record(&'v [(&'static str, Fact<'v>)]),
    Text(&'v str),
    Texts(Texts<'v>),
}

/// Those that a rule names, and those that were found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Texts<'v> {
    Found(&'v BTreeSet<&'v str>),
    Named(&'v BTreeSet<String>),
}

/// An address, or a network of them, as Cedar has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub address: IpAddr,
    prefix: u32,
}

impl Term {
    /// None: Cedar has to say.
    pub fn value<'v>(&'v self, scene: &'v dyn Scene) -> Option<Value<'v>> {
        let both = |sides: &'v [Term; 2]| match sides.each_ref().map(|side| side.value(scene)) {
            [Some(Value::Number(left)), Some(Value::Number(right))] => Some((left, right)),
            _ => None,
        };
        Some(match self {
            Term::Address(range) => Value::Address(*range),
            Term::Attribute(root, path) => Value::of(scene.fact(*root).at(path)?)?,
            Term::Difference(sides) => both(sides).and_then(|(left, right)| left.checked_sub(right)).map(Value::Number)?,
            Term::Flag(flag) => Value::Flag(*flag),
            Term::Negative(term) => match term.value(scene)? {
                Value::Number(number) => Value::Number(number.checked_neg()?),
                _ => return None,
            },
            Term::Number(number) => Value::Number(*number),
            Term::Numbers(numbers) => Value::Numbers(numbers),
            Term::Product(sides) => both(sides).and_then(|(left, right)| left.checked_mul(right)).map(Value::Number)?,
            Term::Sum(sides) => both(sides).and_then(|(left, right)| left.checked_add(right)).map(Value::Number)?,
            Term::Tag(name) => Value::Text(scene.tag(name)?),
            Term::Text(text) => Value::Text(text),
            Term::Texts(texts) => Value::Texts(Texts::Named(texts)),
        })
    }
}

impl<'v> Value<'v> {
    fn of(fact: &'v Fact<'v>) -> Option<Value<'v>> {
        Some(match fact {
            Fact::Address(address) => Value::Address(Range::of(*address)?),
            Fact::Flag(flag) => Value::Flag(*flag),
            Fact::Number(number) => Value::Number(*number),
            Fact::Record(fields) => Value::Record(fields),
            Fact::Text(text) => Value::Text(text),
            Fact::Texts(texts) => Value::Texts(Texts::Found(texts)),
        })
    }
}

impl Texts<'_> {
    pub fn is_empty(self) -> bool {
        match self {
            Texts::Found(texts) => texts.is_empty(),
            Texts::Named(texts) => texts.is_empty(),
        }
    }

    pub fn contains(self, text: &str) -> bool {
        match self {
            Texts::Found(texts) => texts.contains(text),
            Texts::Named(texts) => texts.contains(text),
        }
    }

    pub fn contains_all(self, others: Texts<'_>) -> bool {
        match others {
            Texts::Found(texts) => texts.iter().all(|text| self.contains(text)),
            Texts::Named(texts) => texts.iter().all(|text| self.contains(text)),
        }
    }

    pub fn contains_any(self, others: Texts<'_>) -> bool {
        match others {
            Texts::Found(texts) => texts.iter().any(|text| self.contains(text)),
            Texts::Named(texts) => texts.iter().any(|text| self.contains(text)),
        }
    }
}

impl Range {
    /// One address. A version 4 one in the clothes of version 6 is nothing that Cedar takes.
    fn of(address: IpAddr) -> Option<Range> {
        match address {
            IpAddr::V4(_) => Some(Range { address, prefix: u32::BITS }),
            IpAddr::V6(six) => six.to_ipv4_mapped().is_none().then_some(Range { address, prefix: u128::BITS }),
        }
    }

    /// `10.0.0.0/8`. None for all that Cedar would not read in just this way.
    pub fn parse(text: &str) -> Option<Range> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        if address.contains(':') && address.contains('.') {
            return None;
        }
        let whole = Range::of(address.parse().ok()?)?;
        let Some(written) = prefix else { return Some(whole) };
        let prefix = written.parse::<u32>().ok().filter(|prefix| *prefix <= whole.prefix && prefix.to_string() == written)?;
        Some(Range { prefix, ..whole })
    }

    /// All of it within another.
    pub fn is_in(&self, other: &Range) -> bool {
        let above = |bits: u32, prefix: u32, number: u128| number.checked_shr(bits - prefix.min(bits)).unwrap_or_default();
        let same = |bits: u32, one: u128, another: u128| {
            self.prefix >= other.prefix && above(bits, other.prefix, one) == above(bits, other.prefix, another)
        };
        match (self.address, other.address) {
            (IpAddr::V4(one), IpAddr::V4(another)) => same(u32::BITS, u32::from(one).into(), u32::from(another).into()),
            (IpAddr::V6(one), IpAddr::V6(another)) => same(u128::BITS, one.into(), another.into()),
            _ => false,
        }
    }

    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback() && self.prefix >= if self.address.is_ipv4() { 8 } else { u128::BITS }
    }

    pub fn is_multicast(&self) -> bool {
        self.address.is_multicast() && self.prefix >= if self.address.is_ipv4() { 4 } else { 8 }
    }
}
