//! Checkpoints: the one that counts, all that were ever published, and those that the caller saw elsewhere. Each is a promise about the records.

use super::Audit;
use super::shelf::{CHECKPOINT, HISTORY, Shelf};
use crate::folder::Folder;
use crate::report::Report;
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::note::NOTE_BYTES_MAX;
use sluice_ledger::tree::Hash;
use sluice_ledger::trust::Witnessed;

/// 4,096 notes of a usual length are below 2 MiB.
const HISTORY_BYTES_MAX: usize = 64 << 20;

/// One checkpoint, and what the records say to it.
pub struct Known {
    pub place: String,
    pub size: u64,
    pub root: Hash,
    pub witnessed: Witnessed,
    /// The records up to its size have its root.
    pub agrees: bool,
    /// Of the last record that it covers.
    pub last_ms: Option<u64>,
}

/// None if there is no checkpoint to start from.
pub fn read(folder: &Folder, shelf: &Shelf, audit: &Audit<'_>, origin: &str, report: &mut Report) -> Option<(Checkpoint, Vec<Known>)> {
    let mut known = Vec::new();
    let current = match folder.read(CHECKPOINT, NOTE_BYTES_MAX) {
        Ok(Some(bytes)) => open(audit, origin, CHECKPOINT, &bytes, report).map(|signed| (signed, bytes)),
        Ok(None) => {
            report.find(CHECKPOINT, "missing: nothing says how many records there are");
            None
        }
        Err(error) => {
            report.find(CHECKPOINT, error.to_string());
            None
        }
    };
    let (current, bytes) = current?;
    remember(audit, CHECKPOINT.to_owned(), &current, &mut known, report);
    let mut last = None;
    for (number, path) in shelf.history.iter().enumerate() {
        if *path != format!("{HISTORY}{number:06}") {
            report.find(path, "out of order: a file of checkpoints before it is missing, or its name is none");
        }
        for (place, note) in notes(folder, path, report) {
            if let Some(signed) = open(audit, origin, &place, &note, report) {
                let size = signed.checkpoint().size;
                if known.iter().skip(1).next_back().is_some_and(|before| before.size > size) {
                    report.find(&place, "smaller than the one before it");
                }
                remember(audit, place, &signed, &mut known, report);
                last = Some(signed);
            }
        }
    }
    report.checkpoints = known.len() as u64 - 1;
    // Cosigned again it has other lines, and the same text.
    if current.checkpoint().size > 0 && last.is_none_or(|last| last.note().text() != current.note().text()) {
        report.find(HISTORY, "the last of them is not the checkpoint that counts: start the store once, or some were taken away");
    }
    for (name, bytes) in &audit.seen {
        if let Some(signed) = open(audit, origin, name, bytes, report) {
            remember(audit, name.clone(), &signed, &mut known, report);
        }
    }
    report.checkpoint = String::from_utf8_lossy(&bytes).lines().nth(2).unwrap_or_default().to_owned();
    Some((current.checkpoint().clone(), known))
}

fn open(audit: &Audit<'_>, origin: &str, place: &str, bytes: &[u8], report: &mut Report) -> Option<SignedCheckpoint> {
    let signed = match audit.trust.open(bytes) {
        Ok(signed) => signed,
        Err(fault) => {
            report.find(place, fault.to_string());
            return None;
        }
    };
    if signed.checkpoint().origin != origin {
        report.find(place, format!("a checkpoint of `{}`", signed.checkpoint().origin));
        return None;
    }
    // A line that nobody vouches for could be anything: whoever added a witness adds it to the trust file.
    for stranger in audit.trust.strangers(signed.note()) {
        report.find(place, format!("signed by `{}`, whom the trust file does not name", stranger.name));
    }
    Some(signed)
}

fn remember(audit: &Audit<'_>, place: String, signed: &SignedCheckpoint, known: &mut Vec<Known>, report: &mut Report) {
    let witnessed = audit.trust.witnessed(signed.note()).unwrap_or_else(|fault| {
        report.find(&place, fault.to_string());
        Witnessed::default()
    });
    let Checkpoint { size, root, .. } = *signed.checkpoint();
    known.push(Known { place, size, root, witnessed, agrees: false, last_ms: None });
}

/// Each note with its length in front, up to the last byte.
fn notes(folder: &Folder, path: &str, report: &mut Report) -> Vec<(String, Vec<u8>)> {
    let bytes = match folder.read(path, HISTORY_BYTES_MAX) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => {
            report.find(path, error.to_string());
            return Vec::new();
        }
    };
    let mut notes = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((note, after)) = usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|length| after.split_at_checked(length))
        else {
            break;
        };
        notes.push((format!("{path} note {}", notes.len()), note.to_vec()));
        rest = after;
    }
    if !rest.is_empty() || notes.is_empty() {
        report.find(path, "cut off");
    }
    notes
}
