//! One connection: its handshake, its limits, who is at the other end.

use super::CONNECTIONS_MAX;
use super::certificate::Certificate;
use super::counts::{Counted, Counts, Door};
use super::framing::Heads;
use super::progress::{IDLE_SECONDS_MAX, Progress};
use super::stream::Watched;
use crate::rest::{Ambiguous, HEADERS_BYTES_MAX, HEADERS_MAX, Peer};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Version;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

const HANDSHAKE_SECONDS_MAX: u64 = 10;
/// Also the time that a connection of HTTP/1 may be idle between two requests.
const HEAD_SECONDS_MAX: u64 = IDLE_SECONDS_MAX;
/// Below this connections on which nothing is asked make room for others.
const PLACES_LEFT_MIN: usize = CONNECTIONS_MAX / 4;
const STREAMS_MAX: u32 = 128;
/// A client that resets streams as fast as it opens them is cut off.
const RESETS_MAX: usize = 64;
const FRAME_BYTES_MAX: u32 = 16 << 10;
const WINDOW_BYTES_MAX: u32 = 1 << 20;
const SEND_BUFFER_BYTES_MAX: usize = 1 << 20;
const PING_SECONDS: u64 = 30;

pub(super) struct Serving {
    pub router: Router,
    pub places: Arc<Semaphore>,
    pub graceful: GracefulShutdown,
    pub counts: Arc<Counts>,
}

impl Serving {
    /// Goes on by itself. Its place is free when it is over.
    pub fn connect(&self, stream: TcpStream, peer: SocketAddr, certificate: Option<Arc<Certificate>>, place: OwnedSemaphorePermit) {
        // Answers are small and waited for.
        drop(stream.set_nodelay(true));
        let (router, watcher, places) = (self.router.clone(), self.graceful.watcher(), Arc::clone(&self.places));
        let counted = Counted::new(&self.counts, if certificate.is_some() { Door::Tls } else { Door::Plain });
        tokio::spawn(async move {
            let _place = place;
            let is_full = move || places.available_permits() < PLACES_LEFT_MIN;
            match certificate {
                None => exchange(stream, router, Peer { address: Some(peer.ip()), tls: None }, watcher, &counted, is_full).await,
                Some(certificate) => {
                    let handshake = TlsAcceptor::from(certificate.configuration()).accept(stream);
                    let shaken = tokio::time::timeout(Duration::from_secs(HANDSHAKE_SECONDS_MAX), handshake).await;
                    let Ok(Ok(stream)) = shaken else { return counted.handshake_failed() };
                    let tls = stream.get_ref().1.protocol_version().and_then(|version| version.as_str()).map(str::to_owned);
                    exchange(stream, router, Peer { address: Some(peer.ip()), tls }, watcher, &counted, is_full).await;
                }
            }
        });
    }
}

async fn exchange<S>(
    stream: S,
    router: Router,
    peer: Peer,
    watcher: hyper_util::server::graceful::Watcher,
    counted: &Counted,
    is_full: impl Fn() -> bool,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(HEAD_SECONDS_MAX))
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADERS_BYTES_MAX)
        .half_close(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(HEADERS_BYTES_MAX).unwrap_or(u32::MAX))
        .max_frame_size(FRAME_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES_MAX)
        .initial_connection_window_size(WINDOW_BYTES_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(Duration::from_secs(PING_SECONDS))
        .keep_alive_timeout(Duration::from_secs(PING_SECONDS));
    let (heads, progress) = (Arc::new(Heads::default()), Arc::new(Progress::default()));
    let answers = Arc::clone(&progress);
    let stream = Watched::new(stream, Arc::clone(&heads));
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        if request.version() < Version::HTTP_2 && !heads.next_is_clear() {
            request.extensions_mut().insert(Ambiguous);
        }
        let (serving, open) = (router.clone().call(request), answers.begin());
        async move { serving.await.map(|response| response.map(|body| open.observe(body))) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    let is_cut_off = tokio::select! {
        // A client that went away is no event: what it had begun is recorded where it is done.
        over = watcher.watch(connection) => over.is_err_and(|fault| is_late(fault.as_ref())),
        () = progress.stalled(is_full) => true,
    };
    if is_cut_off {
        counted.cut_off();
    }
}

/// A head that did not come in time, or a client that said or took nothing.
fn is_late(fault: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(fault), |fault| fault.source());
    causes.into_iter().any(|cause| {
        let is_of_time = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout);
        is_of_time || cause.downcast_ref::<std::io::Error>().is_some_and(|fault| fault.kind() == std::io::ErrorKind::TimedOut)
    })
}
