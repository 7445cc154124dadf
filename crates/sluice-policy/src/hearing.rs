//! Rules with conditions, put to Cedar one by one. Its entities and contexts are made when the first of them has to be asked.

use crate::ask::Asked;
use crate::cast::{Cast, Member};
use crate::fact::{Fact, Fault};
use crate::guard::Scene;
use crate::mention::Root;
use crate::question::Question;
use crate::set::{PolicySet, Rule};
use cedar_policy::{AuthorizationError, Authorizer, Context, Entities, Request, RestrictedExpression};
use sluice_model::principal::Principal;
use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub(crate) struct Hearing<'a> {
    set: &'a PolicySet,
    cast: Cast<'a>,
    principal: &'a Principal,
    member: Member<'a>,
    attributes: Fact<'a>,
    stages: Vec<Stage<'a>>,
    stage_of: HashMap<Particular, StageId>,
    /// By layer.
    entities: RefCell<HashMap<usize, Result<Rc<Entities>, Fault>>>,
    /// Of rules that read nothing of the question.
    said: RefCell<HashMap<(usize, StageId), Said>>,
    /// Of the same, with what all questions have in common, whether it can be left out: by its number.
    left_out: RefCell<Vec<Option<bool>>>,
    last: RefCell<Option<((usize, StageId), Request)>>,
    authorizer: Authorizer,
}

/// What Cedar says of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Applies,
    Failed(String),
    Silent,
}

/// What is so when a question is asked. Questions about columns differ in two facts.
struct Stage<'a> {
    facts: Fact<'a>,
    context: OnceCell<Result<Context, Fault>>,
}

pub(crate) type StageId = usize;
/// With what all questions have in common.
const COMMON: StageId = 0;

