//! What the gateway keeps: the ledger's folder, spent tokens, revocations. The only crate that touches those files.
//!
//! `disk` is the file system as a port; `wal` makes records durable; `shelf` holds them; docs/ledger.md has the write order and what each failure leaves.

pub mod disk;
mod facts;
mod fault;
mod shelf;
mod wal;

pub use fault::StoreFault;
