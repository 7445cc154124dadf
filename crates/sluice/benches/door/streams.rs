//! The Storage API of the warehouse that only answers: one session, whose one stream is a message of rows that lies ready, again and again. And a client
//! that reads it to its end and keeps nothing.

use super::client::Target;
use super::load::Large;
use super::process::Process;
use super::upstream::{PROJECT, mail};
use super::{LARGE_BYTES, Outcome};
use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::MetadataVersion;
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use bytes::Bytes;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::header::{HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tonic_prost::prost::Message;

const SERVICE: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead";
/// In one message: about a mebibyte.
const ROWS: usize = 9_000;
const WINDOW_BYTES: u32 = 4 << 20;
const HEAD_BYTES: usize = 5;
/// The columns of the table.
const SCHEMA: [&str; 7] = ["id", "at", "account", "email", "kind", "amount", "note"];

/// Of one answer: the same bytes so many times, and that all is well.
struct Copies {
    message: Bytes,
    left: usize,
    is_over: bool,
}

struct Ready {
    session: Bytes,
    message: Bytes,
    copies: usize,
}

/// Until the program ends.
pub fn listen() -> Outcome<SocketAddr> {
    let ready = Arc::new(Ready::new()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || runtime.block_on(take_connections(listener, ready)));
    Ok(address)
}

async fn take_connections(listener: TcpListener, ready: Arc<Ready>) {
    while let Ok((stream, _)) = listener.accept().await {
        let ready = Arc::clone(&ready);
        let service = service_fn(move |request: Request<Incoming>| {
            let ready = Arc::clone(&ready);
            async move { Ok::<_, Infallible>(ready.answer(request).await) }
        });
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
        // A client that leaves ends its conversation.
        tokio::spawn(async move { drop(server.await) });
    }
}

impl Ready {
    fn new() -> Outcome<Ready> {
        let batch = batch()?;
        let (schema, rows) = written(&batch)?;
        let session = api::ReadSession {
            name: format!("projects/{PROJECT}/locations/us/sessions/bench"),
            data_format: api::DataFormat::Arrow.into(),
            schema: Some(api::read_session::Schema::ArrowSchema(api::ArrowSchema { serialized_schema: schema.into() })),
            streams: vec![api::ReadStream { name: format!("projects/{PROJECT}/locations/us/sessions/bench/streams/0") }],
            ..api::ReadSession::default()
        };
        let rows = api::ArrowRecordBatch { serialized_record_batch: rows.into(), ..api::ArrowRecordBatch::default() };
        let message = api::ReadRowsResponse {
            row_count: i64::try_from(ROWS)?,
            rows: Some(api::read_rows_response::Rows::ArrowRecordBatch(rows)),
            ..api::ReadRowsResponse::default()
        };
        let message = framed(&message)?;
        let copies = usize::try_from(LARGE_BYTES)?.div_ceil(message.len());
        Ok(Ready { session: framed(&session)?, message, copies })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Copies> {
        let path = request.uri().path().to_owned();
        drop(request.into_body().collect().await);
        let (message, left) = match path.rsplit('/').next() {
            Some("CreateReadSession") => (self.session.clone(), 1),
            _ => (self.message.clone(), self.copies),
        };
        let mut response = Response::new(Copies { message, left, is_over: false });
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        response
    }
}

impl Body for Copies {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return Poll::Ready(Some(Ok(Frame::data(self.message.clone()))));
        }
        let status = HeaderMap::from_iter([(hyper::header::HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
        let was_over = std::mem::replace(&mut self.is_over, true);
        Poll::Ready((!was_over).then(|| Ok(Frame::trailers(status))))
    }
}

fn framed(message: &impl Message) -> Outcome<Bytes> {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len())?.to_be_bytes();
    Ok([&[0], length.as_slice(), &message].concat().into())
}

/// The same rows as the pages of JSON have.
fn batch() -> Outcome<RecordBatch> {
    let number = |row: usize| i64::try_from(row).unwrap_or_default();
    let texts = |cell: fn(usize) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..ROWS).map(cell))) };
    let moments = TimestampMicrosecondArray::from_iter_values((0..ROWS).map(|row| 1_700_000_000_000_000 + number(row) * 1_000_000));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(number))),
        Arc::new(moments.with_timezone("UTC")),
        texts(|row| format!("acc-{:06}", row * 7919 % 500_000)),
        texts(mail),
        texts(|_| "click".to_owned()),
        Arc::new(Float64Array::from_iter_values((0..ROWS).map(|row| row as f64 + 0.25))),
        texts(|row| format!("event {row} of kind {:016x}", row.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
    ];
    let kinds = [
        DataType::Int64,
        DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        DataType::Utf8,
        DataType::Utf8,
        DataType::Utf8,
        DataType::Float64,
        DataType::Utf8,
    ];
    let fields: Vec<Field> = SCHEMA.iter().zip(kinds).map(|(name, kind)| Field::new(*name, kind, true)).collect();
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?)
}

