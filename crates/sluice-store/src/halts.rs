//! Who is halted, in one file that only grows. A running gateway reads it again whenever it has changed, so `sluice halt` beside it takes effect on the
//! next page of rows. docs/policy.md says how halts come on record.

use crate::checked_file::{CheckedFile, Lines, Place};
use crate::disk::Disk;
use crate::facts::{bytes_of, hexadecimal};
use crate::fault::StoreFault;
use sluice_ledger::record::content::Change;
use sluice_ledger::record::{Draft, DraftError, Kind};
use sluice_model::plain::check_line;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub const HALT_BY_BYTES_MAX: usize = 256;
pub const HALT_REASON_BYTES_MAX: usize = 1024;
/// Issuer and subject are at most a token.
pub const HALT_CALLER_BYTES_MAX: usize = 8 << 10;

/// Whom a halt stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    Everyone,
    /// Issuer, `#`, subject.
    One(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Halted,
    Lifted,
}

/// One act of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HaltAct {
    pub turn: Turn,
    pub whom: Whom,
    /// Seconds since 1970.
    pub at: u64,
    pub by: String,
    pub reason: String,
}

/// What stands: everybody who is halted, by whom and why; and every act with its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Halts {
    standing: BTreeMap<Whom, HaltAct>,
    acts: Vec<HaltAct>,
    recorded: BTreeSet<u64>,
}

pub struct HaltFile {
    file: CheckedFile<Halts>,
}

impl HaltFile {
    /// Makes the file that `open` expects: one that is missing must not pass for one that halts nobody.
    pub fn create(path: &Path) -> Result<(), StoreFault> {
        CheckedFile::<Halts>::create(&Place::of(path)?)
    }

    pub fn create_on(disk: Arc<dyn Disk>, name: &str) -> Result<(), StoreFault> {
        CheckedFile::<Halts>::create(&Place::on(disk, name))
    }

    pub fn open(path: &Path) -> Result<HaltFile, StoreFault> {
        Ok(HaltFile { file: CheckedFile::open(Place::of(path)?)? })
    }

    pub fn open_on(disk: Arc<dyn Disk>, name: &str) -> Result<HaltFile, StoreFault> {
        Ok(HaltFile { file: CheckedFile::open(Place::on(disk, name))? })
    }

    /// For every decision, each page of rows included. An error refuses the request.
    pub fn current(&self) -> Result<Arc<Halts>, StoreFault> {
        self.file.current()
    }

    /// Durable when it returns. Whoever is halted already is halted again, for another reason perhaps; what is not halted cannot be lifted.
    /// Answers the number of the act.
    pub fn act(&self, act: &HaltAct) -> Result<u64, StoreFault> {
        act.check().map_err(StoreFault::Refused)?;
        self.file.append(|halts| {
            if act.turn == Turn::Lifted && !halts.standing.contains_key(&act.whom) {
                return Err(StoreFault::Refused(format!("{} is not halted", act.whom)));
            }
            Ok((act.line(), halts.acts.len() as u64))
        })
    }

    /// That an act is on record. Between the record and this a crash may leave the act to be recorded twice, never not at all.
    pub fn mark_recorded(&self, number: u64, record: u64) -> Result<(), StoreFault> {
        self.file.append(|_| Ok((format!("recorded {number} {record}"), ())))
    }
}

impl Halts {
    pub fn everyone(&self) -> Option<&HaltAct> {
        self.standing.get(&Whom::Everyone)
    }

    /// Those who are halted by name, whether everyone is or not.
    pub fn callers(&self) -> impl Iterator<Item = (&str, &HaltAct)> {
        self.standing.iter().filter_map(|(whom, act)| match whom {
            Whom::One(name) => Some((name.as_str(), act)),
            Whom::Everyone => None,
        })
    }

    /// Acts that are not on record yet, with their numbers. Whoever holds the ledger writes them there and marks them.
    pub fn unrecorded(&self) -> impl Iterator<Item = (u64, &HaltAct)> {
        (0..).zip(&self.acts).filter(|(number, _)| !self.recorded.contains(number))
    }
}

impl HaltAct {
    /// What the ledger says of it: the same words, whoever writes it.
    pub fn draft(&self, number: u64) -> Result<Draft, DraftError> {
        let what = match self.turn {
            Turn::Halted => "halt",
            Turn::Lifted => "lift a halt",
        };
        let details = [("whom", self.whom.to_string()), ("at", self.at.to_string()), ("number", number.to_string())];
        let change = Change {
            what: what.to_owned(),
            by: self.by.clone(),
            reason: self.reason.clone(),
            details: details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ..Change::default()
        };
        Draft::of_change(Kind::AdminAction, None, &change)
    }

    fn check(&self) -> Result<(), String> {
        check_line("who does it", &self.by, HALT_BY_BYTES_MAX)?;
        check_line("the reason", &self.reason, HALT_REASON_BYTES_MAX)?;
        let Whom::One(name) = &self.whom else { return Ok(()) };
        check_line("the caller", name, HALT_CALLER_BYTES_MAX)?;
        let named = name.split_once('#').is_some_and(|(issuer, subject)| !issuer.is_empty() && !subject.is_empty());
        if named { Ok(()) } else { Err(format!("`{name}` names no caller: it is issuer, `#`, subject")) }
    }

    fn line(&self) -> String {
        let turn = match self.turn {
            Turn::Halted => "halt",
            Turn::Lifted => "lift",
        };
        let whom = match &self.whom {
            Whom::One(name) => format!("caller {}", hexadecimal(name.as_bytes())),
            Whom::Everyone => "everyone -".to_owned(),
        };
        format!("{turn} {whom} {} {} {}", self.at, hexadecimal(self.by.as_bytes()), hexadecimal(self.reason.as_bytes()))
    }

    fn read(words: &[&str]) -> Option<HaltAct> {
        let text = |digits: &str| String::from_utf8(bytes_of(digits)?).ok();
        let [turn, kind, name, at, by, reason] = words else { return None };
        let turn = match *turn {
            "halt" => Turn::Halted,
            "lift" => Turn::Lifted,
            _ => return None,
        };
        let whom = match (*kind, *name) {
            ("caller", name) => Whom::One(text(name)?),
            ("everyone", "-") => Whom::Everyone,
            _ => return None,
        };
        Some(HaltAct { turn, whom, at: at.parse().ok()?, by: text(by)?, reason: text(reason)? })
    }
}

impl Lines for Halts {
    const HEAD: &'static str = "sluice halts 1\n";

    fn take(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["recorded", number, record] = words.as_slice() {
            let number: u64 = number.parse().ok()?;
            record.parse::<u64>().ok()?;
            // Of an act that stands there.
            if number >= self.acts.len() as u64 {
                return None;
            }
            self.recorded.insert(number);
            return Some(());
        }
        let act = HaltAct::read(&words)?;
        match act.turn {
            Turn::Halted => drop(self.standing.insert(act.whom.clone(), act.clone())),
            Turn::Lifted => drop(self.standing.remove(&act.whom)),
        }
        self.acts.push(act);
        Some(())
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Whom::One(name) => write!(formatter, "caller {name}"),
            Whom::Everyone => formatter.write_str("everyone"),
        }
    }
}

#[cfg(test)]
mod tests;
