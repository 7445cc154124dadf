//! Which method of this service a call is, and who answers it.

use super::api;
use super::appending::{APPEND_BYTES_MAX, Appends};
use super::manage;
use super::messages::Logged;
use crate::problem::Problem;
use crate::storage::serve::{Door, Entry};
use axum::http::{Request, Response};
use http_body::Body as HttpBody;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, StdError};
use tonic::server::Grpc;
use tonic_prost::ProstCodec;
use tonic_prost::prost::Message;

const SERVICE: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    AppendRows,
    BatchCommitWriteStreams,
    CreateWriteStream,
    FinalizeWriteStream,
    FlushRows,
    GetWriteStream,
}

impl Method {
    pub fn of(path: &str) -> Option<Method> {
        match path.strip_prefix(SERVICE)? {
            "AppendRows" => Some(Method::AppendRows),
            "BatchCommitWriteStreams" => Some(Method::BatchCommitWriteStreams),
            "CreateWriteStream" => Some(Method::CreateWriteStream),
            "FinalizeWriteStream" => Some(Method::FinalizeWriteStream),
            "FlushRows" => Some(Method::FlushRows),
            "GetWriteStream" => Some(Method::GetWriteStream),
            _ => None,
        }
    }

    pub fn id(self) -> &'static str {
        match self {
            Method::AppendRows => "google.cloud.bigquery.storage.v1.BigQueryWrite.AppendRows",
            Method::BatchCommitWriteStreams => "google.cloud.bigquery.storage.v1.BigQueryWrite.BatchCommitWriteStreams",
            Method::CreateWriteStream => "google.cloud.bigquery.storage.v1.BigQueryWrite.CreateWriteStream",
            Method::FinalizeWriteStream => "google.cloud.bigquery.storage.v1.BigQueryWrite.FinalizeWriteStream",
            Method::FlushRows => "google.cloud.bigquery.storage.v1.BigQueryWrite.FlushRows",
            Method::GetWriteStream => "google.cloud.bigquery.storage.v1.BigQueryWrite.GetWriteStream",
        }
    }
}

/// In a box: the compiler does not follow what is in it through all of its callers.
type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

pub fn answer<B>(entry: Entry, method: Method, breaks: Option<(usize, Problem)>, request: Request<B>) -> Answering
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    match method {
        Method::AppendRows => append(Appends { entry, breaks }, request),
        Method::BatchCommitWriteStreams => managed(Managed { entry, act: |door, asked| manage::commit(&door, asked) }, request),
        Method::CreateWriteStream => managed(Managed { entry, act: |door, asked| manage::create(&door, asked) }, request),
        Method::FinalizeWriteStream => managed(Managed { entry, act: |door, asked| manage::finalize(&door, asked) }, request),
        Method::FlushRows => managed(Managed { entry, act: |door, asked| manage::flush(&door, asked) }, request),
        Method::GetWriteStream => managed(Managed { entry, act: |door, asked| manage::get(&door, asked) }, request),
    }
}

fn append<B>(appends: Appends, request: Request<B>) -> Answering
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    let codec = ProstCodec::<api::AppendRowsResponse, api::AppendRowsRequest>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(APPEND_BYTES_MAX);
    Box::pin(async move { grpc.streaming(appends, request).await })
}

fn managed<M, R, B>(managed: Managed<M, R>, request: Request<B>) -> Answering
where
    M: Logged + Default + 'static,
    R: Message + 'static,
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    let mut grpc = Grpc::new(ProstCodec::<R, M>::default());
    Box::pin(async move { grpc.unary(managed, request).await })
}

/// A method with one answer: written down, and answered where it may take as long as it takes.
struct Managed<M, R> {
    entry: Entry,
    act: fn(Arc<Door>, M) -> Result<R, Status>,
}

impl<M: Logged + 'static, R: Send + 'static> Service<tonic::Request<M>> for Managed<M, R> {
    type Response = tonic::Response<R>;
    type Error = Status;
    type Future = BoxFuture<tonic::Response<R>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let (door, act, asked) = (self.entry.door(), self.act, request.into_inner());
        self.entry.describe(&asked.logged(), asked.encoded_len());
        Box::pin(async move {
            let done = tokio::task::spawn_blocking(move || act(door, asked)).await;
            done.map_err(|_| Status::internal("the request could not be answered"))?.map(tonic::Response::new)
        })
    }
}
