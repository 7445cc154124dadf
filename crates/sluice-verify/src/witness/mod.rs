//! A witness, `c2sp.org/tlog-witness`: it cosigns a checkpoint only if that continues the last one that it cosigned of the same log.
//!
//! So a log that was rolled back, or tells two stories, finds nobody to vouch for the second. The witness needs no records, only proofs.

mod memory;
mod request;
mod server;

pub use memory::{Memory, origin_hash};
pub use request::{AddCheckpoint, PROOF_LINES_MAX, REQUEST_BYTES_MAX};
pub use server::{ServerFault, serve};

use sluice_ledger::checkpoint::{CheckpointFault, SignedCheckpoint};
use sluice_ledger::cosignature::cosign;
use sluice_ledger::note::{KeyKind, Note, NoteFault, Signature, Signer, VerifierKey};
use sluice_ledger::tree::{empty_root, verify_consistency};
use std::sync::{Mutex, PoisonError};

pub struct Witness {
    signer: Signer,
    logs: Vec<VerifierKey>,
    /// Comparing and remembering are one step: two requests at once would otherwise cosign two futures.
    memory: Mutex<Memory>,
}

/// The protocol names a status for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The line of the cosignature.
    Cosigned(String),
    /// The size that was cosigned last: whoever asks has gone back, or does not know it.
    Conflict(u64),
    Inconsistent,
    Malformed,
    /// What is remembered cannot be read or written: nothing is cosigned.
    Memory(String),
    UnknownLog,
    Unsigned,
}

impl Witness {
    /// None if the key is not one of a witness.
    pub fn new(signer: Signer, logs: Vec<VerifierKey>, memory: Memory) -> Option<Witness> {
        (signer.verifier_key().kind() == KeyKind::Witness).then(|| Witness { signer, logs, memory: Mutex::new(memory) })
    }

    /// `now` is in seconds since 1970.
    pub fn add_checkpoint(&self, body: &[u8], now: u64) -> Answer {
        let Some(request) = AddCheckpoint::parse(body) else { return Answer::Malformed };
        let signed = match SignedCheckpoint::open(&request.note, &self.logs) {
            Ok(signed) => signed,
            Err(CheckpointFault::Unsigned { origin }) if !self.logs.iter().any(|key| key.name() == origin) => return Answer::UnknownLog,
            Err(CheckpointFault::Unsigned { .. } | CheckpointFault::Note(NoteFault::Signature { .. })) => {
                return Answer::Unsigned;
            }
            Err(_) => return Answer::Malformed,
        };
        let (size, root) = (signed.checkpoint().size, signed.checkpoint().root);
        if request.old_size > size {
            return Answer::Malformed;
        }
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let last = match memory.last(&signed.checkpoint().origin, &self.logs, self.signer.verifier_key()) {
            Ok(last) => last,
            Err(error) => return Answer::Memory(error.to_string()),
        };
        let (last_size, last_root) = last.map_or((0, empty_root()), |last| (last.checkpoint().size, last.checkpoint().root));
        if request.old_size != last_size {
            return Answer::Conflict(last_size);
        }
        if verify_consistency(last_size, &last_root, size, &root, &request.proof).is_err() {
            return Answer::Inconsistent;
        }
        let Ok(line) = cosign(signed.note(), &self.signer, now) else { return Answer::Memory("the clock stands before 1970".to_owned()) };
        let Some(signed) = self.kept(&signed, line.clone()) else { return Answer::Malformed };
        match memory.remember(&signed) {
            Ok(()) => Answer::Cosigned(format!("{line}\n")),
            Err(error) => Answer::Memory(error.to_string()),
        }
    }

    /// The lines of the log's own keys and this one: what else was sent along, an older line of ours too, nobody here vouches for.
    fn kept(&self, signed: &SignedCheckpoint, line: Signature) -> Option<SignedCheckpoint> {
        let mut note = Note::new(signed.note().text()).ok()?;
        let own = self.logs.iter().filter(|key| key.name() == signed.checkpoint().origin).filter_map(|key| signed.note().signature_of(key));
        own.cloned().chain([line]).try_for_each(|signature| note.add(signature)).ok()?;
        SignedCheckpoint::open(note.to_string().as_bytes(), &self.logs).ok()
    }

    /// The last checkpoint that was cosigned of this log, for monitors.
    pub fn checkpoint(&self, origin_hash: &str) -> Option<String> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.text(origin_hash).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok())
    }
}
