//! The records of rows, verified as they are read: every leaf against the root that is signed, every text against its leaf.

use crate::command::ledger::Stop;
use crate::render::requests::principal;
use serde_json::{Map, Value};
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::record::{Kind, OpenedSection, SectionId, Subject};
use sluice_ledger::tree::{Frontier, leaf_hash};
use sluice_store::{Reader, Secrets, StoreFault};
use std::collections::{BTreeMap, BTreeSet};

/// What is wanted.
pub struct Wanted {
    pub since_ms: Option<u64>,
    pub until_ms: Option<u64>,
    pub caller: Option<String>,
    pub session: Option<String>,
    pub job: Option<String>,
    pub request: Option<Subject>,
}

/// What a report rests on.
pub struct Ground {
    pub origin: String,
    pub records: u64,
    pub root: String,
    /// The first and the last record of rows that was counted.
    pub rows: Option<(u64, u64)>,
    /// Records that could not be counted: their texts were given up.
    pub erased: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaskedKey {
    pub caller: String,
    pub columns: Vec<String>,
    pub labels: Vec<String>,
    pub mask: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClearKey {
    pub caller: String,
    pub columns: Vec<String>,
    pub labels: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    pub cells: u64,
    pub nulls: u64,
    pub results: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    pub rows: u64,
    pub results: u64,
}

#[derive(Default)]
pub struct Counted {
    pub masked: BTreeMap<MaskedKey, Cells>,
    pub clear: BTreeMap<ClearKey, Rows>,
    /// Requests whose rows were counted, and those rows.
    pub results: u64,
    pub rows: u64,
    /// A caller was asked for, whom no record that can be read names.
    pub is_of_nobody: bool,
}

/// The records of one request.
#[derive(Default)]
struct Asked {
    decided: Vec<u64>,
    pages: Vec<u64>,
    ended: Vec<u64>,
}

type Sections = Map<String, Value>;

pub fn read(reader: &Reader, secrets: &Secrets, wanted: &Wanted) -> Result<(Ground, Counted), StoreFault> {
    let checkpoint = reader.checkpoint().checkpoint();
    if reader.facts().verifier_key != *secrets.signer().verifier_key() {
        return Err(StoreFault::Key(
            "the keys are not those of this ledger, which is signed by another one: they may be another ledger's".to_owned(),
        ));
    }
    let mut tree = Frontier::default();
    let mut asked: BTreeMap<Subject, Asked> = BTreeMap::new();
    reader.each_leaf(0, |index, leaf| {
        tree.push(leaf_hash(&leaf.bytes()));
        let Some(subject) = leaf.subject.filter(|subject| wanted.request.is_none_or(|wanted| wanted == *subject)) else { return Ok(()) };
        let records = asked.entry(subject).or_default();
        match leaf.kind {
            Kind::RequestAdmitted => records.decided.push(index),
            Kind::ResultPage if wanted.is_within(leaf.time_ms) => records.pages.push(index),
            kind if kind.is_terminal() => {
                records.ended.push(index);
                // What showed no row is not kept in memory.
                if records.pages.is_empty() {
                    asked.remove(&subject);
                }
            }
            _ => {}
        }
        Ok(())
    })?;
    if tree.root() != checkpoint.root || tree.size() != checkpoint.size {
        return Err(StoreFault::Damaged("the records are not those that the signed checkpoint is about".to_owned()));
    }
    let mut ground = Ground {
        origin: checkpoint.origin.clone(),
        records: checkpoint.size,
        root: sluice_app::hex(&checkpoint.root),
        rows: None,
        erased: 0,
    };
    let (mut counted, master) = (Counted::default(), secrets.master());
    for asked in asked.values().filter(|asked| !asked.pages.is_empty()) {
        count(reader, master.as_ref(), wanted, asked, &mut ground, &mut counted)?;
    }
    if let Some(caller) = wanted.caller.as_ref().filter(|_| counted.results == 0) {
        counted.is_of_nobody = !is_on_record(reader, master.as_ref(), caller)?;
    }
    Ok((ground, counted))
}

/// Whether the caller ever asked for anything, at whatever time.
fn is_on_record(reader: &Reader, master: &dyn MasterKey, caller: &str) -> Result<bool, StoreFault> {
    let mut admitted = Vec::new();
    reader.each_leaf(0, |index, leaf| {
        admitted.extend((leaf.kind == Kind::RequestAdmitted || leaf.kind.is_terminal()).then_some(index));
        Ok(())
    })?;
    for index in admitted {
        let sections = sections(reader, master, index, &mut 0)?;
        if names(&sections).any(|name| name == caller) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Who called, and on whose behalf.
fn names(decided: &Sections) -> impl Iterator<Item = String> + '_ {
    let identity = decided.get("identity");
    let hands = identity.and_then(|identity| identity.get("on_behalf_of")).and_then(Value::as_array);
    identity.into_iter().chain(hands.into_iter().flatten()).filter_map(principal)
}

fn count(
    reader: &Reader,
    master: &dyn MasterKey,
    wanted: &Wanted,
    asked: &Asked,
    ground: &mut Ground,
    counted: &mut Counted,
) -> Result<(), StoreFault> {
    let mut open = |index: u64| sections(reader, master, index, &mut ground.erased);
    let decided = asked.decided.last().map(|index| open(*index)).transpose()?.unwrap_or_default();
    let ended = asked.ended.last().map(|index| open(*index)).transpose()?.unwrap_or_default();
    let pages = asked.pages.iter().map(|index| open(*index)).collect::<Result<Vec<Sections>, _>>()?;
    let caller = decided.get("identity").and_then(principal).unwrap_or_else(|| "somebody whose identity was erased".to_owned());
    if !wanted.takes(&caller, &decided, &ended) {
        return Ok(());
    }
    let bounds = asked.pages.iter().copied().chain(ground.rows.iter().flat_map(|(first, last)| [*first, *last]));
    ground.rows = bounds.clone().min().zip(bounds.max());
    let (mut rows, mut of_this) = (0, BTreeMap::<MaskedKey, (u64, u64)>::new());
    for result in pages.iter().filter_map(|page| page.get("result")) {
        rows += number(result, "rows");
        for masked in result.get("masked").and_then(Value::as_array).into_iter().flatten() {
            let columns = texts(masked, "columns");
            // Records of an older program name the path in the result alone.
            let columns = if columns.is_empty() { vec![format!("output {}", text(masked, "path"))] } else { columns };
            let key = MaskedKey { caller: caller.clone(), columns, labels: texts(masked, "labels"), mask: text(masked, "mask") };
            let sum = of_this.entry(key).or_default();
            *sum = (sum.0 + number(masked, "cells"), sum.1 + number(masked, "nulls"));
        }
    }
    for (key, (cells, nulls)) in of_this {
        let sum = counted.masked.entry(key).or_default();
        *sum = Cells { cells: sum.cells + cells, nulls: sum.nulls + nulls, results: sum.results + 1 };
    }
    let clear = decided.get("policy").and_then(|policy| policy.get("clear")).and_then(Value::as_array);
    let clear = clear.into_iter().flatten().filter(|_| rows > 0);
    let keys = clear.map(|path| ClearKey { caller: caller.clone(), columns: texts(path, "columns"), labels: texts(path, "labels") });
    for key in keys.collect::<BTreeSet<_>>() {
        let sum = counted.clear.entry(key).or_default();
        *sum = Rows { rows: sum.rows + rows, results: sum.results + 1 };
    }
    counted.results += 1;
    counted.rows += rows;
    Ok(())
}

/// What of a record can be read. Each text is compared with its leaf.
fn sections(reader: &Reader, master: &dyn MasterKey, index: u64, erased: &mut u64) -> Result<Sections, StoreFault> {
    let (_, opened) = reader.open_record(index, master)?;
    let mut sections = Sections::new();
    let mut is_whole = true;
    for (section, opened) in opened {
        match opened {
            OpenedSection::KeyGone => is_whole &= !matches!(section, SectionId::Identity | SectionId::Policy | SectionId::Result),
            OpenedSection::Verified(text) => {
                let fault =
                    |error: serde_json::Error| StoreFault::Damaged(format!("record {index}: section `{}`: {error}", section.word()));
                sections.insert(section.word().to_owned(), serde_json::from_slice(&text).map_err(fault)?);
            }
        }
    }
    *erased += u64::from(!is_whole);
    Ok(sections)
}

impl Wanted {
    fn is_within(&self, time_ms: u64) -> bool {
        self.since_ms.is_none_or(|since| time_ms >= since) && self.until_ms.is_none_or(|until| time_ms < until)
    }

    fn takes(&self, caller: &str, decided: &Sections, ended: &Sections) -> bool {
        let says = |sections: &Sections, place: &str, value: &str| {
            let (section, rest) = place.split_once('/').unwrap_or((place, ""));
            sections.get(section).and_then(|section| section.pointer(&format!("/{rest}"))).and_then(Value::as_str) == Some(value)
        };
        let hands = decided.get("identity").and_then(|identity| identity.get("on_behalf_of")).and_then(Value::as_array);
        let caller_fits =
            |wanted: &String| caller == wanted || hands.into_iter().flatten().filter_map(principal).any(|hand| hand == *wanted);
        let session_fits = |wanted: &String| says(decided, "meta/session", wanted);
        let job_fits = |wanted: &String| [decided, ended].into_iter().any(|sections| says(sections, "meta/job/id", wanted));
        self.caller.as_ref().is_none_or(caller_fits)
            && self.session.as_ref().is_none_or(session_fits)
            && self.job.as_ref().is_none_or(job_fits)
    }
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(value: &Value, name: &str) -> Vec<String> {
    value.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// For whoever runs the command.
pub fn stop(folder: &std::path::Path, fault: &StoreFault) -> Stop {
    Stop::Failed(format!("{}: no report: {fault}", folder.display()))
}
