//! `sluice ledger rotate-keys`: another master key, the same records.

use super::{Answer, Keys, Outcome, Place, Responsible, Stop, append, secrets, with_ledger};
use clap::Args;
use serde_json::json;
use sluice_ledger::record::{Draft, Kind};
use sluice_store::{LocalMachine, StoreFault};

/// Make a new master key, wrap every secret with it and throw the old one away.
///
/// The records themselves are not touched: only the small secrets beside them are wrapped anew. The change is on record, with the names of
/// the keys. Stopped half way, both keys are kept and everything can be read; the next run makes no third key, and finishes what the
/// first began: the old key is thrown away last. A backup from before opens with the old key alone: keep that key elsewhere for as
/// long as you keep the backup, or let the texts in it go with the key. The key that signs checkpoints is another one and stays: auditors
/// pin it.
#[derive(Args)]
#[command(after_help = "Example:
  sluice ledger rotate-keys var/ledger --keys var/ledger-keys --by ops --reason 'yearly rotation'")]
pub struct RotateKeys {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    keys: Keys,
    #[command(flatten)]
    responsible: Responsible,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(rotate: &RotateKeys) -> Outcome {
    let (folder, keys) = (rotate.place.folder.as_path(), rotate.keys.keys.as_path());
    let mut changed = secrets(keys)?;
    let opened = secrets(keys)?;
    let is_resumed = !opened.older_master_keys().is_empty();
    let (index, wrapped) = with_ledger(folder, &opened, "rotate-keys", |ledger| {
        // Not before the ledger is ours: a refused run must not leave a key behind.
        let old = if is_resumed { changed.older_master_keys() } else { vec![changed.master_key()] };
        let new = if is_resumed { changed.master_key() } else { changed.add_master_key(&LocalMachine::default())? };
        ledger.use_master(changed.master());
        let names: Vec<String> = old.iter().map(ToString::to_string).collect();
        let mut change = rotate.responsible.change("rotate the master key");
        change.details = [("from".to_owned(), names.join(", ")), ("to".to_owned(), new.to_string())].into();
        let draft = Draft::of_change(Kind::AdminAction, None, &change).map_err(|error| StoreFault::Refused(error.to_string()))?;
        let receipt = append(ledger, &draft)?;
        Ok((receipt.index, ledger.rewrap_keys()?))
    })?;
    let new = changed.master_key();
    let retired = changed.retire_master_keys().map_err(|fault| Stop::of(keys, &fault))?;
    let retired: Vec<String> = retired.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        ("master key", new.to_string()),
        ("thrown away", retired.join(", ")),
        ("wrapped anew", format!("{wrapped} records")),
        ("on record", format!("{index} ({})", Kind::AdminAction.word())),
    ];
    if is_resumed {
        lines.push(("finished", "a rotation that was broken off".to_owned()));
    }
    let value = json!({
        "master_key": new.to_string(), "retired": retired, "wrapped_anew": wrapped, "by_record": index, "resumed": is_resumed,
    });
    Ok(Answer::new(value, &lines))
}
