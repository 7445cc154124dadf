//! Slots of keys that change: an erasure, an expiry, a new master key. The only part of the ledger that is written over.
//!
//! Order: every new slot into `keys/rewrite`, synced; the old ones overwritten by zeros, synced; the new ones in their place, synced; the
//! list overwritten by zeros and removed. A start that finds a whole list does all of that again; one that is cut off changed nothing yet.

use crate::disk::{self, Disk, DiskFile, folder_of};
use crate::fault::StoreFault;
use crate::reader::Reader;
use crate::wal::Entry;
use aws_lc_rs::digest;
use sluice_ledger::keyring::{KeyEntry, MasterKey, WrappedKeys, wrapped_keys_bytes_max};
use sluice_ledger::layout::{PACK_RECORDS, PackKind, PackName, SLOT_HEAD_BYTES, Slot};
use sluice_ledger::record::{Leaf, SealedRecord, Target};
use std::collections::BTreeMap;
use std::io;

const PATH: &str = "keys/rewrite";
const MAGIC: &[u8; 8] = b"sluicerw";
/// A pack of the longest slots, and a little.
const REWRITE_BYTES_MAX: usize = 8 << 20;

/// How far back a record is looked for whose keys are not all given up.
const MASTER_CHECK_RECORDS_MAX: usize = 64;

/// New contents of slots, by record.
pub type Changes = BTreeMap<u64, Slot>;

/// The slot of a new record: long enough for whatever may stand there later.
pub fn new_slot(record: &SealedRecord) -> Result<Vec<u8>, StoreFault> {
    let capacity = SLOT_HEAD_BYTES + wrapped_keys_bytes_max(record.sections.len()).max(8);
    let slot = Slot::Keys(record.keys.0.clone()).bytes(capacity);
    slot.ok_or_else(|| StoreFault::Refused("the keys of the record are longer than keys are".to_owned()))
}

/// The master keys open what was written last: with those of another ledger, or of before a rotation, every new record would be wrapped by a key
/// that the old ones are not, and nobody would notice until one is to be read. They open all that waits to be signed.
pub fn check_master(reader: &Reader, waiting: &[Entry], master: &dyn MasterKey) -> Result<(), StoreFault> {
    let check = |record: u64, leaf: &Leaf, wrapped: Vec<u8>| {
        let fault = |error| StoreFault::Key(format!("these are not the master keys of this ledger: record {record}: {error}"));
        KeyEntry::unwrap(&WrappedKeys(wrapped), &reader.facts().origin, leaf.record, master).map(drop).map_err(fault)
    };
    for (record, entry) in (reader.size()..).zip(waiting) {
        if let Slot::Keys(wrapped) = Slot::read(record, &entry.slot)? {
            check(record, &Leaf::read(&entry.leaf)?, wrapped)?;
        }
    }
    for record in (0..reader.size()).rev().take(MASTER_CHECK_RECORDS_MAX) {
        let Slot::Keys(wrapped) = reader.slot(record)? else { continue };
        return check(record, &reader.leaf(record)?, wrapped);
    }
    Ok(())
}

/// What a slot holds once these sections are given up. None if nothing has to change.
pub fn without(reader: &Reader, leaf: u64, target: Target, master: &dyn MasterKey, nonce: [u8; 12]) -> Result<Option<Slot>, StoreFault> {
    let Slot::Keys(wrapped) = reader.slot(target.index)? else { return Ok(None) };
    let record: Leaf = reader.leaf(target.index)?;
    if record.sections.intersection(target.sections).is_empty() {
        return Ok(None);
    }
    let left = record.sections.without(target.sections);
    // Nothing has to be opened to give up everything: an erasure works without the master key.
    if left.is_empty() {
        return Ok(Some(Slot::Gone { leaf }));
    }
    let origin = &reader.facts().origin;
    let fault = |error: String| StoreFault::Key(format!("record {}: {error}", target.index));
    let entry = KeyEntry::unwrap(&WrappedKeys(wrapped), origin, record.record, master).map_err(|error| fault(error.to_string()))?;
    let Some(rest) = entry.without(target.sections, record.sections).map_err(|error| fault(error.to_string()))? else {
        return Ok(Some(Slot::Gone { leaf }));
    };
    if rest == entry {
        return Ok(None);
    }
    let wrapped = rest.wrap(origin, record.record, nonce, master).map_err(|error| fault(error.to_string()))?;
    Ok(Some(Slot::Keys(wrapped.0)))
}

/// Of one pack, whatever is not wrapped by the current master key. `nonce` is random each time.
pub fn rewrapped(
    reader: &Reader,
    pack: u64,
    master: &dyn MasterKey,
    nonce: &mut dyn FnMut() -> Result<[u8; 12], StoreFault>,
) -> Result<Changes, StoreFault> {
    let mut changes = Changes::new();
    let first = pack * PACK_RECORDS;
    for record in first..(first + PACK_RECORDS).min(reader.size()) {
        let Slot::Keys(wrapped) = reader.slot(record)? else { continue };
        let rewrapped = WrappedKeys(wrapped).rewrap(&reader.facts().origin, reader.leaf(record)?.record, nonce()?, master);
        let rewrapped = rewrapped.map_err(|error| StoreFault::Key(format!("record {record}: {error}")))?;
        if let Some(rewrapped) = rewrapped {
            changes.insert(record, Slot::Keys(rewrapped.0));
        }
    }
    Ok(changes)
}

