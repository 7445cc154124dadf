//! One connection of HTTP/2 for one call. What drops it ends it.

use super::fault::Failure;
use crate::rest::{Endpoint, connect};
use crate::tls;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};

/// Of rows that nobody has asked for yet.
const WINDOW_BYTES_MAX: u32 = 4 << 20;
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// A server that says nothing is asked whether it is there.
const PING_SECONDS: u64 = 30;
const PING_ANSWER_SECONDS_MAX: u64 = 20;

/// Where the Storage API is, and how many calls may be under way.
pub struct StorageClient {
    pub endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
    slots: Arc<Semaphore>,
    connect: Duration,
}

/// A connection, for tonic's client.
pub struct Wire {
    sender: SendRequest<Body>,
    connection: AbortHandle,
    _slot: OwnedSemaphorePermit,
}

impl StorageClient {
    pub fn new(
        endpoint: Endpoint,
        certificates_file: Option<&String>,
        calls_at_once_max: usize,
        connect: Duration,
    ) -> Result<Self, String> {
        let tls = match (certificates_file, endpoint.secure) {
            (_, false) => None,
            (Some(path), true) => Some(tls::for_http2(&*tls::believing_file(path)?)),
            (None, true) => Some(tls::for_http2(&*tls::believing_machine()?)),
        };
        Ok(StorageClient { endpoint, tls, slots: Arc::new(Semaphore::new(calls_at_once_max)), connect })
    }

    /// `https://host[:port]`, for requests.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.endpoint.secure { "https" } else { "http" }, self.endpoint.authority())
    }

    pub async fn dial(&self) -> Result<Wire, Failure> {
        let slot = timeout(self.connect, Arc::clone(&self.slots).acquire_owned()).await;
        let slot = slot.ok().and_then(Result::ok).ok_or_else(|| Failure::unsent("too many calls at once".to_owned()))?;
        let shaken = timeout(self.connect, self.shake_hands()).await;
        let (sender, connection) = shaken.unwrap_or_else(|_| Err(Failure::unsent("no connection in time".to_owned())))?;
        Ok(Wire { sender, connection, _slot: slot })
    }

    async fn shake_hands(&self) -> Result<(SendRequest<Body>, AbortHandle), Failure> {
        let unsent = |error: &dyn fmt::Display| Failure::unsent(error.to_string());
        let stream = connect(&self.endpoint).await.map_err(|fault| unsent(&fault))?;
        stream.set_nodelay(true).map_err(|error| unsent(&error))?;
        match &self.tls {
            None => begin(stream).await,
            Some(configuration) => {
                let name = ServerName::try_from(self.endpoint.host.clone()).map_err(|error| unsent(&error))?;
                begin(TlsConnector::from(Arc::clone(configuration)).connect(name, stream).await.map_err(|error| unsent(&error))?).await
            }
        }
    }
}

async fn begin<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(stream: S) -> Result<(SendRequest<Body>, AbortHandle), Failure> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES_MAX)
        .initial_connection_window_size(WINDOW_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(PING_SECONDS))
        .keep_alive_timeout(Duration::from_secs(PING_ANSWER_SECONDS_MAX));
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| Failure::unsent(error.to_string()))?;
    // What breaks it is seen by the call that uses it.
    let connection = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok((sender, connection))
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Response<Incoming>, hyper::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl fmt::Debug for StorageClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StorageClient").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
