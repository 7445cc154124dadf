//! A copy of a ledger, and a ledger out of a copy. Nothing is copied that was not checked on the way: each body against its leaf, all leaves
//! against the signed root, each checkpoint of the history against the leaves.
//!
//! A copy has no write-ahead log: it can be read, proved from and verified, and only a restore makes it a ledger to write to. `ledger.json` is
//! written last, so what a kill leaves is no ledger; what another failure leaves is removed.

use crate::copying::{Copied, Source, copy};
use crate::disk::{self, Disk};
use crate::fault::StoreFault;
use crate::ledger::{LOCK, RESTORED};
use crate::reader::Reader;
use crate::wal::{self, SegmentSizes};
use serde_json::Value;
use sluice_ledger::checkpoint::SignedCheckpoint;
use sluice_ledger::tree::{consistency_proof, verify_consistency};
use std::io;
use std::sync::Arc;

/// What is known of the ledger's end from elsewhere than the copy.
pub enum LastKnown {
    /// The newest checkpoint that a witness or anybody has seen.
    Checkpoint(Vec<u8>),
    /// Somebody answers for it that none was published after the copy; goes on record.
    Sworn,
}

/// Into an empty folder, also while the ledger is written.
pub fn backup(from: &Arc<dyn Disk>, to: &dyn Disk) -> Result<Copied, StoreFault> {
    make(to, || copy(from, Source::Ledger, to))
}

/// Into an empty folder. `why` is what the next `boot` says of it.
pub fn restore(from: &Arc<dyn Disk>, to: &dyn Disk, last: &LastKnown, why: &Value, sizes: SegmentSizes) -> Result<Copied, StoreFault> {
    if let LastKnown::Checkpoint(note) = last {
        check_last(&Reader::open(from.clone())?, note)?;
    }
    make(to, || {
        wal::create(to, sizes)?;
        disk::replace(to, RESTORED, why.to_string().as_bytes())?;
        copy(from, Source::Backup, to)
    })
}

/// All or nothing. The lock keeps two copies from being made in one folder.
fn make<T>(to: &dyn Disk, act: impl FnOnce() -> Result<T, StoreFault>) -> Result<T, StoreFault> {
    check_holds(to, &[])?;
    let _lock = to.lock(LOCK).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => StoreFault::InUse,
        _ => error.into(),
    })?;
    check_holds(to, &[LOCK])?;
    let made = act();
    if made.is_err() {
        // Whatever is left then has no `ledger.json`, and is no ledger.
        drop(disk::clear(to, ""));
    }
    made
}

fn check_holds(to: &dyn Disk, names: &[&str]) -> Result<(), StoreFault> {
    match to.list("")?.into_iter().find(|name| !names.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(StoreFault::Exists(name)),
    }
}

/// Whoever goes on from an older copy signs a second history under the same name: that is what a forger does, and witnesses refuse it.
fn check_last(reader: &Reader, note: &[u8]) -> Result<(), StoreFault> {
    let last = SignedCheckpoint::open(note, std::slice::from_ref(&reader.facts().verifier_key))?;
    let (last, here) = (last.checkpoint(), reader.checkpoint().checkpoint());
    if last.size > here.size {
        return Err(StoreFault::Refused(format!(
            "the backup holds {} records, and a checkpoint of {} was published: to go on from here would sign a second history",
            here.size, last.size
        )));
    }
    let proof = consistency_proof(&reader.nodes(), last.size, here.size)
        .ok_or_else(|| StoreFault::Damaged("tiles are missing that the backup's checkpoint covers".to_owned()))?;
    verify_consistency(last.size, &last.root, here.size, &here.root, &proof)
        .map_err(|_| StoreFault::Refused("the checkpoint and the backup are of two histories".to_owned()))
}
