//! What a policy set says of a request. A total function that grants nothing: `decide` does, and only to a caller.

use crate::ask::{Answer, Asked, Asker, Circumstances, Matter};
use crate::duty::HoldDuty;
use crate::fact::Fault;
use crate::historical;
use crate::judge::{DryRun, Estimated};
use crate::labels::{Found, Label};
use crate::limit::Limit;
use crate::mask::Mask;
use crate::plan::{self, ClearPath, Inherited, MaskedPath};
use crate::question::{self, About, Question};
use crate::reason::{Missing, Need, Reason, ReasonKind, RuleNote};
use crate::request::{Purpose, Request, Resource, Work};
use crate::set::{PolicySet, Rule};
use crate::settings::JudgeMode;
use crate::tell::TOLD_UNRESOLVED;
use sluice_model::ColumnPath;
use sluice_model::principal::Principal;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// Permits that nearly applied, in one refusal: more would be read by nobody.
pub const NEAR_MISSES_MAX: usize = 5;

/// How a text begins to say what does the same.
const ACCEPTED: &str = "accepted: ";
const WRITTEN_OUT: &str = "EXECUTE IMMEDIATE of a text that is written out, with USING for the values, or the same without it";

/// What would happen. For people, for the record, for shadows; no permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    pub outcome: Outcome,
    /// Why not; empty unless it is refused.
    pub reasons: Vec<Reason>,
    /// What has to be approved first.
    pub needs: Vec<Need>,
    /// Each question that was permitted, and by which rules.
    pub permitted: Vec<(String, Vec<String>)>,
    pub masks: Vec<MaskedPath>,
    /// Labelled, and shown as it is by right.
    pub clear: Vec<ClearPath>,
    pub inherited: Vec<Inherited>,
    /// Labelled columns that were to decide rows, whether or not a rule let them.
    pub deciding: Vec<Deciding>,
    pub judge: JudgeMode,
    pub cost: Option<Cost>,
}

/// A predicate on a labelled column. What only it selects is not masked, so where it was let through it is marked, and where it was not it is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciding {
    pub column: String,
    /// `filter`, `join`, `group` ...
    pub how: &'static str,
    /// Of several labels, the one that was asked about.
    pub label: Option<String>,
    pub permitted: bool,
    /// Those that let it through.
    pub rules: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Held,
    Permitted,
    Refused,
    /// Only a dry run can tell.
    ToEstimate,
}

/// Of what BigQuery says of a request, to one principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MayTell {
    /// Texts, plans and the like: they can hold a value of any column that is read.
    pub texts: bool,
    /// Why a statement failed. With `texts`, and where what may not be seen is passed on as it is and nothing is done with it that could fail.
    pub errors: bool,
    /// Why BigQuery would not run it. A dry run looks at no row, so this is made of the statement's text and of what stands behind its names.
    pub dry_runs: bool,
    /// Which of a script's statements ran, how many there were, how many rows each of them changed. With `texts`, and where what decides that may decide.
    pub way: bool,
    /// Exact counts of bytes: BigQuery may count columns that nothing looks at.
    pub sizes: bool,
}

/// By the dry run. Nothing known is as much as there can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub bytes: u64,
    pub micros: u64,
}

impl Outcome {
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Permitted => "permitted",
            Outcome::Refused => "refused",
            Outcome::ToEstimate => "to_estimate",
        }
    }
}

impl Evaluation {
    fn empty(judge: JudgeMode) -> Evaluation {
        Evaluation {
            outcome: Outcome::Refused,
            reasons: Vec::new(),
            needs: Vec::new(),
            permitted: Vec::new(),
            masks: Vec::new(),
            clear: Vec::new(),
            inherited: Vec::new(),
            deciding: Vec::new(),
            judge,
            cost: None,
        }
    }

    pub(crate) fn refused(reason: Reason, judge: JudgeMode) -> Evaluation {
        let reasons = vec![reason];
        Evaluation { reasons, ..Evaluation::empty(judge) }
    }
}

