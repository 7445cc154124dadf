//! The one thread of a process that writes. Whoever waits at the same time shares one sync.

use super::form::{self, Fate};
use super::rows::{NewRow, Rows, Tag};
use super::veil::{Part, Veil};
use super::{JobLimits, unavailable};
use crate::fault::StoreFault;
use rusqlite::TransactionBehavior;
use sluice_app::{JobsFault, Verdict};
use sluice_model::TableName;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

const QUEUE_MAX: usize = 256;
const WRITES_OF_ONE_SYNC_MAX: usize = 64;

type Told = oneshot::Sender<Result<(), JobsFault>>;

pub enum Work {
    Begin(Begin),
    Release(Tag, Told),
    Settle(Settle, Told),
}

pub struct Begin {
    pub row: NewRow,
    pub told: Told,
}

pub struct Settle {
    pub job: Tag,
    pub connection: String,
    pub location: Option<String>,
    pub result_table: Option<TableName>,
    pub verdict: Option<Verdict>,
}

/// The file is closed when it is dropped: whoever opens or moves it next finds no thread that still tidies up behind it.
pub struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

struct Thread {
    rows: Rows,
    veil: Arc<Veil>,
    limits: JobLimits,
    /// Ids that are taken, as far as this process knows.
    ids: u64,
    begun: u64,
}

impl Writer {
    pub fn start(rows: Rows, veil: Arc<Veil>, limits: JobLimits) -> Result<Writer, StoreFault> {
        let (queue, mut waiting) = mpsc::channel(QUEUE_MAX);
        let ids = rows.ids().map_err(super::rows::fault)?;
        let mut thread = Thread { rows, veil, limits, ids, begun: 0 };
        let run = move || {
            let mut batch = Vec::new();
            while waiting.blocking_recv_many(&mut batch, WRITES_OF_ONE_SYNC_MAX) > 0 {
                thread.write(std::mem::take(&mut batch));
            }
        };
        let thread = std::thread::Builder::new().name("jobs".to_owned()).spawn(run)?;
        Ok(Writer { queue: Some(queue), thread: Some(thread) })
    }

    /// Until it is on the disk.
    pub async fn ask(&self, work: impl FnOnce(Told) -> Work) -> Result<(), JobsFault> {
        let (told, answer) = oneshot::channel();
        let queue = self.queue.as_ref().ok_or_else(|| unavailable("it is closed"))?;
        queue.send(work(told)).await.map_err(|_| unavailable("its writer died"))?;
        answer.await.map_err(|_| unavailable("its writer died"))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        // Whatever it died of has been told to those who asked.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

impl Thread {
    fn write(&mut self, batch: Vec<Work>) {
        let (told, outcomes) = match self.write_all(&batch) {
            Ok(outcomes) => (batch, outcomes),
            Err(error) => {
                let fault = unavailable(&error.to_string());
                let outcomes = batch.iter().map(|_| Err(fault.clone())).collect();
                (batch, outcomes)
            }
        };
        for (work, outcome) in told.into_iter().zip(outcomes) {
            let (Work::Begin(Begin { told, .. }) | Work::Release(_, told) | Work::Settle(_, told)) = work;
            // Whoever asked may have left.
            let _ = told.send(outcome);
        }
    }

    /// All in one transaction. An error is everybody's; that an id is taken is not an error.
    fn write_all(&mut self, batch: &[Work]) -> rusqlite::Result<Vec<Result<(), JobsFault>>> {
        let oldest_ms = self.veil.oldest_ms(self.limits.age_days_max);
        // A job is on the disk before it is sent, and that its rows are withheld before anybody is told of its end. Where its result lies only has to be found
        // from now on; the next sync takes it along.
        let is_awaited = |work: &Work| {
            matches!(work, Work::Begin(_) | Work::Settle(Settle { verdict: Some(Verdict::Overtaken | Verdict::Disturbed), .. }, _))
        };
        self.rows.sync_each(batch.iter().any(is_awaited))?;
        // Dropped without its commit, it changes nothing.
        let transaction = rusqlite::Transaction::new_unchecked(&self.rows.connection, TransactionBehavior::Immediate)?;
        self.rows.forget_aged(oldest_ms)?;
        let mut outcomes = Vec::new();
        let (mut ids, mut begun) = (self.ids, self.begun);
        for work in batch {
            outcomes.push(match work {
                Work::Begin(_) if ids >= self.limits.ids_max => Err(unavailable("it holds as many ids as it may")),
                Work::Begin(Begin { row, .. }) if self.rows.insert(row)? => {
                    (ids, begun) = (ids + 1, begun + 1);
                    self.forget_oldest(&row.owner, begun)?;
                    Ok(())
                }
                Work::Begin(_) => Err(JobsFault::Taken),
                Work::Release(job, _) => {
                    ids = ids.saturating_sub(self.rows.release(job)?);
                    Ok(())
                }
                Work::Settle(settle, _) => self.settle(settle)?,
            });
        }
        transaction.commit()?;
        (self.ids, self.begun) = (ids, begun);
        // Other processes write too, and aged ids go: at the limit they are counted.
        if self.ids >= self.limits.ids_max {
            self.ids = self.rows.ids()?;
        }
        Ok(outcomes)
    }

    /// Counting costs as many steps as there are jobs, so it is not done each time: a limit is kept up to a 64th of it.
    fn forget_oldest(&self, owner: &Tag, begun: u64) -> rusqlite::Result<()> {
        if begun.is_multiple_of((self.limits.of_one_owner_max / 64).max(1)) {
            self.rows.forget_oldest_of(owner, self.limits.of_one_owner_max)?;
        }
        if begun.is_multiple_of((self.limits.jobs_max / 64).max(1)) {
            self.rows.forget_oldest(self.limits.jobs_max)?;
        }
        Ok(())
    }

    fn settle(&self, settle: &Settle) -> rusqlite::Result<Result<(), JobsFault>> {
        let Some(before) = self.rows.fate(&settle.job)? else { return Ok(Ok(())) };
        let sealed = self.veil.open_fate(&settle.job, &before).and_then(|before| {
            let location = settle.location.clone().or(before.location);
            let verdict = match (before.verdict, settle.verdict) {
                (Some(Verdict::Overtaken), _) | (Some(Verdict::Disturbed), Some(_)) => Some(Verdict::Overtaken),
                (before, now) => now.or(before),
            };
            // What was noted of one that runs does not say that it is there.
            let arrived = before.arrived || settle.verdict != Some(Verdict::Disturbed);
            let fate = Fate { location, result_table: settle.result_table.clone().or(before.result_table), arrived, verdict };
            self.veil.seal(&settle.job, Part::Fate, form::write_fate(&fate).map_err(|text| unavailable(&text))?)
        });
        let destination = settle.result_table.as_ref().map(|table| self.veil.destination(&settle.connection, table));
        match sealed {
            Ok(fate) => self.rows.settle(&settle.job, &fate, destination).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }
}
