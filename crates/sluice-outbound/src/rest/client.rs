//! A server behind a pool of connections. One call is one request: nothing in here is ever sent twice.

use super::body;
use super::endpoint::Endpoint;
use super::link::{self, HEAD_BYTES_MAX, Link};
use crate::tls;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request};
use rustls::ClientConfig;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

const IDLE_LINKS_MAX: usize = 64;
const LINK_IDLE_SECONDS_MAX: u64 = 60;
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
    idle: Mutex<Vec<Link>>,
    slots: Semaphore,
    /// Of calls that the server holds: they keep nobody else waiting.
    held_slots: Semaphore,
}

#[derive(Clone)]
pub struct Call {
    pub verb: Method,
    /// Path and query, encoded.
    pub target: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
    pub answer_bytes_max: usize,
    /// From the first to the last byte.
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
        let slots = || Semaphore::new(settings.calls_at_once_max);
        Ok(Client { endpoint, tls, connect: settings.connect, idle: Mutex::default(), slots: slots(), held_slots: slots() })
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
        let _slot = match call.held {
            true => self.held_slots.try_acquire().map_err(|_| busy())?,
            false => timeout_at(until, self.slots.acquire()).await.map_err(|_| busy())?.map_err(|_| busy())?,
        };
        let until_connected = until.min(Instant::now() + self.connect);
        let slow = |_| ExchangeFault::NotSent("no connection in time".to_owned());
        let request = self.request(call)?;
        let mut link = timeout_at(until_connected, self.link(call.once)).await.map_err(slow)??;
        let answer =
            timeout_at(until, exchange(&mut link, request, call.answer_bytes_max)).await.unwrap_or(Err(ExchangeFault::Deadline))?;
        self.keep(link);
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
        while let Some(mut link) = self.take(idle_max) {
            // Closed meanwhile: another one.
            if link.sender.ready().await.is_ok() {
                return Ok(link);
            }
        }
        link::dial(self).await
    }

    fn take(&self, idle_max: Duration) -> Option<Link> {
        let mut idle = self.idle();
        idle.retain(|link| !link.sender.is_closed() && link.idle_since.elapsed().as_secs() < LINK_IDLE_SECONDS_MAX);
        let fresh = idle.last().is_some_and(|link| link.idle_since.elapsed() < idle_max);
        if fresh { idle.pop() } else { None }
    }

    fn keep(&self, mut link: Link) {
        link.idle_since = Instant::now();
        let mut idle = self.idle();
        if !link.sender.is_closed() && idle.len() < IDLE_LINKS_MAX {
            idle.push(link);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn exchange(link: &mut Link, request: Request<Full<Bytes>>, bytes_max: usize) -> Result<Answer, ExchangeFault> {
    let response = link.sender.try_send_request(request).await.map_err(|mut refused| {
        let never_left = refused.take_message().is_some();
        fault(&refused.into_error(), never_left)
    })?;
    let (head, body) = response.into_parts();
    let body = body::read(&head.headers, body, bytes_max).await?;
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
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
