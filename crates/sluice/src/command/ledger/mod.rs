//! `sluice ledger`: the evidence, from the side of whoever runs it. Auditors have `sluice-verify`, which trusts none of this.

mod answer;
mod backup;
mod change;
mod expire;
mod find;
mod index;
mod init;
mod made;
mod prove;
mod rebuild;
mod restore;
mod rotate;
mod status;
mod upgrade;

use super::Failure;
use answer::{Answer, Outcome};
pub(super) use answer::{Stop, say};
use clap::{Args, Subcommand};
pub(super) use find::{request as request_id, time};
use serde_json::json;
use sluice_ledger::record::Draft;
use sluice_ledger::record::content::Change;
use sluice_ledger::{AppendFault, Receipt};
use sluice_model::plain::check_line;
use sluice_store::disk::{Disk, LocalDisk};
use sluice_store::{Ledger, LocalMachine, Opening, Reader, Secrets, StoreFault};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Of who does something, why, and on which basis.
const LINE_BYTES_MAX: usize = 1024;

/// What every command of a ledger has in common; `sluice ledger --help` says it.
pub const ABOUT: &str = "Make, prove, back up and look after the ledger that the evidence is in.

Reading takes no lock and can be done while the gateway runs: status, find, prove, backup, rebuild-index.
Writing needs the ledger for itself: hold, release, erase, expire, rotate-keys, upgrade. Stop the gateway first, or the command is refused.

