//! What a refused caller is told. It names what the caller named, or may read, and nothing else: the catalog is read with the gateway's own
//! identity, so what stands behind a view must not be learned from a refusal.

mod unplaced;

use crate::labels::canonical_table;
use crate::question::{About, Question};
use crate::reason::{Missing, Reason, ReasonKind};
use crate::request::{Request, Resource, Work};
use crate::weigh::{Evaluation, Outcome};
use sluice_model::{FOREIGN_STATEMENTS, TableName};
use std::collections::BTreeSet;

/// Reasons in one refusal. More would be read by nobody.
pub const TOLD_REASONS_MAX: usize = 5;

/// Rules that come near, for one reason.
const TOLD_NEAR_MAX: usize = 3;

/// It is of the statement's own text, and tells nothing of what that stands on.
pub(crate) const TOLD_UNRESOLVED: &str = "SQL text that is put together at run time";
const ADVICE_AFTER_DISAGREEMENT: &str = "the columns by their names where it says `*`; the same again, if a table was changed just now";

/// One line for each reason: what is refused, why, what would be accepted.
pub fn tell(evaluation: &Evaluation) -> String {
    let mut lines: Vec<String> = evaluation.reasons.iter().map(told).collect();
    if evaluation.outcome == Outcome::Held {
        lines.extend(evaluation.needs.iter().map(|need| format!("it needs {}", need.duty)));
    }
    let mut said = BTreeSet::new();
    lines.retain(|line| said.insert(line.clone()));
    let more = lines.len().saturating_sub(TOLD_REASONS_MAX);
    lines.truncate(TOLD_REASONS_MAX);
    if more > 0 {
        lines.push(format!("and {more} reasons more"));
    }
    lines.extend(ask_for(&evaluation.reasons));
    lines.join("\n")
}

/// Nothing that the caller can do by itself would be accepted: it is said what whoever writes policy would have to.
fn ask_for(reasons: &[Reason]) -> Option<String> {
    let actions: BTreeSet<String> = reasons.iter().filter_map(|reason| Some(format!("`{}`", reason.missing.as_ref()?.action))).collect();
    let many = actions.len() > TOLD_REASONS_MAX;
    let named = actions.into_iter().take(TOLD_REASONS_MAX).collect::<Vec<_>>().join(", ");
    let named = if many { format!("{named} and more") } else { named };
    let forbidden = reasons.iter().filter(|reason| reason.kind == ReasonKind::Forbidden).flat_map(|reason| &reason.rules);
    let forbidding: BTreeSet<String> = forbidden.map(|rule| format!("`{}`", rule.id)).collect();
    let forbidding = forbidding.into_iter().take(TOLD_REASONS_MAX).collect::<Vec<_>>().join(", ");
    let unforbidden = if forbidding.is_empty() { String::new() } else { format!(", and that {forbidding} no longer forbids what it does") };
    (!named.is_empty())
        .then(|| format!("what it takes is a rule that permits you {named}{unforbidden}: ask whoever writes the policy of this gateway"))
}

fn told(reason: &Reason) -> String {
    let what = reason.told.as_deref().unwrap_or_else(|| reason.kind.words());
    let why: Vec<String> = match reason.kind {
        // Written by whoever writes policy, for whoever is refused.
        ReasonKind::Forbidden | ReasonKind::Hold => {
            reason.rules.iter().map(|rule| format!("{} (rule `{}`)", rule.reason, rule.id)).collect()
        }
        ReasonKind::Ceiling | ReasonKind::Halted | ReasonKind::Limit | ReasonKind::Pace => vec![reason.fact.clone()],
        ReasonKind::NotPermitted => vec!["no rule permits it".to_owned()],
        ReasonKind::Unresolved if reason.told.is_none() && (reason.fact == TOLD_UNRESOLVED || is_foreign(&reason.fact)) => {
            vec![reason.fact.clone()]
        }
        // What these found may name what the caller does not know.
        ReasonKind::Analysis | ReasonKind::Disagreement | ReasonKind::Error | ReasonKind::Unresolved => Vec::new(),
    };
    let accepted: Vec<&str> = match reason.kind {
        // Of rules that nearly applied, with what they found.
        ReasonKind::NotPermitted => reason.without.into_iter().collect(),
        ReasonKind::Disagreement => vec![ADVICE_AFTER_DISAGREEMENT],
        _ => reason.accepted.iter().map(String::as_str).collect(),
    };
    let advice = if accepted.is_empty() { String::new() } else { format!("; accepted: {}", accepted.join(", or ")) };
    let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
    format!("{what}{why}{advice}{}", reason.missing.as_ref().map(near).unwrap_or_default())
}

