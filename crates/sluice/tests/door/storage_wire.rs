//! The generated client of the Storage API, in front of the gateway or of its warehouse.

use crate::storage_cells;
use crate::world::World;
use arrow_array::RecordBatch;
use arrow_ipc::reader::StreamDecoder;
pub use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::task::{Context, Poll};
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status, Streaming};
use tonic_prost::prost::Message;

pub use api::arrow_serialization_options::CompressionCodec;
pub use api::read_session::TableReadOptions;

/// A client that reads nothing is held back after so much.
const WINDOW_BYTES: u32 = 64 << 10;

#[derive(Clone, Copy, Debug)]
pub enum Form {
    Arrow(CompressionCodec),
    Avro,
}

pub const FORMS: [Form; 4] = [
    Form::Arrow(CompressionCodec::CompressionUnspecified),
    Form::Arrow(CompressionCodec::Lz4Frame),
    Form::Arrow(CompressionCodec::Zstd),
    Form::Avro,
];

/// One caller on one connection.
pub struct Storage<'a> {
    /// That waits between calls, and hears what each caller was told.
    world: Option<&'a World>,
    runtime: Runtime,
    wire: Wire,
    origin: String,
    caller: Option<String>,
    /// What its calls leave on record.
    pub mark: String,
}

/// What came back of one call.
pub struct Exchange {
    /// Its head and its trailers.
    pub metadata: String,
    pub messages: Vec<bytes::Bytes>,
    pub status: Status,
}

#[derive(Clone)]
pub struct Wire {
    sender: SendRequest<Body>,
    bearer: String,
    mark: String,
}

impl<'a> Storage<'a> {
    pub fn of(world: &'a World, caller: &str) -> Storage<'a> {
        Storage::connect(Some(world), world.plain, &world.token(caller), Some(caller.to_owned()), world.mark())
    }

    /// The warehouse itself, past the gateway.
    pub fn direct(world: &'a World) -> Storage<'a> {
        Storage::at(world.warehouse_storage, &world.warehouse_token, "door/direct")
    }

    pub fn with_token(world: &'a World, token: &str) -> Storage<'a> {
        Storage::connect(Some(world), world.plain, token, None, world.mark())
    }

    /// Anywhere, and nobody listens.
    pub fn at(address: SocketAddr, token: &str, mark: &str) -> Storage<'a> {
        Storage::connect(None, address, token, None, mark.to_owned())
    }

    fn connect(world: Option<&'a World>, address: SocketAddr, token: &str, caller: Option<String>, mark: String) -> Storage<'a> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(address).await.unwrap();
            let mut builder = Builder::new(TokioExecutor::new());
            builder.initial_stream_window_size(WINDOW_BYTES).initial_connection_window_size(WINDOW_BYTES);
            let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            sender
        });
        let wire = Wire { sender, bearer: format!("Bearer {token}"), mark: mark.clone() };
        Storage { world, runtime, wire, origin: format!("http://{address}"), caller, mark }
    }

    fn client(&self) -> api::big_query_read_client::BigQueryReadClient<Wire> {
        self.wait_a_turn();
        api::big_query_read_client::BigQueryReadClient::with_origin(self.wire.clone(), self.origin.parse().unwrap())
            .max_decoding_message_size(usize::MAX)
    }

    fn wait_a_turn(&self) {
        if let Some((world, caller)) = self.world.zip(self.caller.as_ref()) {
            world.pace(caller);
        }
    }

    pub fn told(&self, text: String) {
        if let Some((world, caller)) = self.world.zip(self.caller.as_ref()) {
            world.tell_bytes(caller, text.into_bytes());
        }
    }

