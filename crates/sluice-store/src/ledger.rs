//! The ledger, opened for writing, in the hands of one thread: what commands use, and what the threads of `Store` are made of.
//!
//! Opening it is recovery: what the write-ahead log holds is checked, then applied and signed; half-done changes of keys are finished, and `boot`
//! begins an epoch.

use crate::disk::Disk;
use crate::facts;
use crate::fault::StoreFault;
use crate::keys;
use crate::machine::{Machine, Scribe};
use crate::reader::{Reader, read_text};
use crate::shelf::Shelf;
use crate::standing::Follower;
use crate::wal::{self, BatchKey, Entry, Journal};
use crate::writer::{Asked, WriteFault, Writer};
use serde_json::{Value, json};
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::note::Signer;
use sluice_ledger::record::{Draft, Kind, SealedRecord, Target};
use sluice_ledger::{AppendFault, Receipt};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

pub const LOCK: &str = "lock";
/// Left by a restore, for the next `boot` to say.
pub const RESTORED: &str = "restored.json";
const RESTORED_BYTES_MAX: usize = 4096;
/// Records after which what a start would read is saved.
pub const RECORDS_BEFORE_SAVE: u64 = 65_536;
/// Slots whose keys are given up by one list.
const GIVEN_UP_TOGETHER_MAX: usize = 1024;
/// Times that the write-ahead log is rotated before a record is gone from it: once if nobody else writes.
const ROTATIONS_MAX: usize = 8;

/// What a ledger is opened with.
#[derive(Clone)]
pub struct Opening {
    pub signer: Arc<Signer>,
    pub master: Arc<dyn MasterKey>,
    pub machine: Arc<dyn Machine>,
    /// Goes into `boot`: which program, which version.
    pub boot: Value,
    /// With less free space no request is admitted.
    pub free_bytes_min: u64,
}

pub struct Ledger {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) shelf: Shelf,
    pub(crate) writer: Writer,
    pub(crate) scribe: Scribe,
    /// Durable, not applied.
    pub(crate) waiting: Vec<Entry>,
    pub(crate) free_bytes_min: u64,
    saved: u64,
    dead: Option<StoreFault>,
    /// Held for the others' sake.
    pub(crate) lock: Box<dyn Send + Sync>,
}

