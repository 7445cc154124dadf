//! What was seen of each column on one day, and what that amounts to. Values are looked at and forgotten; of those that were found a few digests stay in memory, so that
//! one odd cell that is read often stays one.

use super::cell::{Kinds, Looking, Sight, cut};
use super::sample::{SAMPLE_ROWS_MAX, Sample};
use super::sampling::Watching;
use super::words::Hints;
use sluice_model::ColumnPath;
use sluice_policy::{FindingAct, FindingKind, FindingRule, FindingRules, canonical};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{Hash, Hasher};

/// In one day. What comes behind them is not looked at.
pub const COLUMNS_TALLIED_MAX: usize = 10_000;
const VALUES_KEPT_MAX: usize = 64;
const PERCENT: u64 = 100;

/// Where values come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// They are this column's own.
    Column(ColumnPath),
    /// They were computed, or may come from several.
    Output { path: Vec<String>, from: Vec<String> },
}

/// A column whose values look like something. It holds none of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub source: Source,
    pub kind: FindingKind,
    pub act: FindingAct,
    /// That were looked at since the day began, nulls left out.
    pub cells: u64,
    /// Of these: they have the form of it.
    pub formed: u64,
    /// And are it.
    pub found: u64,
}

/// Of one day.
#[derive(Default)]
pub struct Tally {
    day: u64,
    columns: HashMap<Source, Counted>,
}

#[derive(Default)]
struct Counted {
    cells: u64,
    kinds: BTreeMap<FindingKind, KindCounted>,
}

#[derive(Default)]
struct KindCounted {
    formed: u64,
    found: u64,
    /// Digests of different values.
    values: Vec<u64>,
    told: bool,
}

impl Tally {
    /// Whatever crosses its threshold now, and has not been told on this day.
    pub fn take(&mut self, sample: &Sample, rules: &FindingRules, day: u64, year_now: u32) -> Vec<Finding> {
        if self.day != day {
            *self = Tally { day, columns: HashMap::new() };
        }
        let places = &sample.watched.places;
        let hints: Vec<Hints> = places.iter().map(Watching::hints).collect();
        let mut looking = Looking::new(year_now);
        let mut seen: Vec<(u64, Vec<(Sight, u64)>)> = vec![(0, Vec::new()); places.len()];
        sample.each_value(&mut |place, cell| {
            let (Some(watching), Some(hints), Some((cells, sights))) = (places.get(place), hints.get(place), seen.get_mut(place)) else {
                return;
            };
            // Of a row with a long list too.
            if *cells == SAMPLE_ROWS_MAX as u64 {
                return;
            }
            *cells += 1;
            let sight = looking.cell(cell, &watching.kind, *hints);
            if !sight.formed.is_empty() {
                sights.push((sight, digest(cell)));
            }
        });
        let mut findings = Vec::new();
        for (watching, (cells, sights)) in places.iter().zip(seen).filter(|(_, (cells, _))| *cells > 0) {
            let source = canonical_source(&watching.source);
            if self.columns.len() >= COLUMNS_TALLIED_MAX && !self.columns.contains_key(&source) {
                continue;
            }
            let counted = self.columns.entry(source).or_default();
            counted.add(cells, &sights);
            findings.extend(counted.cross(&watching.source, rules));
        }
        findings
    }

    /// What was told could not be put on record: it is told again.
    pub fn forget(&mut self, finding: &Finding) {
        let counted = self.columns.get_mut(&canonical_source(&finding.source));
        if let Some(kind) = counted.and_then(|counted| counted.kinds.get_mut(&finding.kind)) {
            kind.told = false;
        }
    }
}

impl Counted {
    fn add(&mut self, cells: u64, sights: &[(Sight, u64)]) {
        self.cells += cells;
        for (sight, digest) in sights {
            for kind in sight.formed.iter() {
                let counted = self.kinds.entry(kind).or_default();
                counted.formed += 1;
                counted.see(sight.found, kind, *digest);
            }
        }
    }

    fn cross<'a>(&'a mut self, source: &'a Source, rules: &'a FindingRules) -> impl Iterator<Item = Finding> + 'a {
        let cells = self.cells;
        self.kinds.iter_mut().filter_map(move |(kind, counted)| {
            let rule = rules.of(*kind).filter(|rule| !counted.told && counted.is_enough(*kind, rule, cells))?;
            counted.told = true;
            let KindCounted { formed, found, .. } = *counted;
            Some(Finding { source: source.clone(), kind: *kind, act: rule.act.clone(), cells, formed, found })
        })
    }
}

impl KindCounted {
    fn see(&mut self, found: Kinds, kind: FindingKind, digest: u64) {
        if !found.has(kind) {
            return;
        }
        self.found += 1;
        if self.values.len() < VALUES_KEPT_MAX && !self.values.contains(&digest) {
            self.values.push(digest);
        }
    }

    fn is_enough(&self, kind: FindingKind, rule: &FindingRule, cells: u64) -> bool {
        let is_share = |part: u64, whole: u64, percent: u32| part * PERCENT >= whole * u64::from(percent);
        self.values.len() >= rule.values_min as usize
            && is_share(self.found, cells, rule.share_percent_min)
            && is_share(self.found, self.formed, valid_percent_min(kind))
    }
}

/// Of cells that have its form: where fewer are valid, those are valid by chance. One number in ten has a check digit that fits.
fn valid_percent_min(kind: FindingKind) -> u32 {
    match kind {
        FindingKind::CardNumber | FindingKind::Iban => 50,
        FindingKind::Email => 0,
        FindingKind::DateOfBirth
        | FindingKind::IpAddress
        | FindingKind::NhsNumber
        | FindingKind::PersonName
        | FindingKind::Telephone
        | FindingKind::UsNpi
        | FindingKind::UsSsn => 80,
    }
}

/// One column, however its name is written.
fn canonical_source(source: &Source) -> Source {
    match source {
        Source::Column(column) => Source::Column(canonical(column)),
        Source::Output { .. } => source.clone(),
    }
}

fn digest(cell: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    cut(cell).hash(&mut hasher);
    hasher.finish()
}

/// What it holds are digests of values.
impl fmt::Debug for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tally").field("day", &self.day).field("columns", &self.columns.len()).finish_non_exhaustive()
    }
}
