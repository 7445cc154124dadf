//! Bodies that leave as the connection takes them.

use super::{Joint, Piece, Tail, reduced};
use crate::rest::fields::Mask;
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Frame, SizeHint};
use serde_json::{Map, Value};
use sluice_app::{MoreRows, RowsToCome};
use sluice_mask::Head;
use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::task::JoinHandle;

/// What is packed between two looks at the connection.
const SLICE_BYTES_MAX: usize = 64 << 10;

/// A body that is handed on piece by piece.
pub(super) struct Pieces {
    parts: VecDeque<Bytes>,
    packer: Option<GzEncoder<Vec<u8>>>,
    /// Unpacked bytes that have not been taken.
    left: u64,
}

/// The same where not all pieces are there when it begins, or have to be cut down first.
pub(super) struct Onward<C: Coming> {
    pub inner: Pieces,
    /// Rows that are there and not cut down yet.
    pub waiting: VecDeque<C::Rows>,
    /// One piece at a time, beside the threads that serve everybody: it can take long.
    pub reducing: Option<JoinHandle<Bytes>>,
    pub coming: Option<C>,
    /// Nothing once the answer has its end.
    pub joint: Option<Joint>,
    pub around: Around,
}

/// For what is known only behind the rows.
pub(super) struct Around {
    pub mask: Mask,
    /// Members that stand before them.
    pub sent: Vec<String>,
    /// Nothing where all rows were there.
    pub tail: Option<Tail>,
}

/// Rows that follow. Nothing where they broke off.
pub(super) trait Coming: Send + Unpin + 'static {
    type Rows: AsRef<[u8]> + Send + 'static;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Came<Self::Rows>>>;
}

pub(super) enum Came<R> {
    End(Head),
    Rows(R),
}

impl Coming for RowsToCome {
    type Rows = Piece;

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Came<Piece>>> {
        let came = ready!(RowsToCome::poll(self, context));
        Poll::Ready(came.map(|came| match came {
            MoreRows::End(head) => Came::End(head),
            MoreRows::Rows(rows, ahead) => Came::Rows(Piece { rows, _ahead: Some(ahead) }),
        }))
    }
}

impl Pieces {
    pub fn new(parts: Vec<Bytes>, packs: bool) -> Pieces {
        let bytes: usize = parts.iter().map(Bytes::len).sum();
        let packer = packs.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        Pieces { parts: parts.into(), packer, left: u64::try_from(bytes).unwrap_or(u64::MAX) }
    }

    /// Of what is there.
    fn next(&mut self) -> Option<Bytes> {
        let Some(packer) = &mut self.packer else { return self.parts.pop_front() };
        while let Some(part) = self.parts.front_mut() {
            let slice = part.split_to(part.len().min(SLICE_BYTES_MAX));
            if part.is_empty() {
                self.parts.pop_front();
            }
            // Writing into memory does not fail; if it did, the client would see a body that is cut.
            let _ = packer.write_all(&slice);
            if !packer.get_ref().is_empty() {
                return Some(Bytes::from(std::mem::take(packer.get_mut())));
            }
        }
        None
    }

    fn finish(&mut self) -> Option<Bytes> {
        self.packer.take().and_then(|packer| packer.finish().ok()).map(Bytes::from).filter(|rest| !rest.is_empty())
    }
}

impl<C: Coming> Onward<C> {
    fn came(&mut self, came: Came<C::Rows>) {
        match came {
            Came::Rows(rows) => self.take(rows),
            Came::End(head) => {
                self.coming = None;
                let mut tail = self.around.tail.map(|tail| tail(&head)).unwrap_or_default();
                tail.retain(|name, _| !self.around.sent.contains(name));
                self.close(tail);
            }
        }
    }

    fn take(&mut self, rows: C::Rows) {
        let Some(joint) = &mut self.joint else { return };
        match joint.reduces() {
            Some(mask) => self.reducing = Some(tokio::task::spawn_blocking(move || reduced(rows.as_ref(), &mask))),
            None => self.inner.parts.extend(joint.rows(Bytes::from_owner(rows))),
        }
    }

    fn close(&mut self, tail: Map<String, Value>) {
        let Some(mut joint) = self.joint.take() else { return };
        let tail = match self.around.mask.apply(Value::Object(tail)) {
            Value::Object(tail) => tail,
            _ => Map::new(),
        };
        self.inner.parts.push_back(joint.close(&tail));
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = self.next().or_else(|| self.finish());
        let taken = next.as_ref().map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.left = self.left.saturating_sub(taken);
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.packer.is_none() && self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.packer.is_some() { SizeHint::default() } else { SizeHint::with_exact(self.left) }
    }
}

impl<C: Coming> http_body::Body for Onward<C> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(bytes) = self.inner.next() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if let Some(reducing) = &mut self.reducing {
                let Ok(bytes) = ready!(Pin::new(reducing).poll(context)) else {
                    return Poll::Ready(Some(Err(io::Error::other("the rows broke off"))));
                };
                self.reducing = None;
                let parts = self.joint.as_mut().map(|joint| joint.rows(bytes)).unwrap_or_default();
                self.inner.parts.extend(parts);
            } else if let Some(rows) = self.waiting.pop_front() {
                self.take(rows);
            } else if let Some(coming) = &mut self.coming {
                match ready!(coming.poll(context)) {
                    Some(came) => self.came(came),
                    // The client is to see that this is not all.
                    None => return Poll::Ready(Some(Err(io::Error::other("the rows broke off")))),
                }
            } else if self.joint.is_some() {
                self.close(Map::new());
            } else {
                return Poll::Ready(self.inner.finish().map(|bytes| Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.joint.is_none() && self.inner.is_end_stream()
    }
}

impl<C: Coming> Unpin for Onward<C> {}
