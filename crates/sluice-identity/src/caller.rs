//! MINT: `Caller`. It is made here alone, out of claims that a signature has been verified for, and each way asks for revocations.
//!
//! `Principal` says who someone is; a `Caller` is the proof that this one is calling.

use crate::access;
use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::delegation;
use crate::issued::{self, IssuedCredential, Purpose};
use crate::issuer::{Exchanges, Issuer};
use crate::judgement::{self, Judged, Standing};
use crate::refusal::{Reason, Refusal};
use crate::replay::Spent;
use crate::revocation::Revocations;
use crate::settings::AccessSettings;
use crate::signature::Signed;
use sluice_model::{Actor, Asserted, Delegation, Delegator, Principal};
use std::collections::BTreeSet;

#[derive(Debug)]
pub struct Caller {
    principal: Principal,
    asserted: Asserted,
    token: TokenFacts,
    /// Those spent on acting for someone, as `issuer#jti`.
    spent: BTreeSet<String>,
    session: Option<Session>,
    exchanges: Exchanges,
    /// When whoever it is ends: no session outlives it.
    ends_at: Option<u64>,
}

/// What a record says about the token, which itself is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenFacts {
    /// `iss`. Where the caller acts for someone, the principal's own issuer can be another.
    pub issuer: String,
    /// `jti`.
    pub id: Option<String>,
    /// SHA-256 of the signed part.
    pub digest: [u8; 32],
    pub key_id: String,
    pub algorithm: Algorithm,
    /// SHA-256 of the key set that it was verified with.
    pub keys_digest: [u8; 32],
    pub issued_at: u64,
    pub expires_at: u64,
}

/// Of a caller who came with an access token of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    /// No token of the session outlives it.
    pub ends_at: u64,
    /// The token that it began with, as `TokenFacts::digest`.
    pub origin: [u8; 32],
    /// The tokens that were spent on it, as `issuer#jti`: calling one of them off ends the session.
    pub tokens: BTreeSet<String>,
}

impl Caller {
    pub(crate) fn from_outside(signed: &Signed, issuer: &Issuer, revocations: &Revocations, now: u64) -> Result<Caller, Reason> {
        let Judged { principal, asserted, standing } = judgement::judge(&signed.header().media_type, signed.claims(), issuer, now)?;
        let token = TokenFacts::new(signed, &issuer.url, standing);
        revocations.check(&principal, &token)?;
        let (spent, exchanges) = (BTreeSet::new(), issuer.exchanges);
        Ok(Caller { principal, asserted, token, spent, session: None, exchanges, ends_at: None })
    }

    /// `issuer` is the gateway itself.
    pub(crate) fn from_issued(
        signed: &Signed,
        credential: &IssuedCredential,
        purpose: Purpose,
        issuer: &str,
        revocations: &Revocations,
        now: u64,
    ) -> Result<Caller, Reason> {
        let judged = issued::judge(&signed.header().media_type, signed.claims(), credential, purpose, issuer, now)?;
        let token = TokenFacts::new(signed, credential.address(), judged.standing);
        revocations.check(&judged.principal, &token)?;
        Ok(Caller {
            principal: judged.principal,
            asserted: Asserted::default(),
            token,
            spent: BTreeSet::new(),
            session: None,
            exchanges: credential.registration().exchanges,
            ends_at: Some(credential.registration().not_after),
        })
    }

    pub(crate) fn from_own(signed: &Signed, settings: &AccessSettings, revocations: &Revocations, now: u64) -> Result<Caller, Reason> {
        let (mut principal, session, standing) = access::judge(&signed.header().media_type, signed.claims(), settings, now)?;
        let token = TokenFacts::new(signed, &settings.issuer, standing);
        revocations.check(&principal, &token)?;
        revocations.check_session(&session)?;
        principal.grants.retain(|grant| grant.expires_at > now && !revocations.ends_grant(&grant.id));
        Ok(Caller {
            principal,
            asserted: Asserted::default(),
            token,
            spent: BTreeSet::new(),
            session: Some(session),
            exchanges: Exchanges::Once,
            ends_at: None,
        })
    }

