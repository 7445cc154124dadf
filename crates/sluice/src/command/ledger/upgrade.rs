//! `sluice ledger upgrade`: by command, because a ledger that was upgraded by accident cannot go back.

use super::{Answer, Outcome, Place, Stop, disk};
use clap::Args;
use serde_json::json;
use sluice_store::Upgraded;

/// Bring a ledger to the newest format.
///
/// So far there is one format, 1. So today this says that there is nothing to do, or refuses a ledger of a later program, which is what an
/// operator wants to know before and after another version is installed. When there is another format: no record, tile or checkpoint
/// changes, they are signed; what changes is how files around them are laid out. Make a backup first; an older program cannot open the
/// ledger afterwards. Cut off, it goes on where it was when it is run again.
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
    pub json: bool,
}

pub fn run(upgrade: &Upgrade) -> Outcome {
    let folder = &upgrade.place.folder;
    let upgraded = sluice_store::upgrade(disk(folder)?.as_ref(), upgrade.try_only);
    let Upgraded { from, to } = upgraded.map_err(|fault| Stop::of(folder, &fault))?;
    let what = match (from == to, upgrade.try_only) {
        (true, _) => "nothing to do",
        (false, true) => "would be upgraded",
        (false, false) => "upgraded",
    };
    Ok(Answer::new(
        json!({ "from": from, "to": to, "done": from != to && !upgrade.try_only }),
        &[("format", format!("{from}, the newest is {to}: {what}"))],
    ))
}
