//! Who called: what was signed, what was only said, and the token by its digest. The token itself is never kept.

use super::{Content, sha256_text};
use crate::record::section::SectionId;
use serde::Serialize;
use sluice_model::principal::{Asserted, Delegation, Principal, Run};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    pub kind: &'static str,
    pub issuer: String,
    pub subject: String,
    pub name: String,
    pub groups: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub run: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// The person or program at the start of the chain first, the one nearest to the caller last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on_behalf_of: Vec<Hand>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<String>,
    /// Nobody signed this.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub asserted: BTreeMap<String, String>,
    pub token: Token,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hand {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    pub issuer: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<String>,
}

/// What was verified, by what, until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Token {
    pub issuer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub digest: String,
    pub key_id: String,
    pub algorithm: String,
    pub keys_digest: String,
    pub issued_at: u64,
    pub expires_at: u64,
}

/// Of a caller who came with an access token of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    pub id: String,
    pub ends_at: u64,
    /// Of the token that it began with.
    pub origin_digest: String,
}

impl Identity {
    pub fn of(principal: &Principal, asserted: &Asserted, token: Token, session: Option<Session>) -> Identity {
        let Principal { kind, issuer, subject, name, groups, run, facts, delegation, grants } = principal;
        Identity {
            kind: kind.word(),
            issuer: issuer.clone(),
            subject: subject.clone(),
            name: name.clone(),
            groups: groups.clone(),
            run: run.as_ref().map(run_facts).unwrap_or_default(),
            facts: facts.clone(),
            on_behalf_of: delegation.as_ref().map(hands).unwrap_or_default(),
            grants: grants.iter().map(|grant| grant.id.clone()).collect(),
            asserted: asserted.0.clone(),
            token,
            session,
        }
    }
}

impl Token {
    /// Digests as 32 bytes, the way that the verified token gives them.
    pub fn with_digests(mut self, token: &[u8; 32], keys: &[u8; 32]) -> Token {
        self.digest = sha256_text(token);
        self.keys_digest = sha256_text(keys);
        self
    }
}

impl Session {
    pub fn new(id: &str, ends_at: u64, origin: &[u8; 32]) -> Session {
        Session { id: id.to_owned(), ends_at, origin_digest: sha256_text(origin) }
    }
}

fn hands(delegation: &Delegation) -> Vec<Hand> {
    let Delegation { on_behalf_of, through } = delegation;
    let first = Hand {
        kind: Some(on_behalf_of.kind.word()),
        issuer: on_behalf_of.issuer.clone(),
        subject: on_behalf_of.subject.clone(),
        name: Some(on_behalf_of.name.clone()),
        groups: on_behalf_of.groups.clone(),
    };
    let between = through.iter().rev().map(|actor| Hand {
        kind: None,
        issuer: actor.issuer.clone(),
        subject: actor.subject.clone(),
        name: None,
        groups: BTreeSet::new(),
    });
    std::iter::once(first).chain(between).collect()
}

fn run_facts(run: &Run) -> BTreeMap<&'static str, String> {
    // Taken apart whole, so that a fact that is added to a run is not forgotten here.
    let Run {
        actor,
        actor_id,
        attempt,
        commit,
        environment,
        event,
        job,
        owner_id,
        pipeline,
        protected,
        reference,
        repository,
        repository_id,
        run,
        runner,
        workflow,
        workflow_commit,
    } = run;
    let protected = protected.map(|protected| protected.to_string());
    let facts = [
        ("actor", actor),
        ("actor_id", actor_id),
        ("attempt", attempt),
        ("commit", commit),
        ("environment", environment),
        ("event", event),
        ("job", job),
        ("owner_id", owner_id),
        ("pipeline", pipeline),
        ("protected", &protected),
        ("reference", reference),
        ("repository", repository),
        ("repository_id", repository_id),
        ("run", run),
        ("runner", runner),
        ("workflow", workflow),
        ("workflow_commit", workflow_commit),
    ];
    facts.into_iter().filter_map(|(name, fact)| fact.clone().map(|fact| (name, fact))).collect()
}

impl Content for Identity {
    const SECTION: SectionId = SectionId::Identity;
}
