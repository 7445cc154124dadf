//! Tokens that were exchanged, in one file that only grows until it is written anew: one line for each, on the disk before the answer.
//!
//! Crash order: a line is appended and synced, then remembered, then answered. A crash in between leaves a token spent that nobody used, never the
//! other way round. A last line without its end was never answered and is cut off; any other damage keeps the store shut.

use crate::checked_line::{checked, sha256, sync_folder_of, unchecked};
use crate::facts::{bytes_of, hexadecimal};
use sluice_identity::{Replay, ReplayFault, ReplayStore};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Written anew when it holds this many lines, and twice as many as still count.
const LINES_BEFORE_REWRITE: usize = 10_000;
const HEAD: &str = "sluice replay 1\n";

type Key = [u8; 32];

/// For one gateway: the file is locked, so that a second one cannot spend the same token. Replicas need a store that they share.
pub struct ReplayFile {
    open: Mutex<Option<Open>>,
}

struct Open {
    path: PathBuf,
    file: File,
    /// Until when each is remembered.
    spent: HashMap<Key, u64>,
    lines: usize,
}

impl ReplayFile {
    /// Makes the file that `open` expects: a store that is missing must not pass for one that is empty.
    pub fn create(path: &Path) -> Result<(), ReplayFault> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(fault)?;
        file.write_all(HEAD.as_bytes()).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        sync_folder_of(path).map_err(fault)
    }

    pub fn open(path: &Path) -> Result<ReplayFile, ReplayFault> {
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(fault)?;
        file.try_lock().map_err(|error| ReplayFault(format!("used by another process: {error}")))?;
        // Written anew by its holder in the moment between: the lock would be one on a file without a name.
        if file.metadata().map_err(fault)?.ino() != std::fs::metadata(path).map_err(fault)?.ino() {
            return Err(ReplayFault("replaced while it was opened".to_owned()));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(fault)?;
        let body = text.strip_prefix(HEAD).ok_or_else(|| ReplayFault("no replay file".to_owned()))?;
        let whole = body.rfind('\n').map_or(0, |end| end + 1);
        let mut spent = HashMap::new();
        let mut lines = 0;
        for line in body.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let (key, forget_at) = read_line(line).ok_or_else(|| ReplayFault(format!("line {} is damaged", lines + 2)))?;
            spent.insert(key, forget_at);
            lines += 1;
        }
        let length = HEAD.len() + whole;
        file.set_len(length as u64).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        file.seek(SeekFrom::Start(length as u64)).map_err(fault)?;
        Ok(ReplayFile { open: Mutex::new(Some(Open { path: path.to_owned(), file, spent, lines })) })
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
        outcome
    }
}

impl Open {
    fn spend(&mut self, key: Key, forget_at: u64, now: u64) -> Result<Replay, ReplayFault> {
        if self.spent.contains_key(&key) {
            return Ok(Replay::Again);
        }
        if self.lines >= LINES_BEFORE_REWRITE && self.lines >= 2 * self.spent.values().filter(|until| **until >= now).count() {
            self.rewrite(now)?;
        }
        self.file.write_all(line(&key, forget_at).as_bytes()).map_err(fault)?;
        self.file.sync_data().map_err(fault)?;
        self.spent.insert(key, forget_at);
        self.lines += 1;
        Ok(Replay::First)
    }

    /// What still counts, in a file beside it that then takes its place. Either of the two is whole.
    fn rewrite(&mut self, now: u64) -> Result<(), ReplayFault> {
        let beside = self.path.with_extension("new");
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&beside).map_err(fault)?;
        file.try_lock().map_err(|error| ReplayFault(error.to_string()))?;
        self.spent.retain(|_, until| *until >= now);
        let lines: String = self.spent.iter().map(|(key, until)| line(key, *until)).collect();
        file.write_all(format!("{HEAD}{lines}").as_bytes()).map_err(fault)?;
        file.sync_all().map_err(fault)?;
        std::fs::rename(&beside, &self.path).map_err(fault)?;
        sync_folder_of(&self.path).map_err(fault)?;
        self.file = file;
        self.lines = self.spent.len();
        Ok(())
    }
}

fn line(key: &Key, forget_at: u64) -> String {
    checked(&format!("{} {forget_at}", hexadecimal(key)))
}

fn read_line(line: &str) -> Option<(Key, u64)> {
    let (digits, forget_at) = unchecked(line)?.split_once(' ')?;
    Some((bytes_of(digits)?.try_into().ok()?, forget_at.parse().ok()?))
}

fn fault(error: std::io::Error) -> ReplayFault {
    ReplayFault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: u64 = 2_000_000_000;

    fn fresh(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("sluice-replay-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("replay");
        ReplayFile::create(&path).unwrap();
        path
    }

    fn spend(store: &ReplayFile, key: &str) -> Replay {
        store.spend(key, LATER, 0).unwrap()
    }

    #[test]
    fn tokens_stay_spent_over_a_restart() {
        let path = fresh("restart");
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
        let path = fresh("one");
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
        let path = fresh("torn");
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
        let path = fresh("damage");
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
        let store = ReplayFile::open(&fresh("crowd")).unwrap();
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
        let path = fresh("rewrite");
        let mut text = HEAD.to_owned();
        (0..LINES_BEFORE_REWRITE).for_each(|number| text += &line(&sha256(format!("old-{number}").as_bytes()), 100));
        text += &line(&sha256(b"kept"), LATER);
        std::fs::write(&path, &text).unwrap();
        let store = ReplayFile::open(&path).unwrap();
        assert_eq!(store.spend("new", LATER, 101), Ok(Replay::First));
        drop(store);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 3);
        let store = ReplayFile::open(&path).unwrap();
        assert_eq!((spend(&store, "kept"), spend(&store, "new"), spend(&store, "old-1")), (Replay::Again, Replay::Again, Replay::First));
    }
}
