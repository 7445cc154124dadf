//! An evaluation for people: what happened, which rule, which fact, what would be accepted.

use crate::reason::{Need, Reason, RuleNote};
use crate::set::PolicySet;
use crate::weigh::{Evaluation, Outcome};
use std::fmt::Write;

/// A page of plain text. It names rules and facts, never a value.
pub fn explain(set: &PolicySet, caller: &str, evaluation: &Evaluation) -> String {
    let mut page = String::new();
    let headline = match evaluation.outcome {
        Outcome::Held => "HELD until it is approved",
        Outcome::Permitted => "PERMITTED",
        Outcome::Refused => "REFUSED",
        Outcome::ToEstimate => "TO BE ESTIMATED: only a dry run can tell",
    };
    let _ = writeln!(page, "{headline}");
    line(&mut page, 2, "caller", caller);
    line(&mut page, 2, "policy", &format!("{} ({})", set.settings.name, set.digest));
    line(&mut page, 2, "judges", evaluation.judge.word());
    if let Some(cost) = evaluation.cost.filter(|cost| cost.bytes != u64::MAX) {
        line(&mut page, 2, "cost", &format!("{} bytes, {} millionths", cost.bytes, cost.micros));
    }
    evaluation.reasons.iter().for_each(|reason| explain_reason(&mut page, reason));
    evaluation.needs.iter().for_each(|need| explain_need(&mut page, need));
    for masked in &evaluation.masks {
        let path = std::iter::once(masked.name.as_str()).chain(masked.at.iter().map(String::as_str)).collect::<Vec<_>>().join(".");
        let (labels, columns): (Vec<&str>, Vec<&str>) =
            (masked.labels.iter().map(String::as_str).collect(), masked.columns.iter().map(String::as_str).collect());
        let _ = writeln!(page, "\n  mask {path} by {}", masked.mask);
        line(&mut page, 4, "label", &labels.join(", "));
        line(&mut page, 4, "from", &columns.join(", "));
        rules(&mut page, &masked.rules);
    }
    for inherited in &evaluation.inherited {
        let _ = writeln!(page, "\n  label {} goes on with {}", inherited.label, inherited.column);
    }
    if evaluation.outcome == Outcome::Permitted {
        page.push('\n');
        for (question, rules) in &evaluation.permitted {
            let _ = writeln!(page, "  {question}: by {}", rules.join(", "));
        }
    }
    page
}

fn explain_reason(page: &mut String, reason: &Reason) {
    let _ = writeln!(page, "\n  {}", reason.question.as_deref().unwrap_or_else(|| reason.kind.word()));
    // A rule says its reason itself.
    if reason.rules.iter().all(|rule| rule.reason != reason.fact) {
        line(page, 4, "because", &reason.fact);
    }
    rules(page, &reason.rules);
    reason.accepted.iter().for_each(|accepted| line(page, 4, "accepted", accepted));
}

fn explain_need(page: &mut String, need: &Need) {
    let _ = writeln!(page, "\n  needs {}", need.duty);
    rules(page, &need.rules);
    need.questions.iter().for_each(|question| line(page, 4, "for", question));
}

fn rules(page: &mut String, rules: &[RuleNote]) {
    for rule in rules {
        line(page, 4, "rule", &format!("{} ({}): {}", rule.id, rule.file, rule.reason));
        rule.facts.iter().for_each(|fact| line(page, 4, "fact", fact));
    }
}

fn line(page: &mut String, indent: usize, label: &str, text: &str) {
    let _ = writeln!(page, "{:indent$}{label:<10}{text}", "");
}
