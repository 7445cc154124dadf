//! `sluice serve`: the gateway, until it is told to stop.

use super::Failure;
use crate::serve::watch::{Event, Watch, standard_error};
use crate::serve::{Composed, Force, compose, metrics_routes, routes};
use clap::Args;
use serde_json::json;
use sluice_app::{Alarm, Gateway};
use sluice_proxy::server::{Certificate, Doors, Open};
use sluice_store::Store;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const UPKEEP_SECONDS: u64 = 1;
/// Jobs that are still followed when the gateway stops. After that their requests are `interrupted` at the next start.
const JOBS_DRAIN_SECONDS_MAX: u64 = 30;
const JOBS_DRAIN_LOOK_MILLISECONDS: u64 = 100;

/// Serve BigQuery's protocols in front of BigQuery.
///
/// Reads sluice.toml of the folder. Everything that it names must be there:
///
///   sluice ledger init      makes the ledger and its keys
///   sluice init             makes the state beside it
///   sluice policy activate  puts a policy set in force
///   sluice check            says what is missing or wrong
///
/// Prints the addresses that it listens at. Its events go to standard error, a line of JSON each.
///
/// SIGTERM and SIGINT end it in good order: requests are finished, records written, and the ledger
/// says `shutdown`. Exit code 0: it was told to stop. 1: it could not start. 70: the ledger died, and
/// the gateway with it.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  sluice serve --config /etc/sluice")]
pub struct Serve {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
}

pub fn run(serve: &Serve) -> Result<ExitCode, Failure> {
    let composed = compose(&serve.config, standard_error()?)?;
    runtime()?.block_on(async {
        let open = open_doors(&composed).await?;
        for address in open.plain_address().iter().map(|address| format!("http://{address}")) {
            println!("{address}");
        }
        for address in open.tls_address().iter().map(|address| format!("https://{address}")) {
            println!("{address}");
        }
        let stop = told_to_stop()?;
        run_until(composed, open, stop).await
    })
}

pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| Failure::new(format!("no runtime: {error}")))
}

pub async fn open_doors(composed: &Composed) -> Result<Open, Failure> {
    let server = &composed.settings.server;
    let tls = match &server.tls {
        None => None,
        Some(tls) => {
            let certificate = Certificate::read(&tls.certificate, &tls.key).map_err(|fault| Failure::new(fault.to_string()))?;
            Some((tls.address, certificate))
        }
    };
    Doors { plain: server.plain, tls }.open().await.map_err(|fault| Failure::new(fault.to_string()))
}

/// Serves, then ends: no new requests, the old ones finished, the ledger closed.
pub async fn run_until(composed: Composed, open: Open, stop: impl Future<Output = ()>) -> Result<ExitCode, Failure> {
    let watch = Arc::clone(&composed.watch);
    watch.take_panics();
    watch.look_at_connections(open.counts());
    composed.gateway.take_up().await.map_err(|why| Failure::new(format!("jobs that run cannot be taken up: {}", why.word())))?;
    let metrics = Metrics::open(&composed).await?;
    let traces = watch.send_traces();
    let [plain, tls] = [open.plain_address(), open.tls_address()].map(|address| json!(address));
    let version = ("version", json!(env!("CARGO_PKG_VERSION")));
    watch.say(Event::Start, vec![version, ("plain", plain), ("tls", tls), ("metrics", json!(metrics.address))]);
    let (gateway, force, store) = (Arc::clone(&composed.gateway), Arc::clone(&composed.force), Arc::clone(&composed.store));
    let upkeep = tokio::spawn(upkeep(gateway, force, store, Arc::clone(&watch)));
    let stop = async {
        stop.await;
        composed.gateway.stop();
        watch.say(Event::Stopping, Vec::new());
    };
    let cut_off = open.serve(routes(&composed), stop).await;
    upkeep.abort();
    drop(upkeep.await);
    let looks = JOBS_DRAIN_SECONDS_MAX * 1_000 / JOBS_DRAIN_LOOK_MILLISECONDS;
    for _ in 0..looks {
        if composed.gateway.open_jobs() == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(JOBS_DRAIN_LOOK_MILLISECONDS)).await;
    }
    if cut_off > 0 {
        watch.say(Event::ConnectionsCutOff, vec![("connections", json!(cut_off))]);
    }
    composed.gateway.close_counts().await;
    let (force, store) = (Arc::clone(&composed.force), Arc::clone(&composed.store));
    let recorded = tokio::task::spawn_blocking(move || force.record(&store)).await;
    if let Ok(Err(failure)) = recorded {
        watch.raise(&format!("what was done beside the gateway has no record yet: {failure}"));
    }
    metrics.close().await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    let ended = end(composed, &watch);
    // Nothing else is to be done, so this may wait for whoever reads it.
    watch.flush();
    ended
}

fn end(composed: Composed, watch: &Watch) -> Result<ExitCode, Failure> {
    let Composed { gateway, store, force, .. } = composed;
    let jobs = gateway.open_jobs();
    drop((gateway, force));
    // Whoever still holds it is a task that will not end: the ledger closes by being dropped with the process.
    match Arc::into_inner(store) {
        Some(store) => store.shut().map_err(|fault| Failure::new(fault.to_string()))?,
        None => watch.say(Event::LedgerInUse, Vec::new()),
    }
    watch.say(Event::Stop, vec![("jobs", json!(jobs))]);
    Ok(ExitCode::SUCCESS)
}

/// The port for numbers alone, where one is configured.
struct Metrics {
    address: Option<SocketAddr>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<usize>)>,
}

impl Metrics {
    async fn open(composed: &Composed) -> Result<Metrics, Failure> {
        let Some(plain) = composed.settings.server.metrics else { return Ok(Metrics { address: None, serving: None }) };
        let open = Doors { plain: Some(plain), tls: None }.open().await.map_err(|fault| Failure::new(fault.to_string()))?;
        let address = open.plain_address();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(open.serve(metrics_routes(composed), async move { drop(stopped.await) }));
        Ok(Metrics { address, serving: Some((stop, serving)) })
    }

    async fn close(self) {
        if let Some((stop, serving)) = self.serving {
            stop.send(()).ok();
            drop(serving.await);
        }
    }
}

async fn upkeep(gateway: Arc<Gateway>, force: Arc<Force>, store: Arc<Store>, watch: Arc<Watch>) {
    loop {
        tokio::time::sleep(Duration::from_secs(UPKEEP_SECONDS)).await;
        gateway.settle_counts().await;
        let (force, store, watch) = (Arc::clone(&force), Arc::clone(&store), Arc::clone(&watch));
        // It reads files, and waits for records.
        let looked = tokio::task::spawn_blocking(move || {
            if let Err(failure) = force.record(&store) {
                watch.raise(&format!("what was done beside the gateway has no record yet: {failure}"));
            }
            if let Some(policy) = force.refresh(watch.as_ref()) {
                watch.say(Event::Policy, vec![("digest", json!(policy.digest.to_string()))]);
            }
        });
        drop(looked.await);
    }
}

pub fn told_to_stop() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("no signals: {error}"));
    let (mut term, mut interrupt) = (signal(SignalKind::terminate()).map_err(failed)?, signal(SignalKind::interrupt()).map_err(failed)?);
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