/// Their names and reasons are written for whoever is refused; what they found is not.
fn near(missing: &Missing) -> String {
    let rules: Vec<String> = missing.near.iter().take(TOLD_NEAR_MAX).map(|rule| format!("`{}` ({})", rule.id, rule.reason)).collect();
    let more = if missing.near.len() > TOLD_NEAR_MAX { " and others" } else { "" };
    if rules.is_empty() { String::new() } else { format!("; near it: {}{more}", rules.join(", ")) }
}

/// A statement that BigQuery does not have: the text says what does the same.
fn is_foreign(fact: &str) -> bool {
    FOREIGN_STATEMENTS.iter().any(|(_, text)| *text == fact)
}

/// A question in words that its caller may read.
pub(crate) fn question(question: &Question, request: &Request, knows: &dyn Fn(&TableName) -> bool) -> String {
    let (table, hidden) = match &question.about {
        About::Resource(Resource::Connection) => {
            return unplaced::told(&question.action, request).unwrap_or_else(|| question.to_string());
        }
        About::Column(column) => (&column.table, "a column that it reaches"),
        About::Resource(Resource::Table(table)) => (table, "a table that it reaches"),
        About::Resource(Resource::Routine(name)) => (name, "a view or function that it reaches"),
        About::Resource(Resource::Model(name)) => (name, "a model that it reaches"),
        About::Resource(_) => return question.to_string(),
    };
    if knows(table) { question.to_string() } else { format!("{} on {hidden}", question.action) }
}

/// What the caller can do without, where that is plain.
pub(crate) fn without(question: &Question, request: &Request) -> Option<&'static str> {
    match &question.about {
        About::Resource(Resource::Connection) => unplaced::without(&question.action, request),
        _ => question.without(),
    }
}

/// Whether a request names a table itself: a method is about what it names, a statement has it in its text or as its destination.
pub(crate) fn names(request: &Request, table: &TableName) -> bool {
    let Work::Statement(statement) = &request.work else { return true };
    let table = canonical_table(table);
    if statement.destination.as_ref().is_some_and(|to| canonical_table(&to.table) == table) {
        return true;
    }
    let default = statement.default_dataset.as_ref().map(|(project, dataset)| (project.to_lowercase(), dataset.to_lowercase()));
    let own_project = default.as_ref().map_or_else(|| request.project.to_lowercase(), |(project, _)| project.clone());
    let mut spellings = vec![table.to_string()];
    if own_project == table.project {
        // A view of the project's own has no dataset.
        let parts = [table.dataset.as_str(), table.table.as_str()].into_iter().filter(|part| !part.is_empty());
        spellings.push(parts.collect::<Vec<_>>().join("."));
    }
    if default.is_some_and(|default| default == (table.project, table.dataset)) {
        spellings.push(table.table);
    }
    paths(&statement.text).iter().any(|path| spellings.iter().any(|name| is_of(path, name)))
}

/// A column of it, a partition or a moment names it too.
fn is_of(path: &str, name: &str) -> bool {
    path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '$', '@']))
}

