//! Showing some sections of one record to somebody without keys, and nothing of the others.
//!
//! Written as bytes it goes with a proof of the leaf: version, leaf, rows, what is shown; counts have one byte, lengths of texts four.

use super::body::{Body, BodyError, Row, root};
use super::leaf::Leaf;
use super::seal::is_committed;
use super::section::{SectionId, SectionSet};
use crate::keyring::KeyEntry;
use std::fmt;

const VERSION: u8 = 1;

/// Rows of the whole record, and texts of what is shown. Together with a proof of the leaf it convinces anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    pub rows: Vec<Row>,
    pub shown: Vec<Disclosed>,
}

/// One text and the salt that its commitment was made with. The salt opens nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosed {
    pub section: SectionId,
    pub salt: [u8; 32],
    pub plaintext: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisclosureError {
    Body(BodyError),
    /// It is shown twice, or is none of the record's.
    Section(SectionId),
    /// The text is not the one that was put on record.
    Text(SectionId),
}

impl Disclosure {
    /// Of `opened`, what `sections` names. What there is no key for is left out.
    pub fn of(body: &Body<'_>, entry: &KeyEntry, opened: &[(SectionId, Vec<u8>)], sections: SectionSet) -> Disclosure {
        let shown = opened.iter().filter(|(section, _)| sections.contains(*section)).filter_map(|(section, plaintext)| {
            let keys = entry.section_keys(*section).ok().flatten()?;
            Some(Disclosed { section: *section, salt: keys.salt, plaintext: plaintext.clone() })
        });
        Disclosure { rows: body.rows().copied().collect(), shown: shown.collect() }
    }

    pub fn bytes(&self, leaf: &Leaf) -> Vec<u8> {
        let leaf = leaf.bytes();
        let mut out = vec![VERSION, leaf.len() as u8];
        out.extend(leaf);
        out.push(self.rows.len() as u8);
        for row in &self.rows {
            out.push(row.section.code());
            out.extend(row.commitment);
            out.extend(row.ciphertext_digest);
        }
        out.push(self.shown.len() as u8);
        for shown in &self.shown {
            out.push(shown.section.code());
            out.extend(shown.salt);
            out.extend((shown.plaintext.len() as u32).to_be_bytes());
            out.extend(&shown.plaintext);
        }
        out
    }

    /// Takes what `bytes` gives, and nothing else. Whether it is true says `check`, whether the leaf is on record its proof.
    pub fn read(bytes: &[u8]) -> Option<(Leaf, Disclosure)> {
        let mut reader = Reader { rest: bytes };
        if reader.byte()? != VERSION {
            return None;
        }
        let length = reader.byte()?;
        let leaf = Leaf::read(reader.bytes(usize::from(length))?).ok()?;
        let mut rows = Vec::new();
        for _ in 0..reader.byte()? {
            rows.push(Row { section: reader.section()?, commitment: reader.array()?, ciphertext_digest: reader.array()? });
        }
        let mut shown = Vec::new();
        for _ in 0..reader.byte()? {
            let (section, salt) = (reader.section()?, reader.array()?);
            let length = usize::try_from(u32::from_be_bytes(reader.array()?)).ok()?;
            shown.push(Disclosed { section, salt, plaintext: reader.bytes(length)?.to_vec() });
        }
        reader.rest.is_empty().then_some((leaf, Disclosure { rows, shown }))
    }

    /// Whether the leaf commits to every text that is shown.
    pub fn check(&self, leaf: &Leaf) -> Result<(), DisclosureError> {
        let sections: SectionSet = self.rows.iter().map(|row| row.section).collect();
        let ordered = self.rows.is_sorted_by(|left, right| left.section < right.section);
        if !ordered || sections != leaf.sections || root(&self.rows) != leaf.root {
            return Err(DisclosureError::Body(BodyError::Root));
        }
        let mut seen = SectionSet::default();
        for shown in &self.shown {
            let row = self.rows.iter().find(|row| row.section == shown.section);
            let row = row.filter(|_| !seen.contains(shown.section)).ok_or(DisclosureError::Section(shown.section))?;
            if !is_committed(row, &shown.salt, &shown.plaintext) {
                return Err(DisclosureError::Text(shown.section));
            }
            seen = seen.with(shown.section);
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn section(&mut self) -> Option<SectionId> {
        SectionId::from_code(self.byte()?)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(bytes)
    }
}

/// The text stays out of logs.
impl fmt::Debug for Disclosed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Disclosed({}, {} bytes)", self.section.word(), self.plaintext.len())
    }
}

impl fmt::Display for DisclosureError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DisclosureError::Body(error) => error.fmt(formatter),
            DisclosureError::Section(section) => write!(formatter, "section `{}` is shown twice, or is not the record's", section.word()),
            DisclosureError::Text(section) => write!(formatter, "section `{}` is not the text that was put on record", section.word()),
        }
    }
}

impl std::error::Error for DisclosureError {}
