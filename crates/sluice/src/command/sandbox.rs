//! `sluice sandbox`: the embedded warehouse, served until the process ends.

use super::{Failure, start_engine};
use clap::Args;
use sluice_sandbox::{Sandbox, Settings, Token};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
pub struct Serve {
    /// The port on the loopback address; 0 takes a free one
    #[arg(long, default_value_t = 9050)]
    port: u16,
    /// The port of the Storage Read API (plain gRPC) on the loopback address; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    storage_port: u16,
    /// Demand a bearer token; several may be given
    #[arg(long = "token", value_name = "BEARER=EMAIL")]
    tokens: Vec<String>,
    /// Keep tables in this folder, and load them from it
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Open /sandbox/: the request log and faults on demand
    #[arg(long)]
    admin: bool,
}

pub fn run(serve: &Serve) -> Result<ExitCode, Failure> {
    let tokens: Result<Vec<Token>, Failure> = serve.tokens.iter().map(|text| token(text)).collect();
    let settings = Settings {
        port: serve.port,
        storage_port: serve.storage_port,
        tokens: tokens?,
        folder: serve.folder.clone(),
        admin: serve.admin,
        ..Settings::default()
    };
    let running = Sandbox::start(Arc::new(start_engine()?), settings).map_err(|error| Failure::new(error.to_string()))?;
    // At once: whoever has read the first line finds the second.
    let addresses = format!("{}\n{}\n", running.url(), running.storage_address);
    print!("{addresses}");
    loop {
        std::thread::park();
    }
}

fn token(text: &str) -> Result<Token, Failure> {
    let (bearer, user_email) = text.split_once('=').ok_or_else(|| Failure::new("a token is BEARER=EMAIL"))?;
    Ok(Token { bearer: bearer.to_owned(), user_email: user_email.to_owned() })
}