Exit codes: 0 it is done; 2 it was refused, and nothing has changed; 1 it failed, and the message says what is left.
With --json every answer is one JSON value on standard output: the result, {\"refused\": WHY} or {\"failed\": WHY}.

Nothing that is there is ever written over. What a failure leaves half done is removed; what a kill leaves is not taken for the whole.
Whether a ledger is true says `sluice-verify`, which believes none of this.";

#[derive(Subcommand)]
pub enum LedgerCommand {
    /// Make a new, empty ledger and its keys
    Init(init::Init),
    /// Say what a ledger holds and whether it is in order
    Status(status::Status),
    /// Find records by kind, time, caller or request
    Find(find::Find),
    /// Write a proof of one record that anyone can check without this ledger
    Prove(prove::Prove),
    /// Forbid that a record is erased, until the hold is released
    Hold(change::Hold),
    /// Release a hold
    Release(change::Release),
    /// Give up what can be read of a record; its proof stays
    Erase(change::Erase),
    /// Give up what can be read of records older than so many days
    Expire(expire::Expire),
    /// Make a new master key, wrap every secret with it and throw the old one away
    RotateKeys(rotate::RotateKeys),
    /// Copy a ledger, also while it is written
    Backup(backup::Backup),
    /// Make a ledger out of a backup
    Restore(restore::Restore),
    /// Make the index anew that `find` searches
    RebuildIndex(rebuild::RebuildIndex),
    /// Bring a ledger to the newest format
    Upgrade(upgrade::Upgrade),
}

pub fn run(command: &LedgerCommand) -> Result<ExitCode, Failure> {
    let (as_json, outcome) = match command {
        LedgerCommand::Init(init) => (init.json, init::run(init)),
        LedgerCommand::Status(status) => (status.json, status::run(status)),
        LedgerCommand::Find(find) => (find.json, find::run(find)),
        LedgerCommand::Prove(prove) => (prove.json, prove::run(prove)),
        LedgerCommand::Hold(hold) => (hold.on.json, change::hold(hold)),
        LedgerCommand::Release(release) => (release.on.json, change::release(release)),
        LedgerCommand::Erase(erase) => (erase.on.json, change::erase(erase)),
        LedgerCommand::Expire(expire) => (expire.json, expire::run(expire)),
        LedgerCommand::RotateKeys(rotate) => (rotate.json, rotate::run(rotate)),
        LedgerCommand::Backup(backup) => (backup.json, backup::run(backup)),
        LedgerCommand::Restore(restore) => (restore.json, restore::run(restore)),
        LedgerCommand::RebuildIndex(rebuild) => (rebuild.json, rebuild::run(rebuild)),
        LedgerCommand::Upgrade(upgrade) => (upgrade.json, upgrade::run(upgrade)),
    };
    say(as_json, outcome)
}

/// Who does it and why: it goes on record.
#[derive(Args)]
pub struct Responsible {
    /// Who asks for it: it goes on record
    #[arg(long, value_name = "NAME", value_parser = plain_line)]
    by: String,
    /// Why, in one line: it goes on record
    #[arg(long, value_name = "TEXT", value_parser = plain_line)]
    reason: String,
}

/// What somebody answers for is shown to others as they wrote it, or not taken.
fn plain_line(text: &str) -> Result<String, String> {
    check_line("it", text, LINE_BYTES_MAX).map(|()| text.to_owned())
}

impl Responsible {
    fn change(&self, what: &str) -> Change {
        Change { what: what.to_owned(), by: self.by.clone(), reason: self.reason.clone(), ..Change::default() }
    }
}

/// Where a ledger lies.
#[derive(Args)]
pub struct Place {
    /// The folder of the ledger
    #[arg(value_name = "LEDGER")]
    pub(super) folder: PathBuf,
}

/// The keys that go with it.
#[derive(Args)]
pub struct Keys {
    /// The folder of the ledger's keys
    #[arg(long, value_name = "DIR")]
    pub(super) keys: PathBuf,
}

pub(super) fn disk(folder: &Path) -> Result<Arc<dyn Disk>, Stop> {
    let disk = LocalDisk::new(folder).map_err(|error| Stop::at(folder, &error))?;
    Ok(Arc::new(disk))
}

fn reader(folder: &Path) -> Result<Reader, Stop> {
    Reader::open(disk(folder)?).map_err(|fault| Stop::of(folder, &fault))
}

pub(super) fn secrets(folder: &Path) -> Result<Secrets, Stop> {
    Secrets::open(folder).map_err(|fault| Stop::of(folder, &fault))
}

/// Opens it for writing, does one thing, and closes it in good order: two epochs never overlap, so a gateway has to be stopped first.
fn with_ledger<T>(
    folder: &Path,
    secrets: &Secrets,
    command: &str,
    act: impl FnOnce(&mut Ledger) -> Result<T, StoreFault>,
) -> Result<T, Stop> {
    let opening = opening(secrets, command);
    let mut ledger = Ledger::open(disk(folder)?, &opening).map_err(|fault| Stop::of(folder, &fault))?;
    // Whatever comes of it, the epoch ends as it should; of two faults the first is the one to be told.
    let done = act(&mut ledger);
    let shut = ledger.shut();
    done.and_then(|done| shut.map(|()| done)).map_err(|fault| Stop::of(folder, &fault))
}

/// How a command opens a ledger for writing: the boot record says which one it was.
pub(super) fn opening(secrets: &Secrets, command: &str) -> Opening {
    Opening {
        signer: secrets.signer(),
        master: secrets.master(),
        machine: Arc::new(LocalMachine::default()),
        boot: json!({ "program": "sluice", "version": env!("CARGO_PKG_VERSION"), "command": command }),
        free_bytes_min: 0,
    }
}

pub(super) fn append(ledger: &mut Ledger, draft: &Draft) -> Result<Receipt, StoreFault> {
    let record = ledger.seal(draft)?;
    match ledger.append(vec![record]).pop() {
        Some(Ok(receipt)) => Ok(receipt),
        Some(Err(AppendFault::Dead(text))) => Err(StoreFault::Dead(text)),
        Some(Err(AppendFault::Full)) => Err(StoreFault::Full),
        Some(Err(fault)) => Err(StoreFault::Refused(fault.to_string())),
        None => Err(StoreFault::Dead("the writer did not answer".to_owned())),
    }
}
