//! What is left of a body when its request is refused. A connection that is closed under a client's hands loses the answer with the reason in it.

use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{Version, header};
use http_body::{Body as _, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// More is not waited for: the client sees the connection end.
pub const REMAINDER_BYTES_MAX: usize = 32 << 20;
pub const REMAINDER_MILLISECONDS_MAX: u64 = 10_000;
/// Who says nothing for so long waits for the answer.
pub const REMAINDER_PAUSE_MILLISECONDS_MAX: u64 = 1_000;

/// The same body in two hands: whoever serves the request reads it, and afterwards it is read to its end.
pub struct Remainder {
    body: Arc<Mutex<Body>>,
    /// Nobody waits on the line behind it: HTTP/2 ends a stream alone, and who asked first has sent nothing.
    is_needless: bool,
}

struct Shared(Arc<Mutex<Body>>);

pub fn share(body: Body, parts: &Parts) -> (Body, Remainder) {
    let body = Arc::new(Mutex::new(body));
    let is_needless = parts.version > Version::HTTP_11 || parts.headers.contains_key(header::EXPECT) || is_long(&body);
    (Body::new(Shared(Arc::clone(&body))), Remainder { body, is_needless })
}

/// It says of itself that it would not be read to its end.
fn is_long(body: &Mutex<Body>) -> bool {
    let body = body.lock().unwrap_or_else(PoisonError::into_inner);
    usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > REMAINDER_BYTES_MAX)
}

impl Remainder {
    pub async fn read_away(self) {
        if self.is_needless {
            return;
        }
        let reading = async {
            let mut bytes = 0;
            let pause = Duration::from_millis(REMAINDER_PAUSE_MILLISECONDS_MAX);
            let next = || tokio::time::timeout(pause, std::future::poll_fn(|context| poll(&self.body, context)));
            while let Ok(Some(Ok(frame))) = next().await {
                bytes += frame.data_ref().map_or(0, Bytes::len);
                if bytes > REMAINDER_BYTES_MAX {
                    return;
                }
            }
        };
        // Whoever is slower sees the connection end.
        drop(tokio::time::timeout(Duration::from_millis(REMAINDER_MILLISECONDS_MAX), reading).await);
    }
}

impl http_body::Body for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        poll(&self.0, context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

fn poll(body: &Mutex<Body>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
    let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
    Pin::new(&mut *body).poll_frame(context)
}
