//! What is to be put on record, in plain text. It becomes a `SealedRecord` before it leaves the thread that knows it.

use super::kind::{Kind, Presence};
use super::leaf::{Subject, Target};
use super::section::{SectionId, SectionSet};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Clone, PartialEq, Eq)]
pub struct Draft {
    kind: Kind,
    subject: Option<Subject>,
    target: Option<Target>,
    sections: BTreeMap<SectionId, Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DraftError {
    /// A request, of a kind that has none, or the other way round.
    Shape {
        kind: Kind,
    },
    /// A section that stands already.
    Twice {
        section: SectionId,
    },
    TooLong {
        section: SectionId,
        bytes: usize,
    },
    Unwritable {
        section: SectionId,
    },
}

impl Draft {
    /// Of what belongs to no request.
    pub fn new(kind: Kind) -> Result<Draft, DraftError> {
        Draft::shaped(kind, None, None)
    }

    /// Of one step of a request.
    pub fn of_request(kind: Kind, subject: Subject) -> Result<Draft, DraftError> {
        Draft::shaped(kind, Some(subject), None)
    }

    /// Of what is done to an earlier record.
    pub fn of_record(kind: Kind, target: Target) -> Result<Draft, DraftError> {
        Draft::shaped(kind, None, Some(target))
    }

    fn shaped(kind: Kind, subject: Option<Subject>, target: Option<Target>) -> Result<Draft, DraftError> {
        let fits = |present: bool, presence: Presence| present == (presence == Presence::Always);
        if !fits(subject.is_some(), kind.subject()) || !fits(target.is_some(), kind.target()) {
            return Err(DraftError::Shape { kind });
        }
        Ok(Draft { kind, subject, target, sections: BTreeMap::new() })
    }

    /// Nothing is cut: a section that is too long is refused, and with it the request.
    pub fn with(mut self, section: SectionId, plaintext: Vec<u8>) -> Result<Draft, DraftError> {
        if plaintext.len() > section.plaintext_bytes_max() {
            return Err(DraftError::TooLong { section, bytes: plaintext.len() });
        }
        match self.sections.insert(section, plaintext) {
            None => Ok(self),
            Some(_) => Err(DraftError::Twice { section }),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn subject(&self) -> Option<Subject> {
        self.subject
    }

    pub fn target(&self) -> Option<Target> {
        self.target
    }

    pub fn sections(&self) -> &BTreeMap<SectionId, Vec<u8>> {
        &self.sections
    }

    pub fn section_set(&self) -> SectionSet {
        self.sections.keys().copied().collect()
    }
}

/// The plain text stays out of logs.
impl fmt::Debug for Draft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sections: Vec<&str> = self.sections.keys().map(|section| section.word()).collect();
        write!(formatter, "Draft({}, {sections:?})", self.kind.word())
    }
}

impl fmt::Display for DraftError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DraftError::Shape { kind } => write!(formatter, "a subject or target does not fit a record of kind `{}`", kind.word()),
            DraftError::Twice { section } => write!(formatter, "section `{}` is given twice", section.word()),
            DraftError::TooLong { section, bytes } => {
                let max = section.plaintext_bytes_max();
                write!(formatter, "section `{}` of the record has {bytes} bytes, at most {max}", section.word())
            }
            DraftError::Unwritable { section } => write!(formatter, "section `{}` of the record could not be written", section.word()),
        }
    }
}

impl std::error::Error for DraftError {}
