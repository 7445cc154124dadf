//! `sluice ledger upgrade`: by command, because a ledger that was upgraded by accident cannot go back.

use super::{Place, answer, disk, refused, store};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use sluice_store::{StoreFault, Upgraded};
use std::process::ExitCode;

/// Bring a ledger to the newest format.
///
/// No record, tile or checkpoint changes: they are signed. What changes is how files around them are laid out. Make a backup first; an
/// older program cannot open the ledger afterwards. Cut off, it goes on where it was when it is run again.
/// Exit code 0: it is, or would be, of the newest format. 2: this program knows no way there.
#[derive(Args)]
#[command(after_help = "Examples:\n  sluice ledger upgrade var/ledger --try-only\n  sluice ledger upgrade var/ledger")]
pub struct Upgrade {
    #[command(flatten)]
    place: Place,
    /// Say what would be done, and do nothing
    #[arg(long)]
    try_only: bool,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(upgrade: &Upgrade) -> Result<ExitCode, Failure> {
    let folder = &upgrade.place.folder;
    let Upgraded { from, to } = match sluice_store::upgrade(disk(folder)?.as_ref(), upgrade.try_only) {
        Ok(upgraded) => upgraded,
        Err(fault @ StoreFault::Format { .. }) => return Ok(refused(upgrade.json, &fault.to_string())),
        Err(fault) => return Err(store(folder, &fault)),
    };
    let what = match (from == to, upgrade.try_only) {
        (true, _) => "nothing to do",
        (false, true) => "would be upgraded",
        (false, false) => "upgraded",
    };
    answer(
        upgrade.json,
        &json!({ "from": from, "to": to, "done": from != to && !upgrade.try_only }),
        &[("format", format!("{from}, the newest is {to}: {what}"))],
    );
    Ok(ExitCode::SUCCESS)
}
