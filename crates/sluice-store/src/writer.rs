//! The one writer: gives each record its place and time, and answers when the batch is durable.
//!
//! Only a batch that is on stable storage was ever promised to anybody. One that finds no space is taken back as if it had never been.
//! While there is no space, what ends a request is still taken, and nothing else.

use crate::fault::StoreFault;
use crate::keys::new_slot;
use crate::machine::Scribe;
use crate::standing::Follower;
use crate::wal::{Entry, Journal, Segments, WalFault};
use serde_json::json;
use sluice_ledger::clock::{Clock, Due};
use sluice_ledger::record::{BODY_BYTES_MAX, Draft, DraftError, Kind, LEAF_BYTES_MAX, Leaf, SealedRecord, SectionId, Subject};
use sluice_ledger::{AppendFault, Receipt};

/// Ends that are written in one batch at the start.
const INTERRUPTED_PER_BATCH: usize = 1000;

pub struct Writer {
    journal: Journal,
    follower: Follower,
    clock: Clock,
    scribe: Scribe,
    epoch: u64,
    /// Said by the clock, not durable yet.
    owed: Vec<Due>,
    full: bool,
    /// That there is no space is put on record once.
    noted: bool,
}

/// A record and who may have asked for it.
pub enum Asked {
    ByCaller(SealedRecord),
    /// Kinds that a caller may not write: what the store says of itself, and what has to be followed by giving up keys.
    ByStore(SealedRecord),
}

impl Asked {
    /// About what it takes.
    pub fn bytes(&self) -> usize {
        let (Asked::ByCaller(record) | Asked::ByStore(record)) = self;
        record.body.len() + record.keys.0.len() + LEAF_BYTES_MAX
    }
}

/// A batch on its way to the disk. Its answers hold only once `write` has succeeded.
#[derive(Default)]
pub struct Prepared {
    entries: Vec<Entry>,
    /// Beside each entry.
    numbers: Vec<Number>,
    answers: Vec<Result<Receipt, AppendFault>>,
    /// It may go into the closing reserve.
    may_close: bool,
    /// It says that there is no space.
    notes_full: bool,
}

struct Number {
    /// Of the answer; nothing waits for the store's own records.
    place: Option<usize>,
    leaf: Leaf,
}

pub enum WriteFault {
    Dead(StoreFault),
    /// Nothing was written. There will be room when records are applied, or there is none on the disk.
    NoRoom,
}

impl Writer {
    /// Writes `boot`, and the end of every request that the last epoch left open.
    pub fn start(
        journal: Journal,
        follower: Follower,
        scribe: Scribe,
        boot: &serde_json::Value,
    ) -> Result<(Writer, Vec<Entry>), StoreFault> {
        let moment = scribe.moment();
        let last_ms = follower.grammar().time_ms();
        let clock = Clock::start(moment, last_ms).map_err(|_| StoreFault::ClockBehind { last_ms, now_ms: moment.wall_ms })?;
        let epoch = follower.grammar().epoch() + 1;
        let mut writer = Writer { journal, follower, clock, scribe, epoch, owed: Vec::new(), full: false, noted: false };
        let boot = writer.seal(Draft::new(Kind::Boot).and_then(|draft| draft.with(SectionId::Meta, boot.to_string().into_bytes())))?;
        let mut entries = writer.write_own(vec![boot])?;
        entries.extend(writer.interrupt()?);
        Ok((writer, entries))
    }

