//! The ledger's format: what a record is, how it is sealed, how records form a tree that anyone can check. Pure: time, randomness and keys come in.
//!
//! `record` makes small leaves without personal data out of sections that are encrypted one by one; `keyring` holds the secrets that open them,
//! outside of what never changes; `grammar` says which order of leaves is honest; `recorded` is the mint of the proof that something is on record.
//! docs/ledger.md is the page for auditors and operators.

pub mod checkpoint;
pub mod clock;
pub mod cosignature;
pub mod date;
mod durable;
pub mod flood;
pub mod grammar;
pub mod keyring;
pub mod layout;
pub mod note;
pub mod proof;
pub mod record;
mod recorded;
pub mod tree;
pub mod trust;

/// For whoever shows what a ledger says.
pub use sluice_model::plain::printable;

pub use durable::{AppendFault, Appending, DurableLog, Receipt};
pub use recorded::{Recorded, RecordingError};
