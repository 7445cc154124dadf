//! A disk in memory that keeps apart what is written and what is durable, and can crash between any two operations.
//!
//! Nothing is durable before it is synced: bytes by the sync of their file, names by the sync of their folder. What a crash leaves of the rest
//! says `Crash`. Sectors are written whole or not at all; nothing else is promised.

use crate::image::{Change, Image, Inode, NameChange, Node};
use sluice_store::disk::{Disk, DiskFile, Version, folder_of};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What fails, by the number of the operation among those that change something. Numbers start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// What needs new space from here on, until somebody makes room: half of the bytes are written. The write-ahead log has its space.
    NoGrowthFrom(usize),
    /// Every write and new name from here on, as where even writing over something needs space.
    NoSpaceFrom(usize),
    /// This sync, or the first after it, finds no space; what was written stays in the cache, whole.
    FullAtSync(usize),
    /// Whoever asks for free space panics, as a thread does that meets a fault of ours.
    BreaksOff,
    /// Everything can be written, and there is less free space than the ledger asks for.
    LittleFree,
    /// This one, if it is a sync: the bytes that it should have made durable never will be, and the next sync says nothing of them.
    SyncAt(usize),
}

/// An operation that changed something, and the disk behind it.
#[derive(Clone)]
pub struct Snapshot {
    pub operation: String,
    pub image: Image,
    /// Whatever the test counted up to then.
    pub counted: usize,
}

#[derive(Default)]
struct State {
    image: Image,
    operations: Vec<String>,
    failure: Option<Failure>,
    has_failed: bool,
    snapshots: Option<Vec<Snapshot>>,
    counted: usize,
}

#[derive(Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
    locked: Arc<AtomicBool>,
}

impl SimulatedDisk {
    pub fn of(image: Image) -> SimulatedDisk {
        let disk = SimulatedDisk::default();
        disk.lock_state().image = image;
        disk
    }

    pub fn image(&self) -> Image {
        self.lock_state().image.clone()
    }

    pub fn fail(&self, failure: Option<Failure>) {
        let mut state = self.lock_state();
        state.failure = failure;
        state.has_failed = false;
        state.operations.clear();
    }

    /// Whether the failure was met.
    pub fn has_failed(&self) -> bool {
        self.lock_state().has_failed
    }

    /// That changed something, since `fail` or since the start.
    pub fn operations(&self) -> Vec<String> {
        self.lock_state().operations.clone()
    }

    pub fn take_snapshots(&self) {
        self.lock_state().snapshots = Some(Vec::new());
    }

    pub fn snapshots(&self) -> Vec<Snapshot> {
        self.lock_state().snapshots.take().unwrap_or_default()
    }

    /// The checkpoint that anybody can read now.
    pub fn published(&self) -> Vec<u8> {
        let image = self.image();
        image.find("checkpoint").map_or(Vec::new(), |number| image.inodes[&number].bytes.to_vec())
    }

