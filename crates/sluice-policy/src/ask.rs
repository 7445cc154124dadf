//! Every question of a request, put to every rule whose head fits. An answer is not yes or no, but which rules spoke: duties and errors
//! count too.

use crate::cast::{Cast, Member};
use crate::fact::{Fact, Fault};
use crate::facts;
use crate::hearing::{Hearing, Said, StageId};
use crate::index::ScopeId;
use crate::judge::Estimated;
use crate::labels::{Found, Known};
use crate::limit::Halt;
use crate::question::Question;
use crate::reason::RuleNote;
use crate::request::{Request, Resource};
use crate::set::{PolicySet, Rule};
use crate::tell;
use core::net::IpAddr;
use sluice_model::principal::Principal;
use sluice_model::{ColumnPath, TableName};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What is so at the moment of the decision. None of it comes from the client.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Seconds since 1970.
    pub now: i64,
    /// `rest`, `grpc`, `mcp` or `cli`.
    pub door: &'a str,
    /// Of the peer, not of a header.
    pub address: Option<IpAddr>,
    pub halt: &'a Halt,
    pub known: &'a Known,
}

/// Which rules spoke to a question.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub permits: Vec<Arc<Rule>>,
    pub forbids: Vec<Arc<Rule>>,
    /// Rules that could not be evaluated. One of them refuses everything.
    pub errors: Vec<(Option<Arc<Rule>>, String)>,
    /// Rules that will speak when there is a dry run; and whether one of them may permit.
    pub waits: bool,
    pub may_permit_later: bool,
}

impl Answer {
    /// As it is, now, whatever it costs.
    pub fn shows_all(&self) -> bool {
        let plainly = |rule: &Arc<Rule>| rule.duties.mask.is_none() && rule.duties.hold.is_none();
        !self.permits.is_empty() && self.permits.iter().all(plainly) && self.forbids.is_empty() && self.errors.is_empty() && !self.waits
    }
}

/// A request with everything that was asked about it.
pub(crate) struct Asker<'a> {
    set: &'a PolicySet,
    request: &'a Request,
    principal_scopes: Vec<ScopeId>,
    hearing: Hearing<'a>,
    asked: Vec<Asked<'a>>,
    positions: HashMap<Question, usize>,
    /// Whether the rules that read the dry run are asked: there is one, or there will be none.
    asks_all: bool,
}

pub(crate) struct Asked<'a> {
    pub question: Question,
    pub answer: Answer,
    pub member: Member<'a>,
    pub stage: StageId,
    pub position: usize,
    pub layer: usize,
    /// What conditions can read of the thing, once one does.
    pub attributes: OnceCell<Fact<'a>>,
    scopes: Vec<ScopeId>,
}

/// What the questions are about, read once for all of them.
pub(crate) struct Matter<'a> {
    pub principal: &'a Principal,
    pub request: &'a Request,
    pub circumstances: &'a Circumstances<'a>,
    pub estimated: Option<&'a Estimated>,
    pub asks_all: bool,
    pub found: &'a Found<'a>,
    pub columns: &'a [ColumnPath],
}

