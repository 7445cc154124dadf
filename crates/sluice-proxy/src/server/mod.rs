//! The doors of one process: TLS for everybody, a plain one for this machine alone. HTTP/1.1 and HTTP/2 on the same port.
//!
//! A connection costs bounded memory, and none lives for nothing: heads have to come and answers to be taken within a minute, streams are
//! counted, resets too.
//! When it is told to stop it takes no more connections, lets requests end, and says how many did not.

mod certificate;
mod connection;
mod counts;
mod framing;
mod progress;
mod stream;

pub use certificate::{Certificate, CertificateFault};
pub use counts::{Counts, DoorCounts};

use axum::Router;
use connection::Serving;
use hyper_util::server::graceful::GracefulShutdown;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Of all doors together. Who comes later waits in the kernel.
pub const CONNECTIONS_MAX: usize = 4_096;
/// After the word to stop: what is not done then is cut off. A long poll lives for ten seconds.
pub const DRAIN_SECONDS_MAX: u64 = 25;
/// After an error of `accept`, such as no file descriptors.
const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// What to open.
pub struct Doors {
    /// Must be of the loopback.
    pub plain: Option<SocketAddr>,
    pub tls: Option<(SocketAddr, Certificate)>,
}

/// Opened, not yet served.
pub struct Open {
    plain: Option<TcpListener>,
    tls: Option<(TcpListener, Arc<Certificate>)>,
    counts: Arc<Counts>,
}

#[derive(Debug)]
pub enum ServerFault {
    Address { address: SocketAddr, fault: std::io::Error },
    NotLoopback(SocketAddr),
}

impl Doors {
    pub async fn open(self) -> Result<Open, ServerFault> {
        if let Some(address) = self.plain.filter(|address| !address.ip().is_loopback()) {
            return Err(ServerFault::NotLoopback(address));
        }
        let plain = match self.plain {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let tls = match self.tls {
            Some((address, certificate)) => Some((bind(address).await?, Arc::new(certificate))),
            None => None,
        };
        Ok(Open { plain, tls, counts: Arc::default() })
    }
}

impl Open {
    pub fn plain_address(&self) -> Option<SocketAddr> {
        self.plain.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves until `stop`, then drains. Answers how many connections had to be cut off.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) -> usize {
        let (stopping, stopped) = watch::channel(false);
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let serving = Arc::new(Serving { router, places, graceful: GracefulShutdown::new(), counts: self.counts });
        let mut doors = JoinSet::new();
        if let Some(listener) = self.plain {
            doors.spawn(attend(listener, None, Arc::clone(&serving), stopped.clone()));
        }
        if let Some((listener, certificate)) = self.tls {
            doors.spawn(attend(listener, Some(certificate), Arc::clone(&serving), stopped.clone()));
        }
        stop.await;
        stopping.send_replace(true);
        while doors.join_next().await.is_some() {}
        let places = Arc::clone(&serving.places);
        // The doors are closed, so nobody else holds it.
        if let Some(serving) = Arc::into_inner(serving) {
            let drained = tokio::time::timeout(Duration::from_secs(DRAIN_SECONDS_MAX), serving.graceful.shutdown());
            drop(drained.await);
        }
        CONNECTIONS_MAX.saturating_sub(places.available_permits())
    }
}

async fn attend(listener: TcpListener, certificate: Option<Arc<Certificate>>, serving: Arc<Serving>, mut stopped: watch::Receiver<bool>) {
    loop {
        let Ok(place) = Arc::clone(&serving.places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopped.wait_for(|stopped| *stopped) => return,
        };
        match accepted {
            Ok((stream, peer)) => serving.connect(stream, peer, certificate.clone(), place),
            Err(_) => tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MILLISECONDS)).await,
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServerFault> {
    TcpListener::bind(address).await.map_err(|fault| ServerFault::Address { address, fault })
}

impl fmt::Display for ServerFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerFault::Address { address, fault } => write!(formatter, "cannot listen on {address}: {fault}"),
            ServerFault::NotLoopback(address) => {
                write!(formatter, "{address} is not of this machine alone: tokens would travel in clear, use TLS there")
            }
        }
    }
}

impl std::error::Error for ServerFault {}
