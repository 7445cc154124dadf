//! The ledger behind its port: one thread writes ahead and answers, another applies. They meet in `queue` and `handover`, nowhere else.
//!
//! After the first failed sync nothing is answered with a receipt any more, and `on_death` is called: nobody knows what the disk holds, so the
//! process has to end and the next start has to find out.

mod handover;
mod queue;
mod tally;

pub use queue::{QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX};
pub use tally::Appended;

use crate::disk::Disk;
use crate::fault::StoreFault;
use crate::keys;
use crate::ledger::{Ledger, RECORDS_BEFORE_SAVE};
use crate::machine::Scribe;
use crate::reader::Reader;
use crate::shelf::Shelf;
use crate::wal::Segments;
use crate::writer::{Asked, Prepared, WriteFault, Writer};
use handover::{Handover, Next};
use queue::{Answer, Haste, Job, Queue};
use sluice_ledger::record::{Draft, Kind, SealedRecord, Target};
use sluice_ledger::{AppendFault, Appending, DurableLog, Receipt};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tally::Tally;

/// The clock is asked at least this often.
const WRITER_PATIENCE: Duration = Duration::from_secs(1);
const ROTATIONS_MAX: usize = 64;

/// Told why, once. In a server it ends the process.
pub type OnDeath = Box<dyn Fn(&StoreFault) + Send + Sync>;

pub struct Store {
    shared: Arc<Shared>,
    /// Until they are joined.
    threads: Option<(JoinHandle<Writer>, JoinHandle<Shelf>)>,
    /// Two changes of keys at a time would overwrite each other's list.
    keys: Mutex<()>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    scribe: Scribe,
    segments: Segments,
    queue: Queue,
    handover: Handover,
    tally: Tally,
    free_bytes_min: u64,
    epoch: u64,
    on_death: OnDeath,
    /// As long as a thread lives that could write.
    _lock: Box<dyn Send + Sync>,
}

/// A thread that breaks off takes the ledger with it: nobody would answer those that wait for it.
struct Watched(Arc<Shared>);

/// For operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub epoch: u64,
    /// Records that are on stable storage.
    pub durable: u64,
    /// Records that a signed checkpoint covers.
    pub applied: u64,
    pub queued: usize,
    /// Left in the write-ahead log before something has to be applied; with the closing reserve.
    pub room_bytes: u64,
    pub reserve_bytes: u64,
    pub free_bytes: u64,
    pub condition: Condition,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Dead(StoreFault),
    /// Nothing but ends of requests is taken.
    Full,
    Open,
}

impl Store {
    pub fn start(ledger: Ledger, on_death: OnDeath) -> Result<Store, StoreFault> {
        let Ledger { disk, shelf, writer, scribe, waiting, free_bytes_min, lock, .. } = ledger;
        let shared = Arc::new(Shared {
            segments: writer.segments(),
            epoch: writer.epoch(),
            handover: Handover::start(waiting, writer.next_index(), shelf.size()),
            queue: Queue::default(),
            tally: Tally::default(),
            disk,
            scribe,
            free_bytes_min,
            on_death,
            _lock: lock,
        });
        let spawn_fault = |error: std::io::Error| StoreFault::Dead(format!("no thread: {error}"));
        let (writing, applying) = (Watched(shared.clone()), Watched(shared.clone()));
        let writer = std::thread::Builder::new().name("ledger-writer".to_owned()).spawn(move || writing.0.write(writer));
        let writer = writer.map_err(spawn_fault)?;
        let applier = std::thread::Builder::new().name("ledger-apply".to_owned()).spawn(move || applying.0.apply(shelf));
        let applier = applier.map_err(spawn_fault)?;
        Ok(Store { shared, threads: Some((writer, applier)), keys: Mutex::new(()) })
    }

    /// For records that are sealed by whoever knows their text.
    pub fn seal(&self, draft: &Draft) -> Result<SealedRecord, StoreFault> {
        self.shared.scribe.seal(draft)
    }

    /// For threads; tasks use the port.
    pub fn append_and_wait(&self, record: SealedRecord) -> Result<Receipt, AppendFault> {
        let (kind, begun) = (record.kind, Instant::now());
        let answer = self.ask_and_wait(Asked::ByCaller(record));
        self.shared.tally.count(kind, Some(begun.elapsed()), answer.is_ok());
        answer
    }

    /// See `Ledger::give_up`. Blocks.
    pub fn give_up(&self, record: SealedRecord) -> Result<Receipt, StoreFault> {
        if !matches!(record.kind, Kind::Erasure | Kind::RetentionExpired) {
            return Err(StoreFault::Refused(format!("`{}` gives up no keys", record.kind.word())));
        }
        let target = record.target.ok_or_else(|| StoreFault::Refused("nothing to give up".to_owned()))?;
        let _alone = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let receipt = self.ask_and_wait(Asked::ByStore(record)).map_err(|fault| match fault {
            AppendFault::Full => StoreFault::Full,
            AppendFault::Dead(text) => StoreFault::Dead(text),
            other => StoreFault::Refused(other.to_string()),
        })?;
        let outcome = self.give_up_keys(receipt.index, target);
        self.shared.note_death(outcome)?;
        Ok(receipt)
    }

