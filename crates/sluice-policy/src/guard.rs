//! What a rule's conditions say, as far as that can be looked at without Cedar: what `guard/read.rs` knows, joined by `&&`, `||`, `!`, `if`.
//! A rule whose conditions are plainly false is left out. Whatever may speak, Cedar is asked.
//!
//! Cedar reads from the left and stops where the rest cannot matter. So does this, and it says nothing from where Cedar would fail, or
//! where something stands that these files do not know.

mod read;
mod term;
mod test;
#[cfg(test)]
mod tests;

use crate::cast::Member;
use crate::fact::Fact;
use crate::mention::Root;
use serde_json::Value;
use test::Test;

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

/// Where guards look.
pub(crate) trait Scene {
    fn fact(&self, root: Root) -> &Fact<'_>;
    /// None: a context is in nothing.
    fn member(&self, root: Root) -> Option<&Member<'_>>;
    /// Whether the question is about this action, or with `within` about one in it.
    fn asks(&self, action: &str, within: bool) -> bool;
    /// Of the caller.
    fn tag(&self, name: &str) -> Option<&str>;
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
