//! A server behind a pool of connections. One call is one request: nothing in here is ever sent twice.

use super::body::Incoming;
use super::endpoint::Endpoint;
use super::link::{self, HEAD_BYTES_MAX, Idle, LINK_IDLE_SECONDS_MAX, Link};
use super::to_come::Rest;
use crate::tls;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use rustls::ClientConfig;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// For calls that cannot be repeated: a server that closes an idle connection at that very moment would leave them in doubt.
const LINK_IDLE_SECONDS_MAX_ONCE: u64 = 2;
const USER_AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"), " (gzip)");

#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Believed in place of the machine's own.
    pub certificates_file: Option<String>,
    pub connect: Duration,
    pub calls_at_once_max: usize,
}

pub struct Client {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    connect: Duration,
    idle: Arc<Idle>,
    slots: Arc<Semaphore>,
    /// Of calls that the server holds: they keep nobody else waiting.
    held_slots: Arc<Semaphore>,
    /// Of answers that are read as fast as somebody else takes them.
    rest_slots: Arc<Semaphore>,
}

#[derive(Clone)]
pub struct Call {
    pub verb: Method,
    /// Path and query, encoded.
    pub target: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    pub answer_bytes_max: usize,
    /// An answer that is longer is not waited for: what has come by then is answered, with the rest of it.
    pub whole_bytes_max: Option<usize>,
    /// From the first to the last byte that is waited for.
    pub deadline: Duration,
    /// It will not be sent again, whatever happens.
    pub once: bool,
    /// The server answers when it has something to say. Where too many wait for that already, it is not asked.
    pub held: bool,
}

pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What is still to come.
    pub rest: Option<Rest>,
}

/// Why there is no answer. All but `NotSent` leave open what the server has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeFault {
    /// The connection broke before the answer was whole.
    Broken(String),
    Deadline,
    /// It does not follow HTTP, or its body is not what its head says.
    Nonsense(String),
    /// The server has not seen the request.
    NotSent(String),
    TooLarge {
        bytes_max: usize,
    },
}

impl Client {
    pub fn new(endpoint: Endpoint, settings: &ClientSettings) -> Result<Client, String> {
        let tls = match (&settings.certificates_file, endpoint.secure) {
            (_, false) => None,
            (Some(path), true) => Some(tls::believing_file(path)?),
            (None, true) => Some(tls::believing_machine()?),
        };
        let slots = || Arc::new(Semaphore::new(settings.calls_at_once_max));
        let (slots, held_slots, rest_slots) = (slots(), slots(), slots());
        Ok(Client { endpoint, tls, connect: settings.connect, idle: Arc::default(), slots, held_slots, rest_slots })
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    pub async fn call(&self, call: &Call) -> Result<Answer, ExchangeFault> {
        let until = Instant::now() + call.deadline;
        let busy = || ExchangeFault::NotSent("too many calls at once".to_owned());
        let slots = if call.held { &self.held_slots } else { &self.slots };
        let slot = match call.held {
            true => Arc::clone(slots).try_acquire_owned().map_err(|_| busy())?,
            false => slot(slots, until).await.ok_or_else(busy)?,
        };
        let until_connected = until.min(Instant::now() + self.connect);
        let slow = |_| ExchangeFault::NotSent("no connection in time".to_owned());
        let request = self.request(call)?;
        let mut link = timeout_at(until_connected, self.link(call.once)).await.map_err(slow)??;
        let (mut answer, body) = timeout_at(until, exchange(&mut link, request, call)).await.unwrap_or(Err(ExchangeFault::Deadline))?;
        match body {
            None => self.idle.keep(link),
            Some(body) => {
                // Whoever takes its rows slowly keeps no other call waiting, and other rows only up to as many.
                drop(slot);
                let slot = self::slot(&self.rest_slots, until).await.ok_or(ExchangeFault::Deadline)?;
                answer.rest = Some(Rest::new(body, link, Arc::clone(&self.idle), slot));
            }
        }
        Ok(answer)
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, ExchangeFault> {
        let mut builder = Request::builder().method(call.verb.clone()).uri(&call.target);
        builder = builder.header(header::HOST, self.endpoint.authority()).header(header::USER_AGENT, USER_AGENT);
        builder = builder.header(header::ACCEPT, "application/json");
        // On this machine packing costs more than it saves.
        if self.endpoint.secure {
            builder = builder.header(header::ACCEPT_ENCODING, "gzip");
        }
        for (name, value) in &call.headers {
            builder = builder.header(name, value);
        }
        let mut request = builder.body(Full::new(call.body.clone())).map_err(|error| ExchangeFault::NotSent(error.to_string()))?;
        // Some servers want to be told that nothing follows.
        if call.body.is_empty() && !matches!(call.verb, Method::GET | Method::DELETE) {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(request)
    }

    async fn link(&self, once: bool) -> Result<Link, ExchangeFault> {
        let idle_max = Duration::from_secs(if once { LINK_IDLE_SECONDS_MAX_ONCE } else { LINK_IDLE_SECONDS_MAX });
        while let Some(mut link) = self.idle.take(idle_max) {
            // Closed meanwhile: another one.
            if link.sender.ready().await.is_ok() {
                return Ok(link);
            }
        }
        link::dial(self).await
    }
}

async fn slot(slots: &Arc<Semaphore>, until: Instant) -> Option<OwnedSemaphorePermit> {
    timeout_at(until, Arc::clone(slots).acquire_owned()).await.ok()?.ok()
}

/// The body as well, where there is more of it than is waited for.
async fn exchange(
    link: &mut Link,
    request: Request<Full<Bytes>>,
    call: &Call,
) -> Result<(Answer, Option<Incoming<hyper::body::Incoming>>), ExchangeFault> {
    let response = link.sender.try_send_request(request).await.map_err(|mut refused| {
        let never_left = refused.take_message().is_some();
        fault(&refused.into_error(), never_left)
    })?;
    let (head, body) = response.into_parts();
    let whole = call.whole_bytes_max.unwrap_or(usize::MAX);
    let mut body = Incoming::begin(&head.headers, body, call.answer_bytes_max, whole)?;
    let ended = body.fill(whole).await?;
    let answer = Answer { status: head.status.as_u16(), headers: head.headers, body: body.filled(), rest: None };
    Ok((answer, (!ended).then_some(body)))
}

fn fault(error: &hyper::Error, never_left: bool) -> ExchangeFault {
    let text = error.to_string();
    if never_left || error.is_canceled() {
        ExchangeFault::NotSent(text)
    } else if error.is_parse_too_large() {
        ExchangeFault::TooLarge { bytes_max: HEAD_BYTES_MAX }
    } else if error.is_parse() {
        ExchangeFault::Nonsense(text)
    } else {
        ExchangeFault::Broken(text)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for Call {
    /// Headers carry tokens, bodies carry data.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.target.split('?').next().unwrap_or_default())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} with {} bytes", self.status, self.body.len())
    }
}

impl fmt::Display for ExchangeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExchangeFault::Broken(text) => write!(formatter, "the connection broke: {text}"),
            ExchangeFault::Deadline => formatter.write_str("no answer in time"),
            ExchangeFault::Nonsense(text) => write!(formatter, "the answer cannot be read: {text}"),
            ExchangeFault::NotSent(text) => write!(formatter, "not reached: {text}"),
            ExchangeFault::TooLarge { bytes_max } => write!(formatter, "the answer has more than {bytes_max} bytes"),
        }
    }
}

impl std::error::Error for ExchangeFault {}
