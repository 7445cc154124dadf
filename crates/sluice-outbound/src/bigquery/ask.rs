//! One request to BigQuery, and its repetitions. Nothing else in this crate sends anything there twice.

use super::connection::Connection;
use super::error::{Acted, Failure, Unread};
use crate::credential::{Bearer, CredentialFault};
use crate::rest::{Answer, Call};
use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use sluice_app::{UpstreamFault, UpstreamFaultKind};
use std::time::Duration;
use tokio::time::Instant;

/// Of a resource, unpacked. A table with 10,000 columns has some two megabytes.
pub const ANSWER_BYTES_MAX: usize = 32 << 20;
const USER_PROJECT: HeaderName = HeaderName::from_static("x-goog-user-project");

/// Whether sending it again could do something twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It changes nothing, so nobody has to know whether it arrived.
    Freely,
    /// It is sent again where it did not leave this machine, and never otherwise.
    Never,
    /// BigQuery takes a job's id once.
    UnderItsId,
}

/// What is sent, but for who it is from.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub verb: Method,
    /// From the root of the server, encoded.
    pub target: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    pub repeat: Repeat,
    /// Statuses that are answers here, beside 200 to 299.
    pub hoped: &'static [u16],
    pub answer_bytes_max: usize,
    /// What is longer is not read to its end here, and not asked again once it has begun to come.
    pub whole_bytes_max: Option<usize>,
    pub deadline: Duration,
    pub attempts_max: u64,
    /// BigQuery answers when it has something to say.
    pub held: bool,
}

/// What is known of a request after some attempts.
#[derive(Clone, Copy, Debug, Default)]
struct Trail {
    attempts: u64,
    may_have_acted: bool,
    /// One token was refused; a second one gets its chance.
    renewed: bool,
}

impl Ask {
    pub fn get(connection: &Connection, path: &str, query: &[(String, String)]) -> Ask {
        Ask {
            verb: Method::GET,
            target: connection.target("/bigquery/v2/", path, query),
            headers: Vec::new(),
            body: Bytes::new(),
            repeat: Repeat::Freely,
            hoped: &[],
            answer_bytes_max: ANSWER_BYTES_MAX,
            whole_bytes_max: None,
            deadline: connection.timing.answer,
            attempts_max: connection.timing.attempts_max,
            held: false,
        }
    }

    pub fn json(mut self, verb: Method, body: Option<String>) -> Ask {
        self.verb = verb;
        if let Some(body) = body {
            self.headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=UTF-8")));
            self.body = Bytes::from(body);
        }
        self
    }

    fn call(&self, bearer: Option<&Bearer>, user_project: Option<&HeaderValue>) -> Result<Call, CredentialFault> {
        let mut headers = self.headers.clone();
        if let Some(bearer) = bearer {
            let shown = bearer.secret.bearer();
            let shown = shown.ok_or_else(|| CredentialFault::Malformed("the token cannot stand in a header".to_owned()))?;
            headers.push((header::AUTHORIZATION, shown));
        }
        headers.extend(user_project.map(|project| (USER_PROJECT, project.clone())));
        Ok(Call {
            verb: self.verb.clone(),
            target: self.target.clone(),
            headers,
            body: self.body.clone(),
            answer_bytes_max: self.answer_bytes_max,
            whole_bytes_max: self.whole_bytes_max,
            deadline: self.deadline,
            once: self.repeat == Repeat::Never,
            held: self.held,
        })
    }
}

impl Connection {
    pub(crate) fn target(&self, root: &str, path: &str, query: &[(String, String)]) -> String {
        crate::rest::with_query(&format!("{}{root}{path}", self.client.endpoint().path), query)
    }

    /// Asks, and asks again as far as that is safe. `read` makes of an answer what was asked for.
    pub(crate) async fn ask<T>(
        &self,
        caller: Option<&str>,
        ask: &Ask,
        read: impl Fn(&Answer) -> Result<T, Unread> + Send + Sync,
    ) -> Result<T, UpstreamFault> {
        self.ask_and_take(caller, ask, |answer| read(answer)).await
    }

    /// The same where `read` takes the answer apart.
    pub(crate) async fn ask_and_take<T>(
        &self,
        caller: Option<&str>,
        ask: &Ask,
        read: impl Fn(&mut Answer) -> Result<T, Unread> + Send + Sync,
    ) -> Result<T, UpstreamFault> {
        let begun = Instant::now();
        let mut trail = Trail::default();
        loop {
            let bearer = match self.credentials.bearer(caller).await {
                Ok(bearer) => bearer,
                Err(fault) => return Err(trail.credential_fault(&fault)),
            };
            let call = ask.call(bearer.as_ref(), self.user_project.as_ref()).map_err(|fault| trail.credential_fault(&fault))?;
            trail.attempts += 1;
            let failure = match self.client.call(&call).await {
                Ok(mut answer) if (200..300).contains(&answer.status) || ask.hoped.contains(&answer.status) => match read(&mut answer) {
                    Ok(found) => return Ok(found),
                    Err(unread) => Failure::of_body(&answer, unread),
                },
                Ok(answer) => Failure::of_status(&answer),
                Err(fault) => Failure::of_exchange(&fault),
            };
            trail.may_have_acted |= failure.acted == Acted::Unknown && ask.repeat != Repeat::Freely;
            // Also where nothing is asked again: the next request shall not meet the same refusal.
            let is_renewed = failure.status == Some(401) && bearer.is_some_and(|bearer| bearer.spoil());
            let pause = if is_renewed && !trail.renewed && ask.repeat != Repeat::Never {
                trail.renewed = true;
                Duration::ZERO
            } else if failure.may_pass && (ask.repeat != Repeat::Never || failure.acted == Acted::NotSent) {
                self.timing.pauses.after(trail.attempts).max(failure.retry_after.unwrap_or_default())
            } else {
                return Err(trail.fault(failure));
            };
            if trail.attempts >= ask.attempts_max || begun.elapsed() + pause >= self.timing.total {
                return Err(trail.fault(failure));
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// What one attempt came to that is not repeated: its rows have begun to come.
pub(crate) fn fault_of_one(failure: Failure) -> UpstreamFault {
    Trail { attempts: 1, ..Trail::default() }.fault(failure)
}

impl Trail {
    fn fault(self, failure: Failure) -> UpstreamFault {
        UpstreamFault {
            kind: failure.kind,
            status: failure.status,
            error: failure.error,
            attempts: self.attempts,
            may_have_acted: self.may_have_acted,
            detail: failure.detail,
        }
    }

    fn credential_fault(self, fault: &CredentialFault) -> UpstreamFault {
        UpstreamFault {
            kind: UpstreamFaultKind::Credential,
            status: None,
            error: None,
            attempts: self.attempts,
            may_have_acted: self.may_have_acted,
            detail: fault.to_string(),
        }
    }
}