pub fn rewrite(disk: &dyn Disk, reader: &Reader, changes: &Changes) -> Result<(), StoreFault> {
    if changes.is_empty() {
        return Ok(());
    }
    let bytes = encode(changes)?;
    if bytes.len() > REWRITE_BYTES_MAX {
        return Err(StoreFault::Refused(format!("{} slots at a time are too many", changes.len())));
    }
    // A list that a full disk stopped comes first: its old slots may be zeros already.
    finish(disk, reader)?;
    write_list(disk, disk.create(PATH)?.as_ref(), &bytes)?;
    carry_out(disk, reader, changes)
}

/// What slots will hold once the list is carried out: until then they may hold half of that, or zeros.
pub fn listed(disk: &dyn Disk) -> Result<Changes, StoreFault> {
    let list = disk::read_whole(disk, PATH, REWRITE_BYTES_MAX)?;
    Ok(list.and_then(|bytes| decode(&bytes)).unwrap_or_default())
}

/// What a crash left half done.
pub fn finish(disk: &dyn Disk, reader: &Reader) -> Result<(), StoreFault> {
    let Some(bytes) = disk::read_whole(disk, PATH, REWRITE_BYTES_MAX)? else { return Ok(()) };
    match decode(&bytes) {
        Some(changes) => {
            // The process before may have died of the sync of the list: it must not be lost while slots are zeros.
            write_list(disk, disk.open(PATH)?.as_ref(), &bytes)?;
            carry_out(disk, reader, &changes)
        }
        None => remove_list(disk),
    }
}

fn write_list(disk: &dyn Disk, file: &dyn DiskFile, bytes: &[u8]) -> io::Result<()> {
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.sync_folder(folder_of(PATH))
}

fn carry_out(disk: &dyn Disk, reader: &Reader, changes: &Changes) -> Result<(), StoreFault> {
    let mut packs: BTreeMap<u64, Vec<(u64, Vec<u8>)>> = BTreeMap::new();
    for (record, slot) in changes {
        let table = reader.table(PackKind::Keys, *record)?;
        let (start, length) = table.row(*record).ok_or_else(|| StoreFault::Refused(format!("there is no record {record}")))?;
        let bytes = slot.bytes(length).ok_or_else(|| StoreFault::Refused(format!("the new keys of record {record} do not fit")))?;
        packs.entry(record / PACK_RECORDS).or_default().push((start, bytes));
    }
    for (number, slots) in packs {
        let file = disk.open(&PackName { kind: PackKind::Keys, number }.path())?;
        for (start, bytes) in &slots {
            file.write_at(*start, &vec![0; bytes.len()])?;
        }
        file.sync()?;
        for (start, bytes) in &slots {
            file.write_at(*start, bytes)?;
        }
        file.sync()?;
    }
    remove_list(disk)
}

fn remove_list(disk: &dyn Disk) -> Result<(), StoreFault> {
    let file = disk.open(PATH)?;
    let length = usize::try_from(file.length()?).unwrap_or(REWRITE_BYTES_MAX);
    file.write_at(0, &vec![0; length])?;
    file.sync()?;
    match disk.remove(PATH) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    Ok(disk.sync_folder(folder_of(PATH))?)
}

fn encode(changes: &Changes) -> Result<Vec<u8>, StoreFault> {
    let mut bytes = MAGIC.to_vec();
    for (record, slot) in changes {
        let slot = match slot {
            Slot::Gone { .. } => slot.bytes(SLOT_HEAD_BYTES + 8),
            Slot::Keys(wrapped) => slot.bytes(SLOT_HEAD_BYTES + wrapped.len()),
        };
        let slot = slot.ok_or_else(|| StoreFault::Refused(format!("the keys of record {record} are too long")))?;
        bytes.extend_from_slice(&record.to_be_bytes());
        bytes.extend_from_slice(&u32::try_from(slot.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend_from_slice(&slot);
    }
    let digest = digest::digest(&digest::SHA256, &bytes);
    bytes.extend_from_slice(digest.as_ref());
    Ok(bytes)
}

/// None unless it is whole.
fn decode(bytes: &[u8]) -> Option<Changes> {
    let (content, found) = bytes.split_last_chunk::<32>()?;
    if digest::digest(&digest::SHA256, content).as_ref() != found {
        return None;
    }
    let mut rest = content.strip_prefix(MAGIC)?;
    let mut changes = Changes::new();
    while let Some((record, after)) = rest.split_first_chunk() {
        let record = u64::from_be_bytes(*record);
        let (length, after) = after.split_first_chunk()?;
        let (slot, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        changes.insert(record, Slot::read(record, slot).ok()?);
        rest = after;
    }
    Some(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_whole_or_nothing() {
        let changes = Changes::from([(3, Slot::Gone { leaf: 9 }), (70_000, Slot::Keys(vec![5; 99]))]);
        let bytes = encode(&changes).unwrap();
        assert_eq!(decode(&bytes), Some(changes));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), None, "{length} bytes");
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            assert_eq!(decode(&damaged), None, "byte {place}");
        }
    }
}