    /// Ends what is open, then the epoch.
    pub fn shut(&mut self) -> Result<Vec<Entry>, StoreFault> {
        let mut entries = self.interrupt()?;
        let shutdown = self.seal(Draft::new(Kind::Shutdown))?;
        entries.extend(self.write_own(vec![shutdown])?);
        Ok(entries)
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    pub fn follower_mut(&mut self) -> &mut Follower {
        &mut self.follower
    }

    pub fn use_scribe(&mut self, scribe: Scribe) {
        self.scribe = scribe;
    }

    pub fn segments(&self) -> Segments {
        self.journal.segments()
    }

    pub fn next_index(&self) -> u64 {
        self.journal.next_index()
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn rotate(&mut self) -> bool {
        self.journal.rotate()
    }

    pub fn is_full(&self) -> bool {
        self.full
    }

    /// There is space, or there is none: found out by whoever applies, or by asking the disk.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
        self.noted &= full;
    }

    /// Whether the clock wants something written, even if nobody else does.
    pub fn is_due(&mut self) -> bool {
        self.ask_clock();
        !self.owed.is_empty()
    }

    pub fn prepare(&mut self, asked: Vec<Asked>) -> Result<Prepared, StoreFault> {
        // Before anything else, what the store has to say of itself.
        self.ask_clock();
        let time_ms = self.clock.time_ms(self.scribe.moment());
        let mut prepared = Prepared::default();
        for due in self.owed.clone() {
            let record = self.seal(due.draft())?;
            // What the grammar does not want now is said by the next leaf that it wants.
            drop(self.number(&mut prepared, None, record, time_ms));
        }
        if self.full && !self.noted {
            let record = self.seal(full_draft())?;
            prepared.notes_full = self.number(&mut prepared, None, record, time_ms).is_ok();
        }
        for asked in asked {
            let place = Some(prepared.answers.len());
            let answer = match asked {
                Asked::ByCaller(record) if is_for_the_store(record.kind) => {
                    Err(AppendFault::Refused(format!("`{}` is written by the store alone", record.kind.word())))
                }
                Asked::ByCaller(record) | Asked::ByStore(record) if self.full && !is_closing(record.kind) => {
                    drop(record);
                    Err(AppendFault::Full)
                }
                Asked::ByCaller(record) | Asked::ByStore(record) => self.number(&mut prepared, place, record, time_ms),
            };
            prepared.answers.push(answer);
        }
        Ok(prepared)
    }

    /// After `NoRoom` the same batch can be written again, cut down, or taken back. The entries are durable when they are returned.
    pub fn write(&mut self, prepared: &mut Prepared) -> Result<Vec<Entry>, WriteFault> {
        if prepared.entries.is_empty() {
            return Ok(Vec::new());
        }
        match self.journal.append(self.epoch, &prepared.entries, self.full || prepared.may_close) {
            Ok(()) => {
                self.follower.keep();
                self.owed.clear();
                self.noted |= prepared.notes_full;
                prepared.numbers.clear();
                Ok(std::mem::take(&mut prepared.entries))
            }
            Err(fault) if fault.is_for_want_of_space() => Err(WriteFault::NoRoom),
            Err(WalFault::TooLarge) => {
                self.take_back(prepared, &AppendFault::Refused("the batch is longer than a segment".to_owned()));
                Ok(Vec::new())
            }
            Err(fault) => {
                let fault = StoreFault::from(fault);
                self.take_back(prepared, &AppendFault::Dead(fault.to_string()));
                Err(WriteFault::Dead(fault))
            }
        }
    }

    /// Leaves in the batch what ends a request; the rest is answered with `Full`.
    pub fn cut_down(&mut self, prepared: &mut Prepared) {
        self.follower.go_back();
        let numbers = std::mem::take(&mut prepared.numbers);
        for (number, entry) in numbers.into_iter().zip(std::mem::take(&mut prepared.entries)) {
            let receipt = Receipt { index: self.follower.grammar().next(), time_ms: number.leaf.time_ms, epoch: number.leaf.epoch };
            let taken = is_closing(number.leaf.kind) && self.follower.take(&number.leaf).is_ok();
            prepared.answer(&number, if taken { Ok(receipt) } else { Err(AppendFault::Full) });
            if taken {
                prepared.numbers.push(number);
                prepared.entries.push(entry);
            }
        }
    }

    pub fn take_back(&mut self, prepared: &mut Prepared, fault: &AppendFault) {
        self.follower.go_back();
        prepared.entries.clear();
        for number in std::mem::take(&mut prepared.numbers) {
            prepared.answer(&number, Err(fault.clone()));
        }
    }

    fn ask_clock(&mut self) {
        self.owed.extend(self.clock.due(self.scribe.moment()));
    }

    fn interrupt(&mut self) -> Result<Vec<Entry>, StoreFault> {
        let orphans = self.follower.grammar().interrupted();
        let mut entries = Vec::new();
        for subjects in orphans.chunks(INTERRUPTED_PER_BATCH) {
            let seal = |subject: &Subject| self.seal(Draft::of_request(Kind::RequestInterrupted, *subject));
            let records = subjects.iter().map(seal).collect::<Result<_, _>>()?;
            entries.extend(self.write_own(records)?);
        }
        Ok(entries)
    }

    fn write_own(&mut self, records: Vec<SealedRecord>) -> Result<Vec<Entry>, StoreFault> {
        let time_ms = self.clock.time_ms(self.scribe.moment());
        let mut prepared = Prepared { may_close: true, ..Prepared::default() };
        for record in records {
            self.number(&mut prepared, None, record, time_ms).map_err(|fault| StoreFault::Refused(fault.to_string()))?;
        }
        match self.write(&mut prepared) {
            Ok(entries) => Ok(entries),
            Err(WriteFault::Dead(fault)) => Err(fault),
            Err(WriteFault::NoRoom) => {
                self.take_back(&mut prepared, &AppendFault::Full);
                Err(StoreFault::Full)
            }
        }
    }

    fn number(
        &mut self,
        prepared: &mut Prepared,
        place: Option<usize>,
        record: SealedRecord,
        time_ms: u64,
    ) -> Result<Receipt, AppendFault> {
        let refused = |text: String| AppendFault::Refused(text);
        if record.body.len() > BODY_BYTES_MAX {
            return Err(refused(format!("the body has {} bytes, at most {BODY_BYTES_MAX}", record.body.len())));
        }
        let leaf = record.leaf(time_ms, self.epoch);
        leaf.check_shape().map_err(|error| refused(error.to_string()))?;
        let slot = new_slot(&record).map_err(|error| refused(error.to_string()))?;
        let index = self.follower.grammar().next();
        self.follower.take(&leaf).map_err(|violation| refused(violation.to_string()))?;
        prepared.entries.push(Entry { leaf: leaf.bytes(), body: record.body, slot });
        prepared.numbers.push(Number { place, leaf });
        Ok(Receipt { index, time_ms, epoch: self.epoch })
    }

    fn seal(&self, draft: Result<Draft, DraftError>) -> Result<SealedRecord, StoreFault> {
        self.scribe.seal(&draft.map_err(|error| StoreFault::Refused(error.to_string()))?)
    }
}

impl Prepared {
    /// One for each record that was asked for, in order.
    pub fn into_answers(self) -> Vec<Result<Receipt, AppendFault>> {
        self.answers
    }

    fn answer(&mut self, number: &Number, answer: Result<Receipt, AppendFault>) {
        if let Some(place) = number.place.and_then(|place| self.answers.get_mut(place)) {
            *place = answer;
        }
    }
}

fn full_draft() -> Result<Draft, DraftError> {
    let meta = json!({ "what": "no space for new requests" }).to_string().into_bytes();
    Draft::new(Kind::AuditDegraded)?.with(SectionId::Meta, meta)
}

/// What the store says of itself, and what gives up keys: the record alone would be a lie.
fn is_for_the_store(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Boot | Kind::ClockStep | Kind::Erasure | Kind::Heartbeat | Kind::RequestInterrupted | Kind::RetentionExpired | Kind::Shutdown
    )
}

/// What the closing reserve is for.
fn is_closing(kind: Kind) -> bool {
    kind.is_terminal() || matches!(kind, Kind::AuditDegraded | Kind::ClockStep | Kind::Heartbeat | Kind::Shutdown)
}