    /// One call, with everything that comes back: what generated clients show nobody, too.
    pub fn exchange(&self, method: &str, message: &impl Message) -> Exchange {
        self.wait_a_turn();
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = bytes::Bytes::from([&[0], &length[..], &message].concat());
        let request = Request::post(format!("{}/google.cloud.bigquery.storage.v1.BigQueryRead/{method}", self.origin));
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(Body::new(http_body_util::Full::new(body))).unwrap();
        let mut wire = self.wire.clone();
        let (head, collected) = self.runtime.block_on(async {
            let (head, body) = wire.call(request).await.unwrap().into_parts();
            (head, body.collect().await.unwrap())
        });
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let status = Status::from_header_map(&trailers).or_else(|| Status::from_header_map(&head.headers));
        let exchange = Exchange {
            metadata: format!("{:?}\n{trailers:?}", head.headers),
            messages: messages(collected.to_bytes()),
            status: status.unwrap_or_else(|| Status::internal("an answer without a status")),
        };
        self.told(format!("{} {}", exchange.metadata, exchange.status.message()));
        exchange.messages.iter().for_each(|message| self.told(String::from_utf8_lossy(message).into_owned()));
        exchange
    }

    pub fn create(&self, request: api::CreateReadSessionRequest) -> Result<api::ReadSession, Status> {
        let answer = self.runtime.block_on(self.client().create_read_session(request)).map(tonic::Response::into_inner);
        self.told(format!("{answer:?}"));
        answer
    }

    /// The session and its rows, all streams one after the other.
    pub fn open(&self, request: api::CreateReadSessionRequest) -> (api::ReadSession, Vec<Value>) {
        let session = self.create(request).unwrap();
        let streams = session.streams.clone();
        let rows = streams.iter().flat_map(|stream| self.rows(&session, &stream.name, 0).unwrap()).collect();
        (session, rows)
    }

    pub fn messages(&self, stream: &str, offset: i64) -> Result<Vec<api::ReadRowsResponse>, Status> {
        self.begin(stream, offset).and_then(|mut coming| self.rest(&mut coming))
    }

    pub fn begin(&self, stream: &str, offset: i64) -> Result<Streaming<api::ReadRowsResponse>, Status> {
        let request = api::ReadRowsRequest { read_stream: stream.to_owned(), offset };
        let answer = self.runtime.block_on(self.client().read_rows(request)).map(tonic::Response::into_inner);
        self.told(answer.as_ref().err().map(|status| format!("{status:?}")).unwrap_or_default());
        answer
    }

    pub fn next(&self, coming: &mut Streaming<api::ReadRowsResponse>) -> Result<Option<api::ReadRowsResponse>, Status> {
        let next = self.runtime.block_on(coming.message());
        self.told(next.as_ref().err().map(|status| format!("{status:?}")).unwrap_or_default());
        next
    }

    pub fn rest(&self, coming: &mut Streaming<api::ReadRowsResponse>) -> Result<Vec<api::ReadRowsResponse>, Status> {
        let mut messages = Vec::new();
        while let Some(message) = self.next(coming)? {
            messages.push(message);
        }
        Ok(messages)
    }

    /// As REST writes them.
    pub fn rows(&self, session: &api::ReadSession, stream: &str, offset: i64) -> Result<Vec<Value>, Status> {
        let messages = self.messages(stream, offset)?;
        let rows = rows(session, &messages);
        self.told(json!(rows).to_string());
        // Packed bytes can hold what the rows do not.
        self.told(messages.iter().map(|message| String::from_utf8_lossy(bytes(message)).into_owned()).collect());
        Ok(rows)
    }

    pub fn split(&self, stream: &str, fraction: f64) -> Result<Option<[String; 2]>, Status> {
        let request = api::SplitReadStreamRequest { name: stream.to_owned(), fraction };
        let answer = self.runtime.block_on(self.client().split_read_stream(request))?.into_inner();
        Ok(answer.primary_stream.zip(answer.remainder_stream).map(|(first, second)| [first.name, second.name]))
    }

