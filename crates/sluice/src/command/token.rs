//! `sluice token`: the exchange that Google's libraries make, made by hand.

use super::Failure;
use super::serve::runtime;
use clap::Args;
use sluice_outbound::{Federation, TokenSource};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Get an access token of the gateway's, for curl.
///
/// Reads a file of the type external_account, as Google's libraries do: the token of your issuer comes from the file or the address that
/// `credential_source` names, and is exchanged at `token_url`. The access token is all that is printed. It is a secret that lives for minutes.
///
/// What the libraries accept and this does not: plain HTTP to another machine, and the sources `executable`, `environment_id` and
/// `certificate`. Where an issuer's tokens may be exchanged once, each call needs a new one.
#[derive(Args)]
#[command(after_help = "Example:
  curl -H \"Authorization: Bearer $(sluice token --credentials caller.json)\" http://127.0.0.1:8080/bigquery/v2/projects/acme-prod/datasets")]
pub struct Token {
    /// The file, of the type external_account
    #[arg(long, value_name = "FILE")]
    credentials: PathBuf,
    /// Believe the certificates in this file and no others
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub fn run(token: &Token) -> Result<ExitCode, Failure> {
    let certificates_file = token.ca.as_deref().map(text).transpose()?;
    let federation = Federation::new(text(&token.credentials)?, certificates_file);
    let made = runtime()?.block_on(federation.token()).map_err(|fault| Failure::new(fault.to_string()))?;
    println!("{}", made.secret.reveal());
    Ok(ExitCode::SUCCESS)
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| Failure::new(format!("`{}` is not a name in UTF-8", path.display())))
}
