//! Whom a verifier believes, `c2sp.org/tlog-policy`: keys of logs, keys of witnesses, and how many of which have to agree.
//!
//! It is the reader's own file. Nothing in it ever comes from the data that is judged. Stricter than the specification: the file is UTF-8.

use crate::checkpoint::{CheckpointFault, SignedCheckpoint, decimal};
use crate::cosignature::cosigned_by;
use crate::note::{KeyFault, KeyKind, Note, NoteFault, Signature, VerifierKey};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub const TRUST_BYTES_MAX: usize = 64 * 1024;
/// Stands for no witness at all.
const NONE: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// A witness or a group; nothing where no cosignature is asked for.
    quorum: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Means something in this file alone.
    pub name: String,
    pub key: VerifierKey,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    threshold: usize,
    members: Vec<String>,
}

/// What witnesses say of one checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Witnessed {
    /// Name in the trust file -> seconds since 1970, by the witness's clock.
    pub times: BTreeMap<String, u64>,
    pub is_quorum: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustFault {
    /// From 1; 0 for the file as a whole.
    pub line: usize,
    pub problem: TrustProblem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustProblem {
    /// The same public key, or the same name, twice.
    Duplicate,
    Form,
    Key(KeyFault),
    /// A key of a log stands for a witness, or the other way round.
    KeyKind,
    Length,
    /// A member of two groups could be counted twice.
    Member(String),
    /// There is no quorum line, or a second one.
    Quorum,
    Threshold,
    /// It is not defined on a line above.
    Unknown(String),
}

impl Trust {
    pub fn parse(bytes: &[u8]) -> Result<Trust, TrustFault> {
        let whole = |problem| TrustFault { line: 0, problem };
        if bytes.len() > TRUST_BYTES_MAX {
            return Err(whole(TrustProblem::Length));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| whole(TrustProblem::Form))?;
        let mut reader = Reader::default();
        for (index, line) in text.split('\n').enumerate() {
            reader.read(line).map_err(|problem| TrustFault { line: index + 1, problem })?;
        }
        let Reader { logs, witnesses, groups, quorum, .. } = reader;
        Ok(Trust { logs, witnesses, groups, quorum: quorum.ok_or(whole(TrustProblem::Quorum))? })
    }

    pub fn logs(&self) -> &[VerifierKey] {
        &self.logs
    }

    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    pub fn asks_for_witnesses(&self) -> bool {
        self.quorum.is_some()
    }

    /// A checkpoint that one of the logs signed. Cosignatures are not asked for: see `witnessed`.
    pub fn open(&self, bytes: &[u8]) -> Result<SignedCheckpoint, CheckpointFault> {
        SignedCheckpoint::open(bytes, &self.logs)
    }

    /// Every cosignature by a known witness has to verify.
    pub fn witnessed(&self, note: &Note) -> Result<Witnessed, NoteFault> {
        let mut times = BTreeMap::new();
        for witness in &self.witnesses {
            if let Some(time) = cosigned_by(note, &witness.key)? {
                times.insert(witness.name.clone(), time);
            }
        }
        let mut agreed: BTreeSet<&str> = times.keys().map(String::as_str).collect();
        // A group names only what stands above it, so one pass settles all.
        for group in &self.groups {
            if group.members.iter().filter(|member| agreed.contains(member.as_str())).count() >= group.threshold {
                agreed.insert(&group.name);
            }
        }
        let is_quorum = self.quorum.as_deref().is_none_or(|quorum| agreed.contains(quorum));
        Ok(Witnessed { times, is_quorum })
    }

    /// Signature lines by nobody that this file names.
    pub fn strangers<'a>(&self, note: &'a Note) -> impl Iterator<Item = &'a Signature> {
        let keys: BTreeSet<(String, u32)> = self
            .logs
            .iter()
            .chain(self.witnesses.iter().map(|witness| &witness.key))
            .map(|key| (key.name().to_owned(), key.id()))
            .collect();
        note.signatures().iter().filter(move |signature| !keys.contains(&(signature.name.clone(), signature.id)))
    }
}

