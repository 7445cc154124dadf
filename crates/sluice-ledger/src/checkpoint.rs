//! Checkpoints, `c2sp.org/tlog-checkpoint`: the name of a log, its size and its root, signed.
//!
//! Extension lines are refused: no monitor can audit what they say.

use crate::note::{Note, NoteFault, Signer, VerifierKey};
use crate::tree::{HASH_BYTES, Hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log. Its keys bear the same name.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// A checkpoint that one of the log's keys signed. Made by `open` and `Checkpoint::sign` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointFault {
    Form,
    Note(NoteFault),
    /// None of the log's keys signed it.
    Unsigned {
        origin: String,
    },
}

impl Checkpoint {
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Only what `text` writes.
    pub fn parse(text: &str) -> Result<Checkpoint, CheckpointFault> {
        let lines: Vec<&str> = text.split('\n').collect();
        let [origin, size, root, ""] = lines.as_slice() else { return Err(CheckpointFault::Form) };
        let size = decimal(size).ok_or(CheckpointFault::Form)?;
        let root = decode_hash(root).ok_or(CheckpointFault::Form)?;
        if origin.is_empty() {
            return Err(CheckpointFault::Form);
        }
        Ok(Checkpoint { origin: (*origin).to_owned(), size, root })
    }

    /// The file `checkpoint` of a log is what this writes.
    pub fn sign(self, signer: &Signer) -> Result<SignedCheckpoint, CheckpointFault> {
        let mut note = Note::new(&self.text()).map_err(CheckpointFault::Note)?;
        note.sign(signer).map_err(CheckpointFault::Note)?;
        let keys = [signer.verifier_key().clone()];
        // Opened like any other: a key of another name or kind signs nothing.
        SignedCheckpoint::open(note.to_string().as_bytes(), &keys)
    }
}

impl SignedCheckpoint {
    /// Every line by one of the keys has to verify, and one has to be there; a key counts for the log of its own name alone.
    pub fn open(bytes: &[u8], log_keys: &[VerifierKey]) -> Result<SignedCheckpoint, CheckpointFault> {
        let note = Note::parse(bytes).map_err(CheckpointFault::Note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let mut signed = false;
        for key in log_keys.iter().filter(|key| key.name() == checkpoint.origin) {
            signed |= note.is_signed_by(key).map_err(CheckpointFault::Note)?;
        }
        if !signed {
            return Err(CheckpointFault::Unsigned { origin: checkpoint.origin });
        }
        Ok(SignedCheckpoint { checkpoint, note })
    }

    /// Adds what a witness answered.
    pub fn add(&mut self, cosignature: crate::note::Signature) -> Result<(), NoteFault> {
        self.note.add(cosignature)
    }

    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    pub fn note(&self) -> &Note {
        &self.note
    }
}

/// Decimal digits without leading zeroes.
pub fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// One line of base64.
pub fn decode_hash(text: &str) -> Option<Hash> {
    // Measured before it is decoded: a line may be long.
    if text.len() != HASH_BYTES.div_ceil(3) * 4 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(formatter)
    }
}

impl fmt::Display for CheckpointFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CheckpointFault::Form => formatter.write_str("a checkpoint is three lines: origin, size, root"),
            CheckpointFault::Note(fault) => fault.fmt(formatter),
            CheckpointFault::Unsigned { origin } => write!(formatter, "no known key of `{origin}` signed the checkpoint"),
        }
    }
}

impl std::error::Error for CheckpointFault {}
