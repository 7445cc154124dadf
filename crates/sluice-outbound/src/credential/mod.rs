//! How the gateway proves to BigQuery who it is. Secrets are read, cached and sent; nothing shows them.
//!
//! `cached.rs` keeps one token fresh for everybody, `callers.rs` says whose name a call goes out in.

mod cached;
mod callers;
mod federation;
mod file;
mod fixed;
mod impersonation;
mod key_file;
mod metadata;
mod secret;
mod token_server;

pub use cached::Cached;
pub use callers::{Bearer, CallerAccount, Credentials, CredentialsSettings, Impersonate};
pub use federation::Federation;
pub use fixed::FixedToken;
pub use impersonation::{Impersonation, ImpersonationSettings, is_account};
pub use key_file::KeyFile;
pub use metadata::{METADATA_URL, Metadata};
pub use secret::Secret;

use sluice_app::Asking;
use std::fmt;
use std::time::Duration;

pub const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";
pub const SCOPE_CLOUD: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Where tokens come from. Each call makes a new one; keeping them is the affair of `Cached`. It is bounded in time.
pub trait TokenSource: Send + Sync {
    fn token(&self) -> Asking<'_, Result<Token, CredentialFault>>;

    /// Whether another call could bring another token.
    fn is_renewable(&self) -> bool {
        true
    }
}

#[derive(Debug)]
pub struct Token {
    pub secret: Secret,
    /// Counted from the moment it was asked for. Nothing for one that does not end.
    pub lives: Option<Duration>,
}

/// For operators. No text of it holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// A file or a setting is not what it should be.
    Configuration(String),
    /// It answered something that is no token.
    Malformed(String),
    /// No service account stands for this caller.
    NoAccount {
        caller: String,
    },
    /// The token server said no.
    Refused {
        status: u16,
        text: String,
    },
    Unreachable(String),
}

impl fmt::Display for CredentialFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredentialFault::Configuration(text) => write!(formatter, "the credential is not usable: {text}"),
            CredentialFault::Malformed(text) => write!(formatter, "the token server's answer is no token: {text}"),
            CredentialFault::NoAccount { caller } => write!(formatter, "no service account for `{}`", caller.escape_debug()),
            CredentialFault::Refused { status, text } => write!(formatter, "the token server refused with {status}: {text}"),
            CredentialFault::Unreachable(text) => write!(formatter, "the token server is not there: {text}"),
        }
    }
}

impl std::error::Error for CredentialFault {}
