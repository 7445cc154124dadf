//! `sluice ledger init`: the only way a ledger comes to be. One that is missing is never made by accident.

use super::made::{NewFolder, real};
use super::{Answer, Keys, Outcome, Place, Stop, disk};
use clap::Args;
use serde_json::json;
use sluice_ledger::note::is_key_name;
use sluice_store::{FORMAT, LedgerFacts, LocalMachine, Machine, Secrets, SegmentSizes, StoreFault, create};
use std::path::Path;

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
    pub json: bool,
}

pub fn run(init: &Init) -> Outcome {
    if !is_key_name(&init.origin) {
        return Err(Stop::Refused(format!("`{}` cannot be the name of a ledger: no spaces, no plus sign", init.origin.escape_debug())));
    }
    let (folder, keys) = (init.place.folder.as_path(), init.keys.keys.as_path());
    if real(folder).starts_with(real(keys)) || real(keys).starts_with(real(folder)) {
        return Err(Stop::Refused("the keys belong into a folder of their own: whoever copies the ledger must not copy them".to_owned()));
    }
    let new = NewFolder::make(folder)?;
    let new_keys = NewFolder::make(keys)?;
    match make(init, folder, keys) {
        Ok((facts, secrets)) => {
            new.keep();
            new_keys.keep();
            Ok(answer(init, &facts, &secrets))
        }
        Err(stop) => {
            new.remove_all();
            new_keys.remove_all();
            Err(stop)
        }
    }
}

fn make(init: &Init, folder: &Path, keys: &Path) -> Result<(LedgerFacts, Secrets), Stop> {
    let fault = |fault: StoreFault| Stop::of(folder, &fault);
    let machine = LocalMachine::default();
    let secrets = Secrets::create(keys, &init.origin, &machine).map_err(|fault| Stop::of(keys, &fault))?;
    let mut ledger = [0; 16];
    machine.random(&mut ledger).map_err(fault)?;
    let verifier_key = secrets.signer().verifier_key().clone();
    let facts = LedgerFacts { origin: init.origin.clone(), ledger, verifier_key, created_ms: machine.moment().wall_ms };
    let sizes = SegmentSizes { regular_bytes: init.segment_bytes, closing_bytes: init.reserve_bytes };
    create(disk(folder)?.as_ref(), &facts, &secrets.signer(), sizes).map_err(fault)?;
    Ok((facts, secrets))
}

fn answer(init: &Init, facts: &LedgerFacts, secrets: &Secrets) -> Answer {
    let (origin, key, master) = (&facts.origin, facts.verifier_key.to_string(), secrets.master_key().to_string());
    Answer::new(
        json!({ "origin": origin, "format": FORMAT, "verifier_key": key, "master_key": master }),
        &[
            ("origin", origin.clone()),
            ("ledger", init.place.folder.display().to_string()),
            ("keys", init.keys.keys.display().to_string()),
            ("master key", master.clone()),
            ("verifier key", key.clone()),
            ("next", format!("hand `log {key}` to whoever audits you: it is a line of their trust file")),
        ],
    )
}
