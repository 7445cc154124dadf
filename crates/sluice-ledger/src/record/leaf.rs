//! The small commitment that stays for ever. It holds no personal data: random ids, a time, a kind and hashes.

use super::cbor::{self, Reader};
use super::kind::{Kind, Presence};
use super::section::SectionSet;
use std::fmt;

pub const LEAF_BYTES_MAX: usize = 160;
pub const LEAF_VERSION: u64 = 1;

/// Random; a record's name in what is encrypted with it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub [u8; 16]);

/// Random; what the records of one request have in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject(pub [u8; 16]);

/// The earlier record, and which of its sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    pub index: u64,
    pub sections: SectionSet,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    pub kind: Kind,
    /// Since 1970, by the single writer: never less than the leaf before.
    pub time_ms: u64,
    /// Counts the starts of the writer, from 1.
    pub epoch: u64,
    /// Commits to every section, its ciphertext included.
    pub root: [u8; 32],
    pub sections: SectionSet,
    pub subject: Option<Subject>,
    pub target: Option<Target>,
    pub record: RecordId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafError {
    /// The same could be written otherwise: only one way is taken.
    Form,
    Kind(u64),
    /// A subject or a target is missing, or stands where none may.
    Shape(Kind),
    TooLong,
    Version(u64),
}

const VERSION: u64 = 1;
const KIND: u64 = 2;
const TIME: u64 = 3;
const EPOCH: u64 = 4;
const ROOT: u64 = 5;
const SECTIONS: u64 = 6;
const SUBJECT: u64 = 7;
const TARGET_INDEX: u64 = 8;
const TARGET_SECTIONS: u64 = 9;
const RECORD: u64 = 10;
const KEYS_ALWAYS: u64 = 7;

impl Leaf {
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(LEAF_BYTES_MAX);
        cbor::write_map(&mut out, KEYS_ALWAYS + u64::from(self.subject.is_some()) + 2 * u64::from(self.target.is_some()));
        let number = |out: &mut Vec<u8>, key: u64, value: u64| {
            cbor::write_unsigned(out, key);
            cbor::write_unsigned(out, value);
        };
        let bytes = |out: &mut Vec<u8>, key: u64, value: &[u8]| {
            cbor::write_unsigned(out, key);
            cbor::write_bytes(out, value);
        };
        number(&mut out, VERSION, LEAF_VERSION);
        number(&mut out, KIND, u64::from(self.kind.code()));
        number(&mut out, TIME, self.time_ms);
        number(&mut out, EPOCH, self.epoch);
        bytes(&mut out, ROOT, &self.root);
        number(&mut out, SECTIONS, u64::from(self.sections.bits()));
        if let Some(subject) = &self.subject {
            bytes(&mut out, SUBJECT, &subject.0);
        }
        if let Some(target) = &self.target {
            number(&mut out, TARGET_INDEX, target.index);
            number(&mut out, TARGET_SECTIONS, u64::from(target.sections.bits()));
        }
        bytes(&mut out, RECORD, &self.record.0);
        out
    }

    /// Takes the bytes that `bytes` gives, and no others.
    pub fn read(bytes: &[u8]) -> Result<Leaf, LeafError> {
        if bytes.len() > LEAF_BYTES_MAX {
            return Err(LeafError::TooLong);
        }
        let fields = Fields::read(bytes).ok_or(LeafError::Form)?;
        if fields.version != LEAF_VERSION {
            return Err(LeafError::Version(fields.version));
        }
        let leaf = fields.leaf()?;
        leaf.check_shape()?;
        if leaf.bytes() == bytes { Ok(leaf) } else { Err(LeafError::Form) }
    }

    /// Whether subject and target stand where its kind wants them.
    pub fn check_shape(&self) -> Result<(), LeafError> {
        let fits = |present: bool, presence: Presence| present == (presence == Presence::Always);
        if fits(self.subject.is_some(), self.kind.subject()) && fits(self.target.is_some(), self.kind.target()) {
            Ok(())
        } else {
            Err(LeafError::Shape(self.kind))
        }
    }
}

impl Subject {
    /// From the 32 digits that it is displayed in.
    pub fn parse(text: &str) -> Option<Subject> {
        read_hexadecimal(text).map(Subject)
    }
}

impl RecordId {
    /// From the 32 digits that it is displayed in.
    pub fn parse(text: &str) -> Option<RecordId> {
        read_hexadecimal(text).map(RecordId)
    }
}

/// As they stand in the map. Order, width and repetition are compared with the one form afterwards.
#[derive(Default)]
struct Fields {
    version: u64,
    kind: u64,
    time_ms: u64,
    epoch: u64,
    root: [u8; 32],
    sections: u64,
    subject: Option<[u8; 16]>,
    target: Option<(u64, u64)>,
    record: [u8; 16],
}

impl Fields {
    fn read(bytes: &[u8]) -> Option<Fields> {
        let mut reader = Reader::new(bytes);
        let mut fields = Fields::default();
        for _ in 0..reader.map()? {
            match reader.unsigned()? {
                VERSION => fields.version = reader.unsigned()?,
                KIND => fields.kind = reader.unsigned()?,
                TIME => fields.time_ms = reader.unsigned()?,
                EPOCH => fields.epoch = reader.unsigned()?,
                ROOT => fields.root = reader.bytes()?,
                SECTIONS => fields.sections = reader.unsigned()?,
                SUBJECT => fields.subject = Some(reader.bytes()?),
                TARGET_INDEX => fields.target = Some((reader.unsigned()?, 0)),
                TARGET_SECTIONS => fields.target = Some((fields.target?.0, reader.unsigned()?)),
                RECORD => fields.record = reader.bytes()?,
                _ => return None,
            }
        }
        reader.is_at_end().then_some(fields)
    }

    fn leaf(self) -> Result<Leaf, LeafError> {
        let kind = Kind::from_code(self.kind).ok_or(LeafError::Kind(self.kind))?;
        let set = |bits: u64| u8::try_from(bits).map(SectionSet::from_bits).map_err(|_| LeafError::Form);
        let target = match self.target {
            Some((index, sections)) => Some(Target { index, sections: set(sections)? }),
            None => None,
        };
        Ok(Leaf {
            kind,
            time_ms: self.time_ms,
            epoch: self.epoch,
            root: self.root,
            sections: set(self.sections)?,
            subject: self.subject.map(Subject),
            target,
            record: RecordId(self.record),
        })
    }
}

fn hexadecimal(formatter: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
}

fn read_hexadecimal(text: &str) -> Option<[u8; 16]> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == 32 && text.bytes().all(lower)).then(|| u128::from_str_radix(text, 16).ok())?.map(u128::to_be_bytes)
}

impl fmt::Display for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(formatter, &self.0)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        hexadecimal(formatter, &self.0)
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "RecordId({self})")
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Subject({self})")
    }
}

impl fmt::Display for LeafError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LeafError::Form => formatter.write_str("the leaf is not in the one form that a leaf has"),
            LeafError::Kind(code) => write!(formatter, "no kind of record has code {code}"),
            LeafError::Shape(kind) => write!(formatter, "a subject or target does not fit a record of kind `{}`", kind.word()),
            LeafError::TooLong => write!(formatter, "the leaf is longer than {LEAF_BYTES_MAX} bytes"),
            LeafError::Version(version) => write!(formatter, "version {version} of leaves is unknown"),
        }
    }
}

impl std::error::Error for LeafError {}
