//! What commands beside the gateway put on record by themselves, where no gateway holds the ledger.

use super::Failure;
use super::ledger::opening;
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, Secrets, StoreFault};
use std::path::Path;
use std::sync::Arc;

/// What to tell the person who asked. `write` answers the numbers of its records.
pub fn put(folder: &Path, keys: &Path, why: &str, write: impl FnOnce(&mut Ledger) -> Result<Vec<u64>, Failure>) -> Result<String, Failure> {
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
    Ok(format!("on record: {}", records.join(", ")))
}