    /// Everything that is durable now is covered by a signed checkpoint when this returns. Blocks.
    pub fn settle(&self) -> Result<(), StoreFault> {
        self.shared.handover.settle()
    }

    pub fn reader(&self) -> Result<Reader, StoreFault> {
        Reader::open(self.shared.disk.clone())
    }

    pub fn status(&self) -> Result<Status, StoreFault> {
        let shared = &self.shared;
        let progress = shared.handover.progress();
        let (room_bytes, reserve_bytes) = shared.segments.room_bytes();
        let condition = match progress.dead {
            Some(fault) => Condition::Dead(fault),
            None if progress.full => Condition::Full,
            None => Condition::Open,
        };
        Ok(Status {
            epoch: shared.epoch,
            durable: progress.durable,
            applied: progress.applied,
            queued: shared.queue.records(),
            room_bytes,
            reserve_bytes,
            free_bytes: shared.disk.free_bytes()?,
            condition,
        })
    }

    /// What was appended here, beside what the ledger writes by itself, and how long it was waited for.
    pub fn appended(&self) -> Appended {
        self.shared.tally.appended()
    }

    /// Serves what waits, ends what is open, writes `shutdown`, applies everything. So does dropping it, without a word of what failed.
    pub fn shut(mut self) -> Result<(), StoreFault> {
        self.join()
    }

    fn join(&mut self) -> Result<(), StoreFault> {
        let Some((writer, applier)) = self.threads.take() else { return Ok(()) };
        let shared = &self.shared;
        shared.queue.close(AppendFault::Shut);
        let broken = |_| StoreFault::Dead("a thread of the ledger broke off".to_owned());
        let writer = writer.join().map_err(broken);
        shared.handover.end();
        let shelf = applier.join().map_err(broken)?;
        let writer = writer?;
        if let Some(fault) = shared.handover.progress().dead {
            return Err(fault);
        }
        if shelf.size() < writer.next_index() {
            return Err(StoreFault::Full);
        }
        writer.follower().save(shared.disk.as_ref())
    }

    fn ask_and_wait(&self, asked: Asked) -> Result<Receipt, AppendFault> {
        let (sender, receiver) = sync_channel(1);
        self.shared.ask(asked, Box::new(move |answer| drop(sender.send(answer))), Haste::Waited)?;
        receiver.recv().unwrap_or(Err(AppendFault::Shut))
    }

    fn give_up_keys(&self, leaf: u64, target: Target) -> Result<(), StoreFault> {
        self.clear_log_of(target.index)?;
        let shared = &self.shared;
        let reader = self.reader()?;
        keys::finish(shared.disk.as_ref(), &reader)?;
        if let Some(slot) = keys::without(&reader, leaf, target, shared.scribe.master(), shared.scribe.nonce()?)? {
            keys::rewrite(shared.disk.as_ref(), &reader, &keys::Changes::from([(target.index, slot)]))?;
        }
        drop(shared.queue.push(Job::GaveUp(leaf)));
        Ok(())
    }

    fn clear_log_of(&self, index: u64) -> Result<(), StoreFault> {
        for _ in 0..ROTATIONS_MAX {
            self.settle()?;
            if !self.shared.segments.hold(index) {
                return Ok(());
            }
            let (sender, receiver) = sync_channel(1);
            self.shared.queue.push(Job::Rotate(sender)).map_err(|fault| StoreFault::Refused(fault.to_string()))?;
            receiver.recv().ok();
            // The segment is wiped by the next round, which there may be no record for.
            self.shared.segments.wipe(self.shared.disk.as_ref(), self.shared.handover.progress().applied)?;
        }
        Err(StoreFault::Full)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.join());
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.die(&StoreFault::Dead("a thread of the ledger broke off".to_owned()));
        }
    }
}

impl DurableLog for Store {
    fn append(&self, record: SealedRecord) -> Appending<'_> {
        self.append_with(record, Haste::Waited)
    }

    fn append_unhurried(&self, record: SealedRecord) -> Appending<'_> {
        self.append_with(record, Haste::None)
    }
}

impl Store {
    fn append_with(&self, record: SealedRecord, haste: Haste) -> Appending<'_> {
        let (kind, begun) = (record.kind, Instant::now());
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let asked = self.shared.ask(Asked::ByCaller(record), Box::new(move |answer| drop(sender.send(answer))), haste);
        Box::pin(async move {
            let answer = match asked {
                Ok(()) => receiver.await.unwrap_or(Err(AppendFault::Shut)),
                Err(fault) => Err(fault),
            };
            let waited = (haste == Haste::Waited).then(|| begun.elapsed());
            self.shared.tally.count(kind, waited, answer.is_ok());
            answer
        })
    }
}

impl Shared {
    fn ask(&self, asked: Asked, answer: Answer, haste: Haste) -> Result<(), AppendFault> {
        self.queue.push(Job::Append(asked, answer, haste))
    }

