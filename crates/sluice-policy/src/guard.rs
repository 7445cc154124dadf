//! What a rule's conditions say, as far as that is plain enough to be looked at without Cedar: comparisons with a literal, `contains`, `in`,
//! `is`, `like`, joined by `&&`, `||`, `!`, `if`. A rule whose conditions are plainly false is left out. Whatever may speak, Cedar is asked.
//!
//! Cedar reads from the left and stops where the rest cannot matter. So does this, and it says nothing from where Cedar could fail, or
//! where something stands that this file does not know.

mod read;
#[cfg(test)]
mod tests;

use crate::cast::Member;
use crate::fact::Fact;
use crate::mention::Root;
use serde_json::Value;
use std::collections::BTreeSet;

/// An expression that is true, false, or nothing that can be said without Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    All(Vec<Guard>),
    Any(Vec<Guard>),
    /// If, then, else.
    Choice(Box<[Guard; 3]>),
    Known(bool),
    Not(Box<Guard>),
    Test(Test),
    Unknown,
}

/// One look at one fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    root: Root,
    path: Vec<String>,
    wants: Wants,
}

/// Where guards look.
pub(crate) trait Scene {
    fn fact(&self, root: Root) -> &Fact<'_>;
    /// None: a context is in nothing.
    fn member(&self, root: Root) -> Option<&Member<'_>>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Wants {
    Above(i64),
    AtLeast(i64),
    AtMost(i64),
    Below(i64),
    Containing(String),
    ContainingAll(BTreeSet<String>),
    ContainingAny(BTreeSet<String>),
    Empty,
    Flag,
    /// One of these, or in one of them.
    In(Vec<(String, String)>),
    /// This very one, or another.
    Is(bool, (String, String)),
    Like(Vec<Part>),
    Number(i64),
    OtherNumber(i64),
    OtherText(String),
    OfType(String),
    /// An attribute of the record that the path leads to.
    Present(String),
    Text(String),
}

/// Of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Anything,
    Letter(char),
}

impl Guard {
    /// Of a policy's conditions, by its JSON form.
    pub fn of(policy: &Value) -> Guard {
        let conditions = policy.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let read = |condition: &Value| {
            let body = condition.get("body").map_or(Guard::Unknown, read::expression);
            match condition.get("kind").and_then(Value::as_str) {
                Some("when") => body,
                Some("unless") => Guard::Not(Box::new(body)),
                _ => Guard::Unknown,
            }
        };
        Guard::All(conditions.map(read).collect())
    }

    /// Whether the rule is silent, without asking Cedar.
    pub fn leaves_out(&self, scene: &dyn Scene) -> bool {
        self.holds(scene) == Some(false)
    }

    /// None: Cedar has to say.
    fn holds(&self, scene: &dyn Scene) -> Option<bool> {
        match self {
            Guard::All(parts) => decided(parts, scene, false),
            Guard::Any(parts) => decided(parts, scene, true),
            Guard::Choice(parts) => {
                let [condition, then, otherwise] = parts.as_ref();
                if condition.holds(scene)? { then.holds(scene) } else { otherwise.holds(scene) }
            }
            Guard::Known(known) => Some(*known),
            Guard::Not(part) => part.holds(scene).map(|holds| !holds),
            Guard::Test(test) => test.holds(scene),
            Guard::Unknown => None,
        }
    }
}

/// The first part that says `wanted` ends it; one that says nothing does so too.
fn decided(parts: &[Guard], scene: &dyn Scene, wanted: bool) -> Option<bool> {
    for part in parts {
        if part.holds(scene)? == wanted {
            return Some(wanted);
        }
    }
    Some(!wanted)
}

impl Test {
    /// None: it is not plain after all.
    fn holds(&self, scene: &dyn Scene) -> Option<bool> {
        let member = || scene.member(self.root).filter(|_| self.path.is_empty());
        match &self.wants {
            Wants::In(wanted) => {
                let member = member()?;
                return Some(wanted.iter().any(|(kind, id)| member.is_in(kind, id)));
            }
            Wants::Is(same, (kind, id)) => {
                let member = member()?;
                return Some((member.kind == kind && member.id == *id) == *same);
            }
            Wants::OfType(kind) => return Some(member()?.kind == kind),
            _ => {}
        }
        match (scene.fact(self.root).at(&self.path)?, &self.wants) {
            (Fact::Flag(flag), Wants::Flag) => Some(*flag),
            (Fact::Number(number), Wants::Above(than)) => Some(number > than),
            (Fact::Number(number), Wants::AtLeast(than)) => Some(number >= than),
            (Fact::Number(number), Wants::AtMost(than)) => Some(number <= than),
            (Fact::Number(number), Wants::Below(than)) => Some(number < than),
            (Fact::Number(number), Wants::Number(wanted)) => Some(number == wanted),
            (Fact::Number(number), Wants::OtherNumber(unwanted)) => Some(number != unwanted),
            (Fact::Record(fields), Wants::Present(wanted)) => Some(fields.iter().any(|(name, _)| name == wanted)),
            (Fact::Text(text), Wants::OtherText(unwanted)) => Some(text != unwanted),
            (Fact::Text(text), Wants::Text(wanted)) => Some(text == wanted),
            (Fact::Text(text), Wants::Like(pattern)) => Some(is_like(text, pattern)),
            (Fact::Texts(texts), Wants::Containing(wanted)) => Some(texts.contains(wanted.as_str())),
            (Fact::Texts(texts), Wants::ContainingAll(wanted)) => Some(wanted.iter().all(|wanted| texts.contains(wanted.as_str()))),
            (Fact::Texts(texts), Wants::ContainingAny(wanted)) => Some(wanted.iter().any(|wanted| texts.contains(wanted.as_str()))),
            (Fact::Texts(texts), Wants::Empty) => Some(texts.is_empty()),
            _ => None,
        }
    }
}

/// From the left; where it goes wrong, the last wildcard takes one letter more.
fn is_like(text: &str, pattern: &[Part]) -> bool {
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
