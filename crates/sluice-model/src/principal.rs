//! Who someone is, in the words of policy and of evidence. It is data and proves nothing: `sluice_identity::Caller` does.
//!
//! Everything in here was signed by an issuer. What a client merely says is `Asserted`, a type of its own, so that no policy can read it by mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How many hands a request may pass through between the person it is for and the gateway.
pub const DELEGATION_DEPTH_MAX: usize = 4;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub kind: CallerKind,
    /// The URL of the issuer, letter by letter as it is configured. A subject means something together with it only.
    pub issuer: String,
    /// Never given to anyone else by its issuer: `repository:456789`, not a name that can be registered again.
    pub subject: String,
    /// For people to read. It can change, and it can come to mean someone else: never decide by it.
    pub name: String,
    pub groups: BTreeSet<String>,
    /// Of a pipeline.
    pub run: Option<Run>,
    /// What else the issuer signed, by names that `docs/identity.md` lists: `namespace`, `pod`, `tenant` ...
    pub facts: BTreeMap<String, String>,
    /// Whom it acts for. Its own groups are then its own and not those of that person.
    pub delegation: Option<Delegation>,
    /// Just-in-time grants that its token carries and that have not ended.
    pub grants: Vec<Grant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallerKind {
    /// A program that decides by itself what to ask.
    Agent,
    Person,
    /// A job of a CI system.
    Pipeline,
    /// A program that does what it was written to do.
    Service,
}

/// What a CI system signed about the run that calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Who started it, by name and by a number that is never given again.
    pub actor: Option<String>,
    pub actor_id: Option<String>,
    pub attempt: Option<String>,
    pub commit: Option<String>,
    pub environment: Option<String>,
    /// What started it: `push`, `schedule` ...
    pub event: Option<String>,
    pub job: Option<String>,
    pub owner_id: Option<String>,
    pub pipeline: Option<String>,
    /// Whether the branch or tag is protected; nothing where the issuer does not say.
    pub protected: Option<bool>,
    /// The branch or tag, as `refs/heads/main` or as the issuer writes it.
    pub reference: Option<String>,
    pub repository: Option<String>,
    pub repository_id: Option<String>,
    pub run: Option<String>,
    /// Whose machine it runs on: `github-hosted`, `self-hosted` ...
    pub runner: Option<String>,
    pub workflow: Option<String>,
    pub workflow_commit: Option<String>,
}

/// The one at the start of the chain, and the hands between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    pub on_behalf_of: Delegator,
    /// From the one whom the caller had it from to the one nearest to `on_behalf_of`. Usually empty.
    pub through: Vec<Actor>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegator {
    pub kind: CallerKind,
    pub issuer: String,
    pub subject: String,
    pub name: String,
    pub groups: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Actor {
    pub issuer: String,
    pub subject: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub id: String,
    /// Seconds since 1970.
    pub expires_at: u64,
}

/// What a client says of itself: job labels, headers, an application's name. For the record and for nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asserted(pub BTreeMap<String, String>);

impl Principal {
    /// How many hands the request went through, the caller's own included: 0 where nobody is acted for.
    pub fn delegation_depth(&self) -> usize {
        self.delegation.as_ref().map_or(0, |delegation| delegation.through.len() + 1)
    }

    /// The caller, every hand between, and the one it acts for: as `issuer#subject`. Whoever stops one of them stops the request.
    pub fn everyone(&self) -> impl Iterator<Item = String> {
        let delegated = self.delegation.iter().flat_map(|delegation| {
            let hands = delegation.through.iter().map(|actor| format!("{}#{}", actor.issuer, actor.subject));
            hands.chain(std::iter::once(delegation.on_behalf_of.to_string()))
        });
        std::iter::once(self.to_string()).chain(delegated)
    }
}

impl CallerKind {
    pub const ALL: [CallerKind; 4] = [CallerKind::Agent, CallerKind::Person, CallerKind::Pipeline, CallerKind::Service];

    pub fn word(self) -> &'static str {
        match self {
            CallerKind::Agent => "agent",
            CallerKind::Person => "person",
            CallerKind::Pipeline => "pipeline",
            CallerKind::Service => "service",
        }
    }

    pub fn parse(word: &str) -> Option<CallerKind> {
        CallerKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for CallerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One text for issuer and subject. No issuer holds a `#`: configuration refuses URLs with a fragment.
impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.issuer, self.subject)
    }
}

impl fmt::Display for Delegator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}#{}", self.issuer, self.subject)
    }
}
