//! The offline verifier of a ledger, and a witness. It stands on `sluice-ledger` alone: no store, no gateway, no database has to be believed.
//!
//! Read `audit/mod.rs` first: it holds the way from checkpoints to keys.

pub mod audit;
pub mod folder;
pub mod report;
pub mod secrets;
pub mod single;
pub mod witness;
