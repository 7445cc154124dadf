//! In whose name a call goes out: the connection's own, or the account that stands for the caller.

use super::impersonation::{Impersonation, ImpersonationSettings, is_account};
use super::token_server::TokenServer;
use super::{Cached, CredentialFault, Federation, FixedToken, KeyFile, Metadata, Secret};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Accounts with a token at hand. Past it the one that was not used for longest goes.
const ACCOUNTS_KEPT_MAX: usize = 1_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsSettings {
    /// An `external_account` file.
    Federation {
        path: String,
        certificates_file: Option<String>,
    },
    KeyFile {
        path: String,
        certificates_file: Option<String>,
    },
    /// Nothing for Google's own address.
    Metadata {
        url: Option<String>,
    },
    /// No token at all: a warehouse that asks for none.
    Open,
    Token(Secret),
}

/// Who the calls of callers are made by. The catalog is always read with the connection's own identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Impersonate {
    /// One account for all calls, the catalog's too.
    Always {
        account: String,
        settings: ImpersonationSettings,
    },
    Never,
    /// The first that fits. A caller whom none fits is not served.
    PerCaller {
        accounts: Vec<CallerAccount>,
        settings: ImpersonationSettings,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerAccount {
    /// Issuer, `#`, subject; `*` stands for any letters.
    pub caller: String,
    pub account: String,
}

pub struct Credentials {
    own: Option<Arc<Cached>>,
    per_caller: Option<PerCaller>,
}

struct PerCaller {
    accounts: Vec<CallerAccount>,
    server: Arc<TokenServer>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    used: u64,
    tokens: HashMap<String, (Arc<Cached>, u64)>,
}

/// A token on its way, and where it came from.
pub struct Bearer {
    pub secret: Arc<Secret>,
    source: Arc<Cached>,
}

impl Credentials {
    pub fn new(settings: &CredentialsSettings, impersonate: &Impersonate) -> Result<Credentials, CredentialFault> {
        let own = own(settings)?;
        let needs_own = || CredentialFault::Configuration("impersonation without a credential of its own".to_owned());
        match impersonate {
            Impersonate::Never => Ok(Credentials { own, per_caller: None }),
            Impersonate::Always { account, settings } => {
                let server = Impersonation::server(settings)?;
                let source = Impersonation::new(own.ok_or_else(needs_own)?, server, account)?;
                Ok(Credentials { own: Some(Arc::new(Cached::new(source))), per_caller: None })
            }
            Impersonate::PerCaller { accounts, settings } => {
                if let Some(wrong) = accounts.iter().find(|entry| !is_account(&entry.account)) {
                    return Err(CredentialFault::Configuration(format!("`{}` is not a service account", wrong.account.escape_debug())));
                }
                let per_caller = PerCaller { accounts: accounts.clone(), server: Impersonation::server(settings)?, kept: Mutex::default() };
                Ok(Credentials { own: Some(own.ok_or_else(needs_own)?), per_caller: Some(per_caller) })
            }
        }
    }

    /// For a caller, or for the gateway itself. Nothing where the warehouse asks for none.
    pub async fn bearer(&self, caller: Option<&str>) -> Result<Option<Bearer>, CredentialFault> {
        let source = match (caller, &self.per_caller, &self.own) {
            (Some(caller), Some(per_caller), Some(own)) => Some(per_caller.source(caller, own)?),
            (_, _, own) => own.clone(),
        };
        match source {
            Some(source) => Ok(Some(Bearer { secret: source.secret().await?, source })),
            None => Ok(None),
        }
    }

    pub fn is_per_caller(&self) -> bool {
        self.per_caller.is_some()
    }
}

impl Bearer {
    /// It was refused. Says whether another can be had.
    pub fn spoil(&self) -> bool {
        self.source.spoil(&self.secret)
    }
}

impl PerCaller {
    fn source(&self, caller: &str, own: &Arc<Cached>) -> Result<Arc<Cached>, CredentialFault> {
        let fitting = self.accounts.iter().find(|entry| fits(&entry.caller, caller));
        let account = &fitting.ok_or_else(|| CredentialFault::NoAccount { caller: caller.to_owned() })?.account;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.used += 1;
        let used = kept.used;
        if let Some((source, last)) = kept.tokens.get_mut(account) {
            *last = used;
            return Ok(Arc::clone(source));
        }
        if kept.tokens.len() >= ACCOUNTS_KEPT_MAX
            && let Some(oldest) = kept.tokens.iter().min_by_key(|(_, (_, last))| *last).map(|(account, _)| account.clone())
        {
            kept.tokens.remove(&oldest);
        }
        let made = Arc::new(Cached::new(Impersonation::new(Arc::clone(own), Arc::clone(&self.server), account)?));
        kept.tokens.insert(account.clone(), (Arc::clone(&made), used));
        Ok(made)
    }
}

fn own(settings: &CredentialsSettings) -> Result<Option<Arc<Cached>>, CredentialFault> {
    Ok(match settings {
        CredentialsSettings::Open => None,
        CredentialsSettings::Federation { path, certificates_file } => {
            Some(Cached::new(Federation::new(path, certificates_file.as_deref())))
        }
        CredentialsSettings::KeyFile { path, certificates_file } => Some(Cached::new(KeyFile::new(path, certificates_file.as_deref()))),
        CredentialsSettings::Metadata { url } => Some(Cached::new(Metadata::new(url.as_deref().unwrap_or(super::METADATA_URL))?)),
        CredentialsSettings::Token(secret) => {
            if secret.bearer().is_none() {
                return Err(CredentialFault::Configuration("the token cannot stand in a header".to_owned()));
            }
            Some(Cached::new(FixedToken(secret.clone())))
        }
    }
    .map(Arc::new))
}

/// `*` stands for any letters, also none.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(found) = rest.split_once(part) else { return false };
        rest = found.1;
    }
    rest.ends_with(last)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("per_caller", &self.is_per_caller()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_texts() {
        let check = |pattern: &str, text: &str, expect: bool| assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
        check("https://a#b", "https://a#b", true);
        check("https://a#b", "https://a#bc", false);
        check("https://a#*", "https://a#bc", true);
        check("https://a#*", "https://evil#https://a#", false);
        check("*", "", true);
        check("*#repo:acme/*:ref:*", "https://ci#repo:acme/etl:ref:main", true);
        check("*#repo:acme/*:ref:main", "https://ci#repo:acme/etl:ref:mainly", false);
        check("a*a", "a", false);
        check("", "", true);
        check("", "a", false);
    }
}
