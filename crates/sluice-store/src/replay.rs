//! Tokens that were exchanged, in one file: one line for each, on the disk before the answer.
//!
//! A crash between a line and its answer leaves a token spent that nobody used, never the other way round.

use crate::checked_line::sha256;
use crate::disk::Disk;
use crate::facts::{bytes_of, hexadecimal};
use crate::line_file::{LineFile, place};
use sluice_identity::{Replay, ReplayFault, ReplayStore};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Written anew when it holds this many lines, and twice as many as still count.
const LINES_BEFORE_REWRITE: usize = 10_000;
const HEAD: &str = "sluice replay 1\n";

type Key = [u8; 32];

/// For one gateway: a second one cannot open it, and so not spend the same token. Replicas need a store that they share.
pub struct ReplayFile {
    open: Mutex<Option<Open>>,
}

struct Open {
    file: LineFile,
    /// Until when each is remembered.
    spent: HashMap<Key, u64>,
}

impl ReplayFile {
    /// Makes the file that `open` expects: a store that is missing must not pass for one that is empty.
    pub fn create(path: &Path) -> Result<(), ReplayFault> {
        let (disk, name) = place(path).map_err(fault)?;
        ReplayFile::create_on(&disk, &name)
    }

    pub fn create_on(disk: &dyn Disk, name: &str) -> Result<(), ReplayFault> {
        LineFile::create(disk, name, HEAD).map_err(fault)
    }

    pub fn open(path: &Path) -> Result<ReplayFile, ReplayFault> {
        let (disk, name) = place(path).map_err(fault)?;
        ReplayFile::open_on(Arc::new(disk), &name)
    }

    pub fn open_on(disk: Arc<dyn Disk>, name: &str) -> Result<ReplayFile, ReplayFault> {
        let mut spent = HashMap::new();
        let file = LineFile::open(disk, name, HEAD, |line| {
            let (key, forget_at) = read_line(line)?;
            spent.insert(key, forget_at);
            Some(())
        });
        Ok(ReplayFile { open: Mutex::new(Some(Open { file: file.map_err(fault)?, spent })) })
    }
}

impl ReplayStore for ReplayFile {
    fn spend(&self, key: &str, forget_at: u64, now: u64) -> Result<Replay, ReplayFault> {
        let mut held = self.open.lock().map_err(|_| ReplayFault("poisoned".to_owned()))?;
        // After a failed write nobody knows what the disk holds. It is read again when the gateway starts again.
        let mut open = held.take().ok_or_else(|| ReplayFault("closed after a failed write".to_owned()))?;
        let outcome = open.spend(sha256(key.as_bytes()), forget_at, now);
        if outcome.is_ok() {
            *held = Some(open);
        }
        outcome.map_err(fault)
    }
}

impl Open {
    fn spend(&mut self, key: Key, forget_at: u64, now: u64) -> io::Result<Replay> {
        if self.spent.contains_key(&key) {
            return Ok(Replay::Again);
        }
        let lines = self.file.lines();
        if lines >= LINES_BEFORE_REWRITE && lines >= 2 * self.spent.values().filter(|until| **until >= now).count() {
            self.spent.retain(|_, until| *until >= now);
            self.file.rewrite(self.spent.iter().map(|(key, until)| line(key, *until)))?;
        }
        self.file.append(&line(&key, forget_at))?;
        self.spent.insert(key, forget_at);
        Ok(Replay::First)
    }
}

fn line(key: &Key, forget_at: u64) -> String {
    format!("{} {forget_at}", hexadecimal(key))
}

fn read_line(line: &str) -> Option<(Key, u64)> {
    let (digits, forget_at) = line.split_once(' ')?;
    Some((bytes_of(digits)?.try_into().ok()?, forget_at.parse().ok()?))
}

