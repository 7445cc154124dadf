//! The half of the generated client that writes.

use crate::storage_rows::{Kind, path};
use crate::storage_wire::Storage;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tonic::codegen::tokio_stream::Stream;
use tonic::{Status, Streaming};

/// A connection that appends.
pub struct Append<'a> {
    storage: &'a Storage<'a>,
    /// Nothing once all is sent.
    to: Option<Sender<api::AppendRowsRequest>>,
    coming: Streaming<api::AppendRowsResponse>,
}

struct Requests(Receiver<api::AppendRowsRequest>);

impl Storage<'_> {
    pub fn create_stream(&self, table: &str, kind: Kind) -> Result<api::WriteStream, Status> {
        let write_stream = Some(api::WriteStream { r#type: kind.into(), ..Default::default() });
        let asked = api::CreateWriteStreamRequest { parent: path("staging", table), write_stream };
        self.said(self.wait(async { self.writer().create_write_stream(asked).await }))
    }

    pub fn stream(&self, name: &str, view: api::WriteStreamView) -> Result<api::WriteStream, Status> {
        let asked = api::GetWriteStreamRequest { name: name.to_owned(), view: view.into() };
        self.said(self.wait(async { self.writer().get_write_stream(asked).await }))
    }

    pub fn finalize(&self, name: &str) -> Result<i64, Status> {
        let asked = api::FinalizeWriteStreamRequest { name: name.to_owned() };
        self.said(self.wait(async { self.writer().finalize_write_stream(asked).await })).map(|answer| answer.row_count)
    }

    pub fn flush(&self, name: &str, offset: i64) -> Result<i64, Status> {
        let asked = api::FlushRowsRequest { write_stream: name.to_owned(), offset: Some(offset) };
        self.said(self.wait(async { self.writer().flush_rows(asked).await })).map(|answer| answer.offset)
    }

    pub fn commit(&self, table: &str, streams: &[&str]) -> Result<api::BatchCommitWriteStreamsResponse, Status> {
        let write_streams = streams.iter().map(|name| (*name).to_owned()).collect();
        let asked = api::BatchCommitWriteStreamsRequest { parent: path("staging", table), write_streams };
        self.said(self.wait(async { self.writer().batch_commit_write_streams(asked).await }))
    }

    /// A connection, with its first message sent.
    pub fn append(&self, first: api::AppendRowsRequest) -> Result<Append<'_>, Status> {
        let (to, from) = channel(1);
        let coming = self.wait(async {
            to.send(first).await.unwrap();
            self.writer().append_rows(Requests(from)).await
        });
        let coming = coming.map(tonic::Response::into_inner);
        self.told(coming.as_ref().err().map(|status| format!("{status:?}")).unwrap_or_default());
        Ok(Append { storage: self, to: Some(to), coming: coming? })
    }

    /// The answers to all of these, and how it ended.
    pub fn append_all(&self, requests: Vec<api::AppendRowsRequest>) -> (Vec<api::AppendRowsResponse>, Result<(), Status>) {
        let mut requests = requests.into_iter();
        let mut answers = Vec::new();
        let mut append = match self.append(requests.next().unwrap()) {
            Ok(append) => append,
            Err(status) => return (answers, Err(status)),
        };
        for request in requests {
            append.send(request);
        }
        append.to = None;
        loop {
            match append.answer() {
                Ok(Some(answer)) => answers.push(answer),
                Ok(None) => return (answers, Ok(())),
                Err(status) => return (answers, Err(status)),
            }
        }
    }

    fn said<T: std::fmt::Debug>(&self, answer: Result<tonic::Response<T>, Status>) -> Result<T, Status> {
        self.told(format!("{answer:?}"));
        answer.map(tonic::Response::into_inner)
    }
}

impl Append<'_> {
    /// Whether it still takes any.
    pub fn send(&mut self, request: api::AppendRowsRequest) -> bool {
        let to = self.to.as_ref().unwrap();
        self.storage.wait(async { to.send(request).await.is_ok() })
    }

    pub fn answer(&mut self) -> Result<Option<api::AppendRowsResponse>, Status> {
        let answer = self.storage.wait(self.coming.message());
        self.storage.told(format!("{answer:?}"));
        answer
    }

    /// In the midst of it: it never says that no more come.
    pub fn hang_up(mut self) {
        std::mem::forget(self.to.take());
    }

    /// Sends one more, and waits for what comes of it.
    pub fn then(&mut self, request: api::AppendRowsRequest) -> Result<Option<api::AppendRowsResponse>, Status> {
        self.send(request);
        self.answer()
    }
}

impl Stream for Requests {
    type Item = api::AppendRowsRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<api::AppendRowsRequest>> {
        self.0.poll_recv(context)
    }
}
