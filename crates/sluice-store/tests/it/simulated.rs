//! A disk in memory that keeps apart what is written and what is durable, and can crash between any two operations.
//!
//! Nothing is durable before it is synced: bytes by the sync of their file, names by the sync of their folder. What a crash leaves of the rest
//! says `Crash`. Sectors are written whole or not at all; nothing else is promised.

use sluice_store::disk::{Disk, DiskFile, folder_of};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR_BYTES: u64 = 512;

/// What becomes of everything that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process dies, the machine does not.
    Kept,
    Lost,
    /// Any part of it, in any order.
    Reordered,
    /// In order up to somewhere, and the last write in part.
    Torn,
}

impl Crash {
    pub const ALL: [Crash; 4] = [Crash::Kept, Crash::Lost, Crash::Reordered, Crash::Torn];
}

/// What fails, by the number of the operation among those that change something. Numbers start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Writes and new names from here on, half of the bytes of the first are written; until somebody makes room.
    NoSpaceFrom(usize),
    /// This one, if it is a sync: what it should have made durable never will be, and the next sync says nothing of it.
    SyncAt(usize),
}

#[derive(Clone, Default)]
pub struct Image {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<String, Node>,
    durable_names: BTreeMap<String, Node>,
    name_changes: Vec<NameChange>,
    next_inode: u64,
}

#[derive(Clone, Default)]
struct Inode {
    bytes: Arc<Vec<u8>>,
    durable: Arc<Vec<u8>>,
    changes: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Length(u64),
    Write(u64, Arc<Vec<u8>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Folder,
}

#[derive(Clone)]
enum NameChange {
    Make(String, Node),
    Remove(String),
    Rename(String, String),
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
            Some(Failure::SyncAt(at)) if number == at && (is_sync || operation.starts_with("rename")) => {
                Some(io::Error::from_raw_os_error(5))
            }
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

impl Image {
    /// The disk after the machine has started again.
    pub fn crash(&self, crash: Crash, seed: u64) -> Image {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut names = self.durable_names.clone();
        let whole = match crash {
            Crash::Torn => random.below(self.name_changes.len() as u64 + 1) as usize,
            _ => self.name_changes.len(),
        };
        for change in &self.name_changes[..whole] {
            let is_kept = match crash {
                Crash::Kept | Crash::Torn => true,
                Crash::Lost => false,
                Crash::Reordered => random.below(2) == 0,
            };
            if is_kept {
                change.apply(&mut names);
            }
        }
        let known = names.clone();
        names.retain(|path, _| folder_of(path).is_empty() || known.contains_key(folder_of(path)));
        let mut inodes = BTreeMap::new();
        for node in names.values() {
            let Node::File(number) = node else { continue };
            let bytes = Arc::new(self.inodes[number].crash(crash, &mut random));
            inodes.insert(*number, Inode { bytes: bytes.clone(), durable: bytes, changes: Vec::new() });
        }
        Image { inodes, durable_names: names.clone(), names, name_changes: Vec::new(), next_inode: self.next_inode }
    }

    /// Of every file that has a name.
    pub fn files(&self) -> Vec<(String, Arc<Vec<u8>>)> {
        let file = |(path, node): (&String, &Node)| match node {
            Node::File(number) => Some((path.clone(), self.inodes[number].bytes.clone())),
            Node::Folder => None,
        };
        self.names.iter().filter_map(file).collect()
    }

    pub fn set(&mut self, path: &str, bytes: Vec<u8>) {
        let Some(Node::File(number)) = self.names.get(path).copied() else { panic!("no file `{path}`") };
        let bytes = Arc::new(bytes);
        self.inodes.insert(number, Inode { bytes: bytes.clone(), durable: bytes, changes: Vec::new() });
    }

    pub fn remove(&mut self, path: &str) {
        self.names.remove(path).unwrap();
        self.durable_names.remove(path);
    }

    fn find(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(number)) => Ok(*number),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(Arc::make_mut(&mut self.bytes));
        self.changes.push(change);
    }

    fn crash(&self, crash: Crash, random: &mut Random) -> Vec<u8> {
        let mut bytes = (*self.durable).clone();
        match crash {
            Crash::Kept => return (*self.bytes).clone(),
            Crash::Lost => {}
            Crash::Torn => {
                let whole = random.below(self.changes.len() as u64 + 1) as usize;
                self.changes[..whole].iter().for_each(|change| change.apply(&mut bytes));
                if let Some(Change::Write(offset, written)) = self.changes.get(whole) {
                    let sectors = sectors(*offset, written);
                    let kept = random.below(sectors.len() as u64) as usize;
                    sectors[..kept].iter().for_each(|(offset, part)| write(&mut bytes, *offset, part));
                }
            }
            Crash::Reordered => {
                for change in &self.changes {
                    match change {
                        Change::Length(_) if random.below(2) == 0 => change.apply(&mut bytes),
                        Change::Length(_) => {}
                        Change::Write(offset, written) => {
                            let kept = sectors(*offset, written).into_iter().filter(|_| random.below(2) == 0);
                            kept.for_each(|(offset, part)| write(&mut bytes, offset, part));
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(usize::try_from(*length).unwrap(), 0),
            Change::Write(offset, written) => write(bytes, *offset, written),
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            NameChange::Make(path, node) => drop(names.insert(path.clone(), *node)),
            NameChange::Remove(path) => drop(names.remove(path)),
            NameChange::Rename(from, to) => {
                // If what was to be renamed never came to be, the name stays what it was.
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }

    fn folder(&self) -> &str {
        match self {
            NameChange::Make(path, _) | NameChange::Remove(path) | NameChange::Rename(path, _) => folder_of(path),
        }
    }
}

fn write(bytes: &mut Vec<u8>, offset: u64, part: &[u8]) {
    let start = usize::try_from(offset).unwrap();
    if bytes.len() < start + part.len() {
        bytes.resize(start + part.len(), 0);
    }
    bytes[start..start + part.len()].copy_from_slice(part);
}

fn sectors(offset: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut parts = Vec::new();
    let (mut offset, mut rest) = (offset, bytes);
    while !rest.is_empty() {
        let length = usize::try_from(SECTOR_BYTES - offset % SECTOR_BYTES).unwrap().min(rest.len());
        let (part, after) = rest.split_at(length);
        parts.push((offset, part));
        offset += length as u64;
        rest = after;
    }
    parts
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
        self.change("sync", true, |inode, fails| {
            inode.changes.clear();
            if !fails {
                inode.durable = inode.bytes.clone();
            }
        })
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

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        let folder = folder_of(path);
        if !folder.is_empty() && !self.has_folder(folder)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let number = self.change(format!("create {path}"), false, |image, fails| {
            if let Ok(number) = image.find(path) {
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
            let (synced, rest) = std::mem::take(&mut image.name_changes).into_iter().partition(|change| change.folder() == path);
            image.name_changes = rest;
            let synced: Vec<NameChange> = synced;
            if !fails {
                synced.iter().for_each(|change| change.apply(&mut image.durable_names));
            }
            Ok(())
        })
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.lock_state();
        let is_full = matches!(state.failure, Some(Failure::NoSpaceFrom(from)) if state.operations.len() >= from);
        Ok(if is_full { 0 } else { 1 << 30 })
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        if self.locked.swap(true, Ordering::SeqCst) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.lock_state().image.find(path).is_err() {
            drop(self.create(path)?);
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

/// Xorshift: the same seed tears in the same places.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        if end == 0 { 0 } else { self.0 % end }
    }
}
