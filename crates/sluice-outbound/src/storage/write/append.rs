//! A connection that appends. BigQuery may answer nothing before it has a first message, so whether it is open is found out while messages go.

use super::api::append_rows_response::Response;
use super::api::{AppendRowsRequest, AppendRowsResponse, StorageError};
use super::call;
use super::change::{encoded, short};
use crate::bigquery::{Matter, unsent};
use crate::storage::fault::Failure;
use crate::storage::port::{NO_CALL, headers, ready};
use crate::storage::wire::Wire;
use sluice_app::{AppendAnswer, AppendFault, AppendSink, AppendSource, Asking, RowFault, RowsToAppend, UpstreamFault, UpstreamFaultKind};
use sluice_ledger::Recorded;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::tokio_stream::Stream;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;
use tonic_prost::prost::Message;

const APPEND: &str = "/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows";
/// An answer holds a fault for each row, and a schema.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Handed over and not taken by the connection.
const MESSAGES_AHEAD_MAX: usize = 1;
/// Faults of rows in one answer. BigQuery says fewer.
const ROW_FAULTS_MAX: usize = 1_000;
const STORAGE_ERROR: &str = "google.cloud.bigquery.storage.v1.StorageError";

type Handed = (AppendRowsRequest, Recorded<RowsToAppend>);
type Opened = Result<(Streaming<AppendRowsResponse>, Grpc<Wire>), Failure>;

struct Sink {
    stream: String,
    to: Sender<Handed>,
}

/// What the connection takes, as it has room.
struct Messages(Receiver<Handed>);

enum Source {
    Opening(JoinHandle<Opened>),
    /// While the other half is there, so is the connection.
    Open {
        coming: Box<Streaming<AppendRowsResponse>>,
        _grpc: Box<Grpc<Wire>>,
    },
    Over,
}

impl Matter<'_> {
    /// Only reaching BigQuery is tried again: what was sent may have been written.
    pub(crate) async fn append_rows(&self) -> Result<(Box<dyn AppendSink>, Box<dyn AppendSource>), UpstreamFault> {
        let call = call::append(self.sends).ok_or_else(|| unsent(NO_CALL.to_owned()))?;
        let credential = |detail: String| Failure { kind: UpstreamFaultKind::Credential, ..Failure::odd(&detail) }.fault(0, false);
        let bearer = self.connection.credentials.bearer(Some(self.caller)).await.map_err(|fault| credential(fault.to_string()))?;
        let headers = headers(&self.connection, &call.about, bearer.as_ref());
        let headers = headers.ok_or_else(|| credential("the token cannot stand in a header".to_owned()))?;
        let (storage, timing) = (&self.connection.storage, &self.connection.timing);
        let mut attempts = 1;
        let wire = loop {
            match storage.dial().await {
                Ok(wire) => break wire,
                Err(failure) if attempts >= timing.attempts_max => return Err(failure.fault(attempts, false)),
                Err(_) => tokio::time::sleep(timing.pauses.after(attempts)).await,
            }
            attempts += 1;
        };
        let origin = storage.origin().parse().map_err(|_| Failure::odd("the address of the Storage API is none").fault(1, false))?;
        let mut grpc = Grpc::with_origin(wire, origin).max_decoding_message_size(ANSWER_BYTES_MAX);
        let (to, from) = mpsc::channel(MESSAGES_AHEAD_MAX);
        let mut request = Request::new(Messages(from));
        *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
        let opening = tokio::spawn(async move {
            ready(&mut grpc).await?;
            let codec = ProstCodec::<AppendRowsRequest, AppendRowsResponse>::default();
            let answer = grpc.streaming(request, PathAndQuery::from_static(APPEND), codec).await;
            answer.map(|answer| (answer.into_inner(), grpc)).map_err(|status| Failure::of(&status))
        });
        Ok((Box::new(Sink { stream: call.message, to }), Box::new(Source::Opening(opening))))
    }
}

impl AppendSink for Sink {
    fn send(&mut self, rows: Recorded<RowsToAppend>) -> Asking<'_, Result<(), UpstreamFault>> {
        Box::pin(async move {
            let request = AppendRowsRequest::decode(rows.value().message().clone());
            let request = request.map_err(|_| unsent(NO_CALL.to_owned()))?;
            let request = AppendRowsRequest { write_stream: self.stream.clone(), ..request };
            if self.to.send((request, rows)).await.is_err() {
                // The connection is over, and the other half knows why.
                std::future::pending::<()>().await;
            }
            Ok(())
        })
    }
}

impl Stream for Messages {
    type Item = AppendRowsRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<AppendRowsRequest>> {
        self.0.poll_recv(context).map(|handed| handed.map(|(request, _)| request))
    }
}

impl AppendSource for Source {
    fn next(&mut self) -> Asking<'_, Result<Option<AppendAnswer>, UpstreamFault>> {
        Box::pin(async {
            let found = self.message().await;
            if !matches!(found, Ok(Some(_))) {
                *self = Source::Over;
            }
            found.map_err(|failure| failure.fault(1, true))
        })
    }
}

impl Source {
    async fn message(&mut self) -> Result<Option<AppendAnswer>, Failure> {
        loop {
            match self {
                Source::Opening(opening) => {
                    let (coming, grpc) = opening.await.unwrap_or_else(|_| Err(Failure::odd("the connection broke off")))?;
                    *self = Source::Open { coming: Box::new(coming), _grpc: Box::new(grpc) };
                }
                Source::Open { coming, .. } => {
                    let message = coming.message().await.map_err(|status| Failure::of(&status))?;
                    return message.map(answer).transpose();
                }
                Source::Over => return Ok(None),
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Source::Opening(opening) = self {
            opening.abort();
        }
    }
}

fn answer(message: AppendRowsResponse) -> Result<AppendAnswer, Failure> {
    let taken = match message.response {
        Some(Response::AppendResult(result)) => Ok(result.offset),
        Some(Response::Error(status)) => {
            let details = status.details.iter().filter(|detail| detail.type_url.rsplit('/').next() == Some(STORAGE_ERROR));
            let storage = details.filter_map(|detail| StorageError::decode(detail.value.as_slice()).ok()).map(|error| error.code).next();
            Err(AppendFault { code: status.code, storage, text: short(status.message) })
        }
        None => return Err(Failure::odd("an answer says neither that rows were taken nor that they were not")),
    };
    let faults = message.row_errors.into_iter().take(ROW_FAULTS_MAX);
    let row_faults = faults.map(|fault| RowFault { index: fault.index, code: fault.code, text: short(fault.message) }).collect();
    Ok(AppendAnswer { taken, row_faults, schema: message.updated_schema.as_ref().map(encoded) })
}
