//! Worker threads with large stacks, one instance each, and a bounded queue in front of them.

use super::session::{CallLimits, Session, Shared};
use sluice_sql::engine::Fault;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A worker's own stack: the module's calls and, above them, ours.
pub const THREAD_STACK_BYTES: usize = super::runtime::WASM_STACK_BYTES_MAX + (16 << 20);
/// How long a caller waits for a worker that should have been stopped.
const GRACE_MILLISECONDS: u64 = 20;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

pub struct Pool {
    queue: Arc<Queue>,
}

struct Queue {
    calls_max: usize,
    inner: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Pool {
    pub fn start(shared: &Arc<Shared>, instances: usize, calls_max: usize) -> std::io::Result<Pool> {
        let queue = Arc::new(Queue { calls_max, inner: Mutex::default(), changed: Condvar::new() });
        let pool = Pool { queue };
        for number in 0..instances.max(1) {
            let (queue, session) = (pool.queue.clone(), Session::new(shared.clone()));
            let thread = std::thread::Builder::new().name(format!("googlesql-{number}")).stack_size(THREAD_STACK_BYTES);
            thread.spawn(move || work(&queue, session))?;
        }
        Ok(pool)
    }

    /// Runs the work on a worker; waiting in the queue counts towards the deadline.
    pub fn run<T: Send + 'static>(
        &self,
        limits: CallLimits,
        work: impl FnOnce(&mut Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_until(limits.ends(), limits, work)
    }

    /// The same, for a caller whose time has begun before.
    pub fn run_until<T: Send + 'static>(
        &self,
        ends: Instant,
        limits: CallLimits,
        work: impl FnOnce(&mut Session) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (sender, receiver) = sync_channel(1);
        let job: Job = Box::new(move |session| {
            session.start(limits, ends);
            let answer = if Instant::now() >= ends { Err(late(limits)) } else { work(session) };
            // The caller may have given up.
            let _ = sender.send(answer);
        });
        self.queue.push(job)?;
        let wait = ends.saturating_duration_since(Instant::now()) + Duration::from_millis(GRACE_MILLISECONDS);
        match receiver.recv_timeout(wait) {
            Ok(answer) => answer,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => Err(late(limits)),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => Err(Fault::Engine { message: "a worker failed".to_owned() }),
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Queue {
    fn push(&self, job: Job) -> Result<(), Fault> {
        let mut waiting = self.lock();
        if waiting.jobs.len() >= self.calls_max {
            return Err(Fault::Engine { message: format!("more than {} statements wait for analysis", self.calls_max) });
        }
        waiting.jobs.push_back(job);
        self.changed.notify_one();
        Ok(())
    }

    fn pop(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(job) = waiting.jobs.pop_front() {
                return Some(job);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn work(queue: &Queue, mut session: Session) {
    while let Some(job) = queue.pop() {
        // A panic costs its caller the answer, never the worker: the next job gets a new instance.
        if catch_unwind(AssertUnwindSafe(|| job(&mut session))).is_err() {
            session.drop_instance();
        }
        session.tidy();
    }
}

fn late(limits: CallLimits) -> Fault {
    Fault::Deadline { milliseconds: limits.milliseconds_max }
}