fn fault(error: io::Error) -> ReplayFault {
    ReplayFault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checked_line::checked;
    use std::path::PathBuf;
    use tempfile::TempDir;

    const LATER: u64 = 2_000_000_000;

    /// A file in a folder that goes with the test.
    fn fresh() -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("replay");
        ReplayFile::create(&path).unwrap();
        (folder, path)
    }

    fn spend(store: &ReplayFile, key: &str) -> Replay {
        store.spend(key, LATER, 0).unwrap()
    }

    #[test]
    fn tokens_stay_spent_over_a_restart() {
        let (_folder, path) = fresh();
        for round in 0..5 {
            let store = ReplayFile::open(&path).unwrap();
            for earlier in 0..round {
                assert_eq!(spend(&store, &format!("token-{earlier}")), Replay::Again);
            }
            assert_eq!(spend(&store, &format!("token-{round}")), Replay::First);
            assert_eq!(spend(&store, &format!("token-{round}")), Replay::Again);
        }
    }

    #[test]
    fn a_store_is_made_on_purpose_and_used_by_one() {
        let (_folder, path) = fresh();
        assert!(ReplayFile::create(&path).is_err());
        let first = ReplayFile::open(&path).unwrap();
        assert!(ReplayFile::open(&path).is_err());
        drop(first);
        assert!(ReplayFile::open(&path).is_ok());
        assert!(ReplayFile::open(&path.with_extension("other")).is_err());
    }

    /// Cut at every byte: what was answered before the cut line stays spent, and nothing else is.
    #[test]
    fn a_torn_end_is_cut_off() {
        let (_folder, path) = fresh();
        let store = ReplayFile::open(&path).unwrap();
        let mut lengths = vec![std::fs::metadata(&path).unwrap().len()];
        for number in 0..3 {
            spend(&store, &format!("token-{number}"));
            lengths.push(std::fs::metadata(&path).unwrap().len());
        }
        drop(store);
        let text = std::fs::read(&path).unwrap();
        for length in lengths[0]..=lengths[3] {
            std::fs::write(&path, &text[..usize::try_from(length).unwrap()]).unwrap();
            let store = ReplayFile::open(&path).unwrap();
            for number in 0..3 {
                let expect = if length >= lengths[number + 1] { Replay::Again } else { Replay::First };
                assert_eq!(spend(&store, &format!("token-{number}")), expect, "{number} at {length}");
            }
        }
    }

    #[test]
    fn damage_keeps_it_shut() {
        let (_folder, path) = fresh();
        let store = ReplayFile::open(&path).unwrap();
        (0..3).for_each(|number| assert_eq!(spend(&store, &format!("token-{number}")), Replay::First));
        drop(store);
        let text = std::fs::read(&path).unwrap();
        for bit in 0..(text.len() - 1) * 8 {
            let mut damaged = text.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).unwrap();
            assert!(ReplayFile::open(&path).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let (_folder, path) = fresh();
        let store = ReplayFile::open(&path).unwrap();
        for key in ["a", "b", "c"] {
            let first = std::thread::scope(|scope| {
                let crowd: Vec<_> = (0..8).map(|_| scope.spawn(|| spend(&store, key))).collect();
                crowd.into_iter().map(|one| one.join().unwrap()).filter(|found| *found == Replay::First).count()
            });
            assert_eq!(first, 1);
        }
    }

    #[test]
    fn what_has_ended_is_forgotten_and_the_rest_is_not() {
        let (_folder, path) = fresh();
        let mut text = HEAD.to_owned();
        (0..LINES_BEFORE_REWRITE).for_each(|number| text += &checked(&line(&sha256(format!("old-{number}").as_bytes()), 100)));
        text += &checked(&line(&sha256(b"kept"), LATER));
        std::fs::write(&path, &text).unwrap();
        let store = ReplayFile::open(&path).unwrap();
        assert_eq!(store.spend("new", LATER, 101), Ok(Replay::First));
        drop(store);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        let store = ReplayFile::open(&path).unwrap();
        assert_eq!((spend(&store, "kept"), spend(&store, "new"), spend(&store, "old-1")), (Replay::Again, Replay::Again, Replay::First));
    }
}
