//! What a disk holds: what is written, and what is durable of it. `crash` says what is left when the machine has started again.

use sluice_store::disk::folder_of;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

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

#[derive(Clone, Default)]
pub struct Image {
    pub inodes: BTreeMap<u64, Inode>,
    pub names: BTreeMap<String, Node>,
    pub durable_names: BTreeMap<String, Node>,
    pub name_changes: Vec<NameChange>,
    pub next_inode: u64,
}

#[derive(Clone, Default)]
pub struct Inode {
    pub bytes: Arc<Vec<u8>>,
    pub durable: Arc<Vec<u8>>,
    pub changes: Vec<Change>,
    /// A sync failed: what it should have made durable is in `bytes`, and no later sync writes it.
    pub has_lost: bool,
}

#[derive(Clone)]
pub enum Change {
    Length(u64),
    Write(u64, Arc<Vec<u8>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Node {
    File(u64),
    Folder,
}

#[derive(Clone)]
pub enum NameChange {
    Make(String, Node),
    Remove(String),
    Rename(String, String),
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
            inodes.insert(*number, Inode { bytes: bytes.clone(), durable: bytes, changes: Vec::new(), has_lost: false });
        }
        Image { inodes, durable_names: names.clone(), names, name_changes: Vec::new(), next_inode: self.next_inode }
    }

    /// Everything is durable: all crashes are the same.
    pub fn is_clean(&self) -> bool {
        self.name_changes.is_empty() && self.inodes.values().all(|inode| inode.changes.is_empty() && inode.bytes == inode.durable)
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
        let number = self.find(path).unwrap();
        let bytes = Arc::new(bytes);
        self.inodes.insert(number, Inode { bytes: bytes.clone(), durable: bytes, changes: Vec::new(), has_lost: false });
    }

    pub fn remove(&mut self, path: &str) {
        self.names.remove(path).unwrap();
        self.durable_names.remove(path);
    }

    pub fn find(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(Node::File(number)) => Ok(*number),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }
}

impl Inode {
    pub fn sync(&mut self, fails: bool) {
        let changes = std::mem::take(&mut self.changes);
        self.has_lost |= fails && !changes.is_empty();
        match (fails, self.has_lost) {
            (true, _) => {}
            (false, false) => self.durable = self.bytes.clone(),
            (false, true) => {
                let durable = Arc::make_mut(&mut self.durable);
                changes.iter().for_each(|change| change.apply(durable));
            }
        }
    }

    pub fn change(&mut self, change: Change) {
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
    pub fn apply(&self, names: &mut BTreeMap<String, Node>) {
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

    pub fn folder(&self) -> &str {
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
