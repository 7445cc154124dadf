//! Everything that is on record, also what no checkpoint covers yet: for people who ask what happened a moment ago.
//!
//! What stands behind the checkpoint comes out of the write-ahead log and is not signed yet; proofs are made from a `Reader`. A record can be seen
//! here in the moment before its sync is over. Takes no lock, writes nothing.

use crate::disk::Disk;
use crate::fault::StoreFault;
use crate::reader::{Reader, StoredRecord, open_stored};
use crate::wal::{self, BatchKey, Entry};
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::layout::Slot;
use sluice_ledger::note::Signer;
use sluice_ledger::record::{Leaf, OpenedSection, SectionId};
use std::sync::Arc;
use std::time::Duration;

/// A gateway that writes meanwhile moves what is looked at.
const LOOKS_MAX: usize = 50;
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

pub struct Recent {
    reader: Reader,
    /// Behind the checkpoint of the reader.
    entries: Vec<Entry>,
}

impl Recent {
    /// The log's key tells what this program wrote from what somebody else did.
    pub fn open(disk: &Arc<dyn Disk>, signer: &Signer) -> Result<Recent, StoreFault> {
        let mut looks = 1;
        loop {
            let reader = Reader::open(disk.clone())?;
            let entries = wal::scan(disk.as_ref(), &BatchKey::of(signer, reader.facts())?, reader.size()).map_err(StoreFault::from);
            // What is applied meanwhile is wiped from the log: only where the checkpoint stood still was the log whole.
            let stood_still = Reader::open(disk.clone())?.size() == reader.size();
            match entries {
                Ok(entries) if stood_still => return Ok(Recent { reader, entries }),
                Err(fault @ StoreFault::Tampered(_)) => return Err(fault),
                // A batch was half written when it was read.
                Err(fault) if looks == LOOKS_MAX => return Err(fault),
                _ if looks == LOOKS_MAX => return Err(StoreFault::InUse),
                _ => std::thread::park_timeout(LOOK_AGAIN_AFTER),
            }
            looks += 1;
        }
    }

    pub fn size(&self) -> u64 {
        self.reader.size() + self.entries.len() as u64
    }

    /// `see` gets every leaf, in order.
    pub fn each_leaf(&self, mut see: impl FnMut(u64, Leaf) -> Result<(), StoreFault>) -> Result<(), StoreFault> {
        self.reader.each_leaf(0, &mut see)?;
        for (index, entry) in (self.reader.size()..).zip(&self.entries) {
            see(index, Leaf::read(&entry.leaf)?)?;
        }
        Ok(())
    }

    /// What can still be read of a record.
    pub fn open_record(&self, index: u64, master: &dyn MasterKey) -> Result<(Leaf, Vec<(SectionId, OpenedSection)>), StoreFault> {
        let Some(place) = index.checked_sub(self.reader.size()) else { return self.reader.open_record(index, master) };
        let entry = usize::try_from(place).ok().and_then(|place| self.entries.get(place));
        let entry = entry.ok_or_else(|| StoreFault::Refused(format!("there is no record {index}")))?;
        let record = StoredRecord { leaf: Leaf::read(&entry.leaf)?, body: entry.body.clone(), slot: Slot::read(index, &entry.slot)? };
        open_stored(index, record, &self.reader.facts().origin, master)
    }
}
