//! The way of one call from its first byte to the application. Whatever ends it on the way is refused through the application, which puts it on record.

use super::answer;
use super::application::StorageApplication;
use super::decode::{self, Created, Read, Split};
use super::encode;
use super::method::{self, Duty, Method};
use super::refusal::{self, Status};
use super::wire;
use crate::rest::head::{self, Head, Peer};
use crate::rest::room::Room;
use crate::rest::{Authenticate, Connections};
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Response, Version, header};
use sluice_app::{FormReason, Refused, Trail, Visit, Why};
use sluice_identity::{Caller, Reason, Refusal};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Of a request: a restriction may have a megabyte, and a thousand columns as much again.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;
/// For the answer of a call that is no stream, whatever its client says.
pub const CALL_SECONDS_MAX: u64 = 600;
/// For all messages of a stream.
pub const STREAM_SECONDS_MAX: u64 = 24 * 3600;
const KINDS: [&[u8]; 2] = [b"application/grpc", b"application/grpc+proto"];
const TIMEOUT_DIGITS_MAX: usize = 8;

/// The door of the Storage API: whom it asks, and what it knows.
pub struct Storage {
    pub(super) application: Arc<dyn StorageApplication>,
    authenticate: Arc<dyn Authenticate>,
    connections: Connections,
    /// Whose `X-Forwarded-For` is believed.
    proxies: Vec<IpAddr>,
    pub(super) room: Room,
}

/// A call that has been let in.
pub(super) struct Called {
    pub visit: Visit,
    pub caller: Caller,
    pub until: Instant,
}

/// Not served, and on record already; or late.
pub(super) enum Unserved {
    Refused(Refused),
    Late,
}

pub(super) type Answer = Result<Response<Body>, Unserved>;

pub async fn serve(storage: Arc<Storage>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().cloned().unwrap_or_default();
    let found = Method::of(parts.uri.path());
    let visit = Visit {
        api: found.map_or_else(|| method::unknown(parts.uri.path()), |method| method.id()),
        door: "grpc",
        address: peer.address,
        tls: peer.tls.clone(),
        user_agent: None,
        said: Vec::new(),
        trail: Trail::default(),
    };
    let served = match head::read(&parts, &peer, &storage.proxies) {
        Ok(head) => {
            let visit = Visit { address: head.address, user_agent: head.user_agent.clone(), said: head.said.clone(), ..visit };
            storage.let_in(visit, &head, found, &parts, body).await
        }
        Err(fault) => {
            let why = Why::Form { reason: fault.reason, text: fault.text };
            Err(Unserved::Refused(storage.application.refuse(visit, None, why).await))
        }
    };
    match served {
        Ok(response) => response,
        Err(Unserved::Refused(refused)) => refusal::response(&Status::of(&refused)),
        Err(Unserved::Late) => refusal::response(&Status::late()),
    }
}

impl Storage {
    pub fn new(
        application: Arc<dyn StorageApplication>,
        authenticate: Arc<dyn Authenticate>,
        connections: Connections,
        proxies: Vec<IpAddr>,
    ) -> Storage {
        Storage { application, authenticate, connections, proxies, room: Room::of_bodies() }
    }

