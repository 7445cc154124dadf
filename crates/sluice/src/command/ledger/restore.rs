//! `sluice ledger restore`: a ledger out of a backup, if nothing was published after it.

use super::made::{NewFolder, check_outside};
use super::{Answer, Outcome, Place, Responsible, Stop, disk};
use clap::Args;
use serde_json::json;
use sluice_store::{LastKnown, SegmentSizes};
use std::path::{Path, PathBuf};

/// The longest that a checkpoint is.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

/// Make a ledger out of a backup.
///
/// Each record is checked on the way. To write on from a backup that is older than the last checkpoint anybody has seen would sign a second
/// history under the same name, which is what a forger does: witnesses refuse it, and `sluice-verify` finds it. So give the newest
/// checkpoint that a witness has, and an older backup is refused. With --nothing-after somebody answers for it instead. The next
/// boot has on record that the ledger was restored, by whom and why. A backup can be verified and proved from without being restored.
#[derive(Args)]
#[command(after_help = "Examples:
  sluice ledger restore backup/2026-11-21 var/ledger --last checkpoint-of-the-witness --by ops --reason 'disk lost'
  sluice ledger restore backup/2026-11-21 var/ledger --nothing-after --by ops --reason 'moved to another machine, after a shutdown'")]
pub struct Restore {
    /// The folder of the backup
    #[arg(value_name = "FROM")]
    from: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    responsible: Responsible,
    /// The newest checkpoint that a witness or an auditor has
    #[arg(long, value_name = "FILE", required_unless_present = "nothing_after", conflicts_with = "nothing_after")]
    last: Option<PathBuf>,
    /// Nothing was published after the backup: --by answers for it
    #[arg(long)]
    nothing_after: bool,
    /// Bytes of each of the two segments of the write-ahead log
    #[arg(long, value_name = "BYTES", default_value_t = SegmentSizes::default().regular_bytes)]
    segment_bytes: u64,
    /// Bytes that are kept free for the ends of requests when the disk is full
    #[arg(long, value_name = "BYTES", default_value_t = SegmentSizes::default().closing_bytes)]
    reserve_bytes: u64,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(restore: &Restore) -> Outcome {
    let folder = &restore.place.folder;
    let last = match &restore.last {
        Some(path) => LastKnown::Checkpoint(read_checkpoint(path)?),
        None => LastKnown::Sworn,
    };
    let known = if restore.last.is_some() { "a checkpoint that was given" } else { "sworn" };
    let (by, reason) = (&restore.responsible.by, &restore.responsible.reason);
    let why = json!({ "by": by, "reason": reason, "nothing_after": known });
    let from = disk(&restore.from)?;
    check_outside(&restore.from, folder)?;
    let new = NewFolder::make(folder)?;
    let sizes = SegmentSizes { regular_bytes: restore.segment_bytes, closing_bytes: restore.reserve_bytes };
    let copied =
        sluice_store::restore(&from, disk(new.path())?.as_ref(), &last, &why, sizes).map_err(|fault| Stop::of(&restore.from, &fault))?;
    new.keep();
    let keys: Vec<String> = copied.master_keys.iter().map(ToString::to_string).collect();
    Ok(Answer::new(
        json!({ "records": copied.records, "bytes": copied.bytes, "master_keys": keys }),
        &[
            ("ledger", folder.display().to_string()),
            ("records", copied.records.to_string()),
            ("bytes", copied.bytes.to_string()),
            (
                "opens with",
                if keys.is_empty() { "no key: it holds no record".to_owned() } else { format!("master key {}", keys.join(", ")) },
            ),
        ],
    ))
}

fn read_checkpoint(path: &Path) -> Result<Vec<u8>, Stop> {
    let failed = |error: std::io::Error| Stop::at(path, &error);
    if std::fs::metadata(path).map_err(failed)?.len() > CHECKPOINT_BYTES_MAX {
        return Err(Stop::at(path, &format!("a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes")));
    }
    std::fs::read(path).map_err(failed)
}
