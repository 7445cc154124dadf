//! The body of `add-checkpoint`: the old size, a consistency proof, an empty line, a checkpoint.

use sluice_ledger::note::NOTE_BYTES_MAX;
use sluice_ledger::tree::{HASH_BYTES, Hash};

/// So says the protocol.
pub const PROOF_LINES_MAX: usize = 63;
/// Of base64, with its newline.
const LINE_BYTES: usize = HASH_BYTES.div_ceil(3) * 4 + 1;
pub const REQUEST_BYTES_MAX: usize = 64 + PROOF_LINES_MAX * LINE_BYTES + NOTE_BYTES_MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    pub old_size: u64,
    pub proof: Vec<Hash>,
    /// The signed note, as it came.
    pub note: Vec<u8>,
}

impl AddCheckpoint {
    /// None unless it is in the one form that the protocol has.
    pub fn parse(bytes: &[u8]) -> Option<AddCheckpoint> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= REQUEST_BYTES_MAX)?;
        let (head, note) = text.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old_size = sluice_ledger::checkpoint::decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = lines.map(sluice_ledger::checkpoint::decode_hash).collect::<Option<_>>()?;
        (proof.len() <= PROOF_LINES_MAX).then(|| AddCheckpoint { old_size, proof, note: note.as_bytes().to_vec() })
    }
}
