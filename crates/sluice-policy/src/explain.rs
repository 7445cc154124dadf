//! An evaluation for people: what happened, which rule, which fact, what would be accepted.

use crate::reason::{Need, Reason, RuleNote};
use crate::set::PolicySet;
use crate::settings::JudgeMode;
use crate::weigh::{Evaluation, Outcome};
use std::fmt::Write;

const MICROS: u64 = 1_000_000;

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
    let judges = match evaluation.judge {
        JudgeMode::Analysis => "the analysis alone",
        JudgeMode::Both => "the analysis and the dry run",
    };
    line(&mut page, 2, "judges", judges);
    if let Some(cost) = evaluation.cost.filter(|cost| cost.bytes != u64::MAX) {
        line(&mut page, 2, "cost", &format!("{} bytes, {}", cost.bytes, money(cost.micros)));
    }
    explain_reasons(&mut page, &evaluation.reasons);
    // What is refused is neither approved nor masked: it is said what would be, if the rest were mended.
    let (needs, mask) = if evaluation.outcome == Outcome::Refused { ("would also need", "would mask") } else { ("needs", "mask") };
    evaluation.needs.iter().for_each(|need| explain_need(&mut page, needs, need));
    for masked in &evaluation.masks {
        let path = std::iter::once(masked.name.as_str()).chain(masked.at.iter().map(String::as_str)).collect::<Vec<_>>().join(".");
        entry(&mut page, &format!("{mask} {path} by {}", masked.mask));
        masked.labels.iter().for_each(|label| line(&mut page, 4, "label", &set.labels.told(label)));
        line(&mut page, 4, "from", &masked.columns.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        rules(&mut page, &masked.rules);
    }
    for inherited in &evaluation.inherited {
        let computed = if inherited.computed { ", as computed" } else { "" };
        entry(&mut page, &format!("label {} goes on with {}{computed}", inherited.label, inherited.column));
    }
    if evaluation.outcome == Outcome::Permitted {
        page.push('\n');
        for (question, rules) in &evaluation.permitted {
            let _ = writeln!(page, "  {}: by {}", plain(question), rules.join(", "));
        }
    }
    page
}

/// Each question once, with everything that stands in its way.
fn explain_reasons(page: &mut String, reasons: &[Reason]) {
    let mut said: Vec<&str> = Vec::new();
    for reason in reasons {
        let Some(question) = reason.question.as_deref() else {
            entry(page, reason.kind.words());
            explain_reason(page, reason);
            continue;
        };
        if !said.contains(&question) {
            said.push(question);
            entry(page, question);
            reasons.iter().filter(|reason| reason.question.as_deref() == Some(question)).for_each(|reason| explain_reason(page, reason));
        }
    }
}

fn explain_reason(page: &mut String, reason: &Reason) {
    // A rule says its reason itself.
    if reason.rules.iter().all(|rule| rule.reason != reason.fact) {
        line(page, 4, "because", &reason.fact);
    }
    rules(page, &reason.rules);
    let accepted = reason.accepted.iter().map(String::as_str).chain(reason.without);
    accepted.for_each(|accepted| line(page, 4, "accepted", accepted));
}

fn explain_need(page: &mut String, needs: &str, need: &Need) {
    entry(page, &format!("{needs} {}", need.duty));
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
    let _ = writeln!(page, "{:indent$}{label:<10}{}", "", plain(text));
}

fn entry(page: &mut String, text: &str) {
    let _ = writeln!(page, "\n  {}", plain(text));
}

/// Names come from requests: none of them may begin a line of its own or steer a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() { plain.extend(letter.escape_default()) } else { plain.push(letter) }
    }
    plain
}

/// Of the currency that prices are in: the settings name none.
fn money(micros: u64) -> String {
    format!("{}.{:06}", micros / MICROS, micros % MICROS)
}
