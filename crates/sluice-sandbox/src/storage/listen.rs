//! Connections in plain HTTP/2: gRPC on the loopback.

use super::serve::{Door, serve};
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Calls of one connection at the same time.
const CALLS_AT_ONCE_MAX: u32 = 128;
/// Where no connection can be taken (too many open files), the next try comes so much later.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until it is told to stop; calls that are being answered come to their end.
pub async fn listen(listener: TcpListener, door: Arc<Door>, mut stop: oneshot::Receiver<()>) {
    let open = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let door = door.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let door = door.clone();
            async move { Ok::<_, Infallible>(serve(door, request).await) }
        });
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let connection = server.max_concurrent_streams(CALLS_AT_ONCE_MAX).serve_connection(TokioIo::new(stream), service);
        let watched = open.watch(connection);
        tokio::spawn(async move {
            // A connection that breaks is the client's to tell.
            let _ = watched.await;
        });
    }
    open.shutdown().await;
}
