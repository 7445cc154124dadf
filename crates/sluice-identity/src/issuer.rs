//! An issuer as configuration has it, checked. `settings.rs` alone makes one.

use crate::algorithm::Algorithm;
use crate::conditions::Conditions;
use crate::shape::Shape;
use sluice_model::CallerKind;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub name: String,
    /// Compared with `iss` letter by letter.
    pub url: String,
    pub shape: Shape,
    pub audiences: BTreeSet<String>,
    pub keys: KeyFetching,
    pub(crate) algorithms: BTreeSet<Algorithm>,
    /// Of the header's `typ`; the empty word stands for a header without.
    pub(crate) media_types: BTreeSet<String>,
    pub(crate) lifetime_seconds_max: u64,
    pub(crate) kind: Option<CallerKind>,
    pub(crate) kinds: Vec<(CallerKind, Conditions)>,
    pub(crate) require: Conditions,
    pub(crate) events: Option<BTreeSet<String>>,
    pub(crate) groups_claim: Option<String>,
    /// Before the names of that claim, so that one issuer cannot name the groups of another.
    pub(crate) groups_prefix: String,
    pub(crate) groups: Vec<GroupRule>,
    pub(crate) run_claims: BTreeMap<String, String>,
    /// Whether `act` is believed.
    pub(crate) delegates: bool,
    pub(crate) exchanges: Exchanges,
    pub(crate) trust_domain: Option<String>,
}

/// Adds a group to whoever the conditions fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRule {
    pub group: String,
    pub when: Conditions,
}

/// How often one token of the issuer begins a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exchanges {
    /// Until it expires: for tokens that lie in a file which several processes read, one after the other.
    Many,
    Once,
}

/// How `sluice-outbound` comes by the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFetching {
    pub source: KeySource,
    /// Where keys may be read besides the issuer's own host.
    pub hosts: BTreeSet<String>,
    /// The issuer lives in a private network. Otherwise a connection to a private address is refused, whatever a name resolves to.
    pub private_addresses: bool,
    /// Certificates to believe instead of the machine's.
    pub certificates_file: Option<String>,
    /// After which the set is read anew.
    pub fresh_seconds_max: u64,
    /// For how long after that it is still believed when it cannot be read.
    pub stale_seconds_max: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// The issuer's `/.well-known/openid-configuration`.
    Discovery,
    File(String),
    Url(String),
}

impl Issuer {
    /// Of an Entra issuer.
    pub fn tenant(&self) -> Option<&str> {
        self.url.strip_prefix("https://login.microsoftonline.com/")?.strip_suffix("/v2.0")
    }

    pub fn host(&self) -> &str {
        self.url.strip_prefix("https://").and_then(|rest| rest.split(['/', ':']).next()).unwrap_or_default()
    }
}
