//! One question put to Cedar. Its answer is not yes or no, but which rules spoke: duties and errors count too.

use crate::facts::{self, Cast, Fault};
use crate::index::{Bucket, ScopeId};
use crate::judge::Estimated;
use crate::labels::{Found, Known};
use crate::limit::Halt;
use crate::question::Question;
use crate::reason::RuleNote;
use crate::request::Request;
use crate::set::{PolicySet, Rule};
use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicyId, Response};
use core::net::IpAddr;
use sluice_model::ColumnPath;
use sluice_model::principal::Principal;
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub permits: Vec<Arc<Rule>>,
    pub forbids: Vec<Arc<Rule>>,
    /// Rules that could not be evaluated. One of them refuses everything.
    pub errors: Vec<(Option<Arc<Rule>>, String)>,
    /// Rules that will speak when there is a dry run; and whether one of them may permit.
    pub waits: bool,
    pub may_permit_later: bool,
}

/// A request with everything that was asked about it.
pub(crate) struct Asker<'a> {
    set: &'a PolicySet,
    principal: EntityUid,
    principal_scopes: Vec<ScopeId>,
    context: Context,
    entities: Entities,
    asked: Vec<Asked>,
    positions: HashMap<Question, usize>,
    /// Whether the rules that read the dry run are asked: there is one, or there will be none.
    asks_all: bool,
    authorizer: Authorizer,
}

pub(crate) struct Asked {
    pub question: Question,
    pub answer: Answer,
    action: EntityUid,
    resource: EntityUid,
    scopes: Vec<ScopeId>,
}

/// In what questions differ: how a column is used, and where it goes.
type Particular<'q> = (Option<&'q str>, Option<&'q str>);

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
    pub fn new(set: &'a PolicySet, matter: &Matter<'_>, questions: Vec<Question>) -> Result<Asker<'a>, Fault> {
        let mut cast = Cast::new(set, matter.request, matter.circumstances.known, matter.found, matter.columns);
        let principal = cast.principal(matter.principal)?;
        let principal_scopes = set.index.scopes(principal.type_name(), cast.within(&principal));
        let mut asked = Vec::with_capacity(questions.len());
        for question in questions {
            let action = cast.action(&question.action)?;
            let resource = cast.about(&question)?;
            let scopes = set.index.scopes(resource.type_name(), cast.within(&resource));
            asked.push(Asked { question, answer: Answer::default(), action, resource, scopes });
        }
        let entities = Entities::from_entities(cast.into_entities(), None).map_err(|error| error.to_string())?;
        let context = facts::context(matter)?;
        let positions = asked.iter().enumerate().map(|(position, asked)| (asked.question.clone(), position)).collect();
        let asks_all = matter.asks_all;
        let mut asker =
            Asker { set, principal, principal_scopes, context, entities, asked, positions, asks_all, authorizer: Authorizer::new() };
        let answers = asker.ask_all();
        asker.asked.iter_mut().zip(answers).for_each(|(asked, answer)| asked.answer = answer);
        Ok(asker)
    }

    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// None: it was not asked, so nobody permitted it.
    pub fn answer(&self, question: &Question) -> Option<&Answer> {
        self.positions.get(question).and_then(|position| self.asked.get(*position)).map(|asked| &asked.answer)
    }

    /// Permits whose heads fit, and that did not speak: what would have to be different.
    pub fn near_misses(&self, asked: &Asked) -> Vec<RuleNote> {
        let mut missed = Vec::new();
        for bucket in self.buckets(asked) {
            let ids = bucket.permits.policies().chain(bucket.later_permits.policies()).map(|policy| policy.id());
            missed.extend(ids.filter_map(|id| self.set.rules.get(id)).filter(|rule| !asked.answer.permits.contains(rule)).cloned());
        }
        missed.sort_by(|one, other| one.duties.id.cmp(&other.duties.id));
        missed.iter().map(|rule| self.note(&asked.question, rule)).collect()
    }

    /// A rule as people are told about it, with what its conditions found.
    pub fn note(&self, question: &Question, rule: &Rule) -> RuleNote {
        let asked = self.positions.get(question).and_then(|position| self.asked.get(*position));
        let (Some(asked), Ok(context)) = (asked, facts::context_of(question, &self.context)) else {
            return RuleNote::of(rule, Vec::new());
        };
        let (principal, resource) = (self.entities.get(&self.principal), self.entities.get(&asked.resource));
        RuleNote::of(rule, rule.mentions.iter().map(|mention| mention.found(&context, principal, resource)).collect())
    }

    fn buckets<'b>(&'b self, asked: &'b Asked) -> impl Iterator<Item = &'b Bucket> {
        self.set.index.buckets(&asked.question.action, &self.principal_scopes, &asked.scopes)
    }

    fn ask_all(&self) -> Vec<Answer> {
        // Columns differ in little: each context is made once.
        let mut contexts: HashMap<Particular<'_>, Result<Context, Fault>> = HashMap::new();
        let mut answers = Vec::with_capacity(self.asked.len());
        for asked in &self.asked {
            let particular = (asked.question.how, asked.question.destination.as_deref());
            let context = contexts.entry(particular).or_insert_with(|| facts::context_of(&asked.question, &self.context));
            answers.push(match context {
                Ok(context) => self.ask(asked, context.clone()),
                Err(fault) => Answer { errors: vec![(None, fault.clone())], ..Answer::default() },
            });
        }
        answers
    }

    fn ask(&self, asked: &Asked, context: Context) -> Answer {
        let mut answer = Answer::default();
        let (principal, action, resource) = (self.principal.clone(), asked.action.clone(), asked.resource.clone());
        let request = match cedar_policy::Request::new(principal, action, resource, context, Some(&self.set.vocabulary.schema)) {
            Ok(request) => request,
            Err(error) => {
                answer.errors.push((None, error.to_string()));
                return answer;
            }
        };
        for bucket in self.buckets(asked) {
            let mut sets = vec![&bucket.permits, &bucket.forbids];
            if self.asks_all {
                sets.extend([&bucket.later_permits, &bucket.later_forbids]);
            } else {
                answer.may_permit_later |= !bucket.later_permits.is_empty();
                answer.waits |= !bucket.later_permits.is_empty() || !bucket.later_forbids.is_empty();
            }
            for set in sets.into_iter().filter(|set| !set.is_empty()) {
                answer.hear(&self.authorizer.is_authorized(&request, set, &self.entities), self.set);
            }
        }
        answer
    }
}

impl Answer {
    /// Every set holds permits alone or forbids alone, so Cedar names each that applies.
    fn hear(&mut self, response: &Response, set: &PolicySet) {
        let rule = |id: &PolicyId| set.rules.get(id).cloned();
        for id in response.diagnostics().reason() {
            match rule(id) {
                Some(rule) if rule.forbids => self.forbids.push(rule),
                Some(rule) => self.permits.push(rule),
                None => self.errors.push((None, format!("rule `{id}` is not of this set"))),
            }
        }
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            self.errors.push((rule(error.policy_id()), error.inner().to_string()));
        }
    }
}
