//! Answers to rows while they come, and behind them a status.

use super::super::answer::{Polled, ended, with_body};
use super::super::refusal::Status;
use super::super::wire::framed;
use super::encode;
use axum::body::{Body, Bytes};
use axum::http::Response;
use http_body::Frame;
use sluice_app::{AnswersToCome, MoreAnswers};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Until the deadline of the call.
pub fn answers(coming: AnswersToCome, stream: String, until: Instant) -> Response<Body> {
    with_body(Body::new(Answers { coming: Some(coming), stream, deadline: Box::pin(sleep_until(until)) }))
}

/// A client that goes away drops it, and with it the connection to BigQuery.
struct Answers {
    /// Nothing once the status has left.
    coming: Option<AnswersToCome>,
    stream: String,
    deadline: Pin<Box<Sleep>>,
}

impl http_body::Body for Answers {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let Answers { coming, stream, deadline } = &mut *self;
        let Some(come) = coming else { return Poll::Ready(None) };
        let status = match come.poll(context) {
            Poll::Ready(Some(MoreAnswers::Answer(answer))) => match framed(&encode::append(stream, answer)) {
                Some(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => Status::broken(),
            },
            Poll::Ready(Some(MoreAnswers::End)) => Status::fine(),
            Poll::Ready(Some(MoreAnswers::Stopped)) => Status::stopping(),
            Poll::Ready(Some(MoreAnswers::Broken(refused))) => Status::of_open(&refused),
            Poll::Ready(None) => Status::broken(),
            Poll::Pending => match deadline.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => Status::late(),
            },
        };
        *coming = None;
        ended(&status)
    }
}