#[derive(Default)]
struct Reader {
    logs: Vec<VerifierKey>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// The outer says whether the line was there, the inner whom it names.
    quorum: Option<Option<String>>,
    names: BTreeSet<String>,
    members: BTreeSet<String>,
}

impl Reader {
    fn read(&mut self, line: &str) -> Result<(), TrustProblem> {
        if line.chars().any(|character| character.is_ascii_control() && character != '\t') {
            return Err(TrustProblem::Form);
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            [] => Ok(()),
            [first, ..] if first.starts_with('#') => Ok(()),
            ["log", key] | ["log", key, _] => self.log(key),
            ["witness", name, key] | ["witness", name, key, _] => self.witness(name, key),
            ["group", name, threshold, members @ ..] => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            _ => Err(TrustProblem::Form),
        }
    }

    fn log(&mut self, key: &str) -> Result<(), TrustProblem> {
        let key = self.key(key, KeyKind::Log)?;
        self.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str) -> Result<(), TrustProblem> {
        let key = self.key(key, KeyKind::Witness)?;
        self.define(name)?;
        self.witnesses.push(Witness { name: name.to_owned(), key });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, members: &[&str]) -> Result<(), TrustProblem> {
        let threshold = match threshold {
            "all" => members.len(),
            "any" => 1,
            number => decimal(number).and_then(|number| usize::try_from(number).ok()).ok_or(TrustProblem::Threshold)?,
        };
        if !(1..=members.len()).contains(&threshold) {
            return Err(TrustProblem::Threshold);
        }
        for member in members {
            self.known(member)?;
            if !self.members.insert((*member).to_owned()) {
                return Err(TrustProblem::Member((*member).to_owned()));
            }
        }
        self.define(name)?;
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        self.groups.push(Group { name: name.to_owned(), threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), TrustProblem> {
        if self.quorum.is_some() {
            return Err(TrustProblem::Quorum);
        }
        self.quorum = Some(if name == NONE { None } else { Some(self.known(name)?) });
        Ok(())
    }

    /// One public key has one part to play: a log that is its own witness would prove nothing.
    fn key(&self, text: &str, kind: KeyKind) -> Result<VerifierKey, TrustProblem> {
        let key = VerifierKey::parse(text).map_err(TrustProblem::Key)?;
        if key.kind() != kind {
            return Err(TrustProblem::KeyKind);
        }
        let mut known = self.logs.iter().chain(self.witnesses.iter().map(|witness| &witness.key));
        if known.any(|other| other.public() == key.public()) { Err(TrustProblem::Duplicate) } else { Ok(key) }
    }

    fn define(&mut self, name: &str) -> Result<(), TrustProblem> {
        let is_new = name != NONE && self.names.insert(name.to_owned());
        if is_new { Ok(()) } else { Err(TrustProblem::Duplicate) }
    }

    fn known(&self, name: &str) -> Result<String, TrustProblem> {
        self.names.get(name).cloned().ok_or_else(|| TrustProblem::Unknown(name.to_owned()))
    }
}

impl fmt::Display for TrustFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(formatter, "line {}: ", self.line)?;
        }
        self.problem.fmt(formatter)
    }
}

impl fmt::Display for TrustProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustProblem::Duplicate => formatter.write_str("the key or the name stands on another line already"),
            TrustProblem::Form => formatter
                .write_str("expected `log KEY`, `witness NAME KEY`, `group NAME all|any|COUNT NAME...`, `quorum NAME` or `quorum none`"),
            TrustProblem::Key(fault) => fault.fmt(formatter),
            TrustProblem::KeyKind => formatter.write_str("a key of a log cannot be a witness's, nor the other way round"),
            TrustProblem::Length => write!(formatter, "a trust file has at most {TRUST_BYTES_MAX} bytes"),
            TrustProblem::Member(name) => write!(formatter, "`{name}` is a member twice"),
            TrustProblem::Quorum => formatter.write_str("exactly one `quorum` line has to be there"),
            TrustProblem::Threshold => formatter.write_str("the count of a group is between 1 and the number of its members"),
            TrustProblem::Unknown(name) => write!(formatter, "`{name}` is not defined on a line above"),
        }
    }
}

impl std::error::Error for TrustFault {}