    /// The same up to `late_seconds_max` after the token's end. What was called off since is called off, and grants that ended are gone.
    pub(crate) fn from_own_late(
        signed: &Signed,
        settings: &AccessSettings,
        revocations: &Revocations,
        late_seconds_max: u64,
        now: u64,
    ) -> Result<Caller, Reason> {
        let expires_at = Claims::new(signed.claims()).seconds("exp")?;
        if now < expires_at {
            return Caller::from_own(signed, settings, revocations, now);
        }
        if now - expires_at > late_seconds_max {
            return Err(Reason::Expired { expires_at, now });
        }
        let mut caller = Caller::from_own(signed, settings, revocations, expires_at.saturating_sub(1))?;
        caller.principal.grants.retain(|grant| grant.expires_at > now);
        Ok(caller)
    }

    /// The caller, now acting for another whose token has been spent on it. It keeps its own groups; an exchange gives it the session.
    pub fn acting_for(self, subject: &Caller, spent: Spent) -> Result<Caller, Refusal> {
        let issuer = Some(self.token.issuer.clone());
        self.joined(subject, &spent).map_err(|reason| Refusal { reason, issuer, audiences: Vec::new() })
    }

    fn joined(self, subject: &Caller, spent: &Spent) -> Result<Caller, Reason> {
        if self.principal.delegation.is_some() || self.session.is_some() || !spent.is_of(subject) {
            return Err(Reason::ActorRefused);
        }
        let other = &subject.principal;
        let delegation = match &other.delegation {
            None => Delegation { on_behalf_of: delegator(other), through: Vec::new() },
            Some(before) => {
                let last = Actor { issuer: other.issuer.clone(), subject: other.subject.clone() };
                Delegation {
                    on_behalf_of: before.on_behalf_of.clone(),
                    through: std::iter::once(last).chain(before.through.clone()).collect(),
                }
            }
        };
        let mut principal = self.principal;
        principal.delegation = Some(delegation);
        delegation::check(&principal)?;
        let mut token = self.token;
        token.expires_at = token.expires_at.min(subject.token.expires_at);
        let spent = self.spent.into_iter().chain(subject.spent_tokens()).collect();
        let ends_at = self.ends_at.into_iter().chain(subject.ends_at).min();
        Ok(Caller { principal, asserted: self.asserted, token, spent, session: self.session, exchanges: self.exchanges, ends_at })
    }

    /// What has been called off since the caller was let in. For what takes longer than a request: rows that are still on their way.
    pub fn still_stands(&self, revocations: &Revocations) -> Result<(), Refusal> {
        let session = self.session.as_ref().map_or(Ok(()), |session| revocations.check_session(session));
        let checked = revocations.check(&self.principal, &self.token).and(session);
        checked.map_err(|reason| Refusal { reason, issuer: Some(self.token.issuer.clone()), audiences: Vec::new() })
    }

    /// Whether the token serves still, of a request that goes on for long.
    pub fn still_lasts(&self, now: u64) -> Result<(), Refusal> {
        let expires_at = self.token.expires_at;
        if now < expires_at.saturating_add(judgement::LEEWAY_SECONDS) {
            return Ok(());
        }
        Err(Refusal { reason: Reason::Expired { expires_at, now }, issuer: Some(self.token.issuer.clone()), audiences: Vec::new() })
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// For the record alone.
    pub fn asserted(&self) -> &Asserted {
        &self.asserted
    }

    pub fn token(&self) -> &TokenFacts {
        &self.token
    }

    pub fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    pub(crate) fn exchanges(&self) -> Exchanges {
        self.exchanges
    }

    pub(crate) fn ends_at(&self) -> Option<u64> {
        self.ends_at
    }

    /// Its own and those behind it, as far as they have a `jti`.
    pub(crate) fn spent_tokens(&self) -> BTreeSet<String> {
        self.spent.iter().cloned().chain(self.token.named()).collect()
    }
}

impl TokenFacts {
    /// As revocations name it.
    pub(crate) fn named(&self) -> Option<String> {
        self.id.as_ref().map(|id| format!("{}#{id}", self.issuer))
    }

    fn new(signed: &Signed, issuer: &str, standing: Standing) -> TokenFacts {
        TokenFacts {
            issuer: issuer.to_owned(),
            id: standing.token_id,
            digest: signed.digest(),
            key_id: signed.header().key_id.clone(),
            algorithm: signed.header().algorithm,
            keys_digest: signed.keys_digest(),
            issued_at: standing.issued_at,
            expires_at: standing.expires_at,
        }
    }
}

fn delegator(principal: &Principal) -> Delegator {
    Delegator {
        kind: principal.kind,
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
        name: principal.name.clone(),
        groups: principal.groups.clone(),
    }
}
