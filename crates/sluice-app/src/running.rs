//! Jobs that this process has sent and follows: polls are answered from here, and counted.

use crate::job::{JobName, KnownJob};
use crate::ports::JobState;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Of jobs that are done. Older ones are asked for again.
const DONE_KEPT_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct RunningJobs {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    jobs: HashMap<Key, Arc<Running>>,
    done: std::collections::VecDeque<Key>,
}

type Key = (String, String, String);

pub(crate) struct Running {
    pub known: Arc<KnownJob>,
    state: watch::Sender<JobState>,
    polls: AtomicU64,
}

impl RunningJobs {
    pub fn begin(&self, known: Arc<KnownJob>, state: JobState) -> Arc<Running> {
        let key = key(&known.connection, &known.name);
        let running = Arc::new(Running { known, state: watch::Sender::new(state), polls: AtomicU64::new(0) });
        self.kept().jobs.insert(key, Arc::clone(&running));
        running
    }

    /// Not kept: nobody will ask for it again.
    pub fn alone(&self, known: Arc<KnownJob>, state: JobState) -> Arc<Running> {
        Arc::new(Running { known, state: watch::Sender::new(state), polls: AtomicU64::new(0) })
    }

    pub fn find(&self, connection: &str, job: &JobName) -> Option<Arc<Running>> {
        self.kept().jobs.get(&key(connection, job)).cloned()
    }

    /// Kept for a while: clients ask for a job that is done.
    pub fn done(&self, running: &Running) {
        let mut kept = self.kept();
        kept.done.push_back(key(&running.known.connection, &running.known.name));
        while kept.done.len() > DONE_KEPT_MAX {
            if let Some(oldest) = kept.done.pop_front() {
                kept.jobs.remove(&oldest);
            }
        }
    }

    /// Requests that still owe their end.
    pub fn open(&self) -> usize {
        self.kept().jobs.values().filter(|running| !running.state.borrow().done).count()
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    pub fn state(&self) -> JobState {
        self.state.borrow().clone()
    }

    pub fn set(&self, state: JobState) {
        self.state.send_replace(state);
    }

    pub fn count_poll(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    /// The state as soon as it is done, or after `patience` as it is then.
    pub async fn wait(&self, patience: Duration) -> JobState {
        let mut receiver = self.state.subscribe();
        // Told too late is told as it stands.
        drop(tokio::time::timeout(patience, receiver.wait_for(|state| state.done)).await);
        self.state()
    }
}

fn key(connection: &str, job: &JobName) -> Key {
    (connection.to_owned(), job.project.to_lowercase(), job.id.clone())
}
