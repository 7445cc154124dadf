//! Jobs that this process has sent and follows: polls are answered from here, and counted.

use crate::job::{JobName, JobWork, KnownJob};
use crate::ports::JobState;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Of jobs that are done. Older ones are asked for again.
const DONE_KEPT_MAX: usize = 10_000;
/// Of what they hold: a statement may have a megabyte, and BigQuery's description holds it once more.
const DONE_KEPT_BYTES_MAX: usize = 128 << 20;
/// For the rest of what is known of a job that is done: one look at BigQuery.
const SAID_DONE_MILLISECONDS_MAX: u64 = 2_000;
/// What a job takes beside its texts, and how often they stand in it: in words, in the tree of the description, in what was understood.
const JOB_BYTES: usize = 4 << 10;
const TEXT_COPIES: usize = 4;

/// How many requests still owe their end to the ledger.
#[derive(Default)]
pub(crate) struct Owing(Arc<AtomicUsize>);

/// One of them, until it is dropped.
pub(crate) struct Owed(Arc<AtomicUsize>);

impl Owing {
    pub fn one(&self) -> Owed {
        self.0.fetch_add(1, Ordering::SeqCst);
        Owed(Arc::clone(&self.0))
    }

    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Default)]
pub(crate) struct RunningJobs {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    jobs: HashMap<Key, Arc<Running>>,
    /// With what each holds.
    done: VecDeque<(Key, usize)>,
    done_bytes: usize,
}

type Key = (String, String, String);

pub(crate) struct Running {
    pub known: Arc<KnownJob>,
    state: watch::Sender<JobState>,
    polls: AtomicU64,
    /// Whoever began it has asked for its end.
    cancelled: AtomicBool,
}

impl RunningJobs {
    pub fn begin(&self, known: Arc<KnownJob>, state: JobState) -> Arc<Running> {
        let key = key(&known.connection, &known.name);
        let running = Arc::new(Running::new(known, state));
        self.kept().jobs.insert(key, Arc::clone(&running));
        running
    }

    /// Not kept: nobody will ask for it again.
    pub fn alone(&self, known: Arc<KnownJob>, state: JobState) -> Arc<Running> {
        Arc::new(Running::new(known, state))
    }

    pub fn find(&self, connection: &str, job: &JobName) -> Option<Arc<Running>> {
        self.kept().jobs.get(&key(connection, job)).cloned()
    }

    pub fn under_way(&self) -> Vec<Arc<KnownJob>> {
        let kept = self.kept();
        kept.jobs.values().filter(|running| !running.state.borrow().done).map(|running| Arc::clone(&running.known)).collect()
    }

    /// Kept for a while: clients ask for a job that is done.
    pub fn done(&self, running: &Running) {
        let bytes = running.bytes();
        let mut kept = self.kept();
        kept.done.push_back((key(&running.known.connection, &running.known.name), bytes));
        kept.done_bytes += bytes;
        while kept.done.len() > DONE_KEPT_MAX || kept.done_bytes > DONE_KEPT_BYTES_MAX {
            let Some((oldest, bytes)) = kept.done.pop_front() else { break };
            kept.done_bytes -= bytes;
            kept.jobs.remove(&oldest);
        }
    }

