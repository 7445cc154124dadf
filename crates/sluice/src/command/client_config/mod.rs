//! `sluice client-config`: what to set so that a client comes to the gateway, and nowhere else.

mod clients;
mod given;
mod render;

use super::Failure;
use clap::Args;
use clap::builder::PossibleValuesParser;
use clients::CLIENTS;
use given::Given;
pub use given::{gateway, is_of_google};
use std::path::PathBuf;
use std::process::ExitCode;

/// Clients that came through with a file that the gateway issued.
const TRIED_WITH_ISSUED: [&str; 2] = ["node", "python"];

/// Print what to set so that a client of BigQuery's comes to the gateway: for a shell, to be pasted or read with `eval`.
///
/// Traps come first, as comments. What no variable can do (a profile, a line of code) stands below, as comments too. What was never run is said to be so.
///
/// Clients speak to two hosts: REST, and the Storage API over gRPC. An address (--gateway alone) moves the first; --universe-domain moves both
/// where a client can. It needs a credentials file that has the same `universe_domain`, TLS at port 443, and names that lead there.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice client-config --for bq --gateway http://127.0.0.1:8080 --project acme-prod --credentials caller.json
  sluice client-config --for python --gateway https://bigquery.sluice.test --universe-domain sluice.test \\
      --project acme-prod --credentials caller.universe.json --ca ca.pem")]
pub struct ClientConfig {
    /// Which client
    #[arg(long = "for", value_name = "CLIENT", value_parser = PossibleValuesParser::new(CLIENTS.iter().map(|client| client.name)))]
    client: String,
    /// The gateway's address
    #[arg(long, value_name = "URL")]
    gateway: String,
    /// The project that jobs run in
    #[arg(long, value_name = "PROJECT")]
    project: String,
    /// The caller's file, of the type external_account, or as the last resort one of `sluice credentials issue`; it is read and checked
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// The certificates that the gateway's is signed by, where the machine does not know them
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name below which clients find everything, such as sluice.example.com
    #[arg(long, value_name = "DOMAIN")]
    universe_domain: Option<String>,
}

pub fn run(wanted: &ClientConfig) -> Result<ExitCode, Failure> {
    let client = CLIENTS.iter().find(|client| client.name == wanted.client);
    let client = client.ok_or_else(|| Failure::new(format!("no client `{}`", wanted.client)))?;
    let given = Given::new(wanted)?;
    if given.is_issued && !TRIED_WITH_ISSUED.contains(&client.name) {
        let tried = TRIED_WITH_ISSUED.join(", ");
        return Err(Failure::new(format!("{} was never run with a file of the type service_account; {tried} were", client.name)));
    }
    print!("{}", render::text(client, &given));
    Ok(ExitCode::SUCCESS)
}
