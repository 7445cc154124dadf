//! Keys that every test here signs with, made from their number.

use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::note::{KeyKind, Signer};

pub const ORIGIN: &str = "ledger.example.com/one";

pub fn log_key(seed: u8) -> Signer {
    Signer::from_seed(ORIGIN, KeyKind::Log, &[seed; 32]).unwrap()
}

pub fn witness_key(seed: u8) -> Signer {
    Signer::from_seed(&format!("witness.example.com/w{seed}"), KeyKind::Witness, &[seed; 32]).unwrap()
}

pub fn checkpoint(size: u64, root: [u8; 32]) -> SignedCheckpoint {
    Checkpoint { origin: ORIGIN.to_owned(), size, root }.sign(&log_key(1)).unwrap()
}
