//! Tokens that were exchanged, in one file that only grows until it is written anew: one line for each, on the disk before the answer.
//!
//! Crash order: a line is appended and synced, then remembered, then answered. A crash in between leaves a token spent that nobody used, never the
//! other way round. A last line without its end, or with a sector that was never written, was never answered and is cut off; any other damage keeps
//! the store shut.

use crate::checked_line::{checked, has_lost_sector, sha256, unchecked};
use crate::disk::{self, Disk, DiskFile, LocalDisk};
use crate::facts::{bytes_of, hexadecimal};
use sluice_identity::{Replay, ReplayFault, ReplayStore};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Written anew when it holds this many lines, and twice as many as still count.
const LINES_BEFORE_REWRITE: usize = 10_000;
/// About three million tokens.
const FILE_BYTES_MAX: u64 = 256 << 20;
const HEAD: &str = "sluice replay 1\n";

type Key = [u8; 32];

/// For one gateway: a file beside it is locked, so that a second one cannot spend the same token. Replicas need a store that they share.
pub struct ReplayFile {
    open: Mutex<Option<Open>>,
}

struct Open {
    disk: Arc<dyn Disk>,
    name: String,
    file: Box<dyn DiskFile>,
    /// Behind the last whole line.
    end: u64,
    /// Until when each is remembered.
    spent: HashMap<Key, u64>,
    lines: usize,
    /// Held for the others' sake.
    _lock: Box<dyn Send + Sync>,
}

impl ReplayFile {
    /// Makes the file that `open` expects: a store that is missing must not pass for one that is empty.
    pub fn create(path: &Path) -> Result<(), ReplayFault> {
        let (disk, name) = place(path)?;
        ReplayFile::create_on(&disk, &name)
    }

    pub fn create_on(disk: &dyn Disk, name: &str) -> Result<(), ReplayFault> {
        match disk.open(name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk::replace(disk, name, HEAD.as_bytes()).map_err(fault),
            Err(error) => Err(fault(error)),
            Ok(_) => Err(ReplayFault(format!("`{name}` is there already"))),
        }
    }

    pub fn open(path: &Path) -> Result<ReplayFile, ReplayFault> {
        let (disk, name) = place(path)?;
        ReplayFile::open_on(Arc::new(disk), &name)
    }

    /// What a process before has written may be gone after the next power cut, so it is made durable before anything is answered by it.
    pub fn open_on(disk: Arc<dyn Disk>, name: &str) -> Result<ReplayFile, ReplayFault> {
        let lock = disk.lock(&format!("{name}.lock")).map_err(|error| ReplayFault(format!("used by another process: {error}")))?;
        let file = disk.open(name).map_err(fault)?;
        let length = file.length().map_err(fault)?;
        if length > FILE_BYTES_MAX {
            return Err(ReplayFault("the file is too long".to_owned()));
        }
        let bytes = file.read_at(0, usize::try_from(length).unwrap_or(usize::MAX)).map_err(fault)?;
        let text = String::from_utf8(bytes).map_err(|_| ReplayFault("no text".to_owned()))?;
        let body = text.strip_prefix(HEAD).ok_or_else(|| ReplayFault("no replay file".to_owned()))?;
        let mut spent = HashMap::new();
        let (mut lines, mut end) = (0, HEAD.len());
        for line in body.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let Some((key, forget_at)) = read_line(line) else {
                if end + line.len() == text.len() && has_lost_sector(line, end) {
                    break;
                }
                return Err(ReplayFault(format!("line {} is damaged", lines + 2)));
            };
            spent.insert(key, forget_at);
            lines += 1;
            end += line.len();
        }
        let kept = text.get(..end).unwrap_or_default();
        disk::replace(disk.as_ref(), name, kept.as_bytes()).map_err(fault)?;
        let file = disk.open(name).map_err(fault)?;
        let end = kept.len() as u64;
        Ok(ReplayFile { open: Mutex::new(Some(Open { disk, name: name.to_owned(), file, end, spent, lines, _lock: lock })) })
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
        let line = line(&key, forget_at);
        self.file.write_at(self.end, line.as_bytes()).map_err(fault)?;
        self.file.sync().map_err(fault)?;
        self.end += line.len() as u64;
        self.spent.insert(key, forget_at);
        self.lines += 1;
        Ok(Replay::First)
    }

    /// What still counts, in a file beside it that then takes its place. Either of the two is whole.
    fn rewrite(&mut self, now: u64) -> Result<(), ReplayFault> {
        self.spent.retain(|_, until| *until >= now);
        let lines: String = self.spent.iter().map(|(key, until)| line(key, *until)).collect();
        let text = format!("{HEAD}{lines}");
        disk::replace(self.disk.as_ref(), &self.name, text.as_bytes()).map_err(fault)?;
        self.file = self.disk.open(&self.name).map_err(fault)?;
        self.end = text.len() as u64;
        self.lines = self.spent.len();
        Ok(())
    }
}

fn place(path: &Path) -> Result<(LocalDisk, String), ReplayFault> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(|| ReplayFault(format!("`{}` names no file", path.display())))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((LocalDisk::new(folder).map_err(fault)?, name.to_owned()))
}

fn line(key: &Key, forget_at: u64) -> String {
    checked(&format!("{} {forget_at}", hexadecimal(key)))
}

fn read_line(line: &str) -> Option<(Key, u64)> {
    let (digits, forget_at) = unchecked(line)?.split_once(' ')?;
    Some((bytes_of(digits)?.try_into().ok()?, forget_at.parse().ok()?))
}

fn fault(error: io::Error) -> ReplayFault {
    ReplayFault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

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
