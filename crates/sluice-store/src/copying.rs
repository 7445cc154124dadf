//! Copying a ledger that may be written meanwhile. What a checkpoint covers does not change, but for slots of keys: an erasure first publishes its
//! record, then overwrites the slot. A copy of the one without the other would be a ledger that no verifier accepts.
//!
//! So slots are compared with what is on record, by the length that is left of them, and those that do not fit are read again under a newer
//! checkpoint, until one checkpoint and all slots say the same.

use crate::disk::{self, Disk, folder_of};
use crate::facts::{self, FORMAT, LedgerFacts};
use crate::fault::StoreFault;
use crate::keys;
use crate::reader::Reader;
use crate::shelf::{self, HISTORY_FOLDER};
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::keyring::{MasterKeyId, WHOLE_ENTRY_BYTES, WrappedKeys, wrapped_keys_bytes_max};
use sluice_ledger::layout::{PACK_HEAD_BYTES, PACK_RECORDS, PackKind, PackName, PackTable, Slot};
use sluice_ledger::note::Note;
use sluice_ledger::record::{Body, Kind, Leaf, SectionSet};
use sluice_ledger::tree::{Hash, Tile, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Each a tenth of a second after the one before: an erasure takes a few hundredths.
const ROUNDS_MAX: u32 = 30;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

/// What was copied: everything that the checkpoint of that moment covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    pub records: u64,
    pub bytes: u64,
    /// Without these the copy can be verified, and not read.
    pub master_keys: BTreeSet<MasterKeyId>,
}

/// What is copied from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Made by a copy and written by nobody since: nothing in it may be torn.
    Backup,
    /// Somebody may be writing to it, or was killed.
    Ledger,
}

/// Into a folder that holds none of it yet.
#[expect(clippy::disallowed_methods, reason = "whoever erases is another process, and tells nobody when it is done")]
pub fn copy(from: &Arc<dyn Disk>, source: Source, to: &dyn Disk) -> Result<Copied, StoreFault> {
    for folder in shelf::FOLDERS {
        to.make_folder(folder)?;
    }
    let mut copying = Copying::new(from.as_ref(), to);
    for _ in 0..ROUNDS_MAX {
        let reader = Reader::open(from.clone())?;
        copying.follow(&reader)?;
        copying.settle()?;
        if copying.unsettled.is_empty() {
            return copying.finish(&reader, source);
        }
        std::thread::sleep(BETWEEN_ROUNDS);
    }
    let record = copying.unsettled.first().copied().unwrap_or_default();
    Err(StoreFault::Damaged(format!("what is left of the keys of record {record} is not what the records say, and that does not change")))
}

struct Copying<'a> {
    from: &'a dyn Disk,
    to: &'a dyn Disk,
    tree: Tree,
    /// Of each record.
    sections: Vec<SectionSet>,
    /// Of each record, what erasures and expiries on record speak of.
    given_up: BTreeMap<u64, SectionSet>,
    /// Of the pack that is not full, whose bodies are not copied yet.
    leaves: Vec<Leaf>,
    /// Records before this have a slot in the copy.
    slots: u64,
    /// Of these the slot has to be read again.
    unsettled: BTreeSet<u64>,
    master_keys: BTreeSet<MasterKeyId>,
    bytes: u64,
    /// Whose names are not durable yet.
    folders: BTreeSet<String>,
    /// Folders that are durable.
    known: BTreeSet<String>,
    /// Of the leaves that are copied, at each size that a checkpoint names.
    roots: BTreeMap<u64, Hash>,
}

/// Gets the record, its row, and whether two reads of it gave the same.
type See<'s, 'a> = &'s mut dyn FnMut(&mut Copying<'a>, u64, &[u8], bool) -> Result<(), StoreFault>;

