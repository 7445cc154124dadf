//! Whether a client takes the answers that it asked for. A window that is never opened looks like a connection that is alive.

use super::stream::STALL_SECONDS_MAX;
use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

const LOOK_SECONDS: u64 = 5;

/// Of one connection.
#[derive(Default)]
pub struct Progress(Mutex<Answers>);

#[derive(Default)]
struct Answers {
    open: usize,
    /// When a piece of any of them was taken, or one of them began.
    moved: Option<Instant>,
}

/// An answer on its way.
pub struct Observed {
    body: Body,
    progress: Arc<Progress>,
}

impl Progress {
    pub fn observe(self: &Arc<Self>, body: Body) -> Observed {
        let mut answers = self.lock();
        answers.open += 1;
        answers.moved = Some(Instant::now());
        drop(answers);
        Observed { body, progress: Arc::clone(self) }
    }

    /// Comes back when answers wait and none has moved for too long.
    pub async fn stalled(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(LOOK_SECONDS)).await;
            let answers = self.lock();
            let is_late = answers.moved.is_some_and(|moved| moved.elapsed() > Duration::from_secs(STALL_SECONDS_MAX));
            if answers.open > 0 && is_late {
                return;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        // Also while it is we who have nothing yet: then the client waits for us.
        self.progress.lock().moved = Some(Instant::now());
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        let mut answers = self.progress.lock();
        answers.open = answers.open.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn answers_are_counted_while_they_are_there() {
        let progress = Arc::new(Progress::default());
        let (first, second) = (progress.observe(Body::from("abc")), progress.observe(Body::empty()));
        assert_eq!(progress.lock().open, 2);
        drop(second);
        assert_eq!(first.collect().await.unwrap().to_bytes(), "abc");
        assert_eq!(progress.lock().open, 0);
    }
}
