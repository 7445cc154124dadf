//! An evaluation as JSON. Its fields are a contract: docs/policy.md lists them.

use serde_json::{Value, json};
use sluice_policy::{Change, Evaluation, MaskedPath, Need, PolicySet, Reason, RuleNote};

pub fn evaluation(set: &PolicySet, caller: &str, evaluation: &Evaluation) -> Value {
    let permitted = evaluation.permitted.iter().map(|(question, rules)| json!({ "question": question, "rules": rules }));
    let inherited = evaluation
        .inherited
        .iter()
        .map(|kept| json!({ "column": kept.column.to_string(), "label": kept.label, "computed": kept.computed }));
    json!({
        "outcome": evaluation.outcome.word(),
        "caller": caller,
        "policy": { "name": set.settings.name, "digest": set.digest.text() },
        "judges": evaluation.judge.word(),
        "cost": evaluation.cost.map(|cost| json!({ "bytes": cost.bytes, "micros": cost.micros })),
        "reasons": evaluation.reasons.iter().map(reason).collect::<Vec<_>>(),
        "needs": evaluation.needs.iter().map(need).collect::<Vec<_>>(),
        "masks": evaluation.masks.iter().map(mask).collect::<Vec<_>>(),
        "inherits": inherited.collect::<Vec<_>>(),
        "permitted": permitted.collect::<Vec<_>>(),
    })
}

/// What one set says otherwise than another.
pub fn change(change: &Change) -> Value {
    json!({ "what": change.word(), "part": change.part.word(), "name": change.name, "before": change.before, "after": change.after })
}

fn reason(reason: &Reason) -> Value {
    json!({
        "kind": reason.kind.word(),
        "question": reason.question,
        "because": reason.fact,
        "rules": reason.rules.iter().map(rule).collect::<Vec<_>>(),
        "accepted": reason.accepted.iter().map(String::as_str).chain(reason.without).collect::<Vec<_>>(),
    })
}

fn need(need: &Need) -> Value {
    json!({
        "group": need.duty.group,
        "quorum": need.duty.quorum,
        "assurance": need.duty.assurance.word(),
        "expiry_seconds": need.duty.expiry_seconds,
        "rules": need.rules.iter().map(rule).collect::<Vec<_>>(),
        "questions": need.questions,
    })
}

fn mask(masked: &MaskedPath) -> Value {
    json!({
        "statement": masked.statement,
        "output": masked.output,
        "name": masked.name,
        "at": masked.at.join("."),
        "mask": masked.mask.to_string(),
        "labels": masked.labels,
        "columns": masked.columns,
        "rules": masked.rules.iter().map(rule).collect::<Vec<_>>(),
    })
}

fn rule(note: &RuleNote) -> Value {
    json!({ "id": note.id, "file": note.file, "reason": note.reason, "facts": note.facts })
}