impl<'a> Copying<'a> {
    fn new(from: &'a dyn Disk, to: &'a dyn Disk) -> Copying<'a> {
        Copying {
            from,
            to,
            tree: Tree::default(),
            sections: Vec::new(),
            given_up: BTreeMap::new(),
            leaves: Vec::new(),
            slots: 0,
            unsettled: BTreeSet::new(),
            master_keys: BTreeSet::new(),
            bytes: 0,
            folders: BTreeSet::new(),
            known: BTreeSet::new(),
            roots: BTreeMap::new(),
        }
    }

    /// Everything up to the reader's checkpoint, but for what `finish` writes.
    fn follow(&mut self, reader: &Reader) -> Result<(), StoreFault> {
        // Whatever the checkpoint of this reader follows was published before it. What cannot be read is found at the end.
        let mut sizes: BTreeSet<u64> = shelf::read_history(self.from).unwrap_or_default().iter().filter_map(|note| size_of(note)).collect();
        sizes.insert(reader.size());
        self.note_root(&sizes);
        reader.each_leaf(self.tree.size(), |index, leaf| {
            self.take(index, leaf)?;
            self.note_root(&sizes);
            Ok(())
        })?;
        let size = self.tree.size();
        // The last pack of the round before may have grown.
        let first = self.slots / PACK_RECORDS;
        for number in first..size.div_ceil(PACK_RECORDS) {
            let name = PackName { kind: PackKind::Keys, number };
            let count = (size - name.first_record()).min(PACK_RECORDS);
            self.copy_slots(name, count)?;
        }
        self.slots = size;
        Ok(())
    }

    fn note_root(&mut self, sizes: &BTreeSet<u64>) {
        let size = self.tree.size();
        if sizes.contains(&size) {
            self.roots.entry(size).or_insert_with(|| self.tree.root());
        }
    }

    fn take(&mut self, index: u64, leaf: Leaf) -> Result<(), StoreFault> {
        let tiles = self.tree.append(&leaf.bytes())?;
        self.write_tiles(tiles)?;
        if let (Kind::Erasure | Kind::RetentionExpired, Some(target)) = (leaf.kind, leaf.target) {
            let given_up = self.given_up.entry(target.index).or_default();
            *given_up = given_up.union(target.sections);
            if target.index < self.slots {
                self.unsettled.insert(target.index);
            }
        }
        self.sections.push(leaf.sections);
        self.leaves.push(leaf);
        if (index + 1).is_multiple_of(PACK_RECORDS) { self.copy_bodies() } else { Ok(()) }
    }

    /// Reads again whatever did not fit the records.
    fn settle(&mut self) -> Result<(), StoreFault> {
        let mut written = BTreeSet::new();
        // What a crash has stopped is not carried out before the next start.
        let listed = keys::listed(self.from)?;
        self.unsettled.extend(listed.keys().filter(|record| **record < self.slots));
        for record in std::mem::take(&mut self.unsettled) {
            let name = PackName::of(PackKind::Keys, record);
            let (source, target) = (self.from.open(&name.path())?, self.to.open(&name.path())?);
            let table = PackTable::read(name, &source.read_at(0, PACK_HEAD_BYTES)?, record - name.first_record() + 1)?;
            let (start, length) = table.row(record).ok_or_else(|| cut_off(name))?;
            let in_place = source.read_at(start, length)?;
            let same = in_place == source.read_at(start, length)?;
            let row = listed.get(&record).and_then(|slot| slot.bytes(length)).unwrap_or(in_place);
            target.write_at(start, &row)?;
            written.insert(name.path());
            self.judge(record, &row, same);
        }
        written.iter().try_for_each(|path| Ok(self.to.open(path)?.sync()?))
    }

    fn finish(mut self, reader: &Reader, source: Source) -> Result<Copied, StoreFault> {
        self.copy_bodies()?;
        let partial = self.tree.partial();
        self.write_tiles(partial)?;
        let checkpoint = reader.checkpoint().checkpoint();
        if self.tree.root() != checkpoint.root {
            return Err(StoreFault::Damaged("the leaves do not have the root that the checkpoint names".to_owned()));
        }
        self.folders.iter().map(String::as_str).chain([HISTORY_FOLDER, ""]).try_for_each(|folder| self.to.sync_folder(folder))?;
        let note = reader.checkpoint().to_string();
        let history = history(self.from, source, note.as_bytes())?;
        self.check_history(&history, reader.facts())?;
        shelf::write_history(self.to, &history)?;
        disk::replace(self.to, shelf::CHECKPOINT, note.as_bytes())?;
        // Last: with it the folder is a ledger.
        facts::write(self.to, reader.facts(), FORMAT)?;
        Ok(Copied { records: checkpoint.size, bytes: self.bytes, master_keys: self.master_keys })
    }

    /// A copy with a history that contradicts its records would be found by a verifier, long after the ledger that could be copied again is gone.
    fn check_history(&self, notes: &[Vec<u8>], facts: &LedgerFacts) -> Result<(), StoreFault> {
        let mut before: Option<SignedCheckpoint> = None;
        for (number, note) in notes.iter().enumerate() {
            let damaged = |what: String| StoreFault::Damaged(format!("`{HISTORY_FOLDER}/`, checkpoint {number}: {what}"));
            let signed =
                SignedCheckpoint::open(note, std::slice::from_ref(&facts.verifier_key)).map_err(|fault| damaged(fault.to_string()))?;
            let Checkpoint { origin, size, root } = signed.checkpoint();
            if *origin != facts.origin || self.roots.get(size) != Some(root) {
                return Err(damaged("the records do not have the root that it names".to_owned()));
            }
            if before.as_ref().is_some_and(|before| before.checkpoint().size > *size || before == &signed) {
                return Err(damaged("it does not follow the one before it".to_owned()));
            }
            before = Some(signed);
        }
        Ok(())
    }

    fn copy_bodies(&mut self) -> Result<(), StoreFault> {
        let leaves = std::mem::take(&mut self.leaves);
        if leaves.is_empty() {
            return Ok(());
        }
        let first = self.tree.size() - leaves.len() as u64;
        self.copy_rows(PackName::of(PackKind::Bodies, first), leaves.len() as u64, &mut |_, index, row, _| {
            let leaf = leaves.get(usize::try_from(index - first).unwrap_or(usize::MAX));
            let leaf = leaf.ok_or_else(|| StoreFault::Damaged(format!("record {index} has no leaf")))?;
            let checked = Body::read(row).and_then(|body| body.check(leaf));
            checked.map_err(|error| StoreFault::Damaged(format!("record {index}: {error}")))
        })
    }

    fn copy_slots(&mut self, name: PackName, count: u64) -> Result<(), StoreFault> {
        self.copy_rows(name, count, &mut |copying, index, row, same| {
            copying.judge(index, row, same);
            Ok(())
        })
    }

    /// `same`: two reads, one behind the other, gave the same bytes. One read alone may see a slot that is being overwritten, half old and half zeros.
    fn judge(&mut self, record: u64, row: &[u8], same: bool) {
        let sections = usize::try_from(record).ok().and_then(|place| self.sections.get(place)).copied().unwrap_or_default();
        let lost = self.given_up.get(&record).copied().unwrap_or_default().intersection(sections);
        let left = sections.without(lost);
        let fits = match Slot::read(record, row) {
            Err(_) => false,
            Ok(Slot::Gone { leaf }) => !lost.is_empty() && left.is_empty() && leaf < self.tree.size(),
            Ok(Slot::Keys(wrapped)) => {
                let bytes = if lost.is_empty() { WHOLE_ENTRY_BYTES } else { wrapped_keys_bytes_max(left.len() + 1) };
                let fits = (lost.is_empty() || !left.is_empty()) && wrapped.len() == bytes;
                self.master_keys.extend(WrappedKeys(wrapped).master().filter(|_| fits));
                fits
            }
        };
        if !(fits && same) {
            self.unsettled.insert(record);
        }
    }

    fn copy_rows(&mut self, name: PackName, count: u64, see: See<'_, 'a>) -> Result<(), StoreFault> {
        let path = name.path();
        let source = self.from.open(&path).map_err(|error| StoreFault::unreadable(&path, &error))?;
        let table = PackTable::read(name, &source.read_at(0, PACK_HEAD_BYTES)?, count)?;
        let target = self.to.create(&path)?;
        let mut head = name.empty_head();
        head.truncate(PACK_HEAD_BYTES - 8 * PACK_RECORDS as usize);
        for index in (name.first_record()..).take(usize::try_from(count).unwrap_or(usize::MAX)) {
            let (start, length) = table.row(index).ok_or_else(|| cut_off(name))?;
            let row = source.read_at(start, length)?;
            let same = name.kind == PackKind::Bodies || row == source.read_at(start, length)?;
            see(self, index, &row, same)?;
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
}

/// Every note up to the checkpoint that was copied.
fn history(from: &dyn Disk, source: Source, last: &[u8]) -> Result<Vec<Vec<u8>>, StoreFault> {
    let mut notes = shelf::read_whole_history(from, source == Source::Ledger)?;
    if source == Source::Backup && notes.last().map(Vec::as_slice) != Some(last) {
        return Err(StoreFault::Damaged(format!("`{HISTORY_FOLDER}/` does not end with the checkpoint: some were taken away")));
    }
    match notes.iter().position(|note| note == last) {
        Some(place) => notes.truncate(place + 1),
        // A crash came between the checkpoint and its line of history.
        None => notes.push(last.to_vec()),
    }
    Ok(notes)
}

fn size_of(note: &[u8]) -> Option<u64> {
    let note = Note::parse(note).ok()?;
    Checkpoint::parse(note.text()).ok().map(|checkpoint| checkpoint.size)
}

fn cut_off(name: PackName) -> StoreFault {
    StoreFault::Damaged(format!("`{}` is cut off", name.path()))
}
