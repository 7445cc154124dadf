//! Records that are applied, by their number. Takes no lock: what a checkpoint covers does not change, but for slots of keys.

use crate::disk::{self, Disk};
use crate::facts::{self, LedgerFacts};
use crate::fault::StoreFault;
use crate::keys;
use crate::shelf;
use sluice_ledger::checkpoint::SignedCheckpoint;
use sluice_ledger::keyring::{KeyEntry, MasterKey, WrappedKeys};
use sluice_ledger::layout::{PACK_HEAD_BYTES, PACK_RECORDS, PackKind, PackName, PackTable, Slot};
use sluice_ledger::record::{Leaf, OpenedSection, SectionId, open};
use sluice_ledger::tree::{TILE_WIDTH, Tile, TileNodes, decode_entries};
use std::ops::Range;
use std::sync::Arc;

pub struct Reader {
    disk: Arc<dyn Disk>,
    facts: LedgerFacts,
    checkpoint: SignedCheckpoint,
}

/// A record with everything that is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    pub leaf: Leaf,
    pub body: Vec<u8>,
    pub slot: Slot,
}

impl Reader {
    /// Of the ledger as its checkpoint says it is now.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Reader, StoreFault> {
        let facts = facts::read(disk.as_ref())?;
        let checkpoint = shelf::read_checkpoint(disk.as_ref(), &facts.verifier_key)?;
        Ok(Reader { disk, facts, checkpoint })
    }

    pub fn facts(&self) -> &LedgerFacts {
        &self.facts
    }

    pub fn checkpoint(&self) -> &SignedCheckpoint {
        &self.checkpoint
    }

    pub fn size(&self) -> u64 {
        self.checkpoint.checkpoint().size
    }

    /// For proofs.
    pub fn nodes(&self) -> TileNodes<impl Fn(&Tile) -> Option<Vec<u8>> + '_> {
        TileNodes::new(self.size(), |tile| shelf::read_tile(self.disk.as_ref(), tile))
    }

    pub fn leaf(&self, index: u64) -> Result<Leaf, StoreFault> {
        Ok(Leaf::read(&self.leaf_bytes(index)?)?)
    }

    pub fn leaf_bytes(&self, index: u64) -> Result<Vec<u8>, StoreFault> {
        let bundle = self.bundle(index / TILE_WIDTH)?;
        let place = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
        bundle.into_iter().nth(place).ok_or_else(|| StoreFault::Refused(format!("there is no record {index}")))
    }

    /// `see` gets every leaf from `first` on, in order.
    pub fn each_leaf(&self, first: u64, see: impl FnMut(u64, Leaf) -> Result<(), StoreFault>) -> Result<(), StoreFault> {
        self.leaves(first..self.size(), see)
    }

    /// Each in its turn.
    pub fn leaves(&self, records: Range<u64>, mut see: impl FnMut(u64, Leaf) -> Result<(), StoreFault>) -> Result<(), StoreFault> {
        let Range { start: mut index, end } = records;
        while index < end {
            let bundle = self.bundle(index / TILE_WIDTH)?;
            let skipped = usize::try_from(index % TILE_WIDTH).unwrap_or(usize::MAX);
            for (number, bytes) in (index..end).zip(bundle.iter().skip(skipped)) {
                see(number, Leaf::read(bytes)?)?;
                index = number + 1;
            }
        }
        Ok(())
    }

    pub fn record(&self, index: u64) -> Result<StoredRecord, StoreFault> {
        let leaf = self.leaf(index)?;
        let body = self.row(PackKind::Bodies, index)?;
        Ok(StoredRecord { leaf, body, slot: self.slot(index)? })
    }

    /// Also while it is written over, and where a crash has stopped that.
    pub fn slot(&self, index: u64) -> Result<Slot, StoreFault> {
        let in_place = || -> Result<Slot, StoreFault> { Ok(Slot::read(index, &self.row(PackKind::Keys, index)?)?) };
        let listed = || keys::listed(self.disk.as_ref()).map(|mut changes| changes.remove(&index));
        if let Some(slot) = listed()? {
            return Ok(slot);
        }
        // Between the two looks the list may have been made, and carried out.
        in_place().or_else(|_| listed()?.map_or_else(in_place, Ok))
    }

    /// What can still be read of a record.
    pub fn open_record(&self, index: u64, master: &dyn MasterKey) -> Result<(Leaf, Vec<(SectionId, OpenedSection)>), StoreFault> {
        open_stored(index, self.record(index)?, &self.facts.origin, master)
    }

    /// Of the pack that holds this record, as far as it is published.
    pub fn table(&self, kind: PackKind, index: u64) -> Result<PackTable, StoreFault> {
        let name = PackName::of(kind, index);
        let records = self.size().saturating_sub(name.first_record()).min(PACK_RECORDS);
        shelf::read_table(self.disk.as_ref(), name, records)
    }

    fn row(&self, kind: PackKind, index: u64) -> Result<Vec<u8>, StoreFault> {
        if index >= self.size() {
            return Err(StoreFault::Refused(format!("there is no record {index}")));
        }
        let name = PackName::of(kind, index);
        let path = name.path();
        let file = self.disk.open(&path).map_err(|error| StoreFault::unreadable(&path, &error))?;
        let records = index - name.first_record() + 1;
        let table = PackTable::read(name, &file.read_at(0, PACK_HEAD_BYTES)?, records)?;
        let damaged = || StoreFault::Damaged(format!("`{path}` is cut off"));
        let (start, length) = table.row(index).ok_or_else(damaged)?;
        let row = file.read_at(start, length)?;
        if row.len() == length { Ok(row) } else { Err(damaged()) }
    }

    fn bundle(&self, number: u64) -> Result<Vec<Vec<u8>>, StoreFault> {
        let width = self.size().saturating_sub(number * TILE_WIDTH).min(TILE_WIDTH);
        let tile = Tile { level: sluice_ledger::tree::Level::Entries, index: number, width };
        if width == 0 {
            return Err(StoreFault::Refused(format!("there is no record {}", number * TILE_WIDTH)));
        }
        let bytes = shelf::read_tile(self.disk.as_ref(), &tile).or_else(|| shelf::read_tile(self.disk.as_ref(), &tile.full()));
        let bytes = bytes.ok_or_else(|| StoreFault::Missing(tile.path()))?;
        let entries = decode_entries(&bytes).ok_or_else(|| StoreFault::Damaged(tile.path()))?;
        let count = usize::try_from(width).unwrap_or(usize::MAX);
        if entries.len() < count {
            return Err(StoreFault::Damaged(tile.path()));
        }
        Ok(entries.into_iter().take(count).map(<[u8]>::to_vec).collect())
    }
}

pub fn open_stored(
    index: u64,
    record: StoredRecord,
    origin: &str,
    master: &dyn MasterKey,
) -> Result<(Leaf, Vec<(SectionId, OpenedSection)>), StoreFault> {
    let entry = match record.slot {
        Slot::Gone { .. } => None,
        Slot::Keys(wrapped) => {
            let entry = KeyEntry::unwrap(&WrappedKeys(wrapped), origin, record.leaf.record, master);
            Some(entry.map_err(|error| StoreFault::Key(format!("record {index}: {error}")))?)
        }
    };
    let sections = open(&record.body, &record.leaf, origin, entry.as_ref());
    let sections = sections.map_err(|error| StoreFault::Damaged(format!("record {index}: {error}")))?;
    Ok((record.leaf, sections))
}

/// The text of a small file of the ledger.
pub fn read_text(disk: &dyn Disk, path: &str, bytes_max: usize) -> Result<Option<String>, StoreFault> {
    let Some(bytes) = disk::read_whole(disk, path, bytes_max)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|_| StoreFault::Damaged(format!("`{path}` is no text")))
}
