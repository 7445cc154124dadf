//! Answers as gRPC has them: a head, messages in frames, and behind them a status.

use super::encode;
use super::refusal::{self, Status};
use super::wire::framed;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use http_body::Frame;
use sluice_app::{BatchesToCome, MoreBatches, RowForm};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic_prost::prost::Message;

/// One message.
pub fn message(message: &impl Message) -> Response<Body> {
    match framed(message) {
        Some(bytes) => with_body(Body::new(Whole { message: Some(bytes), ended: false })),
        None => refusal::response(&Status::broken()),
    }
}

/// Messages while they come, until the deadline of the call.
pub fn messages(coming: BatchesToCome, form: RowForm, until: Instant) -> Response<Body> {
    with_body(Body::new(Messages { coming: Some(coming), parts: VecDeque::new(), form, deadline: Box::pin(sleep_until(until)) }))
}

pub fn with_body(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

struct Whole {
    message: Option<Bytes>,
    ended: bool,
}

/// A client that goes away drops it, and with it the rows that are still to come.
struct Messages {
    /// Nothing once the status has left.
    coming: Option<BatchesToCome>,
    /// Of the message that leaves.
    parts: VecDeque<Bytes>,
    form: RowForm,
    deadline: Pin<Box<Sleep>>,
}

pub type Polled = Poll<Option<Result<Frame<Bytes>, Infallible>>>;

pub fn ended(status: &Status) -> Polled {
    let mut trailers = HeaderMap::new();
    status.write(&mut trailers);
    Poll::Ready(Some(Ok(Frame::trailers(trailers))))
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        match self.message.take() {
            Some(message) => Poll::Ready(Some(Ok(Frame::data(message)))),
            None if self.ended => Poll::Ready(None),
            None => {
                self.ended = true;
                ended(&Status::fine())
            }
        }
    }
}

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        if let Some(part) = self.parts.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(part))));
        }
        let form = self.form;
        let Some(coming) = &mut self.coming else { return Poll::Ready(None) };
        let status = match coming.poll(context) {
            Poll::Ready(Some(MoreBatches::Batch(batch))) => match encode::batch(*batch, form).map(VecDeque::from) {
                Some(mut parts) => {
                    let first = parts.pop_front().unwrap_or_default();
                    self.parts = parts;
                    return Poll::Ready(Some(Ok(Frame::data(first))));
                }
                None => Status::broken(),
            },
            Poll::Ready(Some(MoreBatches::End)) => Status::fine(),
            Poll::Ready(Some(MoreBatches::Broken(refused))) => Status::of(&refused),
            Poll::Ready(None) => Status::broken(),
            Poll::Pending => match self.deadline.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => Status::late(),
            },
        };
        self.coming = None;
        ended(&status)
    }
}
