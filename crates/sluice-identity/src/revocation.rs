//! What has been called off. Whoever keeps it durable hands in the current state with each token, so a revocation takes effect on the next request.

use crate::caller::{Session, TokenFacts};
use crate::refusal::Reason;
use sluice_model::Principal;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    pub sessions: BTreeSet<String>,
    /// `issuer#jti`. Of a token that was exchanged: the session that it began.
    pub tokens: BTreeSet<String>,
    pub grants: BTreeSet<String>,
    /// `issuer#subject` -> tokens issued up to this moment are void; `u64::MAX` shuts someone out for good.
    pub principals: BTreeMap<String, u64>,
    /// For everyone.
    pub issued_until: Option<u64>,
}

impl Revocations {
    /// The caller, the one it acts for, and every hand between: an agent does not outlive the trust in its person.
    pub(crate) fn check(&self, principal: &Principal, token: &TokenFacts) -> Result<(), Reason> {
        let issued_at = token.issued_at;
        if self.issued_until.is_some_and(|until| issued_at <= until) {
            return Err(Reason::Revoked("every token up to a moment".to_owned()));
        }
        if let Some(named) = token.named().filter(|named| self.tokens.contains(named)) {
            return Err(Reason::Revoked(named));
        }
        match principal.everyone().find(|name| self.principals.get(name).is_some_and(|until| issued_at <= *until)) {
            Some(name) => Err(Reason::Revoked(name)),
            None => Ok(()),
        }
    }

    pub(crate) fn check_session(&self, session: &Session) -> Result<(), Reason> {
        if self.sessions.contains(&session.id) {
            return Err(Reason::Revoked(format!("session {}", session.id)));
        }
        match session.tokens.iter().find(|token| self.tokens.contains(*token)) {
            Some(token) => Err(Reason::Revoked(token.clone())),
            None => Ok(()),
        }
    }

    pub(crate) fn ends_grant(&self, id: &str) -> bool {
        self.grants.contains(id)
    }
}
