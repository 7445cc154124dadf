//! What stands behind a rule's head, read once when the set is loaded: what it depends on, and what is wrong with it.

use crate::guard::Guard;
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Condition {
    /// The one policy, head and all.
    pub policy: cedar_policy::PolicySet,
    pub guard: Guard,
    /// It reads the resource or the action, so each question has an answer of its own.
    pub reads_question: bool,
    /// It reads how a column is used, or where it goes.
    pub reads_column: bool,
}

/// Cedar itself parses no condition that is nested so deep.
const DEPTH_MAX: usize = 500;

impl Condition {
    /// None where a policy has a head and nothing else. What cannot be looked into is taken to read everything.
    pub fn of(policy: cedar_policy::PolicySet, json: Option<&Value>) -> Option<Condition> {
        let Some(json) = json else {
            return Some(Condition { policy, guard: Guard::Unknown, reads_question: true, reads_column: true });
        };
        let conditions = json.get("conditions").filter(|conditions| conditions.as_array().is_none_or(|all| !all.is_empty()))?;
        let reads = |wanted: &dyn Fn(&str, &str) -> bool| is_anywhere(conditions, wanted, 0);
        Some(Condition {
            policy,
            guard: Guard::of(json),
            reads_question: reads(&|name, text| name == "Var" && matches!(text, "action" | "resource")),
            reads_column: reads(&|name, text| name == "attr" && matches!(text, "destination" | "how")),
        })
    }
}

/// What a policy's conditions say that nobody could answer: the whole context as one value, and things that are neither the caller nor
/// what is asked for, of which nothing is known.
pub(crate) fn complaints(policy: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for condition in policy.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        look(condition.get("body").unwrap_or(&Value::Null), Place::Anywhere, &mut found, 0);
    }
    found.sort();
    found.dedup();
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// Compared with, or looked for.
    Compared,
    /// Of which an attribute is read.
    Read,
}

fn look(expression: &Value, place: Place, found: &mut Vec<String>, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    if let Some(entity) = entity(expression) {
        if place != Place::Compared {
            found.push(format!("asks about `{entity}`, which is neither the caller nor what is asked for: nothing is known of it"));
        }
        return;
    }
    if expression.get("Var").and_then(Value::as_str) == Some("context") {
        if place != Place::Read {
            found.push("takes the whole context as a value: name the attribute that it means".to_owned());
        }
        return;
    }
    let parts: Vec<(&str, &Value)> = match expression {
        Value::Array(parts) => parts.iter().map(|part| ("", part)).collect(),
        Value::Object(parts) => parts.iter().map(|(name, part)| (name.as_str(), part)).collect(),
        _ => return,
    };
    for (name, part) in parts {
        let of_sides = |left: Place, right: Place, found: &mut Vec<String>| {
            for (side, place) in [("left", left), ("right", right), ("in", right)] {
                if let Some(side) = part.get(side) {
                    look(side, place, found, depth + 1);
                }
            }
        };
        match name {
            "." | "getTag" | "has" | "hasTag" => of_sides(Place::Read, Place::Anywhere, found),
            "in" | "is" => of_sides(Place::Anywhere, Place::Compared, found),
            "!=" | "==" => of_sides(Place::Compared, Place::Compared, found),
            // Elements are where their set is.
            "Set" => part.as_array().into_iter().flatten().for_each(|element| look(element, place, found, depth + 1)),
            "Value" => {}
            _ => look(part, Place::Anywhere, found, depth + 1),
        }
    }
}

/// `{"Value": {"__entity": {"type": .., "id": ..}}}`.
fn entity(expression: &Value) -> Option<String> {
    let entity = expression.get("Value").unwrap_or(expression).get("__entity")?;
    Some(format!("{}::{}", entity.get("type")?.as_str()?, entity.get("id")?))
}

fn is_anywhere(expression: &Value, wanted: &dyn Fn(&str, &str) -> bool, depth: usize) -> bool {
    match expression {
        // So deep nobody has looked: it may be there.
        _ if depth > DEPTH_MAX => true,
        Value::Array(parts) => parts.iter().any(|part| is_anywhere(part, wanted, depth + 1)),
        Value::Object(parts) => {
            parts.iter().any(|(name, part)| part.as_str().is_some_and(|text| wanted(name, text)) || is_anywhere(part, wanted, depth + 1))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::{Policy, PolicySet};

    fn json(condition: &str) -> Value {
        let policy: Policy = format!("permit (principal, action, resource){condition};").parse().unwrap();
        policy.to_json().unwrap()
    }

    #[test]
    fn what_a_condition_reads_is_known() {
        let check = |condition: &str, expect: Option<(bool, bool)>| {
            let found = Condition::of(PolicySet::new(), Some(&json(condition)));
            assert_eq!(found.map(|found| (found.reads_question, found.reads_column)), expect, "{condition}");
        };
        check("", None);
        check(" when { context.door == \"rest\" }", Some((false, false)));
        check(" when { context has how && context.how == \"filter\" }", Some((false, true)));
        check(" unless { context has destination }", Some((false, true)));
        check(" when { context.door == \"rest\" } unless { resource.mine }", Some((true, false)));
        check(" when { [action].contains(action) }", Some((true, false)));
        check(" when { principal in Group::\"resource\" }", Some((false, false)));
    }

    #[test]
    fn what_nobody_could_answer_is_a_problem() {
        let check = |condition: &str, expect: usize| {
            let found = complaints(&json(&format!(" when {{ {condition} }}")));
            assert_eq!(found.len(), expect, "{condition}: {found:?}");
        };
        check("principal in Group::\"a\" && resource in [Label::\"a\", Label::\"b\"]", 0);
        check("resource is Column in Label::\"a\" || resource == Table::\"p.d.t\" || Table::\"p.d.t\" != resource", 0);
        check("context has run && context.run has event && context.grants.contains(\"context\")", 0);
        check("Group::\"a\" in Group::\"b\"", 1);
        check("Table::\"p.d.t\".labels.isEmpty()", 1);
        check("Table::\"p.d.t\" has labels", 1);
        check("Person::\"a\".hasTag(\"b\") || Person::\"c\".getTag(\"b\") == \"d\"", 2);
        check("(if context.door == \"rest\" then principal else Person::\"a\") in Group::\"b\"", 1);
        check("[context].contains(context)", 1);
        check("context == context", 1);
        check("Group::\"a\" is Group", 1);
    }
}
