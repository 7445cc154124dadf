//! What a rule's conditions begin with, as far as it is plain enough to be looked at without Cedar: `context has dry_run`, a comparison
//! with a literal, `contains`, `in`. A rule whose beginning is plainly false is left out. Whatever may speak, Cedar is asked.
//!
//! Cedar reads `a && b` from the left and stops at the first false. So only a beginning counts, and it counts as false only where Cedar
//! could not have failed on the way. Anything else is nothing that this file knows, and nothing is left out by it.

use crate::cast::Member;
use crate::fact::Fact;
use crate::mention::Root;
use serde_json::Value;

/// One part of a conjunction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
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
    Flag,
    /// One of these, or in one of them.
    In(Vec<(String, String)>),
    Number(i64),
    OtherNumber(i64),
    OtherText(String),
    /// An attribute of the record that the path leads to.
    Present(String),
    Text(String),
}

/// An operator with a number on its right.
type Compared = (&'static str, fn(i64) -> Wants);

/// Cedar itself parses no condition that is nested so deep.
const DEPTH_MAX: usize = 500;

impl Guard {
    /// The plain beginning of a policy's conditions, by its JSON form.
    pub fn all(policy: &Value) -> Vec<Guard> {
        let mut guards = Vec::new();
        for condition in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let body = condition.get("body").filter(|_| condition.get("kind").and_then(Value::as_str) == Some("when"));
            if !body.is_some_and(|body| collect(body, &mut guards, 0)) {
                break;
            }
        }
        guards
    }

    /// Whether the conjunction is false, whatever comes behind its beginning.
    pub fn leave_out(guards: &[Guard], scene: &dyn Scene) -> bool {
        // None: Cedar has to say, so nothing behind it counts.
        let mut said = guards.iter().map_while(|guard| guard.holds(scene));
        said.any(|holds| !holds)
    }

    /// None: it is not plain after all.
    fn holds(&self, scene: &dyn Scene) -> Option<bool> {
        if let Wants::In(wanted) = &self.wants {
            let member = scene.member(self.root).filter(|_| self.path.is_empty())?;
            let is_in = |(kind, id): &(String, String)| member.is_in(kind, id);
            return Some(wanted.iter().any(is_in));
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
            (Fact::Texts(texts), Wants::Containing(wanted)) => Some(texts.contains(wanted.as_str())),
            _ => None,
        }
    }
}

/// In the order that Cedar reads them. False where something is not plain: nothing behind it counts.
fn collect(expression: &Value, guards: &mut Vec<Guard>, depth: usize) -> bool {
    if let Some((left, right)) = sides(expression, "&&").filter(|_| depth < DEPTH_MAX) {
        return collect(left, guards, depth + 1) && collect(right, guards, depth + 1);
    }
    let guard = guard(expression);
    let plain = guard.is_some();
    guards.extend(guard);
    plain
}

