//! Checkpoints: the one that counts, all that were ever published, and those that the caller saw elsewhere. Each is a promise about the records.

use super::Audit;
use super::shelf::{CHECKPOINT, HISTORY, Shelf};
use crate::folder::{Folder, Rows};
use crate::report::Report;
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::note::NOTE_BYTES_MAX;
use sluice_ledger::tree::Hash;
use sluice_ledger::trust::Witnessed;

/// A file is full with so many, and only then is there another.
const NOTES_PER_FILE: u64 = 4096;
const LENGTH_BYTES: u64 = 4;

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
    let mut last: Option<SignedCheckpoint> = None;
    for (number, path) in shelf.history.iter().enumerate() {
        if *path != format!("{HISTORY}{number:06}") {
            report.find(path, "out of order: a file of checkpoints before it is missing, or its name is none");
        }
        let mut notes = Notes::open(folder, path, report);
        while let Some((place, note)) = notes.next(report) {
            let Some(signed) = open(audit, origin, &place, &note, report) else { continue };
            match &last {
                Some(before) if before.checkpoint().size > signed.checkpoint().size => {
                    report.find(&place, "smaller than the one before it")
                }
                // The store publishes none twice. Cosigned again it has other lines.
                Some(before) if before == &signed => report.find(&place, "stands there twice"),
                _ => {}
            }
            remember(audit, place, &signed, &mut known, report);
            last = Some(signed);
        }
        if number + 1 < shelf.history.len() && notes.count < NOTES_PER_FILE {
            report.find(path, format!("holds {} checkpoints, and there is a file behind it: {NOTES_PER_FILE} belong here", notes.count));
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

/// Each note with its length in front, up to the last byte, one at a time: a file may say that it holds millions.
struct Notes<'a> {
    path: &'a str,
    /// None where nothing more can be read.
    rows: Option<Rows>,
    at: u64,
    count: u64,
}

impl<'a> Notes<'a> {
    fn open(folder: &Folder, path: &'a str, report: &mut Report) -> Notes<'a> {
        let rows = folder.rows(path).map_err(|error| error.to_string()).and_then(|rows| rows.ok_or_else(|| "missing".to_owned()));
        let rows = rows.and_then(|rows| if rows.bytes() == 0 { Err("cut off".to_owned()) } else { Ok(rows) });
        Notes { path, rows: rows.map_err(|problem| report.find(path, problem)).ok(), at: 0, count: 0 }
    }

    /// Behind what is none, nothing can be told apart: it is one finding, and the end.
    fn next(&mut self, report: &mut Report) -> Option<(String, Vec<u8>)> {
        let rows = self.rows.as_mut().filter(|rows| rows.bytes() > self.at)?;
        let read = if self.count == NOTES_PER_FILE {
            Err(format!("holds more than {NOTES_PER_FILE} checkpoints"))
        } else {
            read_note(rows, self.at)
        };
        match read {
            Ok(note) => {
                let place = format!("{} note {}", self.path, self.count);
                self.at += LENGTH_BYTES + note.len() as u64;
                self.count += 1;
                Some((place, note))
            }
            Err(problem) => {
                report.find(self.path, problem);
                self.rows = None;
                None
            }
        }
    }
}

fn read_note(rows: &mut Rows, at: u64) -> Result<Vec<u8>, String> {
    let length = rows.read(at, LENGTH_BYTES as usize).map_err(|error| error.to_string())?;
    let length = length.first_chunk().map_or(0, |length| u32::from_be_bytes(*length));
    match usize::try_from(length) {
        Ok(bytes) if (1..=NOTE_BYTES_MAX).contains(&bytes) => rows.read(at + LENGTH_BYTES, bytes).map_err(|error| error.to_string()),
        _ => Err(format!("no checkpoint has {length} bytes: what stands from byte {at} on is none")),
    }
}
