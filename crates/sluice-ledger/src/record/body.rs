//! The encrypted part of a record, as bytes: a head, a row for each section, the ciphertexts in the same order.
//!
//! A row holds what the leaf commits to: an HMAC of the plain text under a salt that goes with the keys, and a hash of the ciphertext. So every
//! bit of a body is checked without a key; and once the salt is gone, what is left of the plain text is a random number.

use super::leaf::{Leaf, RecordId};
use super::section::{SectionId, SectionSet};
use crate::tree;
use std::fmt;

pub const BODY_VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 16 + 1;
const ROW_BYTES: usize = 1 + 4 + 32 + 32;
/// What encryption adds to a section, and compression to a text that is noise: well under one byte in a thousand.
const SECTION_GROWTH_BYTES_MIN: usize = 64;
const SECTION_GROWTH_DIVISOR: usize = 1 << 10;
/// All sections at their largest.
pub const BODY_BYTES_MAX: usize = HEAD_BYTES + section_bytes_max(&SectionId::ALL);

const fn section_bytes_max(sections: &[SectionId]) -> usize {
    match sections {
        [] => 0,
        [first, rest @ ..] => {
            let plaintext_bytes = first.plaintext_bytes_max();
            let growth_bytes = SECTION_GROWTH_BYTES_MIN + plaintext_bytes / SECTION_GROWTH_DIVISOR;
            ROW_BYTES + plaintext_bytes + growth_bytes + section_bytes_max(rest)
        }
    }
}

/// What a body says about one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub section: SectionId,
    /// HMAC-SHA256 under the section's salt.
    pub commitment: [u8; 32],
    /// SHA-256.
    pub ciphertext_digest: [u8; 32],
}

/// A body whose ciphertexts have been compared with its rows. Whether the rows are those of a leaf says `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    record: RecordId,
    sections: Vec<(Row, &'a [u8])>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// The ciphertext of this section is not the one that its row names.
    Ciphertext(SectionId),
    /// Lengths, order or end are not those of a body.
    Form,
    /// It is another record's.
    Record,
    /// The leaf commits to other rows.
    Root,
    Version(u8),
}

impl Body<'_> {
    /// `sections` in the order of their codes.
    pub fn write(record: RecordId, sections: &[(Row, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + sections.iter().map(|(_, ciphertext)| ROW_BYTES + ciphertext.len()).sum::<usize>());
        out.push(BODY_VERSION);
        out.extend(record.0);
        out.push(sections.len() as u8);
        for (row, ciphertext) in sections {
            out.push(row.section.code());
            out.extend((ciphertext.len() as u32).to_be_bytes());
            out.extend(row.commitment);
            out.extend(row.ciphertext_digest);
        }
        sections.iter().for_each(|(_, ciphertext)| out.extend(ciphertext));
        out
    }

    pub fn read(bytes: &[u8]) -> Result<Body<'_>, BodyError> {
        if bytes.len() > BODY_BYTES_MAX {
            return Err(BodyError::Form);
        }
        let (version, rest) = bytes.split_first().ok_or(BodyError::Form)?;
        if *version != BODY_VERSION {
            return Err(BodyError::Version(*version));
        }
        let (record, rest) = rest.split_first_chunk::<16>().ok_or(BodyError::Form)?;
        let (count, mut rest) = rest.split_first().ok_or(BodyError::Form)?;
        let mut rows = Vec::new();
        for _ in 0..*count {
            let (row, after) = rest.split_first_chunk::<ROW_BYTES>().ok_or(BodyError::Form)?;
            rows.push(read_row(row).ok_or(BodyError::Form)?);
            rest = after;
        }
        if !rows.is_sorted_by(|(left, _), (right, _)| left.section < right.section) {
            return Err(BodyError::Form);
        }
        let mut sections = Vec::with_capacity(rows.len());
        for (row, length) in rows {
            let (ciphertext, after) = rest.split_at_checked(length).ok_or(BodyError::Form)?;
            if tree::sha256(&[ciphertext]) != row.ciphertext_digest {
                return Err(BodyError::Ciphertext(row.section));
            }
            sections.push((row, ciphertext));
            rest = after;
        }
        if rest.is_empty() { Ok(Body { record: RecordId(*record), sections }) } else { Err(BodyError::Form) }
    }

    /// Whether it is the body that the leaf commits to, every bit of it.
    pub fn check(&self, leaf: &Leaf) -> Result<(), BodyError> {
        if self.record != leaf.record {
            return Err(BodyError::Record);
        }
        if self.section_set() != leaf.sections || self.root() != leaf.root {
            return Err(BodyError::Root);
        }
        Ok(())
    }

    pub fn record(&self) -> RecordId {
        self.record
    }

    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().map(|(row, _)| row)
    }

    pub fn ciphertext(&self, section: SectionId) -> Option<&[u8]> {
        self.sections.iter().find(|(row, _)| row.section == section).map(|(_, ciphertext)| *ciphertext)
    }

    pub fn section_set(&self) -> SectionSet {
        self.rows().map(|row| row.section).collect()
    }

    pub fn root(&self) -> [u8; 32] {
        root(&self.rows().copied().collect::<Vec<Row>>())
    }
}

impl Row {
    pub(super) fn new(section: SectionId, commitment: [u8; 32], ciphertext: &[u8]) -> Row {
        Row { section, commitment, ciphertext_digest: tree::sha256(&[ciphertext]) }
    }

    fn hash(&self) -> [u8; 32] {
        tree::leaf_hash(&[&[self.section.code()], self.commitment.as_slice(), &self.ciphertext_digest].concat())
    }
}

/// The root of a record: the Merkle tree hash of RFC 6962 over its rows, each as code, commitment and digest of the ciphertext.
pub fn root(rows: &[Row]) -> [u8; 32] {
    tree::root(&rows.iter().map(Row::hash).collect::<Vec<_>>())
}

fn read_row(row: &[u8; ROW_BYTES]) -> Option<(Row, usize)> {
    let (code, rest) = row.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (commitment, ciphertext_digest) = rest.split_first_chunk::<32>()?;
    let row = Row { section: SectionId::from_code(*code)?, commitment: *commitment, ciphertext_digest: ciphertext_digest.try_into().ok()? };
    Some((row, u32::from_be_bytes(*length) as usize))
}

impl fmt::Display for BodyError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Ciphertext(section) => write!(formatter, "the ciphertext of section `{}` was changed", section.word()),
            BodyError::Form => formatter.write_str("the body is not in the form that a body has"),
            BodyError::Record => formatter.write_str("the body is another record's"),
            BodyError::Root => formatter.write_str("the leaf commits to another body"),
            BodyError::Version(version) => write!(formatter, "version {version} of bodies is unknown"),
        }
    }
}

impl std::error::Error for BodyError {}
