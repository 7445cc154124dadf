//! Runs a case: what the set says, beside what it must say.

use super::analysis::{self, Analyze};
use super::file::{Case, CaseCaller};
use crate::ask::Circumstances;
use crate::labels::Known;
use crate::limit::Halt;
use crate::plan::MaskedPath;
use crate::reason::RuleNote;
use crate::request::{Request, Work};
use crate::set::PolicySet;
use crate::weigh::{Evaluation, Outcome};
use sluice_model::principal::{CallerKind, Delegation, Delegator, Grant, Principal, Run};
use std::collections::BTreeSet;

/// Wednesday, 2 January 2030, noon.
const CASE_TIME: i64 = 1_893_585_600;
const ISSUER: &str = "https://issuer.example";

/// What a case got wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub what: &'static str,
    pub expected: String,
    pub found: String,
}

/// Both decisions of a case, one after the other.
pub fn run(set: &PolicySet, case: &Case, analyze: Analyze<'_>) -> Result<(Request, Evaluation), String> {
    run_as(set, case, &principal(&case.caller)?, analyze)
}

/// The same for a caller of whom more is known than a case says.
pub fn run_as(set: &PolicySet, case: &Case, principal: &Principal, analyze: Analyze<'_>) -> Result<(Request, Evaluation), String> {
    let request = analysis::request(case, analyze)?;
    let halt = if case.halted { Halt::callers([principal.to_string()]) } else { Halt::default() };
    let address = case.address.as_deref().map(|text| text.parse().map_err(|_| format!("`{text}` is no address"))).transpose()?;
    let circumstances = Circumstances { now: case.at.unwrap_or(CASE_TIME), door: "rest", address, halt: &halt, known: &Known::default() };
    let mut evaluation = set.evaluate(principal, &request, None, &circumstances);
    if let (Outcome::ToEstimate, Work::Statement(statement)) = (evaluation.outcome, &request.work) {
        let dry_run = analysis::dry_run(&statement.analysis, &case.dry_run)?;
        evaluation = set.evaluate(principal, &request, Some(&dry_run), &circumstances);
    }
    Ok((request, evaluation))
}

/// Where an evaluation is not what the case says.
pub fn mismatches(case: &Case, evaluation: &Evaluation) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut compare = |what: &'static str, expected: &BTreeSet<String>, is: BTreeSet<String>| {
        if *expected != is {
            found.push(Mismatch { what, expected: list(expected), found: list(&is) });
        }
    };
    compare("outcome", &BTreeSet::from([case.expect.clone()]), BTreeSet::from([evaluation.outcome.word().to_owned()]));
    compare("reasons", &case.reasons, evaluation.reasons.iter().map(|reason| reason.kind.word().to_owned()).collect());
    compare("needs", &case.needs, evaluation.needs.iter().map(|need| need.duty.to_string()).collect());
    compare("masks", &case.masks, evaluation.masks.iter().map(|masked| format!("{}: {}", path_text(masked), masked.mask)).collect());
    compare(
        "inherits",
        &case.inherits,
        evaluation.inherited.iter().map(|inherited| format!("{}: {}", inherited.column, inherited.label)).collect(),
    );
    let named = rules_named(evaluation);
    let silent: BTreeSet<String> = case.rules.difference(&named).cloned().collect();
    if !silent.is_empty() {
        found.push(Mismatch { what: "rules", expected: list(&case.rules), found: list(&named) });
    }
    let loud: BTreeSet<String> = case.silent.intersection(&named).cloned().collect();
    if !loud.is_empty() {
        found.push(Mismatch { what: "silent", expected: list(&case.silent), found: format!("spoken: {}", list(&loud)) });
    }
    found
}

/// `address.street`: an output and the path inside it.
pub fn path_text(masked: &MaskedPath) -> String {
    std::iter::once(&masked.name).chain(&masked.at).map(String::as_str).collect::<Vec<_>>().join(".")
}

/// Every rule that had a part in it.
pub fn rules_named(evaluation: &Evaluation) -> BTreeSet<String> {
    let notes = evaluation.reasons.iter().flat_map(|reason| &reason.rules);
    let notes =
        notes.chain(evaluation.needs.iter().flat_map(|need| &need.rules)).chain(evaluation.masks.iter().flat_map(|mask| &mask.rules));
    let spoken = notes.map(|note: &RuleNote| note.id.clone());
    spoken.chain(evaluation.permitted.iter().flat_map(|(_, rules)| rules).cloned()).collect()
}

pub fn principal(caller: &CaseCaller) -> Result<Principal, String> {
    let kind = CallerKind::parse(&caller.kind).ok_or_else(|| format!("`{}` is no kind of caller", caller.kind))?;
    let subject = caller.subject.clone().unwrap_or_else(|| format!("{}-1", caller.kind));
    let delegation = caller.on_behalf_of.as_ref().map(|name| Delegation {
        on_behalf_of: Delegator {
            kind: CallerKind::Person,
            issuer: ISSUER.to_owned(),
            subject: name.clone(),
            name: name.clone(),
            groups: BTreeSet::new(),
        },
        through: Vec::new(),
    });
    Ok(Principal {
        kind,
        issuer: ISSUER.to_owned(),
        name: subject.clone(),
        subject,
        groups: caller.groups.clone(),
        run: caller.run.as_ref().map(run_of).transpose()?,
        facts: caller.facts.clone(),
        delegation,
        grants: caller.grants.iter().map(|id| Grant { id: id.clone(), expires_at: u64::MAX }).collect(),
    })
}

fn run_of(signed: &std::collections::BTreeMap<String, String>) -> Result<Run, String> {
    let mut run = Run::default();
    for (name, value) in signed {
        let field = match name.as_str() {
            "protected" => {
                run.protected = Some(value.parse().map_err(|_| format!("`{value}` is neither true nor false"))?);
                continue;
            }
            "actor" => &mut run.actor,
            "actor_id" => &mut run.actor_id,
            "commit" => &mut run.commit,
            "environment" => &mut run.environment,
            "event" => &mut run.event,
            "pipeline" => &mut run.pipeline,
            "reference" => &mut run.reference,
            "repository" => &mut run.repository,
            "repository_id" => &mut run.repository_id,
            "run" => &mut run.run,
            "workflow" => &mut run.workflow,
            _ => return Err(format!("`{name}` is nothing that a run has in a case")),
        };
        *field = Some(value.clone());
    }
    Ok(run)
}

fn list(words: &BTreeSet<String>) -> String {
    if words.is_empty() { "none".to_owned() } else { words.iter().map(String::as_str).collect::<Vec<_>>().join("; ") }
}
