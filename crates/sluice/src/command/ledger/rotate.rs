//! `sluice ledger rotate-keys`: another master key, the same records.

use super::{Keys, Place, Responsible, answer, secrets, store, with_ledger};
use crate::command::Failure;
use clap::Args;
use serde_json::json;
use sluice_ledger::record::{Draft, Kind};
use sluice_store::{LocalMachine, StoreFault};
use std::process::ExitCode;

/// Make a new master key, wrap every secret with it and throw the old one away.
///
/// The records themselves are not touched: only the small secrets beside them are wrapped anew. The change is on record, with the names of
/// both keys. Stopped half way, it is finished by the next run: the old key is thrown away last. The key that signs checkpoints is
/// another one and stays: auditors pin it.
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
    json: bool,
}

pub fn run(rotate: &RotateKeys) -> Result<ExitCode, Failure> {
    let (folder, keys) = (rotate.place.folder.as_path(), rotate.keys.keys.as_path());
    let mut secrets = secrets(keys)?;
    let old = secrets.master_key();
    let new = secrets.add_master_key(&LocalMachine::default()).map_err(|fault| store(keys, &fault))?;
    let mut change = rotate.responsible.change("rotate the master key");
    change.details = [("from".to_owned(), old.to_string()), ("to".to_owned(), new.to_string())].into();
    let draft = Draft::of_change(Kind::AdminAction, None, &change).map_err(|error| Failure::new(error.to_string()))?;
    let (index, wrapped) = with_ledger(folder, &secrets, "rotate-keys", |ledger| {
        let record = ledger.seal(&draft)?;
        let receipt = ledger.append(vec![record]).pop().ok_or_else(|| StoreFault::Refused("there was no answer".to_owned()))?;
        let receipt = receipt.map_err(|fault| StoreFault::Refused(fault.to_string()))?;
        Ok((receipt.index, ledger.rewrap_keys()?))
    })?;
    let retired = secrets.retire_master_keys().map_err(|fault| store(keys, &fault))?;
    let retired: Vec<String> = retired.iter().map(ToString::to_string).collect();
    answer(
        rotate.json,
        &json!({ "master_key": new.to_string(), "retired": retired, "wrapped_anew": wrapped, "by_record": index }),
        &[
            ("master key", new.to_string()),
            ("thrown away", retired.join(", ")),
            ("wrapped anew", format!("{wrapped} records")),
            ("on record", format!("{index} ({})", Kind::AdminAction.word())),
        ],
    );
    Ok(ExitCode::SUCCESS)
}
