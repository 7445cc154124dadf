//! Why a token is not a caller, and the two texts about it. The caller reads what would be accepted; only the operator reads what was found,
//! and before a signature has been verified the caller learns nothing about which rule failed.

use crate::replay::ReplayFault;
use crate::token::TOKEN_BYTES_MAX;
use std::fmt;

/// Enough to recognise a value by, too little to fill a log with.
const QUOTED_CHARACTERS_MAX: usize = 120;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// The configured name of the issuer, once it is known which one the token claims.
    pub issuer: Option<String>,
    pub audiences: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    ActorRefused,
    ActorTwice(String),
    AlgorithmRefused(String),
    AudienceRefused(String),
    BoundToken,
    ChainTooLong,
    ClaimMalformed { claim: String, expected: &'static str },
    ClaimMissing(String),
    ClaimsDisagree { claim: &'static str, with: &'static str },
    ClaimsMalformed(String),
    CredentialEnded { at: u64 },
    CredentialRevoked,
    EventRefused(String),
    Expired { expires_at: u64, now: u64 },
    ForkRefused,
    GroupsCut,
    HeaderMalformed(String),
    HeaderMemberRefused(String),
    IssuedInFuture { issued_at: u64, now: u64 },
    IssuerUnknown(String),
    KeyUnknown(String),
    KeysUnavailable(String),
    KindUnknown,
    LifetimeTooLong { seconds: u64, seconds_max: u64 },
    NotYetValid { from: u64, now: u64 },
    OwnTokenRefused,
    Replayed,
    ReplayStore(ReplayFault),
    RequirementMissed(String),
    Revoked(String),
    ScopeRefused(String),
    SessionEnded,
    SignatureWrong,
    SigningFailed,
    TokenMalformed(&'static str),
    TokenTooLong { bytes: usize },
    TooManyGrants,
    TypeRefused(String),
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Caller,
    /// The issuer's key server. Worth trying again.
    Issuer,
    Us,
}

/// What leaves the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicText(pub String);

/// What stands in the log and in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorText(pub String);

impl Refusal {
    pub fn fault(&self) -> Fault {
        match self.reason {
            Reason::KeysUnavailable(_) => Fault::Issuer,
            Reason::ReplayStore(_) | Reason::SigningFailed => Fault::Us,
            _ => Fault::Caller,
        }
    }

    /// `reference` is what the caller quotes to an operator; it comes from outside because nothing random is made here.
    pub fn public_text(&self, reference: &str) -> PublicText {
        PublicText(format!("{}; quote `{}` to the operator of this gateway", self.advice(), quoted(reference)))
    }

    pub fn operator_text(&self) -> OperatorText {
        let issuer = self.issuer.as_ref().map_or(String::new(), |name| format!("issuer `{}`: ", quoted(name)));
        OperatorText(format!("{issuer}{}", self.reason))
    }

    fn advice(&self) -> String {
        match &self.reason {
            Reason::AlgorithmRefused(_)
            | Reason::ClaimsMalformed(_)
            | Reason::HeaderMalformed(_)
            | Reason::HeaderMemberRefused(_)
            | Reason::IssuerUnknown(_)
            | Reason::KeyUnknown(_)
            | Reason::SignatureWrong
            | Reason::TokenMalformed(_)
            | Reason::TypeRefused(_) => format!("the token was not accepted: send one of a configured issuer, for {}", self.audience()),
            Reason::TokenTooLong { .. } => format!("the token was not accepted: at most {TOKEN_BYTES_MAX} bytes are"),
            Reason::TooManyGrants => "the session carries too many grants: begin a new one".to_owned(),
            Reason::AudienceRefused(_) => format!("the token is for another audience: ask your issuer for one for {}", self.audience()),
            Reason::Expired { .. } => "the token has expired: ask your issuer for a new one".to_owned(),
            Reason::IssuedInFuture { .. } | Reason::NotYetValid { .. } => "the token is not valid yet: compare the clocks".to_owned(),
            Reason::LifetimeTooLong { seconds_max, .. } => {
                format!("the token lives too long: ask your issuer for one of at most {seconds_max} seconds")
            }
            Reason::Replayed => "the token was exchanged before: each is exchanged once, ask your issuer for a new one".to_owned(),
            Reason::Revoked(_) | Reason::SessionEnded => "the session has ended: begin a new one".to_owned(),
            Reason::CredentialEnded { .. } => "the credentials file has ended: ask whoever issued it for a new one".to_owned(),
            Reason::CredentialRevoked => "the credentials file was revoked: ask whoever issued it".to_owned(),
            Reason::ScopeRefused(_) => {
                "the token asks for a scope that is none of BigQuery's: ask for `https://www.googleapis.com/auth/bigquery`".to_owned()
            }
            Reason::OwnTokenRefused => "a token of this gateway is not exchanged again: send one of your issuer".to_owned(),
            Reason::EventRefused(_) | Reason::ForkRefused => {
                "runs with this trigger are not accepted: call from a run that only people with write access can start".to_owned()
            }
            Reason::BoundToken => {
                "the token is bound to a key, and this gateway cannot ask for its proof: send one without `cnf`".to_owned()
            }
            Reason::ActorRefused | Reason::ActorTwice(_) | Reason::ChainTooLong => {
                "delegation of this kind is not accepted: send a token of your own".to_owned()
            }
            Reason::ClaimMalformed { .. }
            | Reason::ClaimMissing(_)
            | Reason::ClaimsDisagree { .. }
            | Reason::GroupsCut
            | Reason::KindUnknown
            | Reason::RequirementMissed(_) => "the token is valid, but this gateway does not accept its holder".to_owned(),
            Reason::KeysUnavailable(_) => "your issuer's keys cannot be read at the moment: try again in a minute".to_owned(),
            Reason::ReplayStore(_) | Reason::SigningFailed => {
                "the gateway cannot exchange tokens at the moment: try again in a minute".to_owned()
            }
        }
    }

    fn audience(&self) -> String {
        let named: Vec<String> = self.audiences.iter().map(|audience| format!("`{audience}`")).collect();
        if named.is_empty() { "this gateway's audience".to_owned() } else { format!("the audience {}", named.join(" or ")) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::ActorRefused => formatter.write_str("`act` from an issuer that is not configured to delegate"),
            Reason::ActorTwice(name) => write!(formatter, "`{}` stands twice in the chain of delegation", quoted(name)),
            Reason::AlgorithmRefused(word) => write!(formatter, "algorithm `{}` is not accepted here", quoted(word)),
            Reason::AudienceRefused(found) => write!(formatter, "audience `{}` is not ours", quoted(found)),
            Reason::BoundToken => formatter.write_str("`cnf`: the token needs a proof of possession"),
            Reason::ChainTooLong => formatter.write_str("`act`: the chain of delegation is too long"),
            Reason::ClaimMalformed { claim, expected } => write!(formatter, "claim `{}` is not {expected}", quoted(claim)),
            Reason::ClaimMissing(claim) => write!(formatter, "claim `{}` is missing", quoted(claim)),
            Reason::ClaimsDisagree { claim, with } => write!(formatter, "claim `{claim}` disagrees with `{with}`"),
            Reason::ClaimsMalformed(fault) => write!(formatter, "the claims cannot be read: {}", quoted(fault)),
            Reason::CredentialEnded { at } => write!(formatter, "the issued credential ended at {at}"),
            Reason::CredentialRevoked => formatter.write_str("the issued credential is revoked"),
            Reason::EventRefused(event) => write!(formatter, "runs started by `{}` are not accepted", quoted(event)),
            Reason::Expired { expires_at, now } => write!(formatter, "expired at {expires_at}, now is {now}"),
            Reason::ForkRefused => formatter.write_str("the run belongs to a fork"),
            Reason::GroupsCut => formatter.write_str("the issuer left groups out of the token"),
            Reason::HeaderMalformed(fault) => write!(formatter, "the header cannot be read: {}", quoted(fault)),
            Reason::HeaderMemberRefused(name) => write!(formatter, "header member `{}` is not accepted", quoted(name)),
            Reason::IssuedInFuture { issued_at, now } => write!(formatter, "issued at {issued_at}, now is {now}"),
            Reason::IssuerUnknown(issuer) => write!(formatter, "issuer `{}` is not configured", quoted(issuer)),
            Reason::KeyUnknown(id) => write!(formatter, "the issuer has no key `{}`", quoted(id)),
            Reason::KeysUnavailable(fault) => write!(formatter, "no usable key set: {}", quoted(fault)),
            Reason::KindUnknown => formatter.write_str("no rule says what kind of caller this is"),
            Reason::LifetimeTooLong { seconds, seconds_max } => write!(formatter, "lives {seconds} seconds, at most {seconds_max}"),
            Reason::NotYetValid { from, now } => write!(formatter, "valid from {from}, now is {now}"),
            Reason::OwnTokenRefused => formatter.write_str("an access token of this gateway was offered for exchange"),
            Reason::Replayed => formatter.write_str("exchanged before"),
            Reason::ReplayStore(fault) => write!(formatter, "the replay store failed: {fault}"),
            Reason::RequirementMissed(claim) => write!(formatter, "claim `{}` does not have a required value", quoted(claim)),
            Reason::Revoked(what) => write!(formatter, "revoked: {}", quoted(what)),
            Reason::ScopeRefused(scope) => write!(formatter, "scope `{}` is not known", quoted(scope)),
            Reason::SessionEnded => formatter.write_str("the session has ended"),
            Reason::SignatureWrong => formatter.write_str("the signature is wrong"),
            Reason::SigningFailed => formatter.write_str("the signing key does not sign"),
            Reason::TokenMalformed(fault) => write!(formatter, "no token: {fault}"),
            Reason::TokenTooLong { bytes } => write!(formatter, "{bytes} bytes, at most {TOKEN_BYTES_MAX}"),
            Reason::TooManyGrants => formatter.write_str("more grants than a token carries"),
            Reason::TypeRefused(found) => write!(formatter, "type `{}` is not accepted here", quoted(found)),
        }
    }
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.operator_text().0)
    }
}

/// One line, whatever a token holds: an attacker's text must not forge a second line of a log.
fn quoted(text: &str) -> String {
    let mut characters = text.chars().flat_map(|character| if character == '`' { '\''.escape_debug() } else { character.escape_debug() });
    let mut short: String = characters.by_ref().take(QUOTED_CHARACTERS_MAX).collect();
    if characters.next().is_some() {
        short.push_str("...");
    }
    short
}
