//! `AppendRows`: a connection both ways. Requests are answered one by one, in their order.

use super::append::Connection;
use super::messages::appended;
use super::{api, messages};
use crate::problem::Problem;
use crate::storage::serve::Entry;
use crate::storage::status;
use std::future::ready;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tonic::codegen::BoxFuture;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Code, Status, Streaming};
use tonic_prost::prost::Message;

/// Of one request, as BigQuery has it.
pub const APPEND_BYTES_MAX: usize = 10 << 20;
/// Made and not sent.
const ANSWERS_AHEAD_MAX: usize = 1;

pub struct Appends {
    pub entry: Entry,
    /// After so many answers the fault plan ends it.
    pub breaks: Option<(usize, Problem)>,
}

/// What leaves.
pub struct Answers(Receiver<Result<api::AppendRowsResponse, Status>>);

impl tonic::codegen::Service<tonic::Request<Streaming<api::AppendRowsRequest>>> for Appends {
    type Response = tonic::Response<Answers>;
    type Error = Status;
    type Future = BoxFuture<tonic::Response<Answers>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<Streaming<api::AppendRowsRequest>>) -> Self::Future {
        let (to, from) = mpsc::channel(ANSWERS_AHEAD_MAX);
        tokio::spawn(serve(self.entry.clone(), self.breaks.take(), request.into_inner(), to));
        Box::pin(ready(Ok(tonic::Response::new(Answers(from)))))
    }
}

impl Stream for Answers {
    type Item = Result<api::AppendRowsResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

async fn serve(
    entry: Entry,
    breaks: Option<(usize, Problem)>,
    mut coming: Streaming<api::AppendRowsRequest>,
    to: Sender<Result<api::AppendRowsResponse, Status>>,
) {
    let code = match answer_all(&entry, breaks, &mut coming, &to).await {
        Ok(()) => Code::Ok,
        Err(status) => {
            let code = status.code();
            // Whoever has gone hears nothing.
            drop(to.send(Err(status)).await);
            code
        }
    };
    entry.finish(code);
}

async fn answer_all(
    entry: &Entry,
    breaks: Option<(usize, Problem)>,
    coming: &mut Streaming<api::AppendRowsRequest>,
    to: &Sender<Result<api::AppendRowsResponse, Status>>,
) -> Result<(), Status> {
    let mut log = messages::Appended::default();
    let mut connection = Connection::default();
    while let Some(asked) = coming.message().await? {
        if let Some((_, problem)) = breaks.clone().filter(|(after, _)| *after <= log.requests) {
            return Err(status::of(problem));
        }
        log.add(&asked);
        entry.describe(&appended(&log), log.bytes);
        let door = entry.door();
        // Rows are put behind all others of their table, which takes as long as that is large.
        let made = tokio::task::spawn_blocking(move || {
            let answer = connection.take(&door, asked);
            (connection, answer)
        });
        let (back, answer) = made.await.map_err(|_| Status::internal("the rows could not be appended"))?;
        connection = back;
        log.rows_taken = connection.rows;
        entry.describe(&appended(&log), log.bytes);
        if to.send(Ok(answer?)).await.is_err() {
            return Err(Status::cancelled("the client has gone"));
        }
    }
    Ok(())
}

impl messages::Appended {
    fn add(&mut self, asked: &api::AppendRowsRequest) {
        if !asked.write_stream.is_empty() {
            self.write_stream.clone_from(&asked.write_stream);
        }
        if !asked.trace_id.is_empty() {
            self.trace_id.clone_from(&asked.trace_id);
        }
        self.requests += 1;
        self.bytes += asked.encoded_len();
    }
}