impl PolicySet {
    /// What would happen if this principal asked. Nothing is counted, nothing granted.
    pub fn evaluate(
        &self,
        principal: &Principal,
        request: &Request,
        dry_run: Option<&DryRun>,
        circumstances: &Circumstances<'_>,
    ) -> Evaluation {
        let mut weighing = Weighing::new(self, request);
        let dry_run = match &request.work {
            Work::Statement(statement) => match &statement.purpose {
                Purpose::Dispatch | Purpose::DryRun => dry_run,
                Purpose::Page { dry_run, .. } => Some(dry_run),
            },
            Work::Method(_) => None,
        };
        if circumstances.halt.stops_any(principal) {
            weighing.refuse(halted());
        }
        weighing.understand(request);
        if weighing.evaluation.reasons.is_empty()
            && let Err(fault) = weighing.weigh(principal, request, dry_run, circumstances)
        {
            weighing.refuse(Reason::plain(ReasonKind::Error, fault));
        }
        weighing.conclude()
    }

    /// What of that which BigQuery says of a request may be told to this principal.
    pub fn may_tell(&self, principal: &Principal, request: &Request, circumstances: &Circumstances<'_>) -> MayTell {
        let shows_all = |columns: &[ColumnPath]| self.shows_all(principal, request, circumstances, columns);
        let texts = shows_all(&question::columns_read(request));
        let sizes = texts && question::columns_billed(request).is_some_and(|columns| shows_all(&columns));
        let dry_runs = texts || question::is_all_own(request);
        let errors = texts || question::columns_worked_on(request).is_some_and(|columns| shows_all(&columns));
        let way = texts || self.evaluate(principal, request, None, circumstances).outcome == Outcome::Permitted;
        MayTell { texts, errors, dry_runs, way, sizes }
    }

    /// Whether of these columns nothing is labelled, or nothing that is not shown to this principal as it is.
    fn shows_all(&self, principal: &Principal, request: &Request, circumstances: &Circumstances<'_>, columns: &[ColumnPath]) -> bool {
        let known = plan::known_within(request, &self.labels, circumstances.known, columns);
        // Not by shapes: of what may be billed each column counts whole.
        let found = Found::of_all(&self.labels, &known, columns.iter(), &HashSet::new());
        let questions = question::to_see(columns, &found);
        if questions.is_empty() {
            return true;
        }
        let circumstances = &Circumstances { known: &known, ..*circumstances };
        let matter = Matter { principal, request, circumstances, estimated: None, asks_all: false, found: &found, columns };
        // What cannot be asked is not told.
        Asker::new(self, &matter, questions).is_ok_and(|asker| asker.asked().iter().all(|asked| asked.answer.shows_all()))
    }
}

pub(crate) fn halted() -> Reason {
    let mut reason = Reason::plain(ReasonKind::Halted, "the caller is halted, or one that it acts for or through");
    reason.accepted.push("the same, once an operator has lifted it".to_owned());
    reason
}

struct Weighing<'a> {
    set: &'a PolicySet,
    evaluation: Evaluation,
    holds: Vec<(RuleNote, HoldDuty, String)>,
    waits: bool,
}