    /// What somebody had deleted.
    pub fn forget(&self, connection: &str, job: &JobName) {
        let (key, mut kept) = (key(connection, job), self.kept());
        if kept.jobs.get(&key).is_some_and(|running| running.state().done) {
            kept.jobs.remove(&key);
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn new(known: Arc<KnownJob>, state: JobState) -> Running {
        Running { known, state: watch::Sender::new(state), polls: AtomicU64::new(0), cancelled: AtomicBool::new(false) }
    }

    pub fn state(&self) -> JobState {
        self.state.borrow().clone()
    }

    /// For who began it: a job that BigQuery said to be done already is done here too before anybody is told so. Whoever then asks for its rows has them.
    pub async fn as_begun(&self) -> JobState {
        self.as_begun_within(Duration::from_millis(SAID_DONE_MILLISECONDS_MAX)).await
    }

    async fn as_begun_within(&self, patience: Duration) -> JobState {
        let state = self.state();
        if state.done || !state.is_said_done() {
            return state;
        }
        self.wait(patience).await
    }

    pub fn set(&self, state: JobState) {
        self.state.send_replace(state);
    }

    /// About as much as it holds.
    fn bytes(&self) -> usize {
        let text = match &self.known.work {
            JobWork::Query(work) => work.text.len() + work.parameters.iter().map(|parameter| parameter.value.len()).sum::<usize>(),
            JobWork::Other => 0,
        };
        JOB_BYTES + TEXT_COPIES * (text + self.state.borrow().resource.0.to_string().len())
    }

    pub fn count_poll(&self) {
        self.polls.fetch_add(1, Ordering::Relaxed);
    }

    pub fn polls(&self) -> u64 {
        self.polls.load(Ordering::Relaxed)
    }

    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Part, QueryWork};
    use sluice_ledger::record::Subject;
    use sluice_model::Analysis;

    fn job(id: usize, text: usize) -> Arc<KnownJob> {
        let work = QueryWork {
            text: "x".repeat(text),
            parameters: Vec::new(),
            default_dataset: None,
            destination: None,
            analysis: Arc::new(Analysis { statements: Vec::new(), refused: None }),
            dry_run: None,
            part: Part::Whole,
        };
        Arc::new(KnownJob {
            connection: "c".to_owned(),
            name: JobName { project: "p".to_owned(), id: id.to_string(), location: None },
            owner: "o".to_owned(),
            subject: Subject([0; 16]),
            request_id: None,
            created_ms: 0,
            work: JobWork::Query(Box::new(work)),
            result_table: None,
            arrived: true,
            course: crate::job::Course::default(),
        })
    }

    /// Of `count` jobs that are done, each with so much text, the newest are kept.
    fn check(count: usize, text: usize, expect: usize) {
        let jobs = RunningJobs::default();
        for id in 0..count {
            let running = jobs.begin(job(id, text), JobState::default());
            jobs.done(&running);
        }
        let kept: Vec<bool> = (0..count).map(|id| jobs.find("c", &job(id, 0).name).is_some()).collect();
        assert_eq!(kept.iter().filter(|kept| **kept).count(), expect, "{count} of {text} bytes");
        assert!(kept.is_sorted());
    }

    #[test]
    fn jobs_that_are_done_are_kept_within_bounds() {
        check(20, 10, 20);
        check(DONE_KEPT_MAX + 7, 0, DONE_KEPT_MAX);
        check(200, 1 << 20, 31);
        check(2, 40 << 20, 0);
    }

    fn state(done: bool, said: &str) -> JobState {
        let resource = crate::ports::Resource(serde_json::json!({ "status": { "state": said } }));
        JobState { done, resource, ..JobState::default() }
    }

    /// BigQuery says of a job that it is done before anybody here has looked.
    #[tokio::test]
    async fn who_begins_a_job_is_told_done_when_it_is_known_here() {
        let jobs = RunningJobs::default();
        let begin = |said| jobs.begin(job(1, 0), state(false, said));
        assert!(!begin("RUNNING").as_begun().await.done, "at once: it will be asked for");
        let running = begin("DONE");
        let (told, ()) = tokio::join!(running.as_begun(), async { running.set(state(true, "DONE")) });
        assert!(told.done);
        assert!(!begin("DONE").as_begun_within(Duration::from_millis(20)).await.done, "nobody waits for ever");
    }

    #[test]
    fn what_is_owed_is_counted_until_it_is_dropped() {
        let owing = Owing::default();
        let (one, other) = (owing.one(), owing.one());
        assert_eq!(owing.count(), 2);
        drop(one);
        assert_eq!(owing.count(), 1);
        drop(other);
        assert_eq!(owing.count(), 0);
    }
}
