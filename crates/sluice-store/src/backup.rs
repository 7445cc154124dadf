//! A copy of a ledger, and a ledger out of a copy. Nothing is copied that was not checked on the way: each body against its leaf, all leaves
//! against the signed root.
//!
//! What a checkpoint covers does not change, so a copy can be made while the ledger is written; only slots of keys do, and a copy that meets one
//! half way stops. A copy has no write-ahead log: it can be read, proved from and verified, and only a restore makes it a ledger to write to.

use crate::disk::{self, Disk, folder_of};
use crate::facts::{self, FORMAT};
use crate::fault::StoreFault;
use crate::ledger::RESTORED;
use crate::reader::Reader;
use crate::shelf::{self, HISTORY_FOLDER};
use crate::wal::{self, SegmentSizes};
use serde_json::Value;
use sluice_ledger::checkpoint::SignedCheckpoint;
use sluice_ledger::layout::{PACK_HEAD_BYTES, PACK_RECORDS, PackKind, PackName, PackTable, Slot};
use sluice_ledger::record::{Body, Leaf};
use sluice_ledger::tree::{Tile, Tree, consistency_proof, verify_consistency};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What was copied: everything that the checkpoint of that moment covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub records: u64,
    pub bytes: u64,
}

/// What is known of the ledger's end from elsewhere than the copy.
pub enum LastKnown {
    /// The newest checkpoint that a witness or anybody has seen.
    Checkpoint(Vec<u8>),
    /// Somebody answers for it that none was published after the copy; goes on record.
    Sworn,
}

/// Into an empty folder.
pub fn backup(from: &Arc<dyn Disk>, to: &dyn Disk) -> Result<Copied, StoreFault> {
    check_empty(to)?;
    copy(from, &Reader::open(from.clone())?, to)
}

/// Into an empty folder. `why` is what the next `boot` says of it.
pub fn restore(from: &Arc<dyn Disk>, to: &dyn Disk, last: &LastKnown, why: &Value, sizes: SegmentSizes) -> Result<Copied, StoreFault> {
    check_empty(to)?;
    let reader = Reader::open(from.clone())?;
    if let LastKnown::Checkpoint(note) = last {
        check_last(&reader, note)?;
    }
    wal::create(to, sizes)?;
    disk::replace(to, RESTORED, why.to_string().as_bytes())?;
    copy(from, &reader, to)
}

/// Whoever goes on from an older copy signs a second history under the same name: that is what a forger does, and witnesses refuse it.
fn check_last(reader: &Reader, note: &[u8]) -> Result<(), StoreFault> {
    let last = SignedCheckpoint::open(note, std::slice::from_ref(&reader.facts().verifier_key))?;
    let (last, here) = (last.checkpoint(), reader.checkpoint().checkpoint());
    if last.size > here.size {
        return Err(StoreFault::Refused(format!(
            "the backup holds {} records, and a checkpoint of {} was published: to go on from here would sign a second history",
            here.size, last.size
        )));
    }
    let proof = consistency_proof(&reader.nodes(), last.size, here.size)
        .ok_or_else(|| StoreFault::Damaged("tiles are missing that the backup's checkpoint covers".to_owned()))?;
    verify_consistency(last.size, &last.root, here.size, &here.root, &proof)
        .map_err(|_| StoreFault::Refused("the checkpoint and the backup are of two histories".to_owned()))
}

fn check_empty(to: &dyn Disk) -> Result<(), StoreFault> {
    match to.list("")?.first() {
        None => Ok(()),
        Some(name) => Err(StoreFault::Exists(name.clone())),
    }
}

fn copy(from: &Arc<dyn Disk>, reader: &Reader, to: &dyn Disk) -> Result<Copied, StoreFault> {
    for folder in shelf::FOLDERS {
        to.make_folder(folder)?;
    }
    let mut copying = Copying {
        from: from.as_ref(),
        to,
        tree: Tree::default(),
        leaves: Vec::new(),
        bytes: 0,
        folders: BTreeSet::new(),
        known: BTreeSet::new(),
    };
    reader.each_leaf(0, |index, leaf| copying.take(index, leaf))?;
    copying.finish_pack(reader.size())?;
    let partial = copying.tree.partial();
    copying.write_tiles(partial)?;
    let checkpoint = reader.checkpoint().checkpoint();
    if copying.tree.root() != checkpoint.root {
        return Err(StoreFault::Damaged("the leaves do not have the root that the checkpoint names".to_owned()));
    }
    copying.sync_folders()?;
    let note = reader.checkpoint().to_string();
    shelf::write_history(to, &history(from.as_ref(), note.as_bytes())?)?;
    disk::replace(to, shelf::CHECKPOINT, note.as_bytes())?;
    // Last: with it the folder is a ledger.
    facts::write(to, reader.facts(), FORMAT)?;
    Ok(Copied { records: checkpoint.size, bytes: copying.bytes })
}