impl<'a> Weighing<'a> {
    fn new(set: &'a PolicySet, request: &Request) -> Weighing<'a> {
        let evaluation = Evaluation::empty(set.settings.judge(&request.connection));
        Weighing { set, evaluation, holds: Vec::new(), waits: false }
    }

    fn refuse(&mut self, reason: Reason) {
        if !self.evaluation.reasons.contains(&reason) {
            self.evaluation.reasons.push(reason);
        }
    }

    /// What is not understood is not asked about.
    fn understand(&mut self, request: &Request) {
        let Some(analysis) = request.analysis() else { return };
        if let Some(refused) = &analysis.refused {
            self.refuse(Reason::plain(ReasonKind::Analysis, refused.reason.clone()));
        } else if analysis.statements.is_empty() {
            self.refuse(Reason::plain(ReasonKind::Analysis, "there is no statement"));
        }
        for part in analysis.statements.iter().flat_map(|statement| &statement.unresolved) {
            let mut reason = Reason::plain(ReasonKind::Unresolved, part.what.clone());
            // What stands behind a name is not told.
            if part.own {
                reason.told = Some(format!("{}: {}", ReasonKind::Unresolved.words(), part.what));
                let instead = if part.what == TOLD_UNRESOLVED { WRITTEN_OUT } else { "the same without it" };
                reason.accepted.extend((!part.what.contains(ACCEPTED)).then(|| instead.to_owned()));
            }
            self.refuse(reason);
        }
    }

    fn weigh(
        &mut self,
        principal: &Principal,
        request: &Request,
        dry_run: Option<&DryRun>,
        circumstances: &Circumstances<'_>,
    ) -> Result<(), Fault> {
        let set = self.set;
        let analysis = match &request.work {
            Work::Statement(statement) => Some(&statement.analysis),
            Work::Method(_) => None,
        };
        let estimated =
            analysis.zip(dry_run).map(|(analysis, dry_run)| Estimated::of(dry_run, analysis, &set.settings, self.evaluation.judge));
        let mut questions = question::questions(request);
        let disputed = Question::new("disputed", Resource::Connection);
        if estimated.as_ref().is_some_and(|estimated| !estimated.differences.is_empty()) {
            questions.push(disputed.clone());
        }
        let columns = question::columns_read(request);
        let known = plan::known_within(request, &set.labels, circumstances.known, &columns);
        let circumstances = &Circumstances { known: &known, ..*circumstances };
        let found = Found::of_all(&set.labels, &known, columns.iter(), &question::shapes(request));
        questions.extend(question::column_questions(request, &found));
        let mut to_see = plan::questions(request, &found);
        let past = historical::questions(request, &found);
        to_see.extend(past.into_iter().filter(|question| !to_see.contains(question)).collect::<Vec<_>>());
        questions.extend(to_see.iter().cloned());
        let asks_all = estimated.is_some() || analysis.is_none();
        let matter =
            Matter { principal, request, circumstances, estimated: estimated.as_ref(), asks_all, found: &found, columns: &columns };
        let asker = Asker::new(set, &matter, questions)?;
        for asked in asker.asked() {
            if asked.question == disputed {
                self.dispute(asked, estimated.as_ref(), &asker);
            } else if to_see.contains(&asked.question) {
                self.see(asked, &asker);
            } else {
                self.answer(asked, &asker);
            }
        }
        self.price(estimated.as_ref());
        self.evaluation.masks = plan::masks(request, &found, &asker);
        self.evaluation.clear = plan::clear(request, &found, &self.evaluation.masks);
        self.evaluation.inherited = plan::inherited(request, &found);
        self.withhold(request, circumstances, &asker);
        historical::refusals(request, &found, &asker).into_iter().for_each(|reason| self.refuse(reason));
        let limit = Limit::of(&set.settings.limits, principal);
        let asks_for_cost = set.settings.ceiling_micros.is_some() || limit.asks_for_cost() || self.evaluation.judge == JudgeMode::Both;
        self.waits = estimated.is_none() && analysis.is_some() && (self.waits || asks_for_cost);
        Ok(())
    }

    /// Default deny, a forbid wins, an error refuses, every duty is due.
    fn answer<'q>(&mut self, asked: &Asked<'q>, asker: &Asker<'q>) {
        let (question, answer) = (&asked.question, &asked.answer);
        self.errors(question, answer, asker);
        self.mark(question, answer);
        self.waits |= answer.waits;
        self.hold(question, answer.forbids.iter().chain(&answer.permits), asker);
        for rule in &answer.forbids {
            match &rule.duties.hold {
                Some(_) => {}
                None => self.refuse(Reason {
                    kind: ReasonKind::Forbidden,
                    question: Some(question.to_string()),
                    told: Some(asker.told(question)),
                    rules: vec![asker.note(question, rule)],
                    fact: rule.duties.reason.clone(),
                    accepted: rule.duties.advice.clone().into_iter().collect(),
                    without: None,
                    missing: None,
                }),
            }
        }
        if answer.permits.is_empty() && !answer.may_permit_later && answer.errors.is_empty() {
            let (missed, told) = (asker.near_misses(asked), asker.told(question));
            let mut accepted: Vec<String> = missed.iter().take(NEAR_MISSES_MAX).map(RuleNote::as_accepted).collect();
            if missed.len() > NEAR_MISSES_MAX {
                accepted.push(format!("what {} more rules permit", missed.len() - NEAR_MISSES_MAX));
            }
            self.refuse(Reason {
                kind: ReasonKind::NotPermitted,
                question: Some(question.to_string()),
                told: Some(told.clone()),
                rules: Vec::new(),
                fact: self.not_permitted(asker.labels(question)),
                accepted,
                without: asker.without(question),
                missing: missing(question, &told, missed),
            });
        }
        self.permitted(question, answer);
    }