    /// The service that writes.
    pub fn writer(&self) -> api::big_query_write_client::BigQueryWriteClient<Wire> {
        self.wait_a_turn();
        api::big_query_write_client::BigQueryWriteClient::with_origin(self.wire.clone(), self.origin.parse().unwrap())
    }

    pub fn wait<T>(&self, asking: impl Future<Output = T>) -> T {
        self.runtime.block_on(asking)
    }

    /// Any path, any bytes, any head beside what gRPC wants.
    pub fn raw(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (Option<Code>, String) {
        let mut request =
            Request::post(format!("{}{path}", self.origin)).header("content-type", "application/grpc").header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = http_body_util::Full::new(bytes::Bytes::copy_from_slice(body));
        let mut wire = self.wire.clone();
        let answer = self.runtime.block_on(async { wire.call(request.body(Body::new(body)).unwrap()).await }).unwrap();
        let status = Status::from_header_map(answer.headers());
        (status.as_ref().map(Status::code), status.map(|status| status.message().to_owned()).unwrap_or_default())
    }
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Response<Incoming>, hyper::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let headers = request.headers_mut();
        headers.insert("user-agent", self.mark.parse().unwrap());
        headers.insert("authorization", self.bearer.parse().unwrap());
        Box::pin(self.sender.send_request(request))
    }
}

/// Each has its length before it; none is packed.
fn messages(mut body: bytes::Bytes) -> Vec<bytes::Bytes> {
    let mut messages = Vec::new();
    while !body.is_empty() {
        let head = body.split_to(5);
        assert_eq!(head[0], 0, "a message that is packed");
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        messages.push(body.split_to(usize::try_from(length).unwrap()));
    }
    messages
}

/// A session over a table of the project, everything else left to the warehouse.
pub fn session(dataset: &str, table: &str, form: Form) -> api::CreateReadSessionRequest {
    let (format, options) = match form {
        Form::Avro => (api::DataFormat::Avro, None),
        Form::Arrow(codec) => {
            let options = api::ArrowSerializationOptions { buffer_compression: codec.into(), ..Default::default() };
            let options = api::read_session::table_read_options::OutputFormatSerializationOptions::ArrowSerializationOptions(options);
            (api::DataFormat::Arrow, Some(options))
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

/// The options of a session, to change them.
pub fn options(request: &mut api::CreateReadSessionRequest) -> &mut TableReadOptions {
    request.read_session.as_mut().unwrap().read_options.as_mut().unwrap()
}

pub fn bytes(message: &api::ReadRowsResponse) -> &[u8] {
    match message.rows.as_ref().unwrap() {
        api::read_rows_response::Rows::ArrowRecordBatch(batch) => &batch.serialized_record_batch,
        api::read_rows_response::Rows::AvroRows(rows) => &rows.serialized_binary_rows,
    }
}

pub fn rows(session: &api::ReadSession, messages: &[api::ReadRowsResponse]) -> Vec<Value> {
    let schema = session.schema.as_ref().unwrap();
    let mut rows = Vec::new();
    for message in messages {
        let before = rows.len();
        match schema {
            api::read_session::Schema::ArrowSchema(schema) => {
                rows.extend(storage_cells::arrow(&batch_of(&schema.serialized_schema, bytes(message))));
            }
            api::read_session::Schema::AvroSchema(schema) => {
                let schema: Value = serde_json::from_str(&schema.schema).unwrap();
                rows.extend(storage_cells::avro(&schema, bytes(message)));
            }
        }
        assert_eq!(rows.len() - before, usize::try_from(message.row_count).unwrap());
    }
    rows
}

/// A schema and one batch behind it are a stream, as Arrow's own readers take them.
pub fn batch_of(schema: &[u8], batch: &[u8]) -> RecordBatch {
    let mut stream = arrow_buffer::Buffer::from([schema, batch].concat());
    let mut decoder = StreamDecoder::new();
    let batch = decoder.decode(&mut stream).unwrap().unwrap();
    assert!(stream.is_empty());
    batch
}
