//! `sluice init`: makes what the gateway keeps beside its ledger.

use super::Failure;
use crate::serve::prepare;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make what the gateway keeps beside its ledger, where sluice.toml says.
///
/// The state folder with the key that signs access tokens, the book of jobs, spent tokens and revocations. What is there stays as it is. The
/// gateway itself never makes any of it: what is missing must not pass for what is empty. The ledger comes first: `sluice ledger init`.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice init --config /etc/sluice")]
pub struct Init {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
}

pub fn run(init: &Init) -> Result<ExitCode, Failure> {
    prepare(&init.config)?;
    Ok(ExitCode::SUCCESS)
}
