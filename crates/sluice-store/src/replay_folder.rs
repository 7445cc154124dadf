//! Tokens that were exchanged, in a folder that replicas share, on whatever file system they share: one empty file for each token.
//!
//! Who makes the file is first: the file system makes a name once, for however many machines ask. The name is on stable storage before the answer.
//! A crash in between leaves a token spent that nobody used, never the other way round. Names go by the hour in which they may be forgotten.

use crate::checked_line::sha256;
use crate::disk::{self, Disk, LocalDisk};
use crate::facts::hexadecimal;
use sluice_identity::{Replay, ReplayFault, ReplayStore};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

const SLOT_SECONDS: u64 = 3_600;
/// Clocks of replicas may differ by less than this.
const MARGIN_SLOTS: u64 = 1;
/// Without it the folder is another one: a file system that is not mounted, for one.
const MARK: &str = "sluice-replay";
const MARK_TEXT: &[u8] = b"Tokens that were exchanged. Whoever empties this folder lets them be used again.\n";

pub struct ReplayFolder {
    disk: Arc<dyn Disk>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    /// Folders that this process has seen durable.
    folders: BTreeSet<String>,
    swept_slot: u64,
}

impl ReplayFolder {
    /// Makes what `open` expects: a folder that is missing must not pass for one in which nothing is spent.
    pub fn create(folder: &Path) -> Result<(), ReplayFault> {
        ReplayFolder::create_on(&LocalDisk::new(folder).map_err(fault)?)
    }

    pub fn create_on(disk: &dyn Disk) -> Result<(), ReplayFault> {
        disk::replace(disk, MARK, MARK_TEXT).map_err(fault)
    }

    pub fn open(folder: &Path) -> Result<ReplayFolder, ReplayFault> {
        ReplayFolder::open_on(Arc::new(LocalDisk::new(folder).map_err(fault)?))
    }

    pub fn open_on(disk: Arc<dyn Disk>) -> Result<ReplayFolder, ReplayFault> {
        marked(disk.as_ref())?;
        Ok(ReplayFolder { disk, held: Mutex::default() })
    }

    /// What is surely over goes. Others do so too, at the same time.
    fn sweep(&self, now: u64) {
        let slot = now / SLOT_SECONDS;
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.swept_slot == slot {
                return;
            }
            held.swept_slot = slot;
        }
        let is_over = |name: &str| name.parse::<u64>().is_ok_and(|named| named + MARGIN_SLOTS < slot);
        for name in self.disk.list("").unwrap_or_default().into_iter().filter(|name| is_over(name)) {
            // What cannot be removed now is removed an hour later, by whoever comes.
            if disk::clear(self.disk.as_ref(), &name).is_ok() {
                drop(self.disk.remove_folder(&name));
            }
        }
    }
}

impl ReplayStore for ReplayFolder {
    fn spend(&self, key: &str, forget_at: u64, now: u64) -> Result<Replay, ReplayFault> {
        marked(self.disk.as_ref())?;
        self.sweep(now);
        let slot = (forget_at / SLOT_SECONDS).to_string();
        let path = format!("{slot}/{}", hexadecimal(&sha256(key.as_bytes())));
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            disk::make_folders_above(self.disk.as_ref(), &path, &mut held.folders).map_err(fault)?;
        }
        match self.disk.create_new(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Replay::Again),
            Err(error) => return Err(fault(error)),
        }
        self.disk.sync_folder(&slot).map_err(fault)?;
        Ok(Replay::First)
    }
}

fn marked(disk: &dyn Disk) -> Result<(), ReplayFault> {
    disk.open(MARK).map(drop).map_err(|error| ReplayFault(format!("the shared folder of spent tokens has no `{MARK}`: {error}")))
}

fn fault(error: io::Error) -> ReplayFault {
    ReplayFault(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const NOW: u64 = 1_900_000_000;

    fn fresh() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        ReplayFolder::create(folder.path()).unwrap();
        folder
    }

    #[test]
    fn replicas_spend_a_token_once_and_so_after_a_restart() {
        let folder = fresh();
        for round in 0..3 {
            let (one, other) = (ReplayFolder::open(folder.path()).unwrap(), ReplayFolder::open(folder.path()).unwrap());
            for earlier in 0..round {
                assert_eq!(other.spend(&format!("token-{earlier}"), NOW + 60, NOW), Ok(Replay::Again));
            }
            assert_eq!(one.spend(&format!("token-{round}"), NOW + 60, NOW), Ok(Replay::First));
            assert_eq!(other.spend(&format!("token-{round}"), NOW + 60, NOW), Ok(Replay::Again));
        }
    }

    #[test]
    fn of_many_replicas_at_once_one_is_first() {
        let folder = fresh();
        let replicas: Vec<ReplayFolder> = (0..4).map(|_| ReplayFolder::open(folder.path()).unwrap()).collect();
        for token in 0..50 {
            let key = format!("token-{token}");
            let first = std::thread::scope(|scope| {
                let crowd: Vec<_> = replicas
                    .iter()
                    .flat_map(|replica| [replica, replica])
                    .map(|replica| scope.spawn(|| replica.spend(&key, NOW + 60, NOW).unwrap()))
                    .collect();
                crowd.into_iter().map(|one| one.join().unwrap()).filter(|found| *found == Replay::First).count()
            });
            assert_eq!(first, 1, "{key}");
        }
    }

    #[test]
    fn what_is_over_goes_and_nothing_else() {
        let folder = fresh();
        let store = ReplayFolder::open(folder.path()).unwrap();
        let spend = |key: &str, forget_at: u64, now: u64| store.spend(key, forget_at, now).unwrap();
        assert_eq!(spend("short", NOW + 60, NOW), Replay::First);
        assert_eq!(spend("long", NOW + 12 * SLOT_SECONDS, NOW), Replay::First);
        assert_eq!(spend("next", NOW + 5 * SLOT_SECONDS, NOW + 4 * SLOT_SECONDS), Replay::First);
        assert_eq!(spend("long", NOW + 12 * SLOT_SECONDS, NOW + 4 * SLOT_SECONDS), Replay::Again);
        let left = std::fs::read_dir(folder.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count();
        assert_eq!(left, 2);
    }

    /// A folder that is not mounted is empty, and so would be what was spent.
    #[test]
    fn another_folder_is_none() {
        let folder = fresh();
        let store = ReplayFolder::open(folder.path()).unwrap();
        std::fs::remove_file(folder.path().join(MARK)).unwrap();
        assert!(store.spend("token", NOW + 60, NOW).is_err());
        assert!(ReplayFolder::open(folder.path()).is_err());
    }
}
