//! The calls of the port `Upstream` that are the Storage API's.

use super::api::{CreateReadSessionRequest, ReadRowsResponse, ReadSession, SplitReadStreamResponse};
use super::call::{self, Call};
use super::fault::Failure;
use super::source::{BATCH_BYTES_MAX, StreamRest, shape};
use super::wire::Wire;
use crate::bigquery::{Connection, Matter, unsent};
use crate::credential::Bearer;
use hyper::header::HeaderValue;
use sluice_app::{Asking, BatchSource, READ_STREAMS_MAX, RawSession, UpstreamFault, UpstreamFaultKind};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Streaming};
use tonic_prost::ProstCodec;
use tonic_prost::prost::Message;

const CREATE: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead/CreateReadSession";
const READ: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows";
const SPLIT: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead/SplitReadStream";
/// A session with a thousand streams and a schema of ten thousand columns.
const SESSION_BYTES_MAX: usize = 16 << 20;
const STREAM_NAME_BYTES_MAX: usize = 4 << 10;
pub const NO_CALL: &str = "the request is no call of the Storage API";
const USER_AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Which failures another attempt may follow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    Freely,
    /// Where it did not leave this machine.
    Unsent,
}

impl Matter<'_> {
    pub(crate) async fn open_session(&self) -> Result<RawSession, UpstreamFault> {
        let call = call::create(self.sends).ok_or_else(|| unsent(NO_CALL.to_owned()))?;
        let once = |grpc, request| unary(grpc, request, CREATE);
        let session: ReadSession =
            self.call_storage::<CreateReadSessionRequest, _>(&call, Repeat::Freely, SESSION_BYTES_MAX, once).await?.0;
        raw(session).ok_or_else(|| Failure::odd("the session has no name, no schema, or names that are none").fault(1, true))
    }

    pub(crate) async fn split_stream(&self) -> Result<Option<[String; 2]>, UpstreamFault> {
        let call = call::split(self.sends).ok_or_else(|| unsent(NO_CALL.to_owned()))?;
        let once = |grpc, request| unary(grpc, request, SPLIT);
        let (answer, _): (SplitReadStreamResponse, _) = self.call_storage(&call, Repeat::Unsent, SESSION_BYTES_MAX, once).await?;
        let name = |stream: Option<super::api::ReadStream>| stream.map(|stream| stream.name).filter(|name| is_name(name));
        Ok(name(answer.primary_stream).zip(name(answer.remainder_stream)).map(|(first, second)| [first, second]))
    }

    pub(crate) async fn read_stream(&self) -> Result<Box<dyn BatchSource>, UpstreamFault> {
        let call = call::read(self.sends).ok_or_else(|| unsent(NO_CALL.to_owned()))?;
        let once = |mut grpc: Grpc<Wire>, request| -> Asking<'static, _> {
            Box::pin(async move {
                ready(&mut grpc).await?;
                let codec = ProstCodec::<_, ReadRowsResponse>::default();
                let answer = grpc.server_streaming(request, PathAndQuery::from_static(READ), codec).await;
                answer.map(|answer| (answer.into_inner(), grpc)).map_err(|status| Failure::of(&status))
            })
        };
        let (coming, wire): (Streaming<ReadRowsResponse>, Grpc<Wire>) =
            self.call_storage(&call, Repeat::Freely, BATCH_BYTES_MAX, once).await?;
        Ok(Box::new(StreamRest { coming, _wire: wire, patience: self.connection.timing.bulk }))
    }

    /// Asks, and asks again as far as that is safe.
    pub async fn call_storage<M, T>(
        &self,
        call: &Call<M>,
        repeat: Repeat,
        answer_bytes_max: usize,
        once: impl Fn(Grpc<Wire>, Request<M>) -> Asking<'static, Result<(T, Grpc<Wire>), Failure>>,
    ) -> Result<(T, Grpc<Wire>), UpstreamFault>
    where
        M: Message + Clone + 'static,
    {
        let (begun, timing) = (Instant::now(), &self.connection.timing);
        let (mut attempts, mut renewed, mut may_have_acted) = (0, false, false);
        loop {
            let credential = |detail: String, attempts| UpstreamFault {
                kind: UpstreamFaultKind::Credential,
                status: None,
                error: None,
                attempts,
                may_have_acted,
                detail,
            };
            let bearer = self.connection.credentials.bearer(Some(self.caller)).await;
            let bearer = bearer.map_err(|fault| credential(fault.to_string(), attempts))?;
            let request = request(&self.connection, call, bearer.as_ref());
            let request = request.ok_or_else(|| credential("the token cannot stand in a header".to_owned(), attempts))?;
            attempts += 1;
            let failure = match self.attempt(request, answer_bytes_max, &once).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            may_have_acted |= !failure.is_unsent && repeat == Repeat::Unsent && failure.may_pass;
            let is_renewed = failure.kind == UpstreamFaultKind::Credential && bearer.is_some_and(|bearer| bearer.spoil());
            let pause = if is_renewed && !renewed {
                renewed = true;
                Duration::ZERO
            } else if failure.may_pass && (repeat == Repeat::Freely || failure.is_unsent) {
                timing.pauses.after(attempts)
            } else {
                return Err(failure.fault(attempts, may_have_acted));
            };
            if attempts >= timing.attempts_max || begun.elapsed() + pause >= timing.total {
                return Err(failure.fault(attempts, may_have_acted));
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt<M, T>(
        &self,
        request: Request<M>,
        answer_bytes_max: usize,
        once: &impl Fn(Grpc<Wire>, Request<M>) -> Asking<'static, Result<(T, Grpc<Wire>), Failure>>,
    ) -> Result<(T, Grpc<Wire>), Failure> {
        let storage = &self.connection.storage;
        let wire = storage.dial().await?;
        let origin = storage.origin().parse().map_err(|_| Failure::odd("the address of the Storage API is none"))?;
        let grpc = Grpc::with_origin(wire, origin).max_decoding_message_size(answer_bytes_max);
        timeout(self.connection.timing.bulk, once(grpc, request)).await.unwrap_or_else(|_| Err(Failure::late()))
    }
}

pub fn unary<M, T>(mut grpc: Grpc<Wire>, request: Request<M>, path: &'static str) -> Asking<'static, Result<(T, Grpc<Wire>), Failure>>
where
    M: Message + 'static,
    T: Message + Default + 'static,
{
    Box::pin(async move {
        ready(&mut grpc).await?;
        let answer = grpc.unary(request, PathAndQuery::from_static(path), ProstCodec::<M, T>::default()).await;
        answer.map(|answer| (answer.into_inner(), grpc)).map_err(|status| Failure::of(&status))
    })
}

pub async fn ready(grpc: &mut Grpc<Wire>) -> Result<(), Failure> {
    grpc.ready().await.map_err(|error| Failure::unsent(error.to_string()))
}

fn request<M: Clone>(connection: &Connection, call: &Call<M>, bearer: Option<&Bearer>) -> Option<Request<M>> {
    let mut request = Request::new(call.message.clone());
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers(connection, &call.about, bearer)?);
    Some(request)
}

/// Who asks, and what it is about.
pub fn headers(connection: &Connection, about: &str, bearer: Option<&Bearer>) -> Option<tonic::codegen::http::HeaderMap> {
    let mut headers = tonic::codegen::http::HeaderMap::new();
    if let Some(bearer) = bearer {
        headers.insert("authorization", bearer.secret.bearer()?);
    }
    headers.extend(connection.user_project.clone().and_then(|project| Some((Some("x-goog-user-project".parse().ok()?), project))));
    headers.insert("x-goog-request-params", HeaderValue::from_str(about).ok()?);
    headers.insert("user-agent", HeaderValue::from_static(USER_AGENT));
    Some(headers)
}

fn raw(session: ReadSession) -> Option<RawSession> {
    let location = location(&session.name)?.to_owned();
    let streams: Vec<String> = session.streams.into_iter().map(|stream| stream.name).collect();
    if streams.len() > READ_STREAMS_MAX || !streams.iter().all(|name| is_name(name)) {
        return None;
    }
    let expires_ms = session.expire_time.and_then(|time| u64::try_from(time.seconds).ok()).map(|seconds| seconds.saturating_mul(1_000));
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Some(RawSession {
        location,
        streams,
        shape: shape(session.schema?),
        expires_ms,
        rows_estimated: count(session.estimated_row_count),
        bytes_estimated: count(session.estimated_total_bytes_scanned),
    })
}

/// `projects/p/locations/us/sessions/s`.
fn location(session: &str) -> Option<&str> {
    let mut parts = session.split('/');
    let is_location = parts.next() == Some("projects") && parts.next().is_some() && parts.next() == Some("locations");
    let is_plain = |place: &&str| !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    parts.next().filter(|_| is_location).filter(is_plain)
}

pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= STREAM_NAME_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_session_stands_in_its_name() {
        let check = |name: &str, expect: Option<&str>| assert_eq!(location(name), expect, "{name}");
        check("projects/p/locations/us/sessions/s", Some("us"));
        check("projects/p/locations/europe-west3/sessions/s", Some("europe-west3"));
        check("projects/p/locations//sessions/s", None);
        check("projects/p/locations/u s/sessions/s", None);
        check("locations/us", None);
        check("", None);
    }
}
