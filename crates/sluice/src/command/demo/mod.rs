//! `sluice demo`: everything on one machine. The embedded warehouse, an identity provider for development, and in front of them the gateway,
//! made of the same parts and read from the same kind of configuration as `sluice serve`.

mod callers;
mod folder;
mod provider;
mod tour;

use super::Failure;
use super::serve::{open_doors, run_until, runtime, told_to_stop};
use crate::serve::watch::standard_error;
use crate::serve::{compose, prepare};
use callers::CALLERS;
use clap::Args;
use folder::{DemoFolder, Places};
use provider::Provider;
use sluice_sandbox::{Sandbox, Settings, Token};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

pub const PROJECT: &str = "acme-prod";
pub const DATASET: &str = "clinic";
pub const UNIVERSE_DOMAIN: &str = "sluice.test";
const WAREHOUSE_USER: &str = "gateway@acme-prod.iam.gserviceaccount.com";

/// Run a gateway, a warehouse and an identity provider on this machine, with sample data.
///
/// Without options: a tour of what the gateway does, with the official Python client if it is installed; then everything stays up, and what to
/// paste for `bq` and Python is printed. The gateway's own events stand in events.jsonl of its folder then; with --no-tour they go to standard
/// error. --dir keeps everything in a folder and writes demo.json there when all is ready. SIGTERM ends it.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice demo
  sluice demo --dir /tmp/demo --no-tour")]
pub struct Demo {
    /// Keep everything in this folder; it must be empty or not there
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// No tour: serve, for programs
    #[arg(long)]
    no_tour: bool,
    /// Another BigQuery-shaped server in the place of the warehouse, without a token
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Another policy set in the place of the starter
    #[arg(long, value_name = "FOLDER")]
    policy: Option<PathBuf>,
    /// The port without TLS on the loopback; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// The port with TLS on the loopback; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    tls_port: u16,
}

pub fn run(demo: &Demo) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let folder = DemoFolder::make(demo.dir.as_deref(), demo.policy.as_deref())?;
    let token = folder::secret()?;
    // It lives as long as this command.
    let warehouse = match &demo.upstream {
        Some(_) => None,
        None => Some(warehouse(&token)?),
    };
    let upstream = demo.upstream.clone().or_else(|| warehouse.as_ref().map(|running| running.url())).unwrap_or_default();
    let held = free_ports(demo)?;
    let address = |listener: &TcpListener| listener.local_addr().map_err(|error| Failure::new(error.to_string()));
    let (plain, tls) = (address(&held.0)?, address(&held.1)?);
    let (code, kept) = runtime.block_on(async {
        let provider = Provider::start(&CALLERS).await?;
        let places = Places {
            upstream,
            storage: warehouse.as_ref().map(|running| running.storage_address),
            token: warehouse.is_some().then_some(token),
            plain,
            tls,
            provider: &provider,
        };
        folder.write(&places)?;
        prepare(folder.path())?;
        // Between the lines of a tour nobody could read either.
        let events = if demo.no_tour { standard_error()? } else { folder.events()? };
        let composed = tokio::task::block_in_place(|| compose(folder.path(), events))?;
        // Whoever asked for a free port meanwhile got another.
        drop(held);
        let open = open_doors(&composed).await?;
        folder.write_callers(&places)?;
        let stop = told_to_stop()?;
        let serving = tokio::spawn(run_until(composed, open, stop));
        folder.write_ready(&places)?;
        if demo.no_tour {
            println!("{}", folder.path().join(folder::READY_FILE).display());
        } else {
            let path = folder.path().to_owned();
            let toured = tokio::task::spawn_blocking(move || tour::run(&path)).await;
            toured.map_err(|error| Failure::new(format!("the tour broke off: {error}")))??;
        }
        let code = serving.await.map_err(|error| Failure::new(format!("the gateway broke off: {error}")))??;
        Ok::<_, Failure>((code, folder))
    })?;
    kept.clean();
    Ok(code)
}

fn warehouse(token: &str) -> Result<sluice_sandbox::Running, Failure> {
    let tokens = vec![Token { bearer: token.to_owned(), user_email: WAREHOUSE_USER.to_owned() }];
    let settings = Settings { tokens, admin: true, ..Settings::default() };
    Sandbox::start(Arc::new(super::start_engine()?), settings).map_err(|error| Failure::new(error.to_string()))
}

/// Found free, and held: the credentials of callers name them before the gateway opens them.
fn free_ports(demo: &Demo) -> Result<(TcpListener, TcpListener), Failure> {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| Failure::new(format!("port {port}: {error}")));
    Ok((free(demo.port)?, free(demo.tls_port)?))
}
