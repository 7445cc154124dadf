//! What a rule's conditions read, so that an explanation can say what was found there.

use crate::guard::Scene;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A text longer than this is cut in an explanation.
const VALUE_CHARACTERS_MAX: usize = 120;
/// Cedar itself parses no condition that is nested so deep.
const DEPTH_MAX: usize = 500;

/// `context.dry_run.bytes`, `resource.mine`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mention {
    root: Root,
    path: Vec<String>,
}

/// A variable of Cedar's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    Context,
    Principal,
    Resource,
}

impl Mention {
    /// All that a policy reads, by its JSON form. Of `context has run && context.run.protected` the longer alone.
    pub fn all(policy: &Value) -> Vec<Mention> {
        let mut found = BTreeSet::new();
        for condition in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            collect(condition, &mut found, 0);
        }
        let is_part = |one: &Mention, other: &Mention| one != other && one.root == other.root && other.path.starts_with(&one.path);
        found.iter().filter(|one| !found.iter().any(|other| is_part(one, other))).cloned().collect()
    }

    /// `context.dry_run.bytes is 7`. What is not there is said too: it is often the reason.
    pub fn found(&self, scene: &dyn Scene) -> String {
        match scene.fact(self.root).at(&self.path) {
            Some(value) => format!("{self} is {}", cut(&value.to_string())),
            None => format!("{self} is not said"),
        }
    }
}

fn collect(expression: &Value, found: &mut BTreeSet<Mention>, depth: usize) {
    found.extend(mention(expression, 0));
    match expression {
        _ if depth > DEPTH_MAX => {}
        Value::Array(parts) => parts.iter().for_each(|part| collect(part, found, depth + 1)),
        Value::Object(parts) => parts.values().for_each(|part| collect(part, found, depth + 1)),
        _ => {}
    }
}

/// `{".": {"left": .., "attr": ..}}` and `has`, down to a variable.
fn mention(expression: &Value, depth: usize) -> Option<Mention> {
    let access = expression.get(".").or_else(|| expression.get("has")).filter(|_| depth < DEPTH_MAX)?;
    let (left, name) = (access.get("left")?, access.get("attr")?.as_str()?.to_owned());
    if let Some(word) = left.get("Var").and_then(Value::as_str) {
        return Some(Mention { root: Root::parse(word)?, path: vec![name] });
    }
    let mut inner = mention(left, depth + 1)?;
    inner.path.push(name);
    Some(inner)
}

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(VALUE_CHARACTERS_MAX).collect();
    if kept.len() < text.len() {
        kept.push_str("...");
    }
    kept
}

impl fmt::Display for Mention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.root.word(), self.path.join("."))
    }
}

impl Root {
    pub fn parse(word: &str) -> Option<Root> {
        [Root::Context, Root::Principal, Root::Resource].into_iter().find(|root| root.word() == word)
    }

    fn word(self) -> &'static str {
        match self {
            Root::Context => "context",
            Root::Principal => "principal",
            Root::Resource => "resource",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;

    fn check(condition: &str, expect: &[&str]) {
        let policy: Policy = format!("permit (principal, action, resource) when {{ {condition} }};").parse().unwrap();
        let mentions: Vec<String> = Mention::all(&policy.to_json().unwrap()).iter().map(Mention::to_string).collect();
        assert_eq!(mentions, expect, "{condition}");
    }

    #[test]
    fn what_conditions_read_is_found() {
        check("true", &[]);
        check("context has dry_run && context.dry_run.bytes > 7", &["context.dry_run.bytes"]);
        check("!(context has run && context.run has protected && context.run.protected)", &["context.run.protected"]);
        check(
            "context.run has event && (context.run.event like \"a*\" || principal.subject == \"x\")",
            &["context.run.event", "principal.subject"],
        );
        check("resource.labels.isEmpty() && resource in Label::\"a\"", &["resource.labels"]);
        check("if context.now > 3 then resource.mine else {a: 1}.a == 1", &["context.now", "resource.mine"]);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"ä".repeat(200)).chars().count(), VALUE_CHARACTERS_MAX + 3);
    }
}
