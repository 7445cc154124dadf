//! Credentials that the gateway issues by itself: files in the form of a service account's, for clients that can do no other. Whoever has such a file
//! signs with its private key; what is kept here is the public part, and all that is to be known of the holder.

mod judge;

pub use judge::judge;

use crate::access::AccessTokens;
use crate::algorithm::Algorithm;
use crate::caller::Caller;
use crate::claims::is_plain;
use crate::issuer::Exchanges;
use crate::keys::KeySet;
use crate::refusal::{Reason, Refusal};
use crate::revocation::Revocations;
use crate::settings::url_fault;
use crate::signature::Signed;
use crate::token::Compact;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};
use sluice_model::CallerKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How every address of a holder ends: no name of the internet does (RFC 6761).
pub const ISSUED_ADDRESS_END: &str = ".sluice.invalid";
pub const ISSUED_NAME_BYTES_MAX: usize = 64;
pub const ISSUED_GROUPS_MAX: usize = 32;
/// From its issue to its end.
pub const ISSUED_SECONDS_MAX: u64 = 366 * 24 * 3600;
/// As many as Google's own identifiers of private keys have.
const KEY_ID_DIGITS: usize = 40;

/// What is set down when a credential is issued. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// With the project it makes the holder's address, `NAME@PROJECT.sluice.invalid`.
    pub name: String,
    pub project: String,
    pub kind: CallerKind,
    pub groups: BTreeSet<String>,
    /// Where the file says that tokens are to be had: whom assertions are for.
    pub token_url: String,
    /// Whose names its clients dial, where they are not Google's.
    pub universe_domain: Option<String>,
    pub exchanges: Exchanges,
    /// Of the RSA key, the first byte first. The exponent is 65537.
    pub modulus: Vec<u8>,
    pub issued_at: u64,
    pub not_after: u64,
}

/// A registration that holds together, with its key.
#[derive(Debug)]
pub struct IssuedCredential {
    registration: Registration,
    id: String,
    address: String,
    keys: KeySet,
}

/// All that were ever issued, as far as they are on record; those that were revoked stay in it, to be refused by that name.
#[derive(Debug, Default)]
pub struct IssuedCredentials {
    by_id: BTreeMap<String, (IssuedCredential, bool)>,
}

/// What is wrong with a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFault(pub String);

/// A token that says it was signed with an issued credential's key. Nothing of it is believed yet.
#[derive(Debug)]
pub struct IssuedToken<'a> {
    pub(crate) token: Compact<'a>,
    pub(crate) access: &'a AccessTokens,
}

/// What such a token was signed for. One serves for one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be exchanged for an access token of the gateway's (RFC 7523).
    Assertion,
    /// To be sent with each request, by clients that ask nobody for a token.
    Request,
}

impl Registration {
    pub fn address(&self) -> String {
        format!("{}@{}{ISSUED_ADDRESS_END}", self.name, self.project)
    }

    /// Of the key, and so of the file and its holder: never given again.
    pub fn id(&self) -> String {
        let digits = Sha256::digest(&self.modulus).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
        digits.chars().take(KEY_ID_DIGITS).collect()
    }

    fn check(&self) -> Result<(), String> {
        let is_part = |text: &str| {
            let plain = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
            plain && text.len() <= ISSUED_NAME_BYTES_MAX && text.starts_with(|first: char| first.is_ascii_lowercase())
        };
        for (what, text) in [("name", &self.name), ("project", &self.project)] {
            if !is_part(text) {
                return Err(format!("`{text}` is no {what}: small letters, digits and `-`, at most {ISSUED_NAME_BYTES_MAX}"));
            }
        }
        if self.kind == CallerKind::Person {
            return Err("a file is no person: agent, pipeline or service".to_owned());
        }
        if self.groups.len() > ISSUED_GROUPS_MAX || !self.groups.iter().all(|group| is_plain(group)) {
            return Err(format!("at most {ISSUED_GROUPS_MAX} groups, each a short text of visible characters"));
        }
        if !is_plain(&self.token_url) || !is_token_url(&self.token_url) {
            return Err(format!("`{}` is no address for tokens: https, or http on this machine", self.token_url));
        }
        if self.universe_domain.as_ref().is_some_and(|domain| url_fault(&format!("https://{domain}")).is_some() || domain.contains('/')) {
            return Err("the universe domain is a name in small letters".to_owned());
        }
        let seconds = self.not_after.saturating_sub(self.issued_at);
        if seconds == 0 || seconds > ISSUED_SECONDS_MAX {
            return Err(format!("it ends after at least a second and at most {} days", ISSUED_SECONDS_MAX / (24 * 3600)));
        }
        Ok(())
    }

