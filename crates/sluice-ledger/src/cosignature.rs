//! `cosignature/v1` of `c2sp.org/tlog-cosignature`: a witness says when it saw that a checkpoint continues all it had seen before.

use crate::note::{KeyKind, Note, NoteFault, Signature, Signer, VerifierKey};

const TIME_BYTES: usize = 8;
/// The specification keeps the sign bit free.
const TIME_SECONDS_MAX: u64 = i64::MAX.unsigned_abs();

/// The line of this witness over the note's text. `time` is in seconds since 1970 and not zero.
pub fn cosign(note: &Note, signer: &Signer, time: u64) -> Result<Signature, NoteFault> {
    let key = signer.verifier_key();
    if key.kind() != KeyKind::Witness || !(1..=TIME_SECONDS_MAX).contains(&time) {
        return Err(NoteFault::Signature { name: key.name().to_owned() });
    }
    let mut bytes = time.to_be_bytes().to_vec();
    bytes.extend(signer.sign(message(note.text(), time).as_bytes()));
    Ok(Signature { name: key.name().to_owned(), id: key.id(), bytes })
}

/// When this witness cosigned, in seconds since 1970; none if it did not. A line of the key that does not verify is an error.
pub fn cosigned_by(note: &Note, key: &VerifierKey) -> Result<Option<u64>, NoteFault> {
    let Some(signature) = note.signature_of(key) else { return Ok(None) };
    let fault = || NoteFault::Signature { name: key.name().to_owned() };
    let (time, bytes) = signature.bytes.split_first_chunk::<TIME_BYTES>().ok_or_else(fault)?;
    let time = u64::from_be_bytes(*time);
    let is_valid = key.kind() == KeyKind::Witness && (1..=TIME_SECONDS_MAX).contains(&time);
    if is_valid && key.verifies(message(note.text(), time).as_bytes(), bytes) { Ok(Some(time)) } else { Err(fault()) }
}

/// The first line keeps it apart from everything else that a key might sign.
fn message(text: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}
