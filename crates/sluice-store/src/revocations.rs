//! What was called off, in one file that only grows. The gateway reads it again whenever it has changed, so a command beside it takes effect on the next request.

use crate::checked_file::{CheckedFile, Lines, Place};
use crate::facts::{bytes_of, hexadecimal};
use crate::fault::StoreFault;
use sluice_identity::Revocations;
use std::path::Path;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Every token that was issued up to then.
    Everyone {
        until: u64,
    },
    Grant(String),
    /// `issuer#subject`; tokens that were issued up to then.
    Principal {
        name: String,
        until: u64,
    },
    Session(String),
    /// `issuer#jti`.
    Token(String),
}

pub struct RevocationFile {
    file: CheckedFile<Revocations>,
}

impl RevocationFile {
    /// Makes the file that `open` expects: one that is missing must not pass for one that calls nothing off.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        CheckedFile::<Revocations>::create(&Place::of(path)?)
    }

    pub fn open(path: &Path) -> Result<RevocationFile, StoreFault> {
        Ok(RevocationFile { file: CheckedFile::open(Place::of(path)?)? })
    }

    /// For every token that is judged. An error refuses the request.
    pub fn current(&self) -> Result<Arc<Revocations>, StoreFault> {
        self.file.current()
    }

    /// Durable when it returns. Several processes may do so, one after the other.
    pub fn add(&self, revocation: &Revocation) -> Result<(), StoreFault> {
        self.file.append(|_| Ok((revocation.body(), ())))
    }
}

impl Lines for Revocations {
    const HEAD: &'static str = "sluice revocations 1\n";

    fn take(&mut self, line: &str) -> Option<()> {
        Revocation::read(line)?.apply(self);
        Some(())
    }
}

impl Revocation {
    fn body(&self) -> String {
        match self {
            Revocation::Everyone { until } => format!("everyone {until}"),
            Revocation::Grant(id) => format!("grant {}", hexadecimal(id.as_bytes())),
            Revocation::Principal { name, until } => format!("principal {} {until}", hexadecimal(name.as_bytes())),
            Revocation::Session(id) => format!("session {}", hexadecimal(id.as_bytes())),
            Revocation::Token(id) => format!("token {}", hexadecimal(id.as_bytes())),
        }
    }

    fn read(body: &str) -> Option<Revocation> {
        let text = |digits: &str| String::from_utf8(bytes_of(digits)?).ok();
        match body.split(' ').collect::<Vec<_>>().as_slice() {
            ["everyone", until] => Some(Revocation::Everyone { until: until.parse().ok()? }),
            ["grant", id] => text(id).map(Revocation::Grant),
            ["principal", name, until] => Some(Revocation::Principal { name: text(name)?, until: until.parse().ok()? }),
            ["session", id] => text(id).map(Revocation::Session),
            ["token", id] => text(id).map(Revocation::Token),
            _ => None,
        }
    }

    /// Nothing is ever taken back: of two times the later one stands.
    fn apply(self, revocations: &mut Revocations) {
        match self {
            Revocation::Everyone { until } => revocations.issued_until = revocations.issued_until.max(Some(until)),
            Revocation::Grant(id) => drop(revocations.grants.insert(id)),
            Revocation::Principal { name, until } => {
                let known = revocations.principals.entry(name).or_insert(until);
                *known = (*known).max(until);
            }
            Revocation::Session(id) => drop(revocations.sessions.insert(id)),
            Revocation::Token(id) => drop(revocations.tokens.insert(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;
    use tempfile::TempDir;

    /// A file in a folder that goes with the test.
    fn fresh() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("revocations");
        RevocationFile::create(&path).unwrap();
        (folder, path)
    }

    fn all() -> Vec<Revocation> {
        vec![
            Revocation::Everyone { until: 9 },
            Revocation::Everyone { until: 5 },
            Revocation::Grant("g 1".to_owned()),
            Revocation::Principal { name: "https://i#a b\nc".to_owned(), until: 7 },
            Revocation::Principal { name: "https://i#a b\nc".to_owned(), until: 3 },
            Revocation::Session("s".to_owned()),
            Revocation::Token(String::new()),
        ]
    }

    fn expect() -> Revocations {
        Revocations {
            sessions: BTreeSet::from(["s".to_owned()]),
            tokens: BTreeSet::from([String::new()]),
            grants: BTreeSet::from(["g 1".to_owned()]),
            principals: BTreeMap::from([("https://i#a b\nc".to_owned(), 7)]),
            issued_until: Some(9),
        }
    }

    #[test]
    fn what_is_called_off_stays_so_and_others_see_it() {
        let (_folder, path) = fresh();
        let reader = RevocationFile::open(&path).unwrap();
        assert_eq!(*reader.current().unwrap(), Revocations::default());
        for revocation in all() {
            RevocationFile::open(&path).unwrap().add(&revocation).unwrap();
        }
        assert_eq!(*reader.current().unwrap(), expect());
        assert_eq!(*RevocationFile::open(&path).unwrap().current().unwrap(), expect());
        assert_eq!(RevocationFile::create(&path), Err(StoreFault::Exists(path.display().to_string())));
        std::fs::remove_file(&path).unwrap();
        assert!(reader.current().is_err(), "a file that is gone calls nothing off");
    }

    #[test]
    fn a_torn_end_is_left_out_and_damage_refuses() {
        let (_folder, path) = fresh();
        let file = RevocationFile::open(&path).unwrap();
        file.add(&Revocation::Session("kept".to_owned())).unwrap();
        let length = std::fs::metadata(&path).unwrap().len();
        file.add(&Revocation::Session("torn".to_owned())).unwrap();
        let text = std::fs::read(&path).unwrap();
        for cut in usize::try_from(length).unwrap()..text.len() {
            std::fs::write(&path, &text[..cut]).unwrap();
            let file = RevocationFile::open(&path).unwrap();
            assert_eq!(file.current().unwrap().sessions.len(), 1, "cut at {cut}");
            file.add(&Revocation::Session("next".to_owned())).unwrap();
            assert_eq!(file.current().unwrap().sessions, BTreeSet::from(["kept".to_owned(), "next".to_owned()]), "cut at {cut}");
        }
        for bit in 0..(text.len() - 1) * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(RevocationFile::open(&path).is_err(), "bit {bit}");
        }
    }
}