    /// Every operation waits as long as this is held.
    pub fn hold(&self) -> impl Drop + use<'_> {
        self.lock_state()
    }

    pub fn count(&self, counted: usize) {
        self.lock_state().counted = counted;
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation; says how it fails.
    fn change<T>(&self, operation: String, is_sync: bool, act: impl FnOnce(&mut Image, bool) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock_state();
        let number = state.operations.len();
        state.operations.push(operation.clone());
        let needs_space = !is_sync && !operation.starts_with("remove");
        let error = match state.failure {
            Some(Failure::NoSpaceFrom(from)) if number >= from && needs_space => Some(io::ErrorKind::StorageFull.into()),
            Some(Failure::NoGrowthFrom(from)) if number >= from && needs_space && !operation.contains(" wal/") => {
                Some(io::ErrorKind::StorageFull.into())
            }
            Some(Failure::SyncAt(at)) if number == at && (is_sync || operation.starts_with("rename")) => {
                Some(io::Error::from_raw_os_error(5))
            }
            Some(Failure::FullAtSync(at)) if number >= at && is_sync && !state.has_failed => Some(io::ErrorKind::StorageFull.into()),
            _ => None,
        };
        state.has_failed |= error.is_some();
        let outcome = act(&mut state.image, error.is_some());
        if state.snapshots.is_some() {
            let snapshot = Snapshot { operation, image: state.image.clone(), counted: state.counted };
            state.snapshots.as_mut().unwrap().push(snapshot);
        }
        match error {
            Some(error) => Err(error),
            None => outcome,
        }
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: String,
    number: u64,
}

impl SimulatedFile {
    fn change(&self, operation: &str, is_sync: bool, act: impl FnOnce(&mut Inode, bool)) -> io::Result<()> {
        self.disk.change(format!("{operation} {}", self.path), is_sync, |image, fails| {
            act(image.inodes.entry(self.number).or_default(), fails);
            Ok(())
        })
    }
}

impl DiskFile for SimulatedFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.lock_state().image.inodes[&self.number].bytes.len() as u64)
    }

    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let state = self.disk.lock_state();
        let bytes = &state.image.inodes[&self.number].bytes;
        let start = usize::try_from(offset).unwrap().min(bytes.len());
        Ok(bytes[start..(start + length).min(bytes.len())].to_vec())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.change("write", false, |inode, fails| {
            let written = if fails { &bytes[..bytes.len() / 2] } else { bytes };
            inode.change(Change::Write(offset, Arc::new(written.to_vec())));
        })
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.change("length", false, |inode, fails| {
            if !fails {
                inode.change(Change::Length(length));
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.change("sync", true, |inode, fails| inode.sync(fails))
    }

    /// One process after the other.
    fn hold(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for SimulatedDisk {
    fn make_folder(&self, path: &str) -> io::Result<()> {
        if self.has_folder(path)? {
            return Ok(());
        }
        self.change(format!("make {path}"), false, |image, fails| {
            if !fails {
                image.change_name(NameChange::Make(path.to_owned(), Node::Folder));
            }
            Ok(())
        })
    }

    fn has_folder(&self, path: &str) -> io::Result<bool> {
        Ok(self.lock_state().image.names.get(path) == Some(&Node::Folder))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let state = self.lock_state();
        let names = state.image.names.keys().filter(|path| folder_of(path) == folder);
        Ok(names.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let number = self.lock_state().image.find(path)?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), number }))
    }

    fn version(&self, path: &str) -> io::Result<Version> {
        let image = &self.lock_state().image;
        let number = image.find(path)?;
        Ok([number.into(), image.inodes[&number].bytes.len() as i128, 0, 0])
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let folder = folder_of(path);
        if !folder.is_empty() && !self.has_folder(folder)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number = self.change(format!("create {path}"), false, |image, fails| {
            if let Ok(number) = image.find(path) {
                // Blocks that a file gives back keep what stood in them, and nobody wipes them any more.
                let is_clean = image.inodes[&number].bytes.iter().all(|byte| *byte == 0);
                assert!(is_clean || !["keys", "wal"].contains(&folder_of(path)), "`{path}` is emptied with keys in it");
                image.inodes.get_mut(&number).unwrap().change(Change::Length(0));
                return Ok(number);
            }
            let number = image.next_inode;
            if !fails {
                image.next_inode += 1;
                image.inodes.insert(number, Inode::default());
                image.change_name(NameChange::Make(path.to_owned(), Node::File(number)));
            }
            Ok(number)
        })?;
        Ok(Box::new(SimulatedFile { disk: self.clone(), path: path.to_owned(), number }))
    }

    fn create_new(&self, path: &str) -> io::Result<()> {
        if self.lock_state().image.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.create(path).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        assert_eq!(folder_of(from), folder_of(to), "the simulation syncs one folder for both names");
        self.change(format!("rename {from}"), false, |image, fails| {
            image.find(from)?;
            if !fails {
                image.change_name(NameChange::Rename(from.to_owned(), to.to_owned()));
            }
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.change(format!("remove {path}"), false, |image, _| {
            image.find(path)?;
            image.change_name(NameChange::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        assert!(self.list(path)?.is_empty(), "`{path}` is not empty");
        self.change(format!("remove {path}"), false, |image, _| {
            image.change_name(NameChange::Remove(path.to_owned()));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.change(format!("sync {path}/"), true, |image, fails| {
            // Names are the journal's: one that cannot be written stops the file system, it is not forgotten like a page.
            if !fails {
                let (synced, rest) = std::mem::take(&mut image.name_changes).into_iter().partition(|change| change.folder() == path);
                image.name_changes = rest;
                let synced: Vec<NameChange> = synced;
                synced.iter().for_each(|change| change.apply(&mut image.durable_names));
            }
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.lock_state();
        assert_ne!(state.failure, Some(Failure::BreaksOff), "the test wants this thread to end");
        let is_full =
            matches!(state.failure, Some(Failure::NoGrowthFrom(from) | Failure::NoSpaceFrom(from)) if state.operations.len() >= from);
        let is_little = state.failure == Some(Failure::LittleFree);
        Ok(if is_full || is_little { 0 } else { 1 << 30 })
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        if self.lock_state().image.find(path).is_err() {
            drop(self.create(path)?);
        }
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Held(self.locked.clone())))
    }
}

struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}
