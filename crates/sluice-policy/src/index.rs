//! Which policies can say anything about a question, found without asking the others.
//!
//! Policies are kept by action, principal and resource of their heads. What is left out could not have applied: its head names an
//! action, a principal or a resource that is not in the question. Whatever is left in, Cedar itself judges, head and all.

use crate::schema::{Action, Vocabulary};
use crate::set::Rule;
use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint, ResourceConstraint};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub(crate) struct Index {
    scopes: HashMap<Scope, ScopeId>,
    by_action: HashMap<String, HashMap<(ScopeId, ScopeId), Bucket>>,
}

/// What a head asks of a principal or a resource, as far as it is kept apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Scope {
    Type(EntityTypeName),
    Within(EntityUid),
}

pub(crate) type ScopeId = u32;
/// Heads that ask nothing.
const ANY: ScopeId = 0;

/// Policies with the same head. Those that read the dry run are kept apart: they say nothing before there is one.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    pub permits: PolicySet,
    pub forbids: PolicySet,
    pub later_permits: PolicySet,
    pub later_forbids: PolicySet,
}

impl Index {
    pub fn build(policies: &[(Policy, Rule)], vocabulary: &Vocabulary) -> Result<Index, String> {
        let mut index = Index::default();
        for (policy, rule) in policies {
            let principal = index.learn(match policy.principal_constraint() {
                PrincipalConstraint::Any => None,
                PrincipalConstraint::Is(kind) => Some(Scope::Type(kind)),
                PrincipalConstraint::In(uid) | PrincipalConstraint::Eq(uid) | PrincipalConstraint::IsIn(_, uid) => Some(Scope::Within(uid)),
            });
            let resource = index.learn(match policy.resource_constraint() {
                ResourceConstraint::Any => None,
                ResourceConstraint::Is(kind) => Some(Scope::Type(kind)),
                ResourceConstraint::In(uid) | ResourceConstraint::Eq(uid) | ResourceConstraint::IsIn(_, uid) => Some(Scope::Within(uid)),
            });
            let constraint = policy.action_constraint();
            for (name, _) in vocabulary.actions().filter(|(_, action)| names(&constraint, action)) {
                let buckets = index.by_action.entry(name.to_owned()).or_default();
                buckets.entry((principal, resource)).or_default().add(policy, rule)?;
            }
        }
        Ok(index)
    }

    /// The ids of the scopes that an entity is in, for those that any head asks about.
    pub fn scopes<'a>(&self, kind: &EntityTypeName, within: impl Iterator<Item = &'a EntityUid>) -> Vec<ScopeId> {
        let known = |scope: &Scope| self.scopes.get(scope).copied();
        let mut ids = vec![ANY];
        ids.extend(known(&Scope::Type(kind.clone())));
        ids.extend(within.filter_map(|uid| known(&Scope::Within(uid.clone()))));
        ids
    }

    /// Every bucket that can say anything about an action, a principal in these scopes and a resource in those.
    pub fn buckets<'a>(&'a self, action: &str, principal: &'a [ScopeId], resource: &'a [ScopeId]) -> impl Iterator<Item = &'a Bucket> {
        let buckets = self.by_action.get(action);
        let pairs = principal.iter().flat_map(move |one| resource.iter().map(move |other| (*one, *other)));
        pairs.filter_map(move |pair| buckets?.get(&pair))
    }

    fn learn(&mut self, scope: Option<Scope>) -> ScopeId {
        let Some(scope) = scope else { return ANY };
        let next = ScopeId::try_from(self.scopes.len() + 1).unwrap_or(ScopeId::MAX);
        *self.scopes.entry(scope).or_insert(next)
    }
}

impl Bucket {
    fn add(&mut self, policy: &Policy, rule: &Rule) -> Result<(), String> {
        let set = match (rule.forbids, rule.asks_for_cost) {
            (false, false) => &mut self.permits,
            (false, true) => &mut self.later_permits,
            (true, false) => &mut self.forbids,
            (true, true) => &mut self.later_forbids,
        };
        set.add(policy.clone()).map_err(|error| error.to_string())
    }
}

fn names(constraint: &ActionConstraint, action: &Action) -> bool {
    let is_within = |uid: &EntityUid| *uid == action.uid || action.groups.contains(uid);
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => *uid == action.uid,
        ActionConstraint::In(uids) => uids.iter().any(is_within),
    }
}