/// How a column is used, and where it goes.
type Particular = (Option<&'static str>, Option<String>);

impl<'a> Hearing<'a> {
    pub fn new(set: &'a PolicySet, cast: Cast<'a>, principal: &'a Principal, facts: Fact<'a>) -> Hearing<'a> {
        let stages = vec![Stage { facts, context: OnceCell::new() }];
        let (stage_of, said) = (HashMap::from([((None, None), COMMON)]), RefCell::default());
        let left_out = RefCell::new(vec![None; set.rules.len()]);
        let (entities, last, authorizer) = (RefCell::default(), RefCell::default(), Authorizer::new());
        let attributes = Fact::Record(vec![("issuer", Fact::text(&principal.issuer)), ("subject", Fact::text(&principal.subject))]);
        Hearing {
            set,
            cast,
            principal,
            member: Member::principal(principal),
            attributes,
            stages,
            stage_of,
            entities,
            said,
            left_out,
            last,
            authorizer,
        }
    }

    pub fn principal(&self) -> &Member<'a> {
        &self.member
    }

    pub fn cast(&self) -> &Cast<'a> {
        &self.cast
    }

    pub fn stage(&mut self, question: &Question) -> StageId {
        if question.how.is_none() && question.destination.is_none() {
            return COMMON;
        }
        let particular = (question.how, question.destination.clone());
        if let Some(known) = self.stage_of.get(&particular) {
            return *known;
        }
        let mut fields = match self.stages.first().map(|common| &common.facts) {
            Some(Fact::Record(fields)) => fields.clone(),
            _ => Vec::new(),
        };
        fields.extend(question.how.map(|how| ("how", Fact::text(how))));
        fields.extend(question.destination.clone().map(|destination| ("destination", Fact::Text(destination.into()))));
        let id = self.stages.len();
        self.stages.push(Stage { facts: Fact::Record(fields), context: OnceCell::new() });
        self.stage_of.insert(particular, id);
        id
    }

    /// Whether a rule applies whose head fits. Where it has no condition, that was all.
    pub fn says(&self, rule: &Rule, asked: &Asked<'a>, all: &[Asked<'a>]) -> Said {
        let Some(condition) = &rule.condition else { return Said::Applies };
        let stage_id = if condition.reads_column { asked.stage } else { COMMON };
        let Some(stage) = self.stages.get(stage_id) else { return Said::Failed("there is no such question".to_owned()) };
        let leaves_out = || condition.guard.leaves_out(&Seen { hearing: self, stage, asked });
        // With several tables the same is asked of the same facts again.
        let silent = if condition.reads_question || stage_id != COMMON { leaves_out() } else { self.left_out(rule.number, leaves_out) };
        if silent {
            return Said::Silent;
        }
        if condition.reads_question {
            return self.ask(&condition.policy, stage_id, asked, all).unwrap_or_else(Said::Failed);
        }
        let known = self.said.borrow().get(&(rule.number, stage_id)).cloned();
        known.unwrap_or_else(|| {
            let said = self.ask(&condition.policy, stage_id, asked, all).unwrap_or_else(Said::Failed);
            self.said.borrow_mut().insert((rule.number, stage_id), said.clone());
            said
        })
    }

    fn left_out(&self, rule: usize, look: impl FnOnce() -> bool) -> bool {
        let known = self.left_out.borrow().get(rule).copied().flatten();
        known.unwrap_or_else(|| {
            let found = look();
            if let Some(known) = self.left_out.borrow_mut().get_mut(rule) {
                *known = Some(found);
            }
            found
        })
    }

    /// What the conditions of a rule found.
    pub fn found(&self, rule: &Rule, asked: &Asked<'a>) -> Vec<String> {
        let Some(stage) = self.stages.get(asked.stage) else { return Vec::new() };
        let scene = Seen { hearing: self, stage, asked };
        rule.mentions.iter().map(|mention| mention.found(&scene)).collect()
    }

    fn ask(&self, policy: &cedar_policy::PolicySet, stage: StageId, asked: &Asked<'a>, all: &[Asked<'a>]) -> Result<Said, Fault> {
        let entities =
            self.entities.borrow_mut().entry(asked.layer).or_insert_with(|| self.entities(asked.layer, all).map(Rc::new)).clone()?;
        let mut last = self.last.borrow_mut();
        let request = match last.take() {
            Some((of, request)) if of == (asked.position, stage) => request,
            _ => self.request(stage, asked)?,
        };
        let response = self.authorizer.is_authorized(&request, policy, &entities);
        *last = Some(((asked.position, stage), request));
        if let Some(AuthorizationError::PolicyEvaluationError(error)) = response.diagnostics().errors().next() {
            return Ok(Said::Failed(error.inner().to_string()));
        }
        Ok(if response.diagnostics().reason().next().is_some() { Said::Applies } else { Said::Silent })
    }

    fn request(&self, stage: StageId, asked: &Asked<'a>) -> Result<Request, Fault> {
        let stage = self.stages.get(stage).ok_or("there is no such question")?;
        let action = self.set.vocabulary.action(&asked.question.action).ok_or("the action is unknown")?.uid.clone();
        let (principal, resource) = (self.member.uid(self.set)?, asked.member.uid(self.set)?);
        let (schema, is_new) = (&self.set.vocabulary.schema, stage.context.get().is_none());
        let context = stage.context.get_or_init(|| context(&stage.facts)).clone()?;
        // Every action has the same context, and who and what were compared with the schema: once for each context is enough.
        Request::new(principal, action, resource, context, is_new.then_some(schema)).map_err(|error| error.to_string())
    }

    /// The caller, the actions and whatever is asked about; each once, with everything above it. Of other things nothing is known.
    fn entities(&self, layer: usize, all: &[Asked<'a>]) -> Result<Entities, Fault> {
        let tags = self.principal.facts.iter().map(|(name, value)| (name.clone(), RestrictedExpression::new_string(value.clone())));
        let mut entities = vec![self.member.entity(self.set, &self.attributes, tags.collect())?];
        let mut named = HashSet::new();
        for asked in all.iter().filter(|asked| asked.layer == layer) {
            if named.insert((asked.member.kind, asked.member.id.as_ref())) {
                entities.push(asked.member.entity(self.set, &self.cast.attributes(&asked.question), Vec::new())?);
            }
        }
        let actions: HashSet<&str> = all.iter().map(|asked| asked.question.action.as_str()).collect();
        entities.extend(actions.into_iter().filter_map(|name| self.set.vocabulary.action(name)).map(|action| action.entity.clone()));
        Entities::from_entities(entities, None).map_err(|error| error.to_string())
    }
}

/// What one question sees.
struct Seen<'s, 'a> {
    hearing: &'s Hearing<'a>,
    stage: &'s Stage<'a>,
    asked: &'s Asked<'a>,
}

impl Scene for Seen<'_, '_> {
    fn fact(&self, root: Root) -> &Fact<'_> {
        match root {
            Root::Context => &self.stage.facts,
            Root::Principal => &self.hearing.attributes,
            Root::Resource => self.asked.attributes.get_or_init(|| self.hearing.cast.attributes(&self.asked.question)),
        }
    }

    fn member(&self, root: Root) -> Option<&Member<'_>> {
        match root {
            Root::Context => None,
            Root::Principal => Some(&self.hearing.member),
            Root::Resource => Some(&self.asked.member),
        }
    }

    fn asks(&self, action: &str, within: bool) -> bool {
        let asked = self.asked.question.action.as_str();
        let groups = || self.hearing.set.vocabulary.action(asked).into_iter().flat_map(|known| &known.groups);
        asked == action || within && groups().any(|group| group.id().unescaped() == action)
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.hearing.principal.facts.get(name).map(String::as_str)
    }
}

fn context(facts: &Fact<'_>) -> Result<Context, Fault> {
    Context::from_pairs(facts.fields()?).map_err(|error| error.to_string())
}
