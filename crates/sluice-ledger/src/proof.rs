//! `c2sp.org/tlog-proof@v1`: one text that proves, without any network, that a leaf stands in a log which witnesses saw.

use crate::checkpoint::{Checkpoint, CheckpointFault, decimal, decode_hash};
use crate::note::{NOTE_BYTES_MAX, NoteFault};
use crate::tree::{Hash, PROOF_HASHES_MAX, ProofFault, verify_inclusion};
use crate::trust::{Trust, Witnessed};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::fmt;

pub const PROOF_EXTRA_BYTES_MAX: usize = 2 * 1024 * 1024;
pub const PROOF_BYTES_MAX: usize = PROOF_EXTRA_BYTES_MAX / 3 * 4 + NOTE_BYTES_MAX + 64 * 1024;
const HEAD: &str = "c2sp.org/tlog-proof@v1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Authenticated by nothing here.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    /// From the leaf's sibling to the root's child.
    pub hashes: Vec<Hash>,
    /// The signed note, as the log published it.
    pub checkpoint: String,
}

/// What a proof has proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    pub checkpoint: Checkpoint,
    pub witnessed: Witnessed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextProofFault {
    Checkpoint(CheckpointFault),
    Form,
    Inclusion(ProofFault),
    Length,
    Note(NoteFault),
    /// Too few of the witnesses cosigned.
    Quorum,
}

impl Proof {
    /// Only what `Display` writes.
    pub fn parse(bytes: &[u8]) -> Result<Proof, TextProofFault> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(TextProofFault::Length);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| TextProofFault::Form)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TextProofFault::Form)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEAD) {
            return Err(TextProofFault::Form);
        }
        let extra = lines.next_if(|line| line.starts_with("extra ")).and_then(|line| line.strip_prefix("extra "));
        let extra = extra.map(|encoded| STANDARD.decode(encoded)).transpose().map_err(|_| TextProofFault::Form)?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?)).ok_or(TextProofFault::Form)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == PROOF_HASHES_MAX {
                return Err(TextProofFault::Length);
            }
            hashes.push(decode_hash(line).ok_or(TextProofFault::Form)?);
        }
        if extra.as_ref().is_some_and(|extra| extra.len() > PROOF_EXTRA_BYTES_MAX) {
            return Err(TextProofFault::Length);
        }
        Ok(Proof { extra, index, hashes, checkpoint: checkpoint.to_owned() })
    }

    /// `leaf` is the hash of a leaf whose bytes the caller has from elsewhere, or from `extra`.
    pub fn verify(&self, leaf: &Hash, trust: &Trust) -> Result<Proved, TextProofFault> {
        let signed = trust.open(self.checkpoint.as_bytes()).map_err(TextProofFault::Checkpoint)?;
        let checkpoint = signed.checkpoint();
        let witnessed = trust.witnessed(signed.note()).map_err(TextProofFault::Note)?;
        if !witnessed.is_quorum {
            return Err(TextProofFault::Quorum);
        }
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root).map_err(TextProofFault::Inclusion)?;
        Ok(Proved { checkpoint: checkpoint.clone(), witnessed })
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEAD}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(formatter, "{}", STANDARD.encode(hash)))?;
        write!(formatter, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for TextProofFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextProofFault::Checkpoint(fault) => fault.fmt(formatter),
            TextProofFault::Form => write!(formatter, "not a proof of the form `{HEAD}`"),
            TextProofFault::Inclusion(fault) => fault.fmt(formatter),
            TextProofFault::Length => write!(formatter, "a proof has at most {PROOF_BYTES_MAX} bytes and {PROOF_HASHES_MAX} hashes"),
            TextProofFault::Note(fault) => fault.fmt(formatter),
            TextProofFault::Quorum => formatter.write_str("too few of the witnesses that the trust file asks for have cosigned"),
        }
    }
}

impl std::error::Error for TextProofFault {}
