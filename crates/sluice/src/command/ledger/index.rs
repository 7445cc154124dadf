//! Where the index lies, and what it is opened with.

use super::Stop;
use super::made::{check_outside, real};
use clap::Args;
use sluice_store::{LocalMachine, Reader, Scribe, Secrets};
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Args)]
pub struct IndexPlace {
    /// The file of the index; without it, a file beside the ledger, named like it
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
}

impl IndexPlace {
    pub fn path(&self, ledger: &Path) -> Result<PathBuf, Stop> {
        let path = match &self.index {
            Some(path) => path.clone(),
            None => {
                let ledger = real(ledger);
                let mut name = ledger.file_name().ok_or_else(|| Stop::Refused("a ledger needs a folder of its own".to_owned()))?.to_owned();
                name.push(".index.sqlite");
                ledger.with_file_name(name)
            }
        };
        check_outside(ledger, &path)?;
        Ok(path)
    }
}

pub fn scribe(secrets: &Secrets, reader: &Reader) -> Scribe {
    Scribe::new(&reader.facts().origin, secrets.master(), Arc::new(LocalMachine::default()))
}
