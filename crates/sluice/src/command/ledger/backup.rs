//! `sluice ledger backup`: a copy that proves itself, made while the gateway writes.

use super::made::{NewFolder, check_outside};
use super::{Answer, Outcome, Place, Stop, disk};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// Copy a ledger, also while it is written.
///
/// The copy holds everything that the signed checkpoint of this moment covers, and each record is checked on the way. It can be
/// verified by `sluice-verify`, and records can be proved from it. It holds the wrapped secrets of records; they open with the master keys
/// that the answer names, which belong into a backup elsewhere. What is erased later is still in an older backup, and after a rotation an
/// older backup opens with the older key alone: throw both away within the time that you promise for erasure.
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
    pub json: bool,
}

pub fn run(backup: &Backup) -> Outcome {
    let from = disk(&backup.place.folder)?;
    check_outside(&backup.place.folder, &backup.to)?;
    let folder = NewFolder::make(&backup.to)?;
    let to = disk(folder.path())?;
    let copied = sluice_store::backup(&from, to.as_ref()).map_err(|fault| Stop::of(&backup.place.folder, &fault))?;
    folder.keep();
    let keys: Vec<String> = copied.master_keys.iter().map(ToString::to_string).collect();
    Ok(Answer::new(
        json!({ "records": copied.records, "bytes": copied.bytes, "master_keys": keys }),
        &[
            ("backup", backup.to.display().to_string()),
            ("records", copied.records.to_string()),
            ("bytes", copied.bytes.to_string()),
            (
                "opens with",
                if keys.is_empty() { "no key: it holds no record".to_owned() } else { format!("master key {}", keys.join(", ")) },
            ),
        ],
    ))
}