impl Ledger {
    pub fn open(disk: Arc<dyn Disk>, opening: &Opening) -> Result<Ledger, StoreFault> {
        let facts = facts::read(disk.as_ref())?;
        let lock = disk.lock(LOCK).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreFault::InUse,
            _ => error.into(),
        })?;
        let key = BatchKey::of(&opening.signer, &facts)?;
        let reader = Reader::open(disk.clone())?;
        let waiting = wal::scan(disk.as_ref(), &key, reader.size())?;
        keys::check_master(&reader, &waiting, opening.master.as_ref())?;
        // Up to here nothing was written, and from here on things are signed.
        let mut shelf = Shelf::open(disk.clone(), &facts, opening.signer.clone())?;
        shelf.apply(&waiting)?;
        let reader = Reader::open(disk.clone())?;
        keys::finish(disk.as_ref(), &reader)?;
        let follower = Follower::read(disk.as_ref(), &reader)?;
        let journal = Journal::start(disk.as_ref(), key, shelf.size())?;
        let scribe = Scribe::new(&facts.origin, opening.master.clone(), opening.machine.clone());
        let restored = read_text(disk.as_ref(), RESTORED, RESTORED_BYTES_MAX)?;
        let boot = boot_facts(&opening.boot, restored.as_deref());
        let (writer, waiting) = Writer::start(journal, follower, scribe.clone(), &boot)?;
        if restored.is_some() {
            disk.remove(RESTORED)?;
            disk.sync_folder("")?;
        }
        let saved = shelf.size();
        let mut ledger = Ledger { disk, shelf, writer, scribe, waiting, free_bytes_min: opening.free_bytes_min, saved, dead: None, lock };
        ledger.give_up_keys()?;
        Ok(ledger)
    }

    /// All of them are durable, or answered with why not, when this returns.
    pub fn append(&mut self, records: Vec<SealedRecord>) -> Vec<Result<Receipt, AppendFault>> {
        self.append_asked(records.into_iter().map(Asked::ByCaller).collect())
    }

    pub fn seal(&self, draft: &Draft) -> Result<SealedRecord, StoreFault> {
        self.scribe.seal(draft)
    }

    /// Writes what the clock wants written, and puts into the folder what is durable.
    pub fn apply(&mut self) -> Result<(), StoreFault> {
        self.check_alive()?;
        if self.writer.is_due() {
            drop(self.append_asked(Vec::new()));
            self.check_alive()?;
        }
        self.apply_waiting()?;
        self.give_up_keys()
    }

    /// An erasure or an expiry, as its kind says: its record first, then the keys. When this returns they are gone from the folder.
    pub fn give_up(&mut self, record: SealedRecord) -> Result<Receipt, StoreFault> {
        self.give_up_all(vec![record])?.pop().ok_or_else(|| StoreFault::Dead("the writer did not answer".to_owned()))
    }

    /// The same of many at a time: all of them, or those in front of the first that does not fit.
    pub fn give_up_all(&mut self, records: Vec<SealedRecord>) -> Result<Vec<Receipt>, StoreFault> {
        if let Some(other) = records.iter().find(|record| !matches!(record.kind, Kind::Erasure | Kind::RetentionExpired)) {
            return Err(StoreFault::Refused(format!("`{}` gives up no keys", other.kind.word())));
        }
        let answers = self.append_asked(records.into_iter().map(Asked::ByStore).collect());
        let receipts: Result<Vec<Receipt>, AppendFault> = answers.into_iter().collect();
        let receipts = receipts.map_err(|fault| self.fault_of(fault));
        // What is on record is carried out, whatever became of the others.
        let given_up = self.give_up_keys();
        let receipts = receipts?;
        given_up.map(|()| receipts)
    }

    /// What wraps from now on. It also has to open what those before it wrapped.
    pub fn use_master(&mut self, master: Arc<dyn MasterKey>) {
        self.scribe = self.scribe.with_master(master);
        self.writer.use_scribe(self.scribe.clone());
    }

    /// Wraps every secret by the current master key; how many were wrapped by another. Afterwards the others can be thrown away.
    pub fn rewrap_keys(&mut self) -> Result<u64, StoreFault> {
        self.clear_log_of(self.writer.next_index().saturating_sub(1))?;
        let reader = Reader::open(self.disk.clone())?;
        let finished = keys::finish(self.disk.as_ref(), &reader);
        self.note_death(finished)?;
        let mut count = 0;
        for pack in 0..reader.size().div_ceil(sluice_ledger::layout::PACK_RECORDS) {
            let changes = keys::rewrapped(&reader, pack, self.scribe.master(), &mut || self.scribe.nonce())?;
            let outcome = keys::rewrite(self.disk.as_ref(), &reader, &changes);
            self.note_death(outcome)?;
            count += changes.len() as u64;
        }
        Ok(count)
    }

    /// Ends what is open, writes `shutdown` and applies everything.
    pub fn shut(mut self) -> Result<(), StoreFault> {
        self.check_alive()?;
        // Without space for more, the closing reserve has to do.
        match self.make_room() {
            Ok(()) | Err(StoreFault::Full) => {}
            Err(fault) => return Err(fault),
        }
        let entries = self.writer.shut();
        let entries = self.note_death(entries)?;
        self.waiting.extend(entries);
        self.apply_waiting()?;
        self.writer.follower().save(self.disk.as_ref())
    }

    pub fn reader(&self) -> Result<Reader, StoreFault> {
        Reader::open(self.disk.clone())
    }

    /// Records that are durable.
    pub fn size(&self) -> u64 {
        self.writer.next_index()
    }

    pub fn epoch(&self) -> u64 {
        self.writer.epoch()
    }

    fn append_asked(&mut self, asked: Vec<Asked>) -> Vec<Result<Receipt, AppendFault>> {
        let count = asked.len();
        let all = |fault: AppendFault| vec![Err(fault); count];
        if let Some(fault) = &self.dead {
            return all(AppendFault::Dead(fault.to_string()));
        }
        let mut prepared = match self.writer.prepare(asked) {
            Ok(prepared) => prepared,
            Err(fault) => return all(AppendFault::Dead(fault.to_string())),
        };
        // Written at once, else behind what has to be applied first, else without what may not use the closing reserve.
        for _ in 0..3 {
            match self.writer.write(&mut prepared) {
                Ok(entries) => {
                    self.waiting.extend(entries);
                    return prepared.into_answers();
                }
                Err(WriteFault::Dead(fault)) => {
                    self.dead = Some(fault);
                    return prepared.into_answers();
                }
                Err(WriteFault::NoRoom) => {
                    let made = if self.writer.is_full() { Err(StoreFault::Full) } else { self.make_room() };
                    match made {
                        Ok(()) => {}
                        Err(StoreFault::Full) => {
                            self.writer.set_full(true);
                            self.writer.cut_down(&mut prepared);
                        }
                        Err(_) => break,
                    }
                }
            }
        }
        let fault = self.dead.as_ref().map_or(AppendFault::Full, |fault| AppendFault::Dead(fault.to_string()));
        self.writer.take_back(&mut prepared, &fault);
        prepared.into_answers()
    }

    fn make_room(&mut self) -> Result<(), StoreFault> {
        self.apply_waiting()?;
        if self.writer.rotate() {
            return Ok(());
        }
        Err(StoreFault::Full)
    }

    fn apply_waiting(&mut self) -> Result<(), StoreFault> {
        let applied = self.shelf.apply(&self.waiting).and_then(|()| self.shelf.settle_history());
        if self.shelf.size() >= self.writer.next_index() {
            self.waiting.clear();
        }
        if applied == Err(StoreFault::Full) {
            self.writer.set_full(true);
            return applied;
        }
        let applied = applied.and_then(|()| Ok(self.writer.segments().wipe(self.disk.as_ref(), self.shelf.size())?));
        self.note_death(applied)?;
        let free = self.disk.free_bytes();
        self.writer.set_full(free? < self.free_bytes_min);
        if self.shelf.size() >= self.saved + RECORDS_BEFORE_SAVE {
            let saved = self.writer.follower().save(self.disk.as_ref());
            self.note_death(saved)?;
            self.saved = self.shelf.size();
        }
        Ok(())
    }

    /// Whatever erasures and expiries are on record and not carried out. As many at a time as one list of slots takes.
    fn give_up_keys(&mut self) -> Result<(), StoreFault> {
        let mut rest: Vec<(u64, Target)> = self.writer.follower().giving_up().iter().map(|(leaf, target)| (*leaf, *target)).collect();
        while !rest.is_empty() {
            let mut records = BTreeSet::new();
            // Twice in one list would be once: the second looks at what the first has left.
            let fit = |(_, target): &&(u64, Target)| records.len() < GIVEN_UP_TOGETHER_MAX && records.insert(target.index);
            let count = rest.iter().take_while(fit).count();
            let later = rest.split_off(count);
            self.give_up_together(&rest)?;
            rest = later;
        }
        Ok(())
    }

    fn give_up_together(&mut self, given_up: &[(u64, Target)]) -> Result<(), StoreFault> {
        for (_, target) in given_up {
            self.clear_log_of(target.index)?;
        }
        let reader = Reader::open(self.disk.clone())?;
        let finished = keys::finish(self.disk.as_ref(), &reader);
        self.note_death(finished)?;
        let mut changes = keys::Changes::new();
        for (leaf, target) in given_up {
            let slot = keys::without(&reader, *leaf, *target, self.scribe.master(), self.scribe.nonce()?)?;
            changes.extend(slot.map(|slot| (target.index, slot)));
        }
        let outcome = keys::rewrite(self.disk.as_ref(), &reader, &changes);
        self.note_death(outcome)?;
        given_up.iter().for_each(|(leaf, _)| self.writer.follower_mut().gave_up(*leaf));
        Ok(())
    }

    /// The record stands in the folder and no longer in the write-ahead log.
    fn clear_log_of(&mut self, index: u64) -> Result<(), StoreFault> {
        for _ in 0..ROTATIONS_MAX {
            self.apply_waiting()?;
            if !self.writer.segments().hold(index) {
                return Ok(());
            }
            self.writer.rotate();
        }
        Err(StoreFault::Full)
    }

    fn check_alive(&self) -> Result<(), StoreFault> {
        self.dead.clone().map_or(Ok(()), Err)
    }

    fn note_death<T>(&mut self, outcome: Result<T, StoreFault>) -> Result<T, StoreFault> {
        if let Err(fault @ StoreFault::Dead(_)) = &outcome {
            self.dead = Some(fault.clone());
        }
        outcome
    }

    fn fault_of(&self, fault: AppendFault) -> StoreFault {
        match fault {
            AppendFault::Dead(text) => self.dead.clone().unwrap_or(StoreFault::Dead(text)),
            AppendFault::Full => StoreFault::Full,
            other => StoreFault::Refused(other.to_string()),
        }
    }
}

fn boot_facts(given: &Value, restored: Option<&str>) -> Value {
    let restored: Option<Value> = restored.map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    match restored {
        None => given.clone(),
        Some(restored) => json!({ "boot": given, "restored": restored }),
    }
}
