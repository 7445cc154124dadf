//! `sluice init`: makes what the gateway keeps beside its ledger.

use super::Failure;
use crate::serve::prepare;
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

/// Make what the gateway keeps beside its ledger, where sluice.toml says.
///
/// The state folder, and in it:
///
///   the key that signs access tokens
///   the secret of masks that hash
///   the book of jobs
///   spent tokens, revocations, credentials that the gateway issued
///   what callers used up of their limits
///
/// and, where sluice.toml says, the files of halts and of labels and the folder of spent tokens that replicas share.
///
/// What is there stays as it is. The gateway itself never makes any of it: what is missing must not
/// pass for what is empty. The ledger and its keys come first: `sluice ledger init`.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Example:\n  sluice init --config /etc/sluice")]
pub struct Init {
    /// The folder of sluice.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    config: PathBuf,
}

pub fn run(init: &Init) -> Result<ExitCode, Failure> {
    prepare(&init.config)?;
    Ok(ExitCode::SUCCESS)
}
