//! Between the writer and the one that applies: what is durable and not yet in the folder.

use crate::fault::StoreFault;
use crate::wal::Entry;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Behind the oldest record that is not applied; a checkpoint is never older than this while there is something new.
pub const APPLY_EVERY: Duration = Duration::from_millis(900);
/// Applied before the time is over, to keep memory and the next start short.
const WAITING_BYTES_MAX: usize = 16 << 20;

#[derive(Default)]
pub struct Handover {
    state: Mutex<State>,
    /// For the one that applies.
    filled: Condvar,
    /// For whoever waits until something is applied.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Entry>,
    bytes: usize,
    since: Option<Instant>,
    /// At once, whatever the time.
    asked: bool,
    ended: bool,
    progress: Progress,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub durable: u64,
    pub applied: u64,
    /// Times that it was tried: whoever waits sees that something happened.
    pub rounds: u64,
    /// There was no space at the last time.
    pub full: bool,
    pub dead: Option<StoreFault>,
}

/// What to do now.
pub enum Next {
    Apply(Vec<Entry>),
    End(Vec<Entry>),
}

impl Handover {
    pub fn start(waiting: Vec<Entry>, durable: u64, applied: u64) -> Handover {
        let handover = Handover::default();
        {
            let mut state = handover.lock();
            state.progress = Progress { durable, applied, ..Progress::default() };
            state.since = Some(Instant::now());
            state.waiting = waiting;
        }
        handover
    }

    pub fn push(&self, entries: Vec<Entry>, durable: u64) {
        let mut state = self.lock();
        state.bytes += entries.iter().map(Entry::bytes_in_batch).sum::<usize>();
        state.waiting.extend(entries);
        state.progress.durable = durable;
        // Whoever applies sleeps long where there is nothing: the first record starts the time.
        if state.since.is_none() || state.bytes >= WAITING_BYTES_MAX {
            self.filled.notify_one();
        }
        state.since.get_or_insert_with(Instant::now);
    }

    /// Everything that is durable now is applied when this returns, or it is known why not.
    pub fn settle(&self) -> Result<(), StoreFault> {
        let mut state = self.lock();
        let durable = state.progress.durable;
        loop {
            let progress = &state.progress;
            match &progress.dead {
                Some(fault) => return Err(fault.clone()),
                None if progress.applied >= durable => return Ok(()),
                None => {}
            }
            let rounds = progress.rounds;
            state.asked = true;
            self.filled.notify_one();
            while state.progress.rounds == rounds && state.progress.dead.is_none() && state.progress.applied < durable {
                state = self.emptied.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.progress.full && state.progress.applied < durable {
                return Err(StoreFault::Full);
            }
        }
    }

    pub fn progress(&self) -> Progress {
        self.lock().progress.clone()
    }

    /// Waits for the next thing to apply. `is_behind` while something is left of the last time.
    pub fn next(&self, is_behind: bool) -> Next {
        let mut state = self.lock();
        loop {
            let pause = match state.since {
                Some(since) => APPLY_EVERY.checked_sub(since.elapsed()),
                None if is_behind => Some(APPLY_EVERY),
                None => Some(APPLY_EVERY * 60),
            };
            let is_due = state.since.is_some() && (pause.is_none() || state.bytes >= WAITING_BYTES_MAX);
            if state.ended || state.asked || is_due || state.progress.dead.is_some() {
                break;
            }
            let (next, time) = self.filled.wait_timeout(state, pause.unwrap_or_default()).unwrap_or_else(PoisonError::into_inner);
            state = next;
            if is_behind && time.timed_out() {
                break;
            }
        }
        state.asked = false;
        state.since = None;
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.waiting);
        if state.ended { Next::End(waiting) } else { Next::Apply(waiting) }
    }

    pub fn report(&self, applied: u64, full: bool) {
        let mut state = self.lock();
        state.progress.applied = applied;
        state.progress.full = full;
        state.progress.rounds += 1;
        self.emptied.notify_all();
    }

    pub fn die(&self, fault: &StoreFault) {
        self.lock().progress.dead.get_or_insert_with(|| fault.clone());
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    /// No more will come.
    pub fn end(&self) {
        self.lock().ended = true;
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
