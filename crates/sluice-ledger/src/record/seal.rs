//! Sealing: each section under keys of its own, all of them derived from one secret of the record. Done by whoever knows the text, not by the writer.

use super::body::{Body, BodyError, Row, root};
use super::draft::Draft;
use super::kind::Kind;
use super::leaf::{Leaf, RecordId, Subject, Target};
use super::section::{SectionId, SectionSet};
use crate::keyring::{KeyEntry, MasterKey, MasterKeyFault, RecordSecret, SectionKeys, WrappedKeys};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{constant_time, hmac};
use flate2::Compression;
use flate2::read::{DeflateDecoder, DeflateEncoder};
use std::fmt;
use std::io::Read;

const COMMITMENT_LABEL: &[u8] = b"sluice.section.v1";

/// Fresh random bytes, for one record. Used twice they would put two texts under one key.
pub struct Entropy {
    pub record: RecordId,
    pub secret: RecordSecret,
    pub nonce: [u8; 12],
}

/// A record that only waits for its place. The writer makes the `Leaf` of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedRecord {
    pub kind: Kind,
    pub subject: Option<Subject>,
    pub target: Option<Target>,
    pub root: [u8; 32],
    pub sections: SectionSet,
    pub record: RecordId,
    pub body: Vec<u8>,
    pub keys: WrappedKeys,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SealError {
    Compression,
    Encryption,
    MasterKey(MasterKeyFault),
}

