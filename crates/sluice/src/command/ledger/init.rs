//! `sluice ledger init`: the only way a ledger comes to be. One that is missing is never made by accident.

use super::{Keys, Place, answer, disk, store};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use sluice_ledger::note::is_key_name;
use sluice_store::{FORMAT, LedgerFacts, LocalMachine, Machine, Secrets, SegmentSizes, create};
use std::path::Path;
use std::process::ExitCode;

/// Make a new, empty ledger and its keys.
///
/// Two folders are made. LEDGER holds the evidence: it can be copied and served, and it proves itself. The folder of keys holds what
/// must stay secret: the key that signs checkpoints, and the master key without which no record can be read. Keep them on different
/// disks and in different backups. The answer names the verifier key: give it to those who audit you now, before there is anything
/// to hide, because they have to have it from you and not from the ledger.
#[derive(Args)]
#[command(after_help = "Example:
  sluice ledger init var/ledger --keys var/ledger-keys --origin sluice.example.com/log/one")]
pub struct Init {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    /// The name of the ledger in the world, without spaces: your host name and a path. It can never be changed
    #[arg(long, value_name = "NAME")]
    origin: String,
    /// Bytes of each of the two segments of the write-ahead log
    #[arg(long, value_name = "BYTES", default_value_t = SegmentSizes::default().regular_bytes)]
    segment_bytes: u64,
    /// Bytes that are kept free for the ends of requests when the disk is full
    #[arg(long, value_name = "BYTES", default_value_t = SegmentSizes::default().closing_bytes)]
    reserve_bytes: u64,
    /// Answer as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(init: &Init) -> Result<ExitCode, Failure> {
    if !is_key_name(&init.origin) {
        return Err(Failure::new(format!("`{}` cannot be the name of a ledger: no spaces, no plus sign", init.origin.escape_debug())));
    }
    let (folder, keys) = (init.place.folder.as_path(), init.keys.keys.as_path());
    if folder == keys {
        return Err(Failure::new("the keys belong into a folder of their own: whoever copies the ledger must not copy them"));
    }
    make_empty(folder)?;
    let machine = LocalMachine::default();
    let secrets = Secrets::create(keys, &init.origin, &machine).map_err(|fault| store(keys, &fault))?;
    let mut ledger = [0; 16];
    machine.random(&mut ledger).map_err(|fault| store(folder, &fault))?;
    let signer = secrets.signer();
    let facts = LedgerFacts {
        origin: init.origin.clone(),
        ledger,
        verifier_key: signer.verifier_key().clone(),
        created_ms: machine.moment().wall_ms,
    };
    let sizes = SegmentSizes { regular_bytes: init.segment_bytes, closing_bytes: init.reserve_bytes };
    create(disk(folder)?.as_ref(), &facts, &signer, sizes).map_err(|fault| store(folder, &fault))?;
    let verifier_key = facts.verifier_key.to_string();
    answer(
        init.json,
        &json!({ "origin": init.origin, "format": FORMAT, "verifier_key": verifier_key, "master_key": secrets.master_key().to_string() }),
        &[
            ("origin", init.origin.clone()),
            ("ledger", folder.display().to_string()),
            ("keys", keys.display().to_string()),
            ("verifier key", verifier_key.clone()),
            ("next", format!("hand `log {verifier_key}` to whoever audits you: it is a line of their trust file")),
        ],
    );
    Ok(ExitCode::SUCCESS)
}

/// What holds anything already is left alone.
fn make_empty(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    match std::fs::read_dir(folder).map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!("{}: is not empty, and a ledger is made in an empty folder", folder.display()))),
    }
}
