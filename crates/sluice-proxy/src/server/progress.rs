//! Whether a client takes the answers that it asked for, and asks at all. A window that is never opened looks like a connection that is alive, and so does one on
//! which nothing is asked.

use super::stream::STALL_SECONDS_MAX;
use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Between two requests of a connection, and before the first.
pub const IDLE_SECONDS_MAX: u64 = 60;
/// The same while hardly a connection is left for others.
const IDLE_SECONDS_MAX_WHEN_FULL: u64 = 2;
const LOOK: Duration = Duration::from_secs(1);

/// Of one connection.
pub struct Progress(Mutex<Requests>);

struct Requests {
    open: BTreeMap<u64, Turn>,
    next: u64,
    /// Since when there is none.
    idle_since: Instant,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
enum Turn {
    /// The client waits for us.
    Ours,
    /// A piece of the answer waits to be taken.
    Client(Instant),
}

/// A request, until its answer has left.
pub struct Open {
    number: u64,
    progress: Arc<Progress>,
}

/// An answer on its way.
pub struct Observed {
    body: Body,
    open: Open,
}

impl Default for Progress {
    fn default() -> Progress {
        Progress(Mutex::new(Requests { open: BTreeMap::new(), next: 0, idle_since: Instant::now() }))
    }
}

impl Progress {
    pub fn begin(self: &Arc<Self>) -> Open {
        let mut requests = self.lock();
        let number = requests.next;
        requests.next += 1;
        requests.open.insert(number, Turn::Ours);
        drop(requests);
        Open { number, progress: Arc::clone(self) }
    }

    /// Comes back when an answer has waited for its client too long, or nothing is asked any more.
    pub async fn stalled(&self, is_full: impl Fn() -> bool) {
        loop {
            tokio::time::sleep(LOOK).await;
            let idle_seconds_max = if is_full() { IDLE_SECONDS_MAX_WHEN_FULL } else { IDLE_SECONDS_MAX };
            if self.is_over(Duration::from_secs(idle_seconds_max)) {
                return;
            }
        }
    }

    fn is_over(&self, idle_max: Duration) -> bool {
        let requests = self.lock();
        let is_late = |turn: &Turn| matches!(turn, Turn::Client(since) if since.elapsed() > Duration::from_secs(STALL_SECONDS_MAX));
        let is_idle = requests.open.is_empty() && requests.idle_since.elapsed() > idle_max;
        is_idle || requests.open.values().any(is_late)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Requests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    pub fn observe(self, body: Body) -> Observed {
        self.turn(Turn::Client(Instant::now()));
        Observed { body, open: self }
    }

    fn turn(&self, turn: Turn) {
        self.progress.lock().open.insert(self.number, turn);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut requests = self.progress.lock();
        requests.open.remove(&self.number);
        requests.idle_since = Instant::now();
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let turn = if polled.is_pending() { Turn::Ours } else { Turn::Client(Instant::now()) };
        self.open.turn(turn);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    const AT_ONCE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::from_secs(STALL_SECONDS_MAX + 1);

    /// As if so much time had gone by.
    fn wait(progress: &Progress, by: Duration) {
        let mut requests = progress.lock();
        let earlier = |moment: Instant| moment.checked_sub(by).unwrap();
        requests.idle_since = earlier(requests.idle_since);
        for turn in requests.open.values_mut() {
            if let Turn::Client(since) = turn {
                *since = earlier(*since);
            }
        }
    }

    #[tokio::test]
    async fn requests_are_counted_while_they_are_there() {
        let progress = Arc::new(Progress::default());
        let (first, second) = (progress.begin().observe(Body::from("abc")), progress.begin());
        assert_eq!(progress.lock().open.len(), 2);
        wait(&progress, Duration::from_secs(1));
        assert!(!progress.is_over(AT_ONCE));
        drop(second);
        assert_eq!(first.collect().await.unwrap().to_bytes(), "abc");
        wait(&progress, Duration::from_secs(1));
        assert!(progress.is_over(AT_ONCE) && !progress.is_over(LONG));
    }

    #[tokio::test]
    async fn one_answer_that_nobody_takes_is_enough() {
        let progress = Arc::new(Progress::default());
        let _left = progress.begin().observe(Body::from("abc"));
        wait(&progress, LONG);
        let mut moving = progress.begin().observe(Body::from("abc"));
        assert!(moving.frame().await.is_some());
        assert!(progress.is_over(2 * LONG));
    }

    #[tokio::test]
    async fn whoever_waits_for_us_is_not_late() {
        let progress = Arc::new(Progress::default());
        let working = progress.begin();
        let mut body = progress.begin().observe(Body::new(Never));
        assert!(tokio::time::timeout(AT_ONCE, body.frame()).await.is_err());
        wait(&progress, LONG);
        assert!(!progress.is_over(AT_ONCE));
        drop((working, body));
        wait(&progress, LONG);
        assert!(progress.is_over(AT_ONCE));
    }

    /// A body whose pieces do not come.
    struct Never;

    impl http_body::Body for Never {
        type Data = Bytes;
        type Error = axum::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
            Poll::Pending
        }
    }
}