/// Everything in a text that could be a name, with its dots, in small letters.
fn paths(text: &str) -> Vec<String> {
    let words = text.to_lowercase().replace('`', "");
    let joined = words.split('.').map(str::trim).collect::<Vec<_>>().join(".");
    let is_name = |letter: char| letter.is_alphanumeric() || "_-.$@*:".contains(letter);
    joined.split(|letter| !is_name(letter)).filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::RuleNote;
    use crate::request::{Purpose, Sends, Statement};
    use sluice_model::Analysis;

    #[test]
    fn what_is_not_permitted_says_what_comes_near() {
        let note = |id: &str| RuleNote { id: id.to_owned(), file: "f.cedar".to_owned(), reason: format!("for {id}"), facts: Vec::new() };
        let check = |missing: Option<Missing>, expect: &str| {
            let mut reason = Reason::plain(ReasonKind::NotPermitted, "no rule permits it; found CANARY");
            reason.told = Some("drop on table p.d.t".to_owned());
            reason.accepted.push("CANARY".to_owned());
            reason.missing = missing;
            assert_eq!(tell(&Evaluation::refused(reason, crate::JudgeMode::Both)), expect);
        };
        let missing = |near: &[&str]| Some(Missing { action: "drop".to_owned(), near: near.iter().map(|id| note(id)).collect() });
        let ask = "\nwhat it takes is a rule that permits you `drop`: ask whoever writes the policy of this gateway";
        check(None, "drop on table p.d.t: no rule permits it");
        check(missing(&[]), &format!("drop on table p.d.t: no rule permits it{ask}"));
        check(missing(&["a"]), &format!("drop on table p.d.t: no rule permits it; near it: `a` (for a){ask}"));
        let many = "drop on table p.d.t: no rule permits it; near it: `a` (for a), `b` (for b), `c` (for c) and others";
        check(missing(&["a", "b", "c", "d"]), &format!("{many}{ask}"));
    }

    #[test]
    fn a_permit_alone_does_not_lift_what_is_forbidden() {
        let note = RuleNote { id: "never".to_owned(), file: "f.cedar".to_owned(), reason: "not here".to_owned(), facts: Vec::new() };
        let mut forbidden = Reason::plain(ReasonKind::Forbidden, "not here");
        forbidden.told = Some("drop on table p.d.t".to_owned());
        forbidden.rules.push(note);
        let mut evaluation = Evaluation::refused(forbidden, crate::JudgeMode::Both);
        let alone = "drop on table p.d.t: not here (rule `never`)";
        assert_eq!(tell(&evaluation), alone);
        let mut lacking = Reason::plain(ReasonKind::NotPermitted, "no rule permits it");
        lacking.told = Some("drop on table p.d.t".to_owned());
        lacking.missing = Some(Missing { action: "drop".to_owned(), near: Vec::new() });
        evaluation.reasons.push(lacking);
        let ask = "what it takes is a rule that permits you `drop`, and that `never` no longer forbids what it does: ask whoever writes the policy of this gateway";
        assert_eq!(tell(&evaluation), format!("{alone}\ndrop on table p.d.t: no rule permits it\n{ask}"));
    }

    #[test]
    fn statements_of_other_engines_say_what_does_the_same() {
        for (_, text) in FOREIGN_STATEMENTS {
            let told = tell(&Evaluation::refused(Reason::plain(ReasonKind::Unresolved, text), crate::JudgeMode::Both));
            assert_eq!(told, format!("{}: {text}", ReasonKind::Unresolved.words()));
        }
        let hidden = Reason::plain(ReasonKind::Unresolved, "the columns of p.d.hidden");
        assert_eq!(tell(&Evaluation::refused(hidden, crate::JudgeMode::Both)), ReasonKind::Unresolved.words());
    }

    #[test]
    fn only_what_the_text_names_is_named() {
        let check = |text: &str, table: &str, expect: bool| {
            let statement = Statement {
                text: text.to_owned(),
                parameters: Vec::new(),
                default_dataset: Some(("Acme-Prod".to_owned(), "clinic".to_owned())),
                location: None,
                destination: None,
                purpose: Purpose::Dispatch,
                analysis: Analysis { statements: Vec::new(), refused: None },
            };
            let work = Work::Statement(Box::new(statement));
            let request =
                Request { connection: "c".to_owned(), project: "other".to_owned(), work, also: Vec::new(), sends: Sends::default() };
            assert_eq!(names(&request, &TableName::parse(table).unwrap()), expect, "{text} {table}");
        };
        check("SELECT 1 FROM patients AS p", "acme-prod.clinic.patients", true);
        check("SELECT 1 FROM `Patients`", "acme-prod.clinic.PATIENTS", true);
        check("SELECT 1 FROM `acme-prod`.clinic . patients", "acme-prod.clinic.patients", true);
        check("SELECT 1 FROM `acme-prod.clinic.patients$20240101`", "acme-prod.clinic.patients", true);
        check("SELECT patients.id FROM clinic.patients", "acme-prod.clinic.patients", true);
        // What stands behind a view of the same name, in another dataset or project.
        check("SELECT 1 FROM patients", "acme-prod.hidden.patients", false);
        check("SELECT 1 FROM clinic.patients", "elsewhere.clinic.patients", false);
        check("SELECT 1 FROM v_patients", "acme-prod.clinic.patients", false);
        check("SELECT 1 FROM patients_2", "acme-prod.clinic.patients", false);
        check("SELECT 1 FROM hidden.patients", "acme-prod.clinic.patients", false);
        check("", "acme-prod.clinic.patients", false);
    }
}
