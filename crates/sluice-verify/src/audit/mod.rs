//! The whole ledger, bottom up: checkpoints, every leaf into the tree, every tile, the order of records, every body, every key.
//!
//! What is believed comes from the caller: keys, quorum, checkpoints that were seen elsewhere. The folder only has to agree.

mod facts;
mod history;
mod leaves;
mod packs;
mod shelf;

use crate::folder::Folder;
use crate::report::{Report, WitnessedPart};
use history::Known;
use leaves::Log;
use shelf::Shelf;
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::record::{Kind, SectionSet};
use sluice_ledger::trust::Trust;
use std::collections::HashMap;
use std::io;

pub use packs::RecordStates;

/// A witness's clock and ours may differ by so much.
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 300;

/// What the caller believes and wants.
#[derive(Clone)]
pub struct Audit<'a> {
    pub trust: &'a Trust,
    /// Needed where the trust file names several logs.
    pub origin: Option<&'a str>,
    /// Opens what can be opened.
    pub master: Option<&'a dyn MasterKey>,
    /// Also bodies and keys; they are most of the bytes.
    pub bodies: bool,
    /// Checkpoints of this log that were seen elsewhere, by name: a witness's, an older audit's.
    pub seen: Vec<(String, Vec<u8>)>,
    /// How many records may stand behind the last one that witnesses vouch for.
    pub unwitnessed_max: Option<u64>,
    /// Since 1970: the ledger shows a sign of life later than that, or was closed.
    pub alive_after_ms: Option<u64>,
}

/// What an erasure or an expiry says of an earlier record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GivenUp {
    leaf: u64,
    kind: Kind,
    sections: SectionSet,
}

pub(crate) type GivenUps = HashMap<u64, Vec<GivenUp>>;

impl Audit<'_> {
    /// Fails only where the folder cannot be listed; everything else is a finding.
    pub fn run(&self, folder: &Folder) -> io::Result<Report> {
        self.states(folder, None).map(|(report, _)| report)
    }

    /// Of one record besides, what became of each section.
    pub fn run_for(&self, folder: &Folder, record: u64) -> io::Result<(Report, RecordStates)> {
        self.states(folder, Some(record))
    }

    fn states(&self, folder: &Folder, wanted: Option<u64>) -> io::Result<(Report, RecordStates)> {
        let mut report = Report { bodies: self.bodies, ..Report::default() };
        let mut shelf = Shelf::list(folder, &mut report)?;
        let Some(origin) = self.pinned_origin(&mut report) else { return Ok((report, RecordStates::new())) };
        facts::check(folder, self.trust, &origin, &mut report);
        let Some((checkpoint, mut known)) = history::read(folder, &shelf, self, &origin, &mut report) else {
            return Ok((report, RecordStates::new()));
        };
        report.records = checkpoint.size;
        let log = leaves::read(folder, &mut shelf, checkpoint.size, &mut known, &mut report);
        self.judge_witnesses(&known, &mut report);
        self.judge_end(&log, &mut report);
        let mut states = RecordStates::new();
        if self.bodies {
            states = packs::check(folder, &mut shelf, &origin, self.master, &log, wanted, &mut report);
        }
        shelf.judge_rest(self.bodies, &mut report);
        report.sort();
        Ok((report, states))
    }

    /// Never from the folder: it would choose whose log it is.
    fn pinned_origin(&self, report: &mut Report) -> Option<String> {
        let mut names: Vec<&str> = self.trust.logs().iter().map(|key| key.name()).collect();
        names.dedup();
        let pinned = match (self.origin, names.as_slice()) {
            (Some(origin), names) => names.iter().find(|name| **name == origin).copied(),
            (None, [name]) => Some(*name),
            _ => None,
        };
        if pinned.is_none() {
            report.find("trust file", "it has to name one log, or `--origin` one of those that it names");
        }
        report.origin = pinned.unwrap_or_default().to_owned();
        pinned.map(str::to_owned)
    }

    fn judge_witnesses(&self, known: &[Known], report: &mut Report) {
        for known in known.iter().filter(|known| known.agrees) {
            let Some(time_ms) = known.last_ms else { continue };
            for (name, seconds) in &known.witnessed.times {
                if time_ms / 1000 > seconds.saturating_add(CLOCK_SKEW_SECONDS_MAX) {
                    let before = known.size.saturating_sub(1);
                    report.find(
                        format!("record {before}"),
                        format!("says it is later than `{name}` saw it: the clock was ahead, or time is forged"),
                    );
                }
            }
        }
        if !self.trust.asks_for_witnesses() {
            return;
        }
        let best = known.iter().filter(|known| known.agrees && known.witnessed.is_quorum).max_by_key(|known| known.size);
        let Some(best) = best else {
            report.find("checkpoints", "none that agrees with the records is cosigned by as many witnesses as the trust file asks for");
            return;
        };
        report.witnessed = Some(WitnessedPart { records: best.size, times: best.witnessed.times.clone() });
        let unwitnessed = report.records.saturating_sub(best.size);
        if self.unwitnessed_max.is_some_and(|max| unwitnessed > max) {
            report.find("checkpoints", format!("{unwitnessed} records stand behind the last one that witnesses vouch for"));
        }
    }

    fn judge_end(&self, log: &Log, report: &mut Report) {
        report.epochs = log.epochs;
        report.closed = log.closed;
        (report.first_ms, report.last_ms) = (log.first_ms, log.last_ms);
        if self.alive_after_ms.is_some_and(|after| log.last_ms < after) && !log.closed {
            report.find(
                "the end",
                "the last sign of life is older than it may be, and no shutdown was written: records may have been cut off",
            );
        }
    }
}
