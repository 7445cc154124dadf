//! The generated client of the Storage API over one connection, from tests that do not wait for it otherwise.

use arrow_array::RecordBatch;
use arrow_ipc::convert::try_schema_from_ipc_buffer;
use arrow_ipc::reader::StreamDecoder;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use sluice_sandbox::Running;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};

pub use api::arrow_serialization_options::CompressionCodec;
pub use api::read_session::TableReadOptions;
pub use api::read_session::table_read_options::OutputFormatSerializationOptions;

pub type Writer = api::big_query_write_client::BigQueryWriteClient<Wire>;
pub type Generated = api::big_query_read_client::BigQueryReadClient<Wire>;

pub struct Storage {
    runtime: tokio::runtime::Runtime,
    pub client: Generated,
    writer: Writer,
    pub token: Option<&'static str>,
}

/// What a session is to be.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Arrow(CompressionCodec),
    Avro,
}

/// Everything that came until the stream ended, and how it ended.
pub struct Read {
    pub messages: Vec<api::ReadRowsResponse>,
    pub end: Result<(), Status>,
}

#[derive(Clone)]
pub struct Wire(SendRequest<Body>);

impl Storage {
    pub fn connect(running: &Running) -> Storage {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let address = running.storage_address;
        let wire = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            Wire(sender)
        });
        let origin: hyper::Uri = format!("http://{address}").parse().unwrap();
        let writer = Writer::with_origin(wire.clone(), origin.clone());
        Storage { runtime, client: Generated::with_origin(wire, origin), writer, token: None }
    }

    pub fn create(&mut self, request: api::CreateReadSessionRequest) -> Result<api::ReadSession, Status> {
        let request = self.request(request);
        self.runtime.block_on(self.client.create_read_session(request)).map(tonic::Response::into_inner)
    }

    /// The session and its rows, all streams one after the other.
    pub fn open(&mut self, request: api::CreateReadSessionRequest) -> (api::ReadSession, Vec<Value>) {
        let session = self.create(request).unwrap();
        let streams: Vec<String> = session.streams.iter().map(|stream| stream.name.clone()).collect();
        let rows = streams.iter().flat_map(|stream| self.rows(&session, stream, 0)).collect();
        (session, rows)
    }

    pub fn read(&mut self, stream: &str, offset: i64) -> Read {
        self.read_some(stream, offset, usize::MAX)
    }

    /// No more than so many messages; then the client goes away.
    pub fn read_some(&mut self, stream: &str, offset: i64, messages_max: usize) -> Read {
        let request = self.request(api::ReadRowsRequest { read_stream: stream.to_owned(), offset });
        self.runtime.block_on(async {
            let mut messages = Vec::new();
            let mut coming = match self.client.read_rows(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) => return Read { messages, end: Err(status) },
            };
            while messages.len() < messages_max {
                match coming.message().await {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(status) => return Read { messages, end: Err(status) },
                }
            }
            Read { messages, end: Ok(()) }
        })
    }

    /// As REST writes them.
    pub fn rows(&mut self, session: &api::ReadSession, stream: &str, offset: i64) -> Vec<Value> {
        let read = self.read(stream, offset);
        read.end.unwrap();
        rows(session, &read.messages)
    }

    pub fn split(&mut self, stream: &str, fraction: f64) -> Result<Option<[String; 2]>, Status> {
        let request = self.request(api::SplitReadStreamRequest { name: stream.to_owned(), fraction });
        let answer = self.runtime.block_on(self.client.split_read_stream(request))?.into_inner();
        Ok(answer.primary_stream.zip(answer.remainder_stream).map(|(first, second)| [first.name, second.name]))
    }

    /// One call of the service that writes.
    pub fn write<M, R>(
        &mut self,
        message: M,
        call: impl AsyncFnOnce(&mut Writer, tonic::Request<M>) -> Result<tonic::Response<R>, Status>,
    ) -> Result<R, Status> {
        let request = self.request(message);
        self.runtime.block_on(call(&mut self.writer, request)).map(tonic::Response::into_inner)
    }

    /// All that is answered to these requests, sent one after the other on one connection, and how it ended.
    pub fn append(&mut self, requests: Vec<api::AppendRowsRequest>) -> (Vec<api::AppendRowsResponse>, Result<(), Status>) {
        let request = self.request(tonic::codegen::tokio_stream::iter(requests));
        self.runtime.block_on(async {
            let mut answers = Vec::new();
            let mut coming = match self.writer.append_rows(request).await {
                Ok(answer) => answer.into_inner(),
                Err(status) => return (answers, Err(status)),
            };
            loop {
                match coming.message().await {
                    Ok(Some(answer)) => answers.push(answer),
                    Ok(None) => return (answers, Ok(())),
                    Err(status) => return (answers, Err(status)),
                }
            }
        })
    }

    fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        if let Some(token) = self.token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        request
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFutureOf;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> BoxFutureOf {
        Box::pin(self.0.send_request(request))
    }
}