    fn mark(&mut self, question: &Question, answer: &Answer) {
        let Some((column, how)) = question.deciding() else { return };
        let stands_against = answer.forbids.iter().any(|rule| rule.duties.hold.is_none());
        let permitted = !answer.permits.is_empty() && !stands_against && answer.errors.is_empty();
        let rules = answer.permits.iter().map(|rule| rule.duties.id.clone());
        let rules = if permitted { rules.collect() } else { Vec::new() };
        let (column, label) = (column.to_string(), question.label.clone());
        self.evaluation.deciding.push(Deciding { column, how, label, permitted, rules });
    }

    fn not_permitted(&self, labels: Vec<&str>) -> String {
        let labels: String = labels.into_iter().map(|label| format!("; the column is labelled {}", self.set.labels.told(label))).collect();
        format!("no rule permits it{labels}")
    }

    /// Not permitted is masked; what is permitted with approval waits for it.
    fn see(&mut self, asked: &Asked<'_>, asker: &Asker<'_>) {
        let (question, answer) = (&asked.question, &asked.answer);
        self.errors(question, answer, asker);
        self.waits |= answer.waits;
        if answer.forbids.is_empty() {
            self.hold(question, answer.permits.iter(), asker);
            self.permitted(question, answer);
        }
    }

    fn dispute(&mut self, asked: &Asked, estimated: Option<&Estimated>, asker: &Asker<'_>) {
        let (question, answer) = (&asked.question, &asked.answer);
        self.errors(question, answer, asker);
        let forbidden = answer.forbids.iter().any(|rule| rule.duties.hold.is_none());
        if !answer.permits.is_empty() && !forbidden {
            self.hold(question, answer.permits.iter().chain(&answer.forbids), asker);
            return;
        }
        for difference in estimated.into_iter().flat_map(|estimated| &estimated.differences) {
            self.refuse(Reason::plain(ReasonKind::Disagreement, difference.to_string()));
        }
    }

