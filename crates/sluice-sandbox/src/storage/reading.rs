//! `ReadRows`: the rows of a stream from an offset to its end, message by message, made when the client has room for them.

use super::encode::{MESSAGE_BYTES_MAX, MESSAGE_ROWS_MAX};
use super::serve::Entry;
use super::sessions::Stream as Part;
use super::{api, status};
use crate::problem::Problem;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Code, Status};

pub struct Reading {
    part: Part,
    at: u64,
    messages: usize,
    /// After so many messages the fault plan ends it.
    breaks: Option<(usize, Problem)>,
    /// Taken when it has ended. A client that goes away before leaves it behind.
    entry: Option<Entry>,
}

impl Reading {
    /// From a row of the stream; its end is a place as well, behind which nothing comes.
    pub fn from(part: Part, offset: i64, breaks: Option<(usize, Problem)>, entry: Entry) -> Result<Reading, Status> {
        let count = part.rows.end - part.rows.start;
        let offset =
            u64::try_from(offset).map_err(|_| Status::invalid_argument(format!("offset must not be negative, and is {offset}")))?;
        if offset > count {
            let message = format!("there was an error operating on the stream: offset {offset} is beyond its {count} rows");
            return Err(Status::out_of_range(message));
        }
        let at = part.rows.start + offset;
        Ok(Reading { part, at, messages: 0, breaks, entry: Some(entry) })
    }

    fn message(&mut self) -> Option<Result<api::ReadRowsResponse, Status>> {
        if let Some((_, problem)) = self.breaks.take_if(|(after, _)| *after <= self.messages) {
            self.at = self.part.rows.end;
            return Some(Err(status::of(problem)));
        }
        if self.at >= self.part.rows.end {
            return None;
        }
        let made = self.rows();
        if made.is_err() {
            self.at = self.part.rows.end;
        }
        self.messages += 1;
        Some(made.map_err(status::of))
    }

    fn rows(&mut self) -> Result<api::ReadRowsResponse, Problem> {
        let Part { session, rows: range } = &self.part;
        let (mut rows, mut bytes, start) = (Vec::new(), 0, self.at);
        while self.at < range.end && rows.len() < MESSAGE_ROWS_MAX {
            let row = session.row(self.at).ok_or_else(|| Problem::internal("a row of the session is gone"))?;
            bytes += session.encoder.weight(&row);
            if !rows.is_empty() && bytes > MESSAGE_BYTES_MAX as u64 {
                break;
            }
            rows.push(row);
            self.at += 1;
        }
        let progress = api::stream_stats::Progress {
            at_response_start: share(start - range.start, range.end - range.start),
            at_response_end: share(self.at - range.start, range.end - range.start),
        };
        Ok(api::ReadRowsResponse {
            row_count: i64::try_from(rows.len()).unwrap_or(i64::MAX),
            stats: Some(api::StreamStats { progress: Some(progress) }),
            throttle_state: Some(api::ThrottleState { throttle_percent: 0 }),
            uncompressed_byte_size: None,
            rows: Some(session.encoder.rows(&rows)?),
            schema: (self.messages == 0).then(|| session.encoder.response_schema()),
        })
    }
}

impl Stream for Reading {
    type Item = Result<api::ReadRowsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A message takes milliseconds to make; other calls go on meanwhile.
        let message = tokio::task::block_in_place(|| self.message());
        let ended = match &message {
            None => Some(Code::Ok),
            Some(Err(status)) => Some(status.code()),
            Some(Ok(_)) => None,
        };
        if let Some(code) = ended
            && let Some(entry) = self.entry.take()
        {
            entry.finish(code);
        }
        Poll::Ready(message)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.finish(Code::Cancelled);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a fraction that clients show")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