type BoxFutureOf = BoxFuture<Response<Incoming>, hyper::Error>;

/// A session over a table of the project, everything else left to the sandbox.
pub fn session(table: &str, form: Form) -> api::CreateReadSessionRequest {
    let (dataset, table) = table.split_once('.').unwrap();
    let (format, options) = match form {
        Form::Avro => (api::DataFormat::Avro, None),
        Form::Arrow(codec) => {
            let options = api::ArrowSerializationOptions { buffer_compression: codec.into(), ..Default::default() };
            (api::DataFormat::Arrow, Some(OutputFormatSerializationOptions::ArrowSerializationOptions(options)))
        }
    };
    let wanted = api::ReadSession {
        table: format!("projects/acme-prod/datasets/{dataset}/tables/{table}"),
        data_format: format.into(),
        read_options: Some(TableReadOptions { output_format_serialization_options: options, ..Default::default() }),
        ..Default::default()
    };
    api::CreateReadSessionRequest { parent: "projects/acme-prod".to_owned(), read_session: Some(wanted), ..Default::default() }
}

pub const PLAIN: Form = Form::Arrow(CompressionCodec::CompressionUnspecified);

/// The options of a session, to change them.
pub fn options(request: &mut api::CreateReadSessionRequest) -> &mut TableReadOptions {
    request.read_session.as_mut().unwrap().read_options.as_mut().unwrap()
}

pub fn rows(session: &api::ReadSession, messages: &[api::ReadRowsResponse]) -> Vec<Value> {
    let schema = session.schema.clone().unwrap();
    let mut rows = Vec::new();
    for message in messages {
        let before = rows.len();
        match (&schema, message.rows.as_ref().unwrap()) {
            (api::read_session::Schema::ArrowSchema(schema), api::read_rows_response::Rows::ArrowRecordBatch(batch)) => {
                rows.extend(super::storage_cells::arrow(&batch_of(&schema.serialized_schema, &batch.serialized_record_batch)));
            }
            (api::read_session::Schema::AvroSchema(schema), api::read_rows_response::Rows::AvroRows(avro)) => {
                let schema: Value = serde_json::from_str(&schema.schema).unwrap();
                rows.extend(super::storage_cells::avro(&schema, &avro.serialized_binary_rows));
            }
            _ => panic!("rows of another form than the session's"),
        }
        assert_eq!(rows.len() - before, usize::try_from(message.row_count).unwrap());
    }
    rows
}

pub fn arrow_schema(session: &api::ReadSession) -> arrow_schema::Schema {
    match session.schema.as_ref().unwrap() {
        api::read_session::Schema::ArrowSchema(schema) => try_schema_from_ipc_buffer(&schema.serialized_schema).unwrap(),
        api::read_session::Schema::AvroSchema(schema) => panic!("{}", schema.schema),
    }
}

pub fn avro_schema(session: &api::ReadSession) -> Value {
    match session.schema.as_ref().unwrap() {
        api::read_session::Schema::AvroSchema(schema) => serde_json::from_str(&schema.schema).unwrap(),
        api::read_session::Schema::ArrowSchema(_) => panic!("Arrow"),
    }
}

/// A schema and one batch behind it are a stream, as Arrow's own readers take them.
fn batch_of(schema: &[u8], batch: &[u8]) -> RecordBatch {
    let mut stream = arrow_buffer::Buffer::from([schema, batch].concat());
    let mut decoder = StreamDecoder::new();
    let batch = decoder.decode(&mut stream).unwrap().unwrap();
    assert!(stream.is_empty());
    batch
}