    fn hold<'r>(&mut self, question: &Question, rules: impl Iterator<Item = &'r Arc<Rule>>, asker: &Asker<'_>) {
        for rule in rules {
            self.holds.extend(rule.duties.hold.iter().map(|duty| (asker.note(question, rule), duty.clone(), question.to_string())));
        }
    }

    fn errors(&mut self, question: &Question, answer: &Answer, asker: &Asker<'_>) {
        for (rule, error) in &answer.errors {
            self.refuse(Reason {
                kind: ReasonKind::Error,
                question: Some(question.to_string()),
                told: Some(asker.told(question)),
                rules: rule.iter().map(|rule| RuleNote::of(rule, Vec::new())).collect(),
                fact: error.clone(),
                accepted: Vec::new(),
                without: None,
                missing: None,
            });
        }
    }

    fn permitted(&mut self, question: &Question, answer: &Answer) {
        if !answer.permits.is_empty() {
            let rules = answer.permits.iter().map(|rule| rule.duties.id.clone()).collect();
            self.evaluation.permitted.push((question.to_string(), rules));
        }
    }

    fn price(&mut self, estimated: Option<&Estimated>) {
        let Some(estimated) = estimated else { return };
        self.evaluation.cost = Some(Cost { bytes: estimated.bytes, micros: estimated.cost_micros });
        if let Some(ceiling) = self.set.settings.ceiling_micros.filter(|ceiling| estimated.cost_micros > *ceiling) {
            let cost =
                if estimated.bytes == u64::MAX { "an unknown amount".to_owned() } else { format!("{} millionths", estimated.cost_micros) };
            let mut reason = Reason::plain(ReasonKind::Ceiling, format!("it costs {cost}, the ceiling is {ceiling}"));
            reason.accepted.push("a statement that reads less: name columns, filter by partition".to_owned());
            self.refuse(reason);
        }
    }

    /// Columns that nobody reads, and tables whose columns nobody named.
    fn withhold(&mut self, request: &Request, circumstances: &Circumstances<'_>, asker: &Asker<'_>) {
        let hidden: Vec<_> = self.evaluation.masks.iter().filter(|path| path.mask == Mask::Refuse).cloned().collect();
        for path in hidden {
            let columns: Vec<&str> = path.columns.iter().map(String::as_str).collect();
            let mut reason = Reason::plain(ReasonKind::Forbidden, format!("{} may not be shown to anybody", columns.join(", ")));
            reason.told = Some(self.never_shown(&path, asker));
            reason.accepted.push("the same without that column".to_owned());
            reason.rules = path.rules;
            self.refuse(reason);
        }
        if let Work::Method(method) = &request.work
            && let Resource::Table(table) = &method.resource
            && method.columns.is_empty()
            && moves_rows(&method.name)
            && !self.set.labels.of_table(table, circumstances.known).is_empty()
        {
            self.refuse(Reason::plain(ReasonKind::Unresolved, format!("the columns of {table} are not known")));
        }
    }

    /// Whoever wrote the label said why. The column is named as in every question.
    fn never_shown(&self, path: &MaskedPath, asker: &Asker<'_>) -> String {
        let asked = asker.asked().iter().map(|asked| &asked.question);
        let seen = asked.filter(|question| matches!(question.action.as_str(), "count" | "see"));
        let named: BTreeSet<String> = seen
            .filter_map(|question| match &question.about {
                About::Column(column) if path.columns.contains(&column.to_string()) => Some(asker.named(column)),
                _ => None,
            })
            .collect();
        let hides = |label: &&Label| path.labels.contains(&label.name) && label.mask == Mask::Refuse;
        let why: Vec<&str> = self.set.labels.names().filter(hides).map(|label| label.reason.as_str()).collect();
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
        let named = if named.is_empty() { "a column".to_owned() } else { named.into_iter().collect::<Vec<_>>().join(", ") };
        format!("{named} may not be shown to anybody{why}")
    }

    fn conclude(mut self) -> Evaluation {
        let duties = HoldDuty::combine(self.holds.iter().map(|(_, duty, _)| duty.clone()));
        for duty in duties {
            let mut need = Need { duty, rules: Vec::new(), questions: Vec::new() };
            for (note, _, question) in self.holds.iter().filter(|(_, held, _)| held.group == need.duty.group) {
                if !need.rules.contains(note) {
                    need.rules.push(note.clone());
                }
                if !need.questions.contains(question) {
                    need.questions.push(question.clone());
                }
            }
            self.evaluation.needs.push(need);
        }
        self.evaluation.outcome = match (self.evaluation.reasons.is_empty(), self.waits, self.evaluation.needs.is_empty()) {
            (false, ..) => Outcome::Refused,
            (true, true, _) => Outcome::ToEstimate,
            (true, false, false) => Outcome::Held,
            (true, false, true) => Outcome::Permitted,
        };
        self.evaluation
    }
}

/// Rules say what a thing is in: whoever is not told what it is, is not told of them. Those about a column say what it is labelled.
fn missing(question: &Question, told: &str, missed: Vec<RuleNote>) -> Option<Missing> {
    let is_connection = matches!(question.about, About::Resource(Resource::Connection));
    let is_known = is_connection || (matches!(question.about, About::Resource(_)) && question.to_string() == told);
    let near = missed.into_iter().map(|note| RuleNote { facts: Vec::new(), ..note }).collect();
    is_known.then(|| Missing { action: question.action.clone(), near })
}

/// Methods that hand out or carry away rows of a table.
fn moves_rows(method: &str) -> bool {
    matches!(method, "jobs.copy" | "jobs.extract" | "storage.createReadSession" | "storage.readRows" | "tabledata.list")
}
