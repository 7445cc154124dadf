//! From one format to the next. A step changes nothing that is signed: leaves, tiles, bodies and checkpoints are what they are for ever.

use crate::disk::Disk;
use crate::facts::{self, FORMAT};
use crate::fault::StoreFault;
use crate::ledger::LOCK;
use crate::{shelf, wal};
use std::io;

/// From a format to the one after it. It may be cut off and run again: the new format is written when it is done.
pub type Step = fn(&dyn Disk) -> Result<(), StoreFault>;

/// By the format that they begin with. Format 1 is the first.
const STEPS: &[(u64, Step)] = &[(1, mark_batches)];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgraded {
    pub from: u64,
    pub to: u64,
}

/// Nothing is changed if `try_only`.
pub fn upgrade(disk: &dyn Disk, try_only: bool) -> Result<Upgraded, StoreFault> {
    by_steps(disk, STEPS, FORMAT, try_only)
}

/// Batches of format 1 bear no mark: whoever can write the folder could have put them there, and nobody who has a key answers for them. So the
/// program that wrote them has to apply them. The next start wipes what is left of them.
fn mark_batches(disk: &dyn Disk) -> Result<(), StoreFault> {
    let applied = shelf::read_checkpoint(disk, &facts::read_any(disk)?.verifier_key)?.checkpoint().size;
    if wal::has_unmarked(disk, applied)? {
        return Err(StoreFault::Refused(
            "the write-ahead log holds records that nothing vouches for: start the version that wrote them once more, and shut it down"
                .to_owned(),
        ));
    }
    Ok(())
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
        check(FORMAT, STEPS, FORMAT, false, done(FORMAT, FORMAT), (FORMAT, false));
        check(FORMAT + 1, STEPS, FORMAT, false, refused(FORMAT + 1, FORMAT), (FORMAT + 1, false));
        check(1, &[(1, marks)], 2, false, done(1, 2), (2, true));
        check(1, &[(1, marks)], 2, true, done(1, 2), (1, false));
        // A step that fails leaves the format of the last that did not.
        check(1, &[(1, marks), (2, fails)], 3, false, Err(StoreFault::Full), (2, true));
        check(1, &[(2, marks)], 3, false, refused(1, 3), (1, false));
    }

    /// A ledger of format 1 with an empty tree, and a batch of this many records in its log.
    fn check_unmarked(records: u32, expect: &Result<Upgraded, StoreFault>, left: u64) {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(folder.path()).unwrap();
        let signer = sluice_ledger::note::Signer::from_seed("ledger.example.com/one", sluice_ledger::note::KeyKind::Log, &[1; 32]).unwrap();
        let verifier_key = signer.verifier_key().clone();
        let facts = facts::LedgerFacts { origin: verifier_key.name().to_owned(), ledger: [0; 16], verifier_key, created_ms: 1 };
        facts::create(&disk, &facts, &signer, wal::SegmentSizes { regular_bytes: 16 << 10, closing_bytes: 8 << 10 }).unwrap();
        facts::rewrite_format(&disk, 1).unwrap();
        let head = [b"sluicew1".as_slice(), &9_u32.to_be_bytes(), &records.to_be_bytes(), &0_u64.to_be_bytes()].concat();
        disk.open("wal/000001.wal").unwrap().write_at(8192, &head).unwrap();
        assert_eq!(&upgrade(&disk, false), expect, "{records} records");
        assert_eq!(facts::read_format(&disk).unwrap(), left, "{records} records");
    }

    #[test]
    fn records_that_nothing_vouches_for_are_not_taken_along() {
        check_unmarked(0, &Ok(Upgraded { from: 1, to: 2 }), 2);
        let why =
            "the write-ahead log holds records that nothing vouches for: start the version that wrote them once more, and shut it down";
        check_unmarked(1, &Err(StoreFault::Refused(why.to_owned())), 1);
    }
}
