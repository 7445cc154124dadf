//! What the gateway calls: BigQuery, in a caller's name and in its own; the servers that give tokens; the key sets of issuers.
//!
//! `bigquery` serves the port `Upstream`, `catalog` the port `Catalog`, both over `rest` and `storage`; `credential` proves who we are; `collector` takes traces;
//! `past` says what was done before. docs/upstream.md has the limits.

mod address;
mod bigquery;
mod catalog;
mod collector;
mod credential;
mod discovery;
mod https;
mod key_cache;
mod past;
mod pause;
mod rest;
mod storage;
mod tls;

pub use address::is_public;
pub use bigquery::{
    ANSWER_BYTES_MAX, BigQuery, Connection, ConnectionFault, ConnectionSettings, ERROR_MESSAGE_BYTES_MAX, ERROR_REASON_BYTES_MAX, Timing,
    UPLOAD_BYTES_MAX, UPLOAD_CHUNK_BYTES,
};
pub use catalog::CATALOG_NAMES_MAX;
pub use collector::Collector;
pub use credential::{
    Cached, CallerAccount, CredentialFault, Credentials, CredentialsSettings, Federation, FixedToken, Impersonate, Impersonation,
    ImpersonationSettings, KeyFile, METADATA_URL, Metadata, Secret, Token, TokenSource, is_account,
};
pub use https::{Fetch, FetchFault, Https, Page, Target};
pub use key_cache::{KeyCache, KeysChanged};
pub use past::{
    CopyKind, Derivation, HISTORY_BYTES_MAX, HISTORY_JOBS_MAX, HOLDINGS_MAX, History, Holdings, Made, OldModel, PastJob, PastWork, Wanted,
};
pub use pause::Pauses;
pub use storage::BATCH_BYTES_MAX;