    fn published_key(&self) -> String {
        let modulus = URL_SAFE_NO_PAD.encode(&self.modulus);
        let key = json!({ "kty": "RSA", "use": "sig", "alg": Algorithm::Rs256.word(), "kid": self.id(), "n": modulus, "e": "AQAB" });
        json!({ "keys": [key] }).to_string()
    }
}

impl IssuedCredential {
    pub fn new(registration: Registration) -> Result<IssuedCredential, IssuedFault> {
        registration.check().map_err(IssuedFault)?;
        let keys = KeySet::read(registration.published_key().as_bytes()).map_err(|fault| IssuedFault(fault.to_string()))?;
        Ok(IssuedCredential { id: registration.id(), address: registration.address(), keys, registration })
    }

    /// The holder's subject, and the key's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn registration(&self) -> &Registration {
        &self.registration
    }
}

impl IssuedCredentials {
    /// Each with whether it is revoked.
    pub fn new(credentials: impl IntoIterator<Item = (IssuedCredential, bool)>) -> IssuedCredentials {
        IssuedCredentials {
            by_id: credentials.into_iter().map(|(credential, revoked)| (credential.id.clone(), (credential, revoked))).collect(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    fn find(&self, key_id: &str) -> Option<&(IssuedCredential, bool)> {
        self.by_id.get(key_id)
    }
}

impl IssuedToken<'_> {
    pub fn verify(self, purpose: Purpose, issued: &IssuedCredentials, revocations: &Revocations, now: u64) -> Result<Caller, Refusal> {
        let issuer = &self.access.settings().issuer;
        // Up to the signature nobody learns which keys there are.
        let refuse = |reason, audiences| Refusal { reason, issuer: Some(issuer.clone()), audiences };
        let key_id = self.token.header.key_id.clone();
        let Some((credential, is_revoked)) = issued.find(&key_id) else { return Err(refuse(Reason::KeyUnknown(key_id), Vec::new())) };
        let algorithms = BTreeSet::from([Algorithm::Rs256]);
        let signed = Signed::verify(self.token, &credential.keys, &algorithms).map_err(|reason| refuse(reason, Vec::new()))?;
        let audiences = || judge::audiences(credential.registration(), purpose).into_iter().collect();
        if *is_revoked {
            return Err(refuse(Reason::CredentialRevoked, audiences()));
        }
        Caller::from_issued(&signed, credential, purpose, issuer, revocations, now).map_err(|reason| refuse(reason, audiences()))
    }

    /// Where such a token is not what was asked for.
    pub fn refuse(self, reason: Reason) -> Refusal {
        Refusal { reason, issuer: Some(self.access.settings().issuer.clone()), audiences: Vec::new() }
    }
}

/// Without TLS on this machine alone, as the door that it leads to.
fn is_token_url(url: &str) -> bool {
    match url.strip_prefix("http://") {
        Some(rest) => {
            let is_local = rest.starts_with("127.0.0.1:") || rest.starts_with("localhost:");
            is_local && url_fault(&format!("https://{rest}")).is_none()
        }
        None => url_fault(url).is_none(),
    }
}

impl fmt::Display for IssuedFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for IssuedFault {}
