//! From one format to the next. A step changes nothing that is signed: leaves, tiles, bodies and checkpoints are what they are for ever.

use crate::disk::Disk;
use crate::facts::{self, FORMAT};
use crate::fault::StoreFault;
use crate::ledger::LOCK;
use std::io;

/// From a format to the one after it. It may be cut off and run again: the new format is written when it is done.
pub type Step = fn(&dyn Disk) -> Result<(), StoreFault>;

/// By the format that they begin with. Format 1 is the first.
const STEPS: &[(u64, Step)] = &[];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    pub from: u64,
    pub to: u64,
}

/// Nothing is changed if `try_only`.
pub fn upgrade(disk: &dyn Disk, try_only: bool) -> Result<Upgraded, StoreFault> {
    by_steps(disk, STEPS, FORMAT, try_only)
}

fn by_steps(disk: &dyn Disk, steps: &[(u64, Step)], newest: u64, try_only: bool) -> Result<Upgraded, StoreFault> {
    let from = facts::read_format(disk)?;
    let mut way = Vec::new();
    for format in from..newest {
        let (_, step) = steps.iter().find(|(begin, _)| *begin == format).ok_or(StoreFault::Format { found: from, known: newest })?;
        way.push((format + 1, step));
    }
    if from > newest {
        return Err(StoreFault::Format { found: from, known: newest });
    }
    if try_only || way.is_empty() {
        return Ok(Upgraded { from, to: newest });
    }
    let _lock = disk.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StoreFault::InUse,
        _ => error.into(),
    })?;
    for (to, step) in way {
        step(disk)?;
        facts::rewrite_format(disk, to)?;
    }
    Ok(Upgraded { from, to: newest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{LocalDisk, replace};

    fn facts_of(format: u64) -> String {
        let key = sluice_ledger::note::Signer::from_seed("ledger.example.com/one", sluice_ledger::note::KeyKind::Log, &[1; 32]).unwrap();
        let (zeros, key) = ("00".repeat(16), key.verifier_key().to_string());
        format!(
            "{{\"format\":{format},\"origin\":\"ledger.example.com/one\",\"ledger\":\"{zeros}\",\"verifier_key\":\"{key}\",\"created_ms\":1}}"
        )
    }

    fn marks(disk: &dyn Disk) -> Result<(), StoreFault> {
        Ok(replace(disk, "marked", b"yes")?)
    }

    fn fails(_: &dyn Disk) -> Result<(), StoreFault> {
        Err(StoreFault::Full)
    }

    fn check(found: u64, steps: &[(u64, Step)], newest: u64, try_only: bool, expect: Result<Upgraded, StoreFault>, left: (u64, bool)) {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(folder.path()).unwrap();
        replace(&disk, facts::PATH, facts_of(found).as_bytes()).unwrap();
        assert_eq!(by_steps(&disk, steps, newest, try_only), expect);
        let marked = disk.list("").unwrap().contains(&"marked".to_owned());
        assert_eq!((facts::read_format(&disk).unwrap(), marked), left);
    }

    #[test]
    fn each_format_has_a_way_to_the_newest() {
        let done = |from, to| Ok(Upgraded { from, to });
        let refused = |found, known| Err(StoreFault::Format { found, known });
        check(1, STEPS, FORMAT, false, done(1, FORMAT), (1, false));
        check(2, STEPS, FORMAT, false, refused(2, FORMAT), (2, false));
        check(1, &[(1, marks)], 2, false, done(1, 2), (2, true));
        check(1, &[(1, marks)], 2, true, done(1, 2), (1, false));
        // A step that fails leaves the format of the last that did not.
        check(1, &[(1, marks), (2, fails)], 3, false, Err(StoreFault::Full), (2, true));
        check(1, &[(2, marks)], 3, false, refused(1, 3), (1, false));
    }
}