impl<'a> Asker<'a> {
    pub fn new(set: &'a PolicySet, matter: &Matter<'a>, questions: Vec<Question>) -> Result<Asker<'a>, Fault> {
        let cast = Cast::new(set, matter.request, matter.circumstances.known, matter.found, matter.columns);
        let mut hearing = Hearing::new(set, cast, matter.principal, facts::context(matter));
        let mut asked = Vec::with_capacity(questions.len());
        for (position, question) in questions.into_iter().enumerate() {
            let member = hearing.cast().about(&question);
            set.vocabulary.applies(&question.action, hearing.principal().kind, member.kind)?;
            let (stage, layer, scopes) = (hearing.stage(&question), hearing.cast().layer(&question), set.index.scopes(&member));
            asked.push(Asked { question, answer: Answer::default(), member, stage, position, layer, attributes: OnceCell::new(), scopes });
        }
        let positions = asked.iter().enumerate().map(|(position, asked)| (asked.question.clone(), position)).collect();
        let principal_scopes = set.index.scopes(hearing.principal());
        let mut asker = Asker { set, request: matter.request, principal_scopes, hearing, asked, positions, asks_all: matter.asks_all };
        let answers: Vec<Answer> = asker.asked.iter().map(|asked| asker.ask(asked)).collect();
        asker.asked.iter_mut().zip(answers).for_each(|(asked, answer)| asked.answer = answer);
        Ok(asker)
    }

    pub fn asked(&self) -> &[Asked<'a>] {
        &self.asked
    }

    /// None: it was not asked, so nobody permitted it.
    pub fn answer(&self, question: &Question) -> Option<&Answer> {
        self.position(question).map(|asked| &asked.answer)
    }

    /// Permits whose heads fit, and that did not speak: what would have to be different.
    pub fn near_misses(&self, asked: &Asked<'a>) -> Vec<RuleNote> {
        let spoke = |rule: &Arc<Rule>| asked.answer.permits.iter().any(|permit| Arc::ptr_eq(permit, rule));
        let mut missed: Vec<&Arc<Rule>> = self.rules(asked).filter(|rule| !rule.forbids && !spoke(rule)).collect();
        missed.sort_by(|one, other| one.duties.id.cmp(&other.duties.id));
        missed.into_iter().map(|rule| self.note(&asked.question, rule)).collect()
    }

    /// A question in words that its caller may read: what the request names, or what the caller may read anyway.
    pub fn told(&self, question: &Question) -> String {
        tell::question(question, self.request, &|table| self.knows(table))
    }

    /// The column alone that a question is about, in such words.
    pub fn named(&self, column: &ColumnPath) -> String {
        if self.knows(&column.table) { format!("column {column}") } else { "a column that it reaches".to_owned() }
    }

    /// What the caller can do without.
    pub fn without(&self, question: &Question) -> Option<&'static str> {
        tell::without(question, self.request)
    }

    /// Whether the caller names the table, or may read it anyway.
    pub fn knows(&self, table: &TableName) -> bool {
        let read = Question::new("read", Resource::Table(table.clone()));
        let may_read = |answer: &Answer| !answer.permits.is_empty() && answer.forbids.is_empty() && answer.errors.is_empty();
        tell::names(self.request, table) || self.answer(&read).is_some_and(may_read)
    }

    /// Why a question is asked at all: what makes the column sensitive.
    pub fn labels(&self, question: &Question) -> Vec<&'a str> {
        self.hearing.cast().labels(question)
    }

    /// A rule as people are told about it, with what its conditions found.
    pub fn note(&self, question: &Question, rule: &Rule) -> RuleNote {
        let found = self.position(question).map(|asked| self.hearing.found(rule, asked)).unwrap_or_default();
        RuleNote::of(rule, found)
    }

    fn position(&self, question: &Question) -> Option<&Asked<'a>> {
        self.positions.get(question).and_then(|position| self.asked.get(*position))
    }

    fn rules<'b>(&'b self, asked: &'b Asked<'a>) -> impl Iterator<Item = &'b Arc<Rule>> {
        self.set.index.rules(&asked.question.action, &self.principal_scopes, &asked.scopes)
    }

    fn ask(&self, asked: &Asked<'a>) -> Answer {
        let mut answer = Answer::default();
        for rule in self.rules(asked) {
            if rule.asks_for_cost && !self.asks_all {
                answer.waits = true;
                answer.may_permit_later |= !rule.forbids;
                continue;
            }
            match self.hearing.says(rule, asked, &self.asked) {
                Said::Applies if rule.forbids => answer.forbids.push(rule.clone()),
                Said::Applies => answer.permits.push(rule.clone()),
                Said::Failed(error) => answer.errors.push((Some(rule.clone()), error)),
                Said::Silent => {}
            }
        }
        answer
    }
}
