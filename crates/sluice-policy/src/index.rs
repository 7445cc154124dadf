//! Which rules have a head that fits a question, found without looking at the others.
//!
//! Rules are kept by action, principal and resource of their heads, each exactly as it is written: `==`, `in`, `is`, `is .. in`. So a head
//! is judged here; whatever stands behind it, Cedar judges.

use crate::cast::Member;
use crate::schema::{Action, Vocabulary};
use crate::set::Rule;
use cedar_policy::{ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Default)]
pub(crate) struct Index {
    scopes: Scopes,
    by_action: HashMap<String, Heads>,
}

/// Rules by what their heads ask of principal and resource.
type Heads = HashMap<(ScopeId, ScopeId), Vec<Arc<Rule>>>;

/// What a head asks of a principal or a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Scope {
    Any,
    Exactly { kind: String, id: String },
    Type(String),
    TypeWithin { kind: String, within: (String, String) },
    Within { kind: String, id: String },
}

/// A number for every scope that a head names.
#[derive(Debug, Default)]
struct Scopes {
    count: ScopeId,
    exactly: Names<ScopeId>,
    types: HashMap<String, ScopeId>,
    within: Names<Within>,
}

/// By kind, then by id: found without putting the two together first.
type Names<T> = HashMap<String, HashMap<String, T>>;

#[derive(Debug, Default)]
struct Within {
    any: Option<ScopeId>,
    /// `is Agent in Group::"a"`, by the type.
    types: HashMap<String, ScopeId>,
}

pub(crate) type ScopeId = u32;
/// Heads that ask nothing.
const ANY: ScopeId = 0;

impl Index {
    pub fn build<'a>(rules: impl Iterator<Item = (&'a Policy, &'a Arc<Rule>)>, vocabulary: &Vocabulary) -> Index {
        let mut index = Index::default();
        for (policy, rule) in rules {
            let principal = index.scopes.learn(match policy.principal_constraint() {
                PrincipalConstraint::Any => Scope::Any,
                PrincipalConstraint::Eq(uid) => Scope::exactly(&uid),
                PrincipalConstraint::In(uid) => Scope::within(&uid),
                PrincipalConstraint::Is(kind) => Scope::Type(kind.to_string()),
                PrincipalConstraint::IsIn(kind, uid) => Scope::type_within(&kind, &uid),
            });
            let resource = index.scopes.learn(match policy.resource_constraint() {
                ResourceConstraint::Any => Scope::Any,
                ResourceConstraint::Eq(uid) => Scope::exactly(&uid),
                ResourceConstraint::In(uid) => Scope::within(&uid),
                ResourceConstraint::Is(kind) => Scope::Type(kind.to_string()),
                ResourceConstraint::IsIn(kind, uid) => Scope::type_within(&kind, &uid),
            });
            let constraint = policy.action_constraint();
            for (name, _) in vocabulary.actions().filter(|(_, action)| names(&constraint, action)) {
                let heads = index.by_action.entry(name.to_owned()).or_default();
                heads.entry((principal, resource)).or_default().push(rule.clone());
            }
        }
        index
    }

    /// The scopes that a member is in, of those that any head asks about.
    pub fn scopes(&self, member: &Member<'_>) -> Vec<ScopeId> {
        let scopes = &self.scopes;
        let mut ids = vec![ANY];
        ids.extend(scopes.types.get(member.kind));
        ids.extend(scopes.exactly.get(member.kind).and_then(|ids| ids.get(member.id.as_ref())));
        // `in` holds of the thing itself too.
        let own = (member.kind, member.id.as_ref());
        for (kind, id) in member.above.iter().map(|(kind, id)| (*kind, id.as_ref())).chain([own]) {
            if let Some(within) = scopes.within.get(kind).and_then(|names| names.get(id)) {
                ids.extend(within.any);
                ids.extend(within.types.get(member.kind));
            }
        }
        ids
    }

    /// Every rule whose head fits an action, a principal in these scopes and a resource in those.
    pub fn rules<'a>(&'a self, action: &str, principal: &'a [ScopeId], resource: &'a [ScopeId]) -> impl Iterator<Item = &'a Arc<Rule>> {
        let heads = self.by_action.get(action);
        let pairs = principal.iter().flat_map(move |one| resource.iter().map(move |other| (*one, *other)));
        pairs.filter_map(move |pair| heads?.get(&pair)).flatten()
    }
}

impl Scope {
    fn exactly(uid: &EntityUid) -> Scope {
        let (kind, id) = named(uid);
        Scope::Exactly { kind, id }
    }

    fn within(uid: &EntityUid) -> Scope {
        let (kind, id) = named(uid);
        Scope::Within { kind, id }
    }

    fn type_within(kind: &EntityTypeName, uid: &EntityUid) -> Scope {
        Scope::TypeWithin { kind: kind.to_string(), within: named(uid) }
    }
}

impl Scopes {
    /// The same number for the same scope.
    fn learn(&mut self, scope: Scope) -> ScopeId {
        let next = self.count.saturating_add(1);
        let id = match scope {
            Scope::Any => return ANY,
            Scope::Exactly { kind, id } => *self.exactly.entry(kind).or_default().entry(id).or_insert(next),
            Scope::Type(kind) => *self.types.entry(kind).or_insert(next),
            Scope::TypeWithin { kind, within: (above, id) } => {
                *self.within.entry(above).or_default().entry(id).or_default().types.entry(kind).or_insert(next)
            }
            Scope::Within { kind, id } => *self.within.entry(kind).or_default().entry(id).or_default().any.get_or_insert(next),
        };
        self.count = self.count.max(id);
        id
    }
}

fn named(uid: &EntityUid) -> (String, String) {
    (uid.type_name().to_string(), uid.id().unescaped().to_owned())
}

fn names(constraint: &ActionConstraint, action: &Action) -> bool {
    let is_within = |uid: &EntityUid| *uid == action.uid || action.groups.contains(uid);
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => *uid == action.uid,
        ActionConstraint::In(uids) => uids.iter().any(is_within),
    }
}
