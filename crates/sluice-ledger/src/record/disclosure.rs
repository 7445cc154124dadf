//! Showing some sections of one record to somebody without keys, and nothing of the others.

use super::body::{Body, BodyError, Row, root};
use super::leaf::Leaf;
use super::seal::is_committed;
use super::section::{SectionId, SectionSet};
use crate::keyring::KeyEntry;
use std::fmt;

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