/// A section, as far as the keys go.
#[derive(Clone, PartialEq, Eq)]
pub enum OpenedSection {
    /// There is no key for it any more.
    KeyGone,
    /// This is the text that the leaf commits to.
    Verified(Vec<u8>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    Body(BodyError),
    /// The text is not the one that was committed to.
    Commitment(SectionId),
    /// It does not decrypt: the key is another record's, or was changed.
    Key(SectionId),
    /// It decrypts and does not decompress, or to more than a section holds.
    Plaintext(SectionId),
}

impl SealedRecord {
    pub fn leaf(&self, time_ms: u64, epoch: u64) -> Leaf {
        let SealedRecord { kind, subject, target, root, sections, record, .. } = self;
        Leaf { kind: *kind, time_ms, epoch, root: *root, sections: *sections, subject: *subject, target: *target, record: *record }
    }
}

pub fn seal(draft: &Draft, origin: &str, entropy: Entropy, master: &dyn MasterKey) -> Result<SealedRecord, SealError> {
    let Entropy { record, secret, nonce } = entropy;
    let mut sections = Vec::with_capacity(draft.sections().len());
    for (section, plaintext) in draft.sections() {
        let keys = secret.section_keys(*section).map_err(|_| SealError::Encryption)?;
        let ciphertext = encrypt(plaintext, &keys, &associated(origin, record, *section))?;
        sections.push((Row::new(*section, commitment(&keys, *section, plaintext), &ciphertext), ciphertext));
    }
    let rows: Vec<Row> = sections.iter().map(|(row, _)| *row).collect();
    let keys = KeyEntry::Whole(secret).wrap(origin, record, nonce, master).map_err(SealError::MasterKey)?;
    Ok(SealedRecord {
        kind: draft.kind(),
        subject: draft.subject(),
        target: draft.target(),
        root: root(&rows),
        sections: draft.section_set(),
        record,
        body: Body::write(record, &sections),
        keys,
    })
}

/// Compares the body with the leaf, then every section that there is a key for with its commitment.
pub fn open(body: &[u8], leaf: &Leaf, origin: &str, entry: Option<&KeyEntry>) -> Result<Vec<(SectionId, OpenedSection)>, OpenError> {
    let body = Body::read(body).map_err(OpenError::Body)?;
    body.check(leaf).map_err(OpenError::Body)?;
    let mut opened = Vec::new();
    for row in body.rows() {
        let section = row.section;
        let keys = match entry {
            Some(entry) => entry.section_keys(section).map_err(|_| OpenError::Key(section))?,
            None => None,
        };
        let Some(keys) = keys else {
            opened.push((section, OpenedSection::KeyGone));
            continue;
        };
        let ciphertext = body.ciphertext(section).ok_or(OpenError::Body(BodyError::Form))?;
        let plaintext = decrypt(ciphertext, &keys, &associated(origin, leaf.record, section), section)?;
        if !is_committed(row, &keys.salt, &plaintext) {
            return Err(OpenError::Commitment(section));
        }
        opened.push((section, OpenedSection::Verified(plaintext)));
    }
    Ok(opened)
}

/// Whether the row commits to this text under this salt.
pub(super) fn is_committed(row: &Row, salt: &[u8; 32], plaintext: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(&salted(salt, row.section, plaintext), &row.commitment).is_ok()
}

fn commitment(keys: &SectionKeys, section: SectionId, plaintext: &[u8]) -> [u8; 32] {
    salted(&keys.salt, section, plaintext)
}

fn salted(salt: &[u8; 32], section: SectionId, plaintext: &[u8]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
    context.update(COMMITMENT_LABEL);
    context.update(&[section.code()]);
    context.update(plaintext);
    let mut out = [0; 32];
    out.copy_from_slice(context.sign().as_ref());
    out
}

/// What a ciphertext is tied to. Record and section have a fixed length, so no two of them are written alike.
fn associated(origin: &str, record: RecordId, section: SectionId) -> Vec<u8> {
    [origin.as_bytes(), &record.0, &[section.code()]].concat()
}

fn encrypt(plaintext: &[u8], keys: &SectionKeys, associated: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut bytes = deflate(plaintext, Compression::fast())?;
    // Fast compression makes noise longer by a tenth. Without compression it grows by five bytes a block.
    if bytes.len() > plaintext.len() {
        bytes = deflate(plaintext, Compression::none())?;
    }
    let key = cipher(keys).ok_or(SealError::Encryption)?;
    key.seal_in_place_append_tag(nonce(), Aad::from(associated), &mut bytes).map_err(|_| SealError::Encryption)?;
    Ok(bytes)
}

fn deflate(plaintext: &[u8], level: Compression) -> Result<Vec<u8>, SealError> {
    let mut bytes = Vec::new();
    DeflateEncoder::new(plaintext, level).read_to_end(&mut bytes).map_err(|_| SealError::Compression)?;
    Ok(bytes)
}

fn decrypt(ciphertext: &[u8], keys: &SectionKeys, associated: &[u8], section: SectionId) -> Result<Vec<u8>, OpenError> {
    let key = cipher(keys).ok_or(OpenError::Key(section))?;
    let mut bytes = ciphertext.to_vec();
    let compressed = key.open_in_place(nonce(), Aad::from(associated), &mut bytes).map_err(|_| OpenError::Key(section))?;
    let max = section.plaintext_bytes_max();
    let mut plaintext = Vec::new();
    let read = DeflateDecoder::new(&*compressed).take(max as u64 + 1).read_to_end(&mut plaintext);
    if read.is_err() || plaintext.len() > max {
        return Err(OpenError::Plaintext(section));
    }
    Ok(plaintext)
}

fn cipher(keys: &SectionKeys) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, &keys.key).ok().map(LessSafeKey::new)
}

/// Always the same: a section's key encrypts one text, once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// The text stays out of logs.
impl fmt::Debug for OpenedSection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenedSection::KeyGone => formatter.write_str("KeyGone"),
            OpenedSection::Verified(text) => write!(formatter, "Verified({} bytes)", text.len()),
        }
    }
}

impl fmt::Display for SealError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SealError::Compression => formatter.write_str("a section could not be compressed"),
            SealError::Encryption => formatter.write_str("a section could not be encrypted"),
            SealError::MasterKey(fault) => write!(formatter, "the keys of a record could not be wrapped: {fault}"),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Body(error) => error.fmt(formatter),
            OpenError::Commitment(section) => write!(formatter, "section `{}` is not the text that was put on record", section.word()),
            OpenError::Key(section) => write!(formatter, "section `{}` does not open with the key of this record", section.word()),
            OpenError::Plaintext(section) => write!(formatter, "section `{}` does not decompress to a section", section.word()),
        }
    }
}

impl std::error::Error for SealError {}
impl std::error::Error for OpenError {}