    fn write(&self, mut writer: Writer) -> Writer {
        let mut saved = writer.next_index();
        while let Some(jobs) = self.queue.take(WRITER_PATIENCE) {
            let mut outcome = self.serve(&mut writer, jobs);
            if outcome.is_ok() && writer.next_index() >= saved + RECORDS_BEFORE_SAVE {
                saved = writer.next_index();
                outcome = writer.follower().save(self.disk.as_ref());
            }
            match outcome {
                Ok(()) | Err(StoreFault::Full) => {}
                // Nobody else would answer those that wait.
                Err(fault) => {
                    self.die(&fault);
                    return writer;
                }
            }
        }
        if self.handover.progress().dead.is_none() {
            let outcome = match self.make_room(&mut writer) {
                // Without space for more, the closing reserve has to do.
                Ok(()) | Err(StoreFault::Full) => writer.shut(),
                Err(fault) => Err(fault),
            };
            let outcome = outcome.map(|entries| self.handover.push(entries, writer.next_index()));
            drop(self.note_death(outcome));
        }
        writer
    }

    fn serve(&self, writer: &mut Writer, jobs: Vec<Job>) -> Result<(), StoreFault> {
        let (mut asked, mut answers) = (Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Append(record, answer, _) => {
                    asked.push(record);
                    answers.push(answer);
                }
                Job::GaveUp(leaf) => writer.follower_mut().gave_up(leaf),
                Job::Rotate(done) => {
                    writer.rotate();
                    done.send(()).ok();
                }
            }
        }
        writer.set_full(self.handover.progress().full);
        if asked.is_empty() && !writer.is_due() {
            return Ok(());
        }
        let outcome = match writer.prepare(asked) {
            Ok(mut prepared) => self.write_prepared(writer, &mut prepared).map(|()| prepared.into_answers()),
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok(results) => {
                answers.into_iter().zip(results).for_each(|(answer, result)| answer(result));
                Ok(())
            }
            Err(fault) => {
                let text = fault.to_string();
                answers.into_iter().for_each(|answer| answer(Err(AppendFault::Dead(text.clone()))));
                Err(fault)
            }
        }
    }

    /// Waits for room as long as somebody makes it.
    fn write_prepared(&self, writer: &mut Writer, prepared: &mut Prepared) -> Result<(), StoreFault> {
        loop {
            match writer.write(prepared) {
                Ok(entries) => {
                    if !entries.is_empty() {
                        self.handover.push(entries, writer.next_index());
                    }
                    return Ok(());
                }
                Err(WriteFault::Dead(fault)) => return Err(fault),
                Err(WriteFault::NoRoom) if writer.is_full() => {
                    writer.take_back(prepared, &AppendFault::Full);
                    return Ok(());
                }
                Err(WriteFault::NoRoom) => match self.make_room(writer) {
                    Ok(()) => {}
                    Err(StoreFault::Full) => {
                        writer.set_full(true);
                        writer.cut_down(prepared);
                    }
                    Err(fault) => return Err(fault),
                },
            }
        }
    }

    fn make_room(&self, writer: &mut Writer) -> Result<(), StoreFault> {
        self.handover.settle()?;
        // All is applied, and wiped but for the segment that was written to last.
        if writer.rotate() {
            return Ok(self.segments.wipe(self.disk.as_ref(), self.handover.progress().applied)?);
        }
        Err(StoreFault::Full)
    }

    fn apply(&self, mut shelf: Shelf) -> Shelf {
        let mut waiting = Vec::new();
        let mut full = false;
        loop {
            // Without space it looks again and again, whether anything new comes or not.
            let (next, ends) = match self.handover.next(full || !waiting.is_empty()) {
                Next::Apply(next) => (next, false),
                Next::End(next) => (next, true),
            };
            waiting.extend(next);
            // What is durable can wait for the next start; this disk is not written to any more.
            if self.handover.progress().dead.is_some() {
                return shelf;
            }
            full = match self.apply_waiting(&mut shelf, &mut waiting) {
                Ok(full) => full,
                Err(StoreFault::Full) => true,
                Err(fault) => {
                    self.die(&fault);
                    return shelf;
                }
            };
            self.handover.report(shelf.size(), full);
            if ends {
                return shelf;
            }
        }
    }

    fn apply_waiting(&self, shelf: &mut Shelf, waiting: &mut Vec<crate::wal::Entry>) -> Result<bool, StoreFault> {
        let before = shelf.size();
        let applied = shelf.apply(waiting).and_then(|()| shelf.settle_history());
        if shelf.size() > before {
            waiting.clear();
        }
        applied?;
        self.segments.wipe(self.disk.as_ref(), shelf.size())?;
        Ok(self.disk.free_bytes()? < self.free_bytes_min)
    }

    fn note_death<T>(&self, outcome: Result<T, StoreFault>) -> Result<T, StoreFault> {
        if let Err(fault @ (StoreFault::Dead(_) | StoreFault::Damaged(_))) = &outcome {
            self.die(fault);
        }
        outcome
    }

    fn die(&self, fault: &StoreFault) {
        let is_first = self.handover.progress().dead.is_none();
        self.handover.die(fault);
        self.queue.refuse(&AppendFault::Dead(fault.to_string()));
        if is_first {
            (self.on_death)(fault);
        }
    }
}
