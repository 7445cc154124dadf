//! One call from its first byte to its last: written down, let in or not, led to its method, answered.

use super::reading::Reading;
use super::sessions::Sessions;
use super::write::{self, WriteStreams};
use super::{api, create, messages, status};
use crate::clock::now_milliseconds;
use crate::faults::Act;
use crate::log::LoggedRequest;
use crate::problem::{Problem, Reason};
use crate::server::authenticate;
use crate::server::service::{Service, logged_headers, text};
use axum::http::{Request, Response, header};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, StdError};
use tonic::server::Grpc;
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tonic_prost::prost::Message;

const SERVICE: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead/";

/// What the calls of one sandbox have in common.
pub struct Door {
    pub service: Arc<Service>,
    pub sessions: Sessions,
    pub writes: WriteStreams,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    CreateReadSession,
    ReadRows,
    SplitReadStream,
    Write(write::Method),
}

/// The place of a call in the log.
#[derive(Clone)]
pub struct Entry {
    door: Arc<Door>,
    sequence: u64,
    caller: Option<String>,
}

pub async fn serve<B>(door: Arc<Door>, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    let path = request.uri().path().to_owned();
    let verb = request.method().as_str().to_owned();
    let method = Method::of(&path);
    let user = authenticate::user(&door.service.settings.tokens, text(request.headers(), header::AUTHORIZATION));
    let entry = Entry {
        sequence: door.service.log.begin(LoggedRequest {
            sequence: 0,
            at_milliseconds: now_milliseconds(),
            verb: verb.clone(),
            target: path.clone(),
            method: method.map(Method::id),
            headers: logged_headers(request.headers()),
            caller: None,
            body: String::new(),
            body_bytes: 0,
            status: 0,
        }),
        caller: user.as_ref().ok().cloned(),
        door: door.clone(),
    };
    let mut planned = Planned::default();
    for act in door.service.faults.take(&verb, &path) {
        planned.add(act).await;
    }
    let response = match (planned.answer, user, method) {
        (Some(problem), _, _) | (None, Err(problem), _) => status::of(problem).into_http(),
        (None, Ok(_), None) => Status::unimplemented(format!("The sandbox warehouse does not do this: `{path}`")).into_http(),
        (None, Ok(user), Some(method)) => answer(entry.clone(), user, method, planned.breaks, request).await,
    };
    match Status::from_header_map(response.headers()) {
        Some(status) => entry.finish(status.code()),
        // Messages still leave: their end is written down when it comes.
        None if matches!(method, Some(Method::ReadRows | Method::Write(write::Method::AppendRows))) => {}
        None => entry.finish(Code::Ok),
    }
    match planned.reset_after_bytes {
        Some(left) => response.map(|body| Body::new(Broken { body, left })),
        None => response,
    }
}

async fn answer<B>(entry: Entry, user: String, method: Method, breaks: Option<(usize, Problem)>, request: Request<B>) -> Response<Body>
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send,
{
    match method {
        Method::CreateReadSession => {
            let call = move |asked: api::CreateReadSessionRequest| create(entry.clone(), user.clone(), asked);
            Grpc::new(ProstCodec::<api::ReadSession, _>::default()).unary(Calls(call), request).await
        }
        Method::ReadRows => {
            let call = move |asked: api::ReadRowsRequest| std::future::ready(read(&entry, breaks.clone(), &asked));
            Grpc::new(ProstCodec::<api::ReadRowsResponse, _>::default()).server_streaming(Calls(call), request).await
        }
        Method::SplitReadStream => {
            let call = move |asked: api::SplitReadStreamRequest| std::future::ready(split(&entry, &asked));
            Grpc::new(ProstCodec::<api::SplitReadStreamResponse, _>::default()).unary(Calls(call), request).await
        }
        Method::Write(method) => write::answer(entry, method, breaks, request).await,
    }
}

async fn create(entry: Entry, user: String, asked: api::CreateReadSessionRequest) -> Result<api::ReadSession, Status> {
    entry.describe(&messages::create(&asked), asked.encoded_len());
    let door = entry.door.clone();
    // A restriction is a statement that runs.
    let made = tokio::task::spawn_blocking(move || create::session(&door.service.warehouse, &door.sessions, &user, asked));
    made.await.map_err(|_| Status::internal("the session could not be made"))?
}