/// Schema and rows as messages of Arrow's own.
fn written(batch: &RecordBatch) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let options = IpcWriteOptions::try_new(8, false, MetadataVersion::V5)?;
    let (generator, mut tracker) = (IpcDataGenerator::default(), DictionaryTracker::new(true));
    let (mut schema, mut rows) = (Vec::new(), Vec::new());
    let encoded = generator.schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    write_message(&mut schema, encoded, &options)?;
    let (_, encoded) = generator.encode(batch, &mut tracker, &options, &mut IpcWriteContext::default())?;
    write_message(&mut rows, encoded, &options)?;
    Ok((schema, rows))
}

/// One stream, to its end.
pub fn large(target: &Target, between: Option<&Process>) -> Outcome<Large> {
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let worked = between.map_or(0.0, Process::processor_seconds);
    let (started, mut found) = (Instant::now(), Large::default());
    runtime
        .block_on(async {
            let stream = TcpStream::connect(target.address).await?;
            stream.set_nodelay(true)?;
            let mut builder = Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
            let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
            tokio::spawn(async move { drop(connection.await) });
            let wanted = api::ReadSession {
                table: format!("projects/{PROJECT}/datasets/bench/tables/events"),
                data_format: api::DataFormat::Arrow.into(),
                ..api::ReadSession::default()
            };
            let request = api::CreateReadSessionRequest {
                parent: format!("projects/{PROJECT}"),
                read_session: Some(wanted),
                max_stream_count: 1,
                ..api::CreateReadSessionRequest::default()
            };
            let mut body = asked(&mut sender, target, "CreateReadSession", &request).await?;
            let mut told = Vec::new();
            while let Some(frame) = body.frame().await {
                told.extend_from_slice(&frame?.into_data().unwrap_or_default());
            }
            let session = api::ReadSession::decode(told.get(HEAD_BYTES..).ok_or("no session")?)?;
            let stream = session.streams.first().ok_or("a session without a stream")?.name.clone();
            let request = api::ReadRowsRequest { read_stream: stream, offset: 0 };
            let mut body = asked(&mut sender, target, "ReadRows", &request).await?;
            let mut status = None;
            while let Some(frame) = body.frame().await {
                match frame?.into_data() {
                    Ok(data) => found.bytes += data.len() as u64,
                    Err(frame) => status = frame.trailers_ref().and_then(|trailers| trailers.get("grpc-status")).cloned(),
                }
                if found.peak_bytes_at_quarter == 0 && found.bytes >= LARGE_BYTES / 4 {
                    found.peak_bytes_at_quarter = between.map_or(0, Process::peak_bytes);
                }
            }
            let is_whole = status.as_ref().is_some_and(|status| status == "0") && found.bytes > LARGE_BYTES / 10 * 9;
            if is_whole { Ok(()) } else { Err(format!("the stream ended with {status:?} after {} bytes", found.bytes).into()) }
        })
        .map_err(|error: Box<dyn std::error::Error + Send + Sync>| error)?;
    found.seconds = started.elapsed().as_secs_f64();
    found.peak_bytes = between.map_or(0, Process::peak_bytes);
    found.processor_seconds = between.map_or(0.0, Process::processor_seconds) - worked;
    Ok(found)
}

async fn asked(
    sender: &mut SendRequest<http_body_util::Full<Bytes>>,
    target: &Target,
    method: &str,
    message: &impl Message,
) -> Outcome<Incoming> {
    let uri = format!("http://{}{SERVICE}/{method}", target.address);
    let mut request = Request::post(uri).header("content-type", "application/grpc").header("te", "trailers");
    if let Some(token) = &target.token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let answer = sender.send_request(request.body(framed(message)?.into())?).await?;
    match answer.headers().get("grpc-status") {
        Some(status) if status != "0" => Err(format!("{method}: {:?}", answer.headers()).into()),
        _ => Ok(answer.into_body()),
    }
}
