//! One connection to the server, for one call at a time. What drops it ends it.

use super::client::{Client, ExchangeFault};
use super::endpoint::Endpoint;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

const HEADERS_MAX: usize = 100;
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Of an answer in one go, if that much is there: a page of rows comes in fewer steps. Short answers take less.
const READ_BYTES_MAX: usize = 256 * 1024;
const ADDRESSES_MAX: usize = 8;
/// Of one of them, where there are others: some networks swallow what goes to an address of the newer kind.
const ADDRESS_MILLISECONDS_MAX: u64 = 1_500;

const IDLE_LINKS_MAX: usize = 64;
pub const LINK_IDLE_SECONDS_MAX: u64 = 60;

pub struct Link {
    pub sender: SendRequest<Full<Bytes>>,
    pub idle_since: Instant,
    connection: AbortHandle,
}

/// Connections that nobody uses at the moment.
#[derive(Default)]
pub struct Idle(Mutex<Vec<Link>>);

impl Idle {
    pub fn take(&self, idle_max: Duration) -> Option<Link> {
        let mut idle = self.links();
        idle.retain(|link| !link.sender.is_closed() && link.idle_since.elapsed().as_secs() < LINK_IDLE_SECONDS_MAX);
        let fresh = idle.last().is_some_and(|link| link.idle_since.elapsed() < idle_max);
        if fresh { idle.pop() } else { None }
    }

    pub fn keep(&self, mut link: Link) {
        link.idle_since = Instant::now();
        let mut idle = self.links();
        if !link.sender.is_closed() && idle.len() < IDLE_LINKS_MAX {
            idle.push(link);
        }
    }

    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

pub async fn dial(client: &Client) -> Result<Link, ExchangeFault> {
    let endpoint = client.endpoint();
    let stream = connect(endpoint).await?;
    // Calls are small and wait for their answers.
    stream.set_nodelay(true).map_err(not_sent)?;
    match client.tls() {
        Some(configuration) => {
            let name = ServerName::try_from(endpoint.host.clone()).map_err(not_sent)?;
            link(TlsConnector::from(configuration.clone()).connect(name, stream).await.map_err(not_sent)?).await
        }
        None => link(stream).await,
    }
}

async fn link<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Result<Link, ExchangeFault> {
    let mut builder = http1::Builder::new();
    builder.max_headers(HEADERS_MAX).max_header_size(HEAD_BYTES_MAX).max_buf_size(READ_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(not_sent)?;
    // What breaks it is seen by the call that uses it.
    let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Link { sender, idle_since: Instant::now(), connection })
}

pub async fn connect(endpoint: &Endpoint) -> Result<TcpStream, ExchangeFault> {
    let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await.map_err(not_sent)?;
    let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
    if let Some(address) = found.iter().find(|address| !endpoint.leads_to(address.ip())) {
        return Err(not_sent(format!("`{}` leads to {}, off this machine", endpoint.host, address.ip())));
    }
    let Some((last, others)) = found.split_last() else { return Err(not_sent("no address")) };
    for address in others {
        if let Ok(Ok(stream)) = timeout(Duration::from_millis(ADDRESS_MILLISECONDS_MAX), TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    TcpStream::connect(last).await.map_err(not_sent)
}

fn not_sent(error: impl Display) -> ExchangeFault {
    ExchangeFault::NotSent(error.to_string())
}
