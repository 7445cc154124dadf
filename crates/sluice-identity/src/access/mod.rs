//! The gateway's own tokens: short-lived, bound to a session, carrying grants. Whoever holds one was verified when it was issued,
//! and it says all of what was found then, so that any replica can read it without asking the issuer again.

mod claims;
mod key;

pub use claims::judge;
pub use key::{PublicKey, SigningKey, SigningKeyFault};

use crate::algorithm::Algorithm;
use crate::caller::{Caller, Session};
use crate::keys::KeySet;
use crate::refusal::{Reason, Refusal};
use crate::replay::Spent;
use crate::settings::AccessSettings;
use crate::token::TOKEN_BYTES_MAX;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sluice_model::Grant;
use std::collections::BTreeSet;
use std::fmt;

pub const MEDIA_TYPE: &str = "at+jwt";
const GRANTS_MAX: usize = 32;

pub struct AccessTokens {
    settings: AccessSettings,
    key: SigningKey,
    keys: KeySet,
    published: String,
}

/// What comes from outside because nothing random is made here. Both identifiers must be unguessable and never used before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub token_id: String,
    pub session_id: String,
}

/// A secret: it does not show itself.
pub struct AccessToken {
    text: String,
    pub session: Session,
    pub expires_at: u64,
}

impl AccessTokens {
    /// `earlier` are keys of before a rotation, whose last tokens have not ended.
    pub fn new(settings: AccessSettings, key: SigningKey, earlier: &[PublicKey]) -> Result<AccessTokens, SigningKeyFault> {
        let public: Vec<serde_json::Value> = std::iter::once(key.public()).chain(earlier).map(PublicKey::published).collect();
        let published = json!({ "keys": public }).to_string();
        let keys = KeySet::read(published.as_bytes()).map_err(|_| SigningKeyFault::Twice)?;
        Ok(AccessTokens { settings, key, keys, published })
    }

    pub fn settings(&self) -> &AccessSettings {
        &self.settings
    }

    /// The key set as other readers of these tokens fetch it.
    pub fn published_keys(&self) -> &str {
        &self.published
    }

    /// Begins a session. The caller's token has been spent on it.
    pub fn begin(&self, caller: &Caller, spent: Spent, ticket: Ticket, now: u64) -> Result<AccessToken, Refusal> {
        if caller.session().is_some() || !spent.is_of(caller) {
            return Err(self.refusal(Reason::OwnTokenRefused));
        }
        let ends_at = caller.ends_at().into_iter().chain([now + self.settings.session_seconds]).min().unwrap_or(now);
        let session = Session { id: ticket.session_id, ends_at, origin: caller.token().digest, tokens: caller.spent_tokens() };
        self.issue(caller, session, &ticket.token_id, &caller.principal().grants, now)
    }

    /// Another token of the caller's session: near the end of the last, or after a grant. The session's end does not move.
    pub fn renew(&self, caller: &Caller, token_id: &str, granted: &[Grant], now: u64) -> Result<AccessToken, Refusal> {
        let Some(session) = caller.session().filter(|session| session.ends_at > now) else {
            return Err(self.refusal(Reason::SessionEnded));
        };
        let live = caller.principal().grants.iter().chain(granted).filter(|grant| grant.expires_at > now);
        let grants: BTreeSet<Grant> = live.cloned().collect();
        let grants: Vec<Grant> = grants.into_iter().collect();
        self.issue(caller, session.clone(), token_id, &grants, now)
    }

    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    pub(crate) fn algorithms() -> BTreeSet<Algorithm> {
        BTreeSet::from([Algorithm::EdDsa])
    }

    fn issue(&self, caller: &Caller, session: Session, token_id: &str, grants: &[Grant], now: u64) -> Result<AccessToken, Refusal> {
        if grants.len() > GRANTS_MAX {
            return Err(self.refusal(Reason::TooManyGrants));
        }
        let expires_at = session.ends_at.min(now + self.settings.lifetime_seconds);
        let header = json!({ "alg": Algorithm::EdDsa.word(), "kid": self.key.public().id(), "typ": MEDIA_TYPE });
        let claims = claims::write(caller.principal(), grants, &session, &self.settings, token_id, now, expires_at);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let signature = self.key.sign(signed.as_bytes()).ok_or_else(|| self.refusal(Reason::SigningFailed))?;
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        if text.len() > TOKEN_BYTES_MAX {
            return Err(self.refusal(Reason::TokenTooLong { bytes: text.len() }));
        }
        Ok(AccessToken { text, session, expires_at })
    }

    fn refusal(&self, reason: Reason) -> Refusal {
        Refusal { reason, issuer: Some(self.settings.issuer.clone()), audiences: vec![self.settings.issuer.clone()] }
    }
}

impl AccessToken {
    /// For the answer to the caller, and for nothing else.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessToken").field("session", &self.session).field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AccessTokens").field("settings", &self.settings).field("keys", &self.keys).finish_non_exhaustive()
    }
}
