//! `sluice ledger backup`: a copy that proves itself, made while the gateway writes.

use super::{Place, answer, disk, store};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Copy a ledger, also while it is written.
///
/// The copy holds everything that the signed checkpoint of this moment covers, and each record is checked on the way. It can be
/// verified, and records can be proved from it. It holds the wrapped secrets of records, which open nothing without the folder of keys:
/// back that up elsewhere. What is erased later is still in an older backup: throw backups away within the time that you promise for
/// erasure.
#[derive(Args)]
#[command(after_help = "Example:\n  sluice ledger backup var/ledger backup/2026-11-21")]
pub struct Backup {
    #[command(flatten)]
    place: Place,
    /// A new or empty folder
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(backup: &Backup) -> Result<ExitCode, Failure> {
    let from = disk(&backup.place.folder)?;
    std::fs::create_dir_all(&backup.to).map_err(|error| Failure::new(format!("{}: {error}", backup.to.display())))?;
    let to = disk(&backup.to)?;
    let copied = sluice_store::backup(&from, to.as_ref()).map_err(|fault| store(&backup.place.folder, &fault))?;
    answer(
        backup.json,
        &json!({ "records": copied.records, "bytes": copied.bytes }),
        &[("records", copied.records.to_string()), ("bytes", copied.bytes.to_string()), ("backup", backup.to.display().to_string())],
    );
    Ok(ExitCode::SUCCESS)
}