fn guard(expression: &Value) -> Option<Guard> {
    let of = |left: &Value, wants: Wants| path(left, 0).map(|(root, path)| Guard { root, path, wants });
    if let Some(has) = expression.get("has") {
        return of(has.get("left")?, Wants::Present(has.get("attr")?.as_str()?.to_owned()));
    }
    if let Some((set, element)) = sides(expression, "contains") {
        return of(set, Wants::Containing(literal(element)?.as_str()?.to_owned()));
    }
    if let Some((member, above)) = sides(expression, "in") {
        let named = match above.get("Set").and_then(Value::as_array) {
            Some(elements) => elements.iter().map(entity).collect::<Option<Vec<_>>>()?,
            None => vec![entity(above)?],
        };
        return of(member, Wants::In(named)).filter(|guard| guard.path.is_empty() && guard.root != Root::Context);
    }
    let compared: [Compared; 4] = [(">", Wants::Above), (">=", Wants::AtLeast), ("<=", Wants::AtMost), ("<", Wants::Below)];
    for (word, wants) in compared {
        if let Some((left, right)) = sides(expression, word) {
            return of(left, wants(literal(right)?.as_i64()?));
        }
    }
    for (word, is_same) in [("==", true), ("!=", false)] {
        if let Some((left, right)) = sides(expression, word) {
            return of(left, equal(literal(right)?, is_same)?);
        }
    }
    of(expression, Wants::Flag).filter(|guard| !guard.path.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::Policy;
    use std::collections::BTreeSet;

    struct Fixed {
        context: Fact<'static>,
        resource: Fact<'static>,
        member: Member<'static>,
    }

    impl Scene for Fixed {
        fn fact(&self, root: Root) -> &Fact<'_> {
            if root == Root::Context { &self.context } else { &self.resource }
        }

        fn member(&self, root: Root) -> Option<&Member<'_>> {
            (root != Root::Context).then_some(&self.member)
        }
    }

    /// How much of it is plain, and whether that much leaves the rule out.
    fn check(clauses: &str, plain: usize, left_out: bool) {
        let policy: Policy = format!("permit (principal, action, resource) {clauses};").parse().unwrap();
        let guards = Guard::all(&policy.to_json().unwrap());
        let run = Fact::Record(vec![("protected", Fact::Flag(false))]);
        let scene = Fixed {
            context: Fact::Record(vec![
                ("door", Fact::text("rest")),
                ("now", Fact::Number(7)),
                ("run", run),
                ("grants", Fact::Texts(BTreeSet::from(["a"]))),
            ]),
            resource: Fact::Record(vec![("mine", Fact::Flag(true))]),
            member: Member { kind: "Table", id: "p.d.t".into(), above: vec![("Dataset", "p.d".into())] },
        };
        assert_eq!((guards.len(), Guard::leave_out(&guards, &scene)), (plain, left_out), "{clauses}");
    }

    #[test]
    fn only_a_plain_beginning_leaves_a_rule_out() {
        check("", 0, false);
        check("when { context.door == \"rest\" }", 1, false);
        check("when { context.door == \"grpc\" }", 1, true);
        check("when { context.door == \"rest\" && context.now > 7 }", 2, true);
        check("when { context.now >= 7 && context.now <= 7 && context.now < 8 && context.now != 8 }", 4, false);
        check("when { context.door == \"rest\" } when { context.now == 8 }", 2, true);
        check("when { context has dry_run && context.dry_run.bytes > 1 }", 2, true);
        check("when { context has run && context.run.protected }", 2, true);
        check("when { context.grants.contains(\"b\") }", 1, true);
        check("when { context.grants.contains(\"a\") && resource.mine }", 2, false);
        check("when { resource in Dataset::\"p.e\" }", 1, true);
        check("when { resource in [Dataset::\"p.e\", Dataset::\"p.d\"] && resource in Table::\"p.d.t\" }", 2, false);
        check("when { resource in [] }", 1, true);
        // What stands behind something that is not plain could be false, and Cedar still fail before it.
        check("when { context.now + 1 > 0 && context.door == \"grpc\" }", 0, false);
        check("when { 7 < context.now && context.door == \"grpc\" }", 0, false);
        check("unless { context.door == \"rest\" }", 0, false);
        check("unless { context.door == \"grpc\" } when { context.now == 8 }", 0, false);
        check("when { context.door == \"rest\" || context.now == 8 }", 0, false);
        check("when { !(context.door == \"rest\") }", 0, false);
        check("when { context.door like \"x\" }", 0, false);
        check("when { principal in Group::\"a\" || true }", 0, false);
        // Nothing is said of it: Cedar would fail, so it is asked.
        check("when { context.dry_run.bytes > 1 && context.door == \"grpc\" }", 2, false);
        check("when { context.door == 7 && context.now == 8 }", 2, false);
        check("when { context.run has protected && context.run.event has x && context.now == 8 }", 3, false);
    }
}
