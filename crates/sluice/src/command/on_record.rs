//! What commands beside the gateway put on record by themselves, where no gateway holds the ledger.

use super::ledger::{append, opening};
use super::{EXIT_FAILED, Failure};
use clap::Args;
use sluice_ledger::record::{Draft, DraftError};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, Secrets, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub const NOT_YET: &str =
    "not on record yet: a gateway that runs records it within a second, and so does this command with --ledger where none runs";

/// Who does it, why, and where it is put on record.
#[derive(Args)]
pub struct Said {
    /// Who asks for it: it goes on record
    #[arg(long, value_name = "NAME")]
    pub by: String,
    /// Why, in one line: it goes on record
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// The folder of the ledger, if no gateway runs that holds it
    #[arg(long, value_name = "LEDGER", requires = "keys")]
    pub ledger: Option<PathBuf>,
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR", requires = "ledger")]
    pub keys: Option<PathBuf>,
    /// Answer as JSON
    #[arg(long)]
    pub json: bool,
}

/// What to say of the record of what was done, and how the command ends. What was done stays done, whatever becomes of its record.
pub fn told(
    (ledger, keys): (Option<&Path>, Option<&Path>),
    why: &str,
    write: impl FnOnce(&mut Ledger) -> Result<Vec<u64>, Failure>,
) -> (String, ExitCode) {
    let recorded = match (ledger, keys) {
        (Some(ledger), Some(keys)) => put(ledger, keys, why, write),
        _ => Ok(NOT_YET.to_owned()),
    };
    match recorded {
        Ok(said) => (said, ExitCode::SUCCESS),
        Err(failure) => (format!("not on record: {failure}"), ExitCode::from(EXIT_FAILED)),
    }
}

/// Every act that is not on record yet, each once and marked. A gateway that holds the ledger does the same when it reads the file anew.
pub fn each(
    ledger: &mut Ledger,
    acts: impl Iterator<Item = (u64, Result<Draft, DraftError>)>,
    mark: impl Fn(u64, u64) -> Result<(), StoreFault>,
) -> Result<Vec<u64>, Failure> {
    let fault = |fault: StoreFault| Failure::new(fault.to_string());
    let mut records = Vec::new();
    for (number, draft) in acts {
        let record = append(ledger, &draft.map_err(|error| Failure::new(error.to_string()))?).map_err(fault)?.index;
        mark(number, record).map_err(fault)?;
        records.push(record);
    }
    Ok(records)
}

/// What to tell the person who asked. `write` answers the numbers of its records.
fn put(folder: &Path, keys: &Path, why: &str, write: impl FnOnce(&mut Ledger) -> Result<Vec<u64>, Failure>) -> Result<String, Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", folder.display()));
    let fault = |fault: StoreFault| failed(fault.to_string());
    let secrets = Secrets::open(keys).map_err(fault)?;
    let disk = LocalDisk::new(folder).map_err(|error| failed(error.to_string()))?;
    let mut ledger = match Ledger::open(Arc::new(disk), &opening(&secrets, why)) {
        Ok(ledger) => ledger,
        Err(StoreFault::InUse) => return Ok("not on record yet: the gateway that holds the ledger records it".to_owned()),
        Err(other) => return Err(fault(other)),
    };
    let written = write(&mut ledger).map_err(|failure| failed(failure.to_string()));
    let shut = ledger.shut().map_err(fault);
    let records: Vec<String> = written.and_then(|records| shut.map(|()| records))?.iter().map(u64::to_string).collect();
    Ok(if records.is_empty() { "nothing was left to put on record".to_owned() } else { format!("on record: {}", records.join(", ")) })
}
