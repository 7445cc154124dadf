//! What an audit found, for people and for programs.

use serde::Serialize;
use sluice_ledger::{date, printable};
use std::collections::BTreeMap;
use std::fmt;

/// More are counted, not kept: a ledger of garbage must not fill the memory.
pub const FINDINGS_KEPT_MAX: usize = 1000;
const PROBLEMS_SHOWN_MAX: usize = 50;

/// What is not evidence, and why no verifier can notice a change there.
pub const NOT_EVIDENCE: &[(&str, &str)] = &[
    (
        "lock, wal/, standing.json, restored.json, keys/rewrite, what ends in .new",
        "working files of the running store; what counts was applied from them",
    ),
    ("`ledger`, `created_ms` and a known `format` in ledger.json", "for people and for the store; nothing is concluded from them"),
    ("wrapped keys, while no master key is given", "a changed key shows when it is used: give `--master-keys`"),
    ("a checkpoint that is missing from checkpoints/, but the last", "each later one covers all that it covered"),
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A path, or `record 17`.
    pub place: String,
    pub problem: String,
}

/// The same at many places: a file that is missing is one problem, and thousands of findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub first: String,
    pub places: u64,
    pub problem: String,
}

/// What became of one section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SectionState {
    /// Given up because somebody has a right to that; the number is that of the leaf which says so.
    Erased(u64),
    /// Given up because its time was over.
    Expired(u64),
    Fail,
    /// Every bit of the ciphertext is the one that was put on record; the text was not opened, for want of the master key.
    Sealed,
    /// The text was opened and is the one that was put on record.
    Verified,
}

/// How far witnesses vouch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WitnessedPart {
    /// Records before this are beyond the log's own reach: nobody can change them, not even with its key.
    pub records: u64,
    /// Seconds since 1970, by each witness's own clock.
    pub times: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    pub origin: String,
    pub records: u64,
    pub epochs: u64,
    /// In base64, as the checkpoint says it.
    pub checkpoint: String,
    pub checkpoints: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    /// The last epoch ended with `shutdown`.
    pub closed: bool,
    pub witnessed: Option<WitnessedPart>,
    pub sections: BTreeMap<&'static str, u64>,
    /// False where the caller did not want them read.
    pub bodies: bool,
    pub problems: Vec<Problem>,
    pub findings: Vec<Finding>,
    pub findings_count: u64,
}

impl SectionState {
    pub fn word(self) -> &'static str {
        match self {
            SectionState::Erased(_) => "ERASED",
            SectionState::Expired(_) => "EXPIRED",
            SectionState::Fail => "FAIL",
            SectionState::Sealed => "SEALED",
            SectionState::Verified => "VERIFIED",
        }
    }
}

impl Report {
    pub fn find(&mut self, place: impl Into<String>, problem: impl Into<String>) {
        let finding = Finding { place: place.into(), problem: problem.into() };
        self.findings_count += 1;
        let kind = one_of_many(&finding.place);
        let same = |known: &&mut Problem| kind.is_some() && one_of_many(&known.first) == kind && known.problem == finding.problem;
        let is_full = self.problems.len() >= FINDINGS_KEPT_MAX;
        match self.problems.iter_mut().find(same) {
            Some(known) => known.places += 1,
            None if is_full => {}
            None => self.problems.push(Problem { first: finding.place.clone(), places: 1, problem: finding.problem.clone() }),
        }
        if self.findings.len() < FINDINGS_KEPT_MAX {
            self.findings.push(finding);
        }
    }

    /// One missing record puts all behind it out of order: what is said of files and checkpoints tells more, so it comes first.
    pub fn sort(&mut self) {
        self.findings.sort_by_key(|finding| finding.place.starts_with("record "));
        self.problems.sort_by_key(|problem| problem.first.starts_with("record "));
    }

    pub fn count(&mut self, state: SectionState) {
        *self.sections.entry(state.word()).or_default() += 1;
    }

    pub fn holds(&self) -> bool {
        self.findings_count == 0
    }
}

impl fmt::Display for SectionState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SectionState::Erased(leaf) | SectionState::Expired(leaf) => write!(formatter, "{} (by record {leaf})", self.word()),
            _ => formatter.write_str(self.word()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}  {}", if self.holds() { "VERIFIED" } else { "FAIL" }, printable(&self.origin))?;
        let end = if self.closed { "closed by a shutdown" } else { "open" };
        writeln!(
            formatter,
            "  {} in {}, {end}; {}{}",
            many(self.records, "record"),
            many(self.epochs, "epoch"),
            many(self.checkpoints, "checkpoint"),
            if self.holds() { ", all of one history" } else { "" }
        )?;
        if self.last_ms > 0 {
            writeln!(formatter, "  from {} to {}", date::text(self.first_ms), date::text(self.last_ms))?;
        }
        match &self.witnessed {
            Some(part) => {
                let unwitnessed = self.records.saturating_sub(part.records);
                writeln!(formatter, "  witnesses vouch for {}; {unwitnessed} rest on the log's key alone", many(part.records, "record"))?;
                for (name, time) in &part.times {
                    writeln!(formatter, "    {} at {}", printable(name), date::text(time.saturating_mul(1000)))?;
                }
            }
            None => writeln!(formatter, "  no witness vouches: whoever holds the log's key could have rewritten it")?,
        }
        if self.bodies {
            let counts: Vec<String> = self.sections.iter().map(|(word, count)| format!("{count} {word}")).collect();
            writeln!(formatter, "  sections: {}", if counts.is_empty() { "none".to_owned() } else { counts.join(", ") })?;
        } else {
            writeln!(formatter, "  bodies and keys were not read")?;
        }
        for Problem { first, places, problem } in self.problems.iter().take(PROBLEMS_SHOWN_MAX) {
            // Names of files come from whoever can write the folder.
            let (first, problem) = (printable(first), printable(problem));
            match places - 1 {
                0 => writeln!(formatter, "  FAIL {first}: {problem}")?,
                more => writeln!(formatter, "  FAIL {first} and {more} more: {problem}")?,
            }
        }
        if self.holds() && self.sections.contains_key("SEALED") {
            writeln!(formatter, "  SEALED: every bit is as recorded, and nobody read it: give --master-keys to open the texts")?;
        }
        let shown: u64 = self.problems.iter().take(PROBLEMS_SHOWN_MAX).map(|problem| problem.places).sum();
        if self.findings_count > shown {
            writeln!(formatter, "  and {} more", self.findings_count - shown)?;
        }
        Ok(())
    }
}

/// What there are thousands of, and which of them does not tell much. Each file is named.
fn one_of_many(place: &str) -> Option<&'static str> {
    ["record ", "checkpoints/"].into_iter().find(|start| place.starts_with(start) && place.contains(' '))
}

fn many(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