/// Every note up to the checkpoint that was copied.
fn history(from: &dyn Disk, last: &[u8]) -> Result<Vec<Vec<u8>>, StoreFault> {
    let mut notes = shelf::read_history(from)?;
    match notes.iter().position(|note| note == last) {
        Some(place) => notes.truncate(place + 1),
        // A crash came between the checkpoint and its line of history.
        None => notes.push(last.to_vec()),
    }
    Ok(notes)
}

struct Copying<'a> {
    from: &'a dyn Disk,
    to: &'a dyn Disk,
    tree: Tree,
    /// Of the pack that is not copied yet.
    leaves: Vec<Leaf>,
    bytes: u64,
    /// Whose names are not durable yet.
    folders: BTreeSet<String>,
    /// Folders that are durable.
    known: BTreeSet<String>,
}

impl Copying<'_> {
    fn take(&mut self, index: u64, leaf: Leaf) -> Result<(), StoreFault> {
        let tiles = self.tree.append(&leaf.bytes())?;
        self.write_tiles(tiles)?;
        self.leaves.push(leaf);
        if (index + 1).is_multiple_of(PACK_RECORDS) { self.finish_pack(index + 1) } else { Ok(()) }
    }

    /// The records before `end` that are not copied yet.
    fn finish_pack(&mut self, end: u64) -> Result<(), StoreFault> {
        let leaves = std::mem::take(&mut self.leaves);
        if leaves.is_empty() {
            return Ok(());
        }
        let first = end - leaves.len() as u64;
        self.copy_rows(PackName::of(PackKind::Bodies, first), leaves.len(), |index, row| {
            let leaf = leaves.get(usize::try_from(index - first).unwrap_or(usize::MAX));
            let leaf = leaf.ok_or_else(|| StoreFault::Damaged(format!("record {index} has no leaf")))?;
            let checked = Body::read(row).and_then(|body| body.check(leaf));
            checked.map_err(|error| StoreFault::Damaged(format!("record {index}: {error}")))
        })?;
        self.copy_rows(PackName::of(PackKind::Keys, first), leaves.len(), |index, row| match Slot::read(index, row) {
            Ok(_) => Ok(()),
            Err(_) => Err(StoreFault::Refused(format!("the keys of record {index} are being changed, or are damaged: try again"))),
        })
    }

    fn copy_rows(&mut self, name: PackName, count: usize, check: impl Fn(u64, &[u8]) -> Result<(), StoreFault>) -> Result<(), StoreFault> {
        let path = name.path();
        let source = self.from.open(&path).map_err(|error| StoreFault::unreadable(&path, &error))?;
        let table = PackTable::read(name, &source.read_at(0, PACK_HEAD_BYTES)?, count as u64)?;
        let target = self.to.create(&path)?;
        let mut head = name.empty_head();
        head.truncate(PACK_HEAD_BYTES - 8 * 4096);
        for index in (name.first_record()..).take(count) {
            let (start, length) = table.row(index).ok_or_else(|| StoreFault::Damaged(format!("`{path}` is cut off")))?;
            let row = source.read_at(start, length)?;
            check(index, &row)?;
            target.write_at(start, &row)?;
            head.extend((start + length as u64).to_be_bytes());
        }
        head.resize(PACK_HEAD_BYTES, 0);
        target.write_at(0, &head)?;
        target.sync()?;
        self.bytes += target.length()?;
        self.folders.insert(folder_of(&path).to_owned());
        Ok(())
    }

    fn write_tiles(&mut self, tiles: Vec<(Tile, Vec<u8>)>) -> Result<(), StoreFault> {
        for (tile, bytes) in tiles {
            let path = tile.path();
            disk::make_folders_above(self.to, &path, &mut self.known)?;
            let file = self.to.create(&path)?;
            file.write_at(0, &bytes)?;
            file.sync()?;
            self.bytes += bytes.len() as u64;
            self.folders.insert(folder_of(&path).to_owned());
        }
        Ok(())
    }

    fn sync_folders(&self) -> Result<(), StoreFault> {
        self.folders.iter().map(String::as_str).chain([HISTORY_FOLDER, ""]).try_for_each(|folder| Ok(self.to.sync_folder(folder)?))
    }
}