fn read(entry: &Entry, breaks: Option<(usize, Problem)>, asked: &api::ReadRowsRequest) -> Result<Reading, Status> {
    entry.describe(&messages::read(asked), asked.encoded_len());
    let part = entry.door.sessions.stream(&asked.read_stream, now_milliseconds()).ok_or_else(|| missing(&asked.read_stream))?;
    Reading::from(part, asked.offset, breaks, entry.clone())
}

fn split(entry: &Entry, asked: &api::SplitReadStreamRequest) -> Result<api::SplitReadStreamResponse, Status> {
    entry.describe(&messages::split(asked), asked.encoded_len());
    if !(asked.fraction > 0.0 && asked.fraction < 1.0) {
        return Err(Status::invalid_argument(format!("fraction must be between 0 and 1, and is {}", asked.fraction)));
    }
    let halves = entry.door.sessions.split(&asked.name, asked.fraction, now_milliseconds()).ok_or_else(|| missing(&asked.name))?;
    let [primary_stream, remainder_stream] = match halves {
        Some(names) => names.map(|name| Some(api::ReadStream { name })),
        None => [None, None],
    };
    Ok(api::SplitReadStreamResponse { primary_stream, remainder_stream })
}

fn missing(stream: &str) -> Status {
    Status::not_found(format!("Not found: stream `{stream}`; its session may have expired"))
}

impl Method {
    fn of(path: &str) -> Option<Method> {
        match path.strip_prefix(SERVICE) {
            Some("CreateReadSession") => Some(Method::CreateReadSession),
            Some("ReadRows") => Some(Method::ReadRows),
            Some("SplitReadStream") => Some(Method::SplitReadStream),
            _ => write::Method::of(path).map(Method::Write),
        }
    }

    fn id(self) -> &'static str {
        match self {
            Method::CreateReadSession => "google.cloud.bigquery.storage.v1.BigQueryRead.CreateReadSession",
            Method::ReadRows => "google.cloud.bigquery.storage.v1.BigQueryRead.ReadRows",
            Method::SplitReadStream => "google.cloud.bigquery.storage.v1.BigQueryRead.SplitReadStream",
            Method::Write(method) => method.id(),
        }
    }
}

impl Entry {
    pub fn finish(&self, code: Code) {
        self.door.service.log.finish(self.sequence, status::http(code), self.caller.clone());
    }

    pub fn door(&self) -> Arc<Door> {
        Arc::clone(&self.door)
    }

    pub fn describe(&self, message: &Value, bytes: usize) {
        self.door.service.log.describe(self.sequence, message.to_string(), bytes as u64);
    }
}

/// What the fault plan has for one call. What it has for uploads and jobs alone means nothing here.
#[derive(Default)]
struct Planned {
    answer: Option<Problem>,
    breaks: Option<(usize, Problem)>,
    reset_after_bytes: Option<usize>,
}

impl Planned {
    async fn add(&mut self, act: Act) {
        match act {
            Act::Answer { reason, message, .. } => self.answer = Some(Problem::new(reason, message)),
            Act::BreakStream { after_messages, reason, message } => self.breaks = Some((after_messages, Problem::new(reason, message))),
            Act::Delay { milliseconds } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            Act::Reset { after_bytes } => self.reset_after_bytes = Some(after_bytes),
            Act::Body { .. } | Act::DryRun(_) | Act::Job { .. } | Act::KeepBytes { .. } | Act::TruncatedGzip => {}
        }
    }
}

/// A function as tonic's servers take it.
struct Calls<F>(F);

impl<F, M, A, R> tonic::codegen::Service<tonic::Request<M>> for Calls<F>
where
    F: FnMut(M) -> A,
    A: Future<Output = Result<R, Status>> + Send + 'static,
{
    type Response = tonic::Response<R>;
    type Error = Status;
    type Future = BoxFuture<tonic::Response<R>, Status>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: tonic::Request<M>) -> Self::Future {
        let answer = (self.0)(request.into_inner());
        Box::pin(async move { answer.await.map(tonic::Response::new) })
    }
}

/// A body that breaks off after so many bytes: the client sees its stream reset.
struct Broken {
    body: Body,
    left: usize,
}

impl HttpBody for Broken {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let broken = || Poll::Ready(Some(Err(status::of(Problem::new(Reason::BackendError, "planned reset")))));
        if self.left == 0 {
            return broken();
        }
        let frame = match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other,
        };
        match frame.into_data() {
            Ok(mut data) => {
                data.truncate(self.left);
                self.left -= data.len();
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            // The end of the answer is not among the bytes that may leave.
            Err(_) => broken(),
        }
    }
}