    async fn let_in(&self, visit: Visit, head: &Head, found: Option<Method>, parts: &Parts, body: Body) -> Answer {
        let caller = self.caller(&visit, head).await.map_err(Unserved::Refused)?;
        let duty = match found.map(|method| method.duty) {
            Some(Duty::Refuse(why)) => {
                let text = format!("`{}` is not served: {why}", visit.api);
                return Err(self.refuse(visit, &caller, Why::Form { reason: FormReason::NoMethod, text }).await);
            }
            None => {
                let text =
                    "there is no such method: the gateway serves `BigQueryRead` and `BigQueryWrite` of `google.cloud.bigquery.storage.v1`"
                        .to_owned();
                return Err(self.refuse(visit, &caller, Why::Form { reason: FormReason::NoMethod, text }).await);
            }
            Some(duty) => duty,
        };
        let begun = Instant::now();
        let checked = checked(parts, head).and_then(|()| patience(&parts.headers, duty));
        let patience = match checked {
            Ok(patience) => patience,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        if duty == Duty::AppendRows {
            return self.append(Called { visit, caller, until: begun + patience }, body).await;
        }
        // Kept until the answer is there: what was read lives on in what is sent.
        let mut place = self.room.place(caller.principal().to_string());
        let message = match wire::message(&mut place, body).await {
            Ok(message) => message,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        let called = Called { visit, caller, until: begun + patience };
        match duty {
            Duty::CreateReadSession => self.create(called, &message).await,
            Duty::ReadRows => self.read(called, &message).await,
            Duty::SplitReadStream => self.split(called, &message).await,
            Duty::OfStream => self.of_stream(called, found.map(|method| method.name).unwrap_or_default(), &message).await,
            Duty::AppendRows | Duty::Refuse(_) => Err(Unserved::Late),
        }
    }

    async fn create(&self, called: Called, message: &[u8]) -> Answer {
        let Called { visit, caller, until } = called;
        let Created { mut ask, session } = match decode::create(message) {
            Ok(created) => created,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        ask.connection = self.connection(&visit, &caller, &ask.project).await?;
        let opened = in_time(until, self.application.open_session(visit, caller, ask)).await?;
        Ok(answer::message(&encode::session(session, opened)))
    }

    async fn read(&self, called: Called, message: &[u8]) -> Answer {
        let Called { visit, caller, until } = called;
        let Read { project, stream, offset } = match decode::read(message) {
            Ok(read) => read,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        let connection = self.connection(&visit, &caller, &project).await?;
        let (coming, form) = in_time(until, self.application.read_stream(visit, caller, connection, stream, offset)).await?;
        Ok(answer::messages(coming, form, until))
    }

    async fn split(&self, called: Called, message: &[u8]) -> Answer {
        let Called { visit, caller, until } = called;
        let Split { project, stream, fraction } = match decode::split(message) {
            Ok(split) => split,
            Err(why) => return Err(self.refuse(visit, &caller, why).await),
        };
        let connection = self.connection(&visit, &caller, &project).await?;
        let halves = in_time(until, self.application.split_stream(visit, caller, connection, stream, fraction)).await?;
        Ok(answer::message(&encode::split(halves)))
    }

    pub(super) async fn connection(&self, visit: &Visit, caller: &Caller, project: &str) -> Result<String, Unserved> {
        match self.connections.of(project) {
            Some(connection) => Ok(connection.to_owned()),
            None => Err(self.refuse(visit.clone(), caller, Why::NotFound { what: format!("project `{project}`") }).await),
        }
    }

    async fn caller(&self, visit: &Visit, head: &Head) -> Result<Caller, Refused> {
        match &head.bearer {
            Some(bearer) => self.authenticate.caller(visit, bearer).await,
            None => {
                let refusal = Refusal { reason: Reason::TokenMalformed("there is none"), issuer: None, audiences: Vec::new() };
                Err(self.application.refuse(visit.clone(), None, Why::Unproven(Box::new(refusal))).await)
            }
        }
    }

    pub(super) async fn refuse(&self, visit: Visit, caller: &Caller, why: Why) -> Unserved {
        Unserved::Refused(self.application.refuse(visit, Some(caller), why).await)
    }
}

/// What was begun goes on, whether or not its client still waits.
pub(super) async fn in_time<T>(until: Instant, asking: impl Future<Output = Result<T, Refused>>) -> Result<T, Unserved> {
    timeout_at(until, asking).await.map_err(|_| Unserved::Late)?.map_err(Unserved::Refused)
}

fn checked(parts: &Parts, head: &Head) -> Result<(), Why> {
    let invalid = |text: &str| Err(Why::Form { reason: FormReason::Invalid, text: text.to_owned() });
    if parts.version != Version::HTTP_2 || head.verb != "POST" {
        return invalid("gRPC is spoken over HTTP/2, by POST");
    }
    if parts.uri.query().is_some() {
        return invalid("the name of a method has no query");
    }
    let kind = parts.headers.get(header::CONTENT_TYPE).map(|kind| kind.as_bytes()).unwrap_or_default();
    if !KINDS.contains(&kind) {
        return invalid("the `content-type` is not `application/grpc`: messages are protobuf");
    }
    let packing = parts.headers.get("grpc-encoding").map(|packing| packing.as_bytes()).unwrap_or(b"identity");
    if packing != b"identity" {
        return invalid("the `grpc-encoding` is not `identity`: send messages as they are");
    }
    Ok(())
}

/// `grpc-timeout`, within bounds.
fn patience(headers: &HeaderMap, duty: Duty) -> Result<Duration, Why> {
    let most = Duration::from_secs(if matches!(duty, Duty::AppendRows | Duty::ReadRows) { STREAM_SECONDS_MAX } else { CALL_SECONDS_MAX });
    let Some(said) = headers.get("grpc-timeout") else { return Ok(most) };
    let asked = said.to_str().ok().and_then(read_timeout);
    let invalid = || Why::Form { reason: FormReason::Invalid, text: "the `grpc-timeout` is none".to_owned() };
    asked.map(|asked| asked.min(most)).ok_or_else(invalid)
}

/// Up to eight digits and a unit: `10S`.
fn read_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > TIMEOUT_DIGITS_MAX || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(count.saturating_mul(3_600))),
        'M' => Some(Duration::from_secs(count.saturating_mul(60))),
        'S' => Some(Duration::from_secs(count)),
        'm' => Some(Duration::from_millis(count)),
        'u' => Some(Duration::from_micros(count)),
        'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read_or_refused() {
        let check = |text: &str, expect: Option<Duration>| assert_eq!(read_timeout(text), expect, "{text}");
        check("10S", Some(Duration::from_secs(10)));
        check("86400000m", Some(Duration::from_secs(86_400)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        check("5u", Some(Duration::from_micros(5)));
        check("0n", Some(Duration::ZERO));
        for bad in ["", "S", "10", "10s", "-1S", "+1S", "1.5S", "999999999S", "1 S", "1Sü"] {
            check(bad, None);
        }
    }
}
