//! `sluice ledger`: the evidence, from the side of whoever runs it. Auditors have `sluice-verify`, which trusts none of this.

mod backup;
mod change;
mod init;
mod prove;
mod restore;
mod rotate;
mod status;
mod upgrade;

use super::{EXIT_REFUSED, Failure};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sluice_ledger::record::content::Change;
use sluice_store::disk::{Disk, LocalDisk};
use sluice_store::{Ledger, LocalMachine, Opening, Reader, Secrets, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Subcommand)]
pub enum LedgerCommand {
    /// Make a new, empty ledger and its keys
    Init(init::Init),
    /// Say what a ledger holds and whether it is in order
    Status(status::Status),
    /// Write a proof of one record that anyone can check without this ledger
    Prove(prove::Prove),
    /// Forbid that a record is erased, until the hold is released
    Hold(change::Hold),
    /// Release a hold
    Release(change::Release),
    /// Give up what can be read of a record; its proof stays
    Erase(change::Erase),
    /// Make a new master key, wrap every secret with it and throw the old one away
    RotateKeys(rotate::RotateKeys),
    /// Copy a ledger, also while it is written
    Backup(backup::Backup),
    /// Make a ledger out of a backup
    Restore(restore::Restore),
    /// Bring a ledger to the newest format
    Upgrade(upgrade::Upgrade),
}

pub fn run(command: &LedgerCommand) -> Result<ExitCode, Failure> {
    match command {
        LedgerCommand::Init(init) => init::run(init),
        LedgerCommand::Status(status) => status::run(status),
        LedgerCommand::Prove(prove) => prove::run(prove),
        LedgerCommand::Hold(hold) => change::hold(hold),
        LedgerCommand::Release(release) => change::release(release),
        LedgerCommand::Erase(erase) => change::erase(erase),
        LedgerCommand::RotateKeys(rotate) => rotate::run(rotate),
        LedgerCommand::Backup(backup) => backup::run(backup),
        LedgerCommand::Restore(restore) => restore::run(restore),
        LedgerCommand::Upgrade(upgrade) => upgrade::run(upgrade),
    }
}

/// Who does it and why: it goes on record.
#[derive(Args)]
pub struct Responsible {
    /// Who asks for it: it goes on record
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, in one line: it goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

impl Responsible {
    fn change(&self, what: &str) -> Change {
        Change { what: what.to_owned(), by: self.by.clone(), reason: self.reason.clone(), ..Change::default() }
    }
}

fn disk(folder: &Path) -> Result<Arc<dyn Disk>, Failure> {
    let disk = LocalDisk::new(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    Ok(Arc::new(disk))
}

fn reader(folder: &Path) -> Result<Reader, Failure> {
    Reader::open(disk(folder)?).map_err(|fault| store(folder, &fault))
}

fn secrets(folder: &Path) -> Result<Secrets, Failure> {
    Secrets::open(folder).map_err(|fault| store(folder, &fault))
}

/// Opens it for writing, does one thing, and closes it in good order: two epochs never overlap, so a server has to be stopped first.
fn with_ledger<T>(
    folder: &Path,
    secrets: &Secrets,
    command: &str,
    act: impl FnOnce(&mut Ledger) -> Result<T, StoreFault>,
) -> Result<T, Failure> {
    let opening = Opening {
        signer: secrets.signer(),
        master: secrets.master(),
        machine: Arc::new(LocalMachine::default()),
        boot: json!({ "program": "sluice", "version": env!("CARGO_PKG_VERSION"), "command": command }),
        free_bytes_min: 0,
    };
    let fault = |fault: StoreFault| store(folder, &fault);
    let mut ledger = Ledger::open(disk(folder)?, &opening).map_err(fault)?;
    let done = act(&mut ledger);
    // Whatever came of it, the epoch ends as it should.
    ledger.shut().map_err(fault)?;
    done.map_err(fault)
}

fn store(folder: &Path, fault: &StoreFault) -> Failure {
    Failure::new(format!("{}: {fault}", folder.display()))
}

/// The answer, for a program or for a person.
fn answer(as_json: bool, value: &Value, lines: &[(&str, String)]) {
    if as_json {
        println!("{value}");
        return;
    }
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, text) in lines {
        println!("{name:width$}  {text}");
    }
}

/// What was asked for cannot be done, and that is the answer.
fn refused(as_json: bool, reason: &str) -> ExitCode {
    if as_json {
        println!("{}", json!({ "refused": reason }));
    } else {
        eprintln!("refused: {reason}");
    }
    ExitCode::from(EXIT_REFUSED)
}

/// Where a ledger lies.
#[derive(Args)]
pub struct Place {
    /// The folder of the ledger
    #[arg(value_name = "LEDGER")]
    folder: PathBuf,
}

/// The keys that go with it.
#[derive(Args)]
pub struct Keys {
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR")]
    keys: PathBuf,
}
