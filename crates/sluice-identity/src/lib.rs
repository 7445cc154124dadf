//! A token, the keys of its issuer and the time go in; a `Caller` or a refusal comes out.
//!
//! Pure: key sets are fetched by `sluice-outbound`, time and random identifiers are arguments. `docs/identity.md` states every rule.
//! Read `identity.rs` first: it holds the way of one token from top to bottom.

mod access;
mod algorithm;
mod caller;
mod claims;
mod conditions;
mod delegation;
mod identity;
mod issued;
mod issuer;
pub mod json;
mod judgement;
mod keys;
mod refusal;
mod replay;
mod revocation;
mod settings;
mod shape;
mod signature;
mod token;

pub use access::{AccessToken, AccessTokens, PublicKey, SigningKey, SigningKeyFault, Ticket};
pub use algorithm::Algorithm;
pub use caller::{Caller, Session, TokenFacts};
pub use identity::{Identity, OutsideToken, OwnToken, Presented};
pub use issued::{
    ISSUED_ADDRESS_END, ISSUED_GROUPS_MAX, ISSUED_NAME_BYTES_MAX, ISSUED_SECONDS_MAX, IssuedCredential, IssuedCredentials, IssuedFault,
    IssuedToken, Purpose, Registration,
};
pub use issuer::{Exchanges, Issuer, KeyFetching, KeySource};
pub use keys::{KEY_SET_BYTES_MAX, KeySet, KeySetFault};
pub use refusal::{Fault, OperatorText, PublicText, Reason, Refusal};
pub use replay::{MemoryReplayStore, Replay, ReplayFault, ReplayStore, Spent};
pub use revocation::Revocations;
pub use settings::{AccessSettings, Checked, Problem, check, url_fault};
pub use shape::Shape;
pub use token::TOKEN_BYTES_MAX;
