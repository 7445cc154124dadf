//! What waits for the writer. Bounded: who comes when it is full is told so, and nothing piles up in memory.

use crate::writer::Asked;
use sluice_ledger::{AppendFault, Receipt};
use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub const QUEUE_RECORDS_MAX: usize = 4096;
pub const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Of one batch, beside its last record.
const BATCH_BYTES_MAX: usize = 1 << 20;
const BATCH_RECORDS_MAX: usize = 1024;
/// For how long a record that nobody waits for waits for one that somebody does.
const UNHURRIED_MILLISECONDS_MAX: u64 = 5;

/// Called once, from the writer's thread: it must not wait.
pub type Answer = Box<dyn FnOnce(Result<Receipt, AppendFault>) + Send>;

pub enum Job {
    Append(Asked, Answer, Haste),
    /// The keys that this leaf gives up are gone.
    GaveUp(u64),
    /// The next batch starts another segment.
    Rotate(SyncSender<()>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    None,
    /// Somebody waits for it.
    Waited,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Jobs that are not to wait.
    waited: usize,
    records: usize,
    bytes: usize,
    /// Why nothing more is taken.
    closed: Option<AppendFault>,
}

impl Queue {
    /// A job that is not taken is dropped, its answer with it.
    pub fn push(&self, job: Job) -> Result<(), AppendFault> {
        let mut state = self.lock();
        if let Some(fault) = &state.closed {
            return Err(fault.clone());
        }
        if let Job::Append(asked, ..) = &job {
            let bytes = asked.bytes();
            if state.records >= QUEUE_RECORDS_MAX || (state.bytes + bytes > QUEUE_BYTES_MAX && state.records > 0) {
                return Err(AppendFault::Busy);
            }
            state.records += 1;
            state.bytes += bytes;
        }
        state.waited += usize::from(is_waited(&job));
        state.jobs.push_back(job);
        self.filled.notify_one();
        Ok(())
    }

    /// The next batch, or nothing after a while. None once the queue is closed and empty.
    pub fn take(&self, patience: Duration) -> Option<Vec<Job>> {
        let mut state = self.lock();
        if state.jobs.is_empty() && state.closed.is_none() {
            (state, _) = self.filled.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
        }
        let begun = Instant::now();
        while state.waited == 0 && state.records > 0 && state.bytes < BATCH_BYTES_MAX && state.closed.is_none() {
            let Some(left) = Duration::from_millis(UNHURRIED_MILLISECONDS_MAX).checked_sub(begun.elapsed()) else { break };
            (state, _) = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        if state.jobs.is_empty() && state.closed.is_some() {
            return None;
        }
        let mut batch = Vec::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES_MAX && batch.len() < BATCH_RECORDS_MAX {
            let Some(job) = state.jobs.pop_front() else { break };
            state.waited -= usize::from(is_waited(&job));
            if let Job::Append(asked, ..) = &job {
                let length = asked.bytes();
                bytes += length;
                state.records -= 1;
                state.bytes -= length;
            }
            batch.push(job);
        }
        Some(batch)
    }

    /// What is in it is still served.
    pub fn close(&self, fault: AppendFault) {
        self.lock().closed.get_or_insert(fault);
        self.filled.notify_all();
    }

    /// What is in it is refused.
    pub fn refuse(&self, fault: &AppendFault) {
        let jobs = {
            let mut state = self.lock();
            state.closed = Some(fault.clone());
            (state.waited, state.records, state.bytes) = (0, 0, 0);
            std::mem::take(&mut state.jobs)
        };
        self.filled.notify_all();
        for job in jobs {
            if let Job::Append(_, answer, _) = job {
                answer(Err(fault.clone()));
            }
        }
    }

    pub fn records(&self) -> usize {
        self.lock().records
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_waited(job: &Job) -> bool {
    !matches!(job, Job::Append(_, _, Haste::None))
}
