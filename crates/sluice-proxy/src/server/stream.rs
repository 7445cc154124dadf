//! A connection under watch: what comes in is followed from head to head, and a client that says nothing or takes nothing is cut off.

use super::framing::{Framing, Heads};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// Until a client has shown which version of HTTP it speaks. Before that the library watches no time.
pub const BEGIN_SECONDS_MAX: u64 = 20;
/// For a client that takes none of the bytes that wait for it.
pub const STALL_SECONDS_MAX: u64 = 60;

pub struct Watched<S> {
    stream: S,
    framing: Framing,
    heads: Arc<Heads>,
    begin: Pin<Box<Sleep>>,
    /// Runs while bytes wait.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub fn new(stream: S, heads: Arc<Heads>) -> Watched<S> {
        let begin = Box::pin(sleep(Duration::from_secs(BEGIN_SECONDS_MAX)));
        Watched { stream, framing: Framing::new(), heads, begin, stall: None }
    }

    fn judge<T>(&mut self, context: &mut Context<'_>, done: Poll<Result<T>>) -> Poll<Result<T>> {
        if done.is_ready() {
            self.stall = None;
            return done;
        }
        let end = Instant::now() + Duration::from_secs(STALL_SECONDS_MAX);
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep_until(end)));
        stall.as_mut().poll(context).map(|()| Err(late("it takes nothing")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() && !self.framing.has_begun() {
            return self.begin.as_mut().poll(context).map(|()| Err(late("it says nothing")));
        }
        let Watched { framing, heads, .. } = &mut *self;
        framing.follow(buffer.filled().get(before..).unwrap_or_default(), heads);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(context, done)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<Result<usize>> {
        let done = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(context, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let done = Pin::new(&mut self.stream).poll_flush(context);
        self.judge(context, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        let done = Pin::new(&mut self.stream).poll_shutdown(context);
        self.judge(context, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

fn late(text: &str) -> Error {
    Error::new(ErrorKind::TimedOut, text)
}
