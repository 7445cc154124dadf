//! Bodies and keys, record by record: what the leaf commits to, and what became of each section.

use super::leaves::{Log, place};
use super::shelf::Shelf;
use super::{GivenUp, GivenUps};
use crate::folder::{Folder, Rows};
use crate::report::{Report, SectionState};
use sluice_ledger::keyring::{KeyEntry, KeyEntryError, MasterKey, MasterKeyFault, WHOLE_ENTRY_BYTES, WrappedKeys, wrapped_keys_bytes_max};
use sluice_ledger::layout::{PACK_HEAD_BYTES, PACK_RECORDS, PackKind, PackName, PackTable, SLOT_HEAD_BYTES, Slot, table_offset};
use sluice_ledger::record::{BODY_BYTES_MAX, Body, Kind, Leaf, OpenedSection, SectionId, SectionSet, open};
use sluice_ledger::tree::TILE_WIDTH;
use std::collections::BTreeMap;

/// Of the record that was asked for.
pub type RecordStates = Vec<(SectionId, SectionState)>;

pub fn check(
    folder: &Folder,
    shelf: &mut Shelf,
    origin: &str,
    master: Option<&dyn MasterKey>,
    log: &Log,
    wanted: Option<u64>,
    report: &mut Report,
) -> RecordStates {
    let mut states = RecordStates::new();
    let records = log.records();
    for number in 0..records.div_ceil(PACK_RECORDS) {
        let first = number * PACK_RECORDS;
        let count = (records - first).min(PACK_RECORDS);
        let mut pair = Pair {
            bodies: Pack::open(folder, shelf, PackName { kind: PackKind::Bodies, number }, count, report),
            keys: Pack::open(folder, shelf, PackName { kind: PackKind::Keys, number }, count, report),
        };
        for bundle in first / TILE_WIDTH..(first + count).div_ceil(TILE_WIDTH) {
            let Some(leaves) = log.leaves(folder, bundle) else {
                report.find(place(bundle * TILE_WIDTH), "the bundle from here on changed while it was read");
                continue;
            };
            for (index, leaf) in (bundle * TILE_WIDTH..).zip(leaves) {
                let Some(leaf) = leaf else { continue };
                let judge = Judge { origin, master, index, leaf: &leaf, given_up: &log.given_up };
                let of_record = judge.states(&mut pair, report);
                of_record.iter().for_each(|(_, state)| report.count(*state));
                if wanted == Some(index) {
                    states = of_record;
                }
            }
        }
    }
    states
}

struct Pair {
    bodies: Option<Pack>,
    keys: Option<Pack>,
}

struct Pack {
    rows: Rows,
    table: PackTable,
}

impl Pack {
    fn open(folder: &Folder, shelf: &mut Shelf, name: PackName, count: u64, report: &mut Report) -> Option<Pack> {
        shelf.take_pack(name);
        let mut open = || -> Result<Pack, String> {
            let mut rows = folder.rows(&name.path()).map_err(|error| error.to_string())?.ok_or("missing")?;
            let head = rows.read(0, PACK_HEAD_BYTES).map_err(|error| error.to_string())?;
            let table = PackTable::read(name, &head, count).map_err(|fault| fault.to_string())?;
            let behind = usize::try_from(table_offset(0) + 8 * count).map_err(|error| error.to_string())?;
            if head.iter().skip(behind).any(|byte| *byte != 0) || rows.bytes() > table.end() {
                report.find(name.path(), "holds rows behind the last record");
            }
            if table.records() != count || rows.bytes() < table.end() {
                report.find(name.path(), "cut off");
            }
            Ok(Pack { rows, table })
        };
        open().map_err(|problem| report.find(name.path(), problem)).ok()
    }

    fn row(&mut self, index: u64, bytes_max: usize) -> Result<Vec<u8>, String> {
        let (start, length) = self.table.row(index).ok_or("has no row")?;
        if length > bytes_max {
            return Err(format!("a row of {length} bytes is too long"));
        }
        self.rows.read(start, length).map_err(|error| error.to_string())
    }
}

struct Judge<'a> {
    origin: &'a str,
    master: Option<&'a dyn MasterKey>,
    index: u64,
    leaf: &'a Leaf,
    given_up: &'a GivenUps,
}

impl Judge<'_> {
    fn states(&self, pair: &mut Pair, report: &mut Report) -> RecordStates {
        match self.judge(pair) {
            Ok(states) => states,
            Err(problem) => {
                report.find(place(self.index), problem);
                self.leaf.sections.iter().map(|section| (section, SectionState::Fail)).collect()
            }
        }
    }

    fn judge(&self, pair: &mut Pair) -> Result<RecordStates, String> {
        let body = pair.bodies.as_mut().ok_or("its body is missing")?.row(self.index, BODY_BYTES_MAX)?;
        Body::read(&body).and_then(|body| body.check(self.leaf)).map_err(|error| error.to_string())?;
        let capacity = SLOT_HEAD_BYTES + wrapped_keys_bytes_max(self.leaf.sections.len()).max(8);
        let slot = pair.keys.as_mut().ok_or("its keys are missing")?.row(self.index, capacity)?;
        if slot.len() != capacity {
            return Err("the slot of its keys has another length".to_owned());
        }
        let lost = self.lost();
        match Slot::read(self.index, &slot).map_err(|fault| fault.to_string())? {
            Slot::Gone { leaf } => self.gone(leaf, &lost),
            Slot::Keys(wrapped) => self.kept(&body, &WrappedKeys(wrapped), &lost),
        }
    }

    /// Sections that an erasure or an expiry speaks of, with the first that does.
    fn lost(&self) -> BTreeMap<SectionId, SectionState> {
        let mut lost = BTreeMap::new();
        for GivenUp { leaf, kind, sections } in self.given_up.get(&self.index).into_iter().flatten() {
            let state = if *kind == Kind::Erasure { SectionState::Erased(*leaf) } else { SectionState::Expired(*leaf) };
            for section in sections.intersection(self.leaf.sections).iter() {
                lost.entry(section).or_insert(state);
            }
        }
        lost
    }

    fn gone(&self, leaf: u64, lost: &BTreeMap<SectionId, SectionState>) -> Result<RecordStates, String> {
        let said = self.given_up.get(&self.index).into_iter().flatten().any(|given_up| given_up.leaf == leaf);
        if !said || self.leaf.sections.iter().any(|section| !lost.contains_key(&section)) {
            return Err(format!("its keys are gone, and record {leaf}, which they name, does not say why"));
        }
        Ok(lost.iter().map(|(section, state)| (*section, *state)).collect())
    }

    fn kept(&self, body: &[u8], wrapped: &WrappedKeys, lost: &BTreeMap<SectionId, SectionState>) -> Result<RecordStates, String> {
        let left: SectionSet = self.leaf.sections.iter().filter(|section| !lost.contains_key(section)).collect();
        if left.is_empty() && !lost.is_empty() {
            return Err("it was given up, and its keys are still there".to_owned());
        }
        // After a part was given up, the keys of the others stand there one by one.
        let bytes = if lost.is_empty() { WHOLE_ENTRY_BYTES } else { wrapped_keys_bytes_max(left.len() + 1) };
        let Some(master) = self.master else {
            if wrapped.0.len() != bytes {
                return Err("its keys have not the length that the keys of its sections have".to_owned());
            }
            return Ok(self
                .leaf
                .sections
                .iter()
                .map(|section| (section, lost.get(&section).copied().unwrap_or(SectionState::Sealed)))
                .collect());
        };
        let entry = KeyEntry::unwrap(wrapped, self.origin, self.leaf.record, master).map_err(|error| match error {
            KeyEntryError::MasterKey(MasterKeyFault::Unknown(id)) => {
                format!("wrapped by master key `{id}`, which was not given: not opened")
            }
            error => error.to_string(),
        })?;
        let expected = match &entry {
            KeyEntry::Whole(_) => lost.is_empty(),
            KeyEntry::Sections(keys) => !lost.is_empty() && keys.keys().copied().collect::<SectionSet>() == left,
        };
        if !expected {
            return Err(
                "its keys are not those of the sections that are left: a section was given up without a record, or not given up at all"
                    .to_owned(),
            );
        }
        let opened = open(body, self.leaf, self.origin, Some(&entry)).map_err(|error| error.to_string())?;
        let state = |(section, opened): (SectionId, OpenedSection)| match (opened, lost.get(&section)) {
            (OpenedSection::Verified(_), None) => Ok((section, SectionState::Verified)),
            (OpenedSection::KeyGone, Some(state)) => Ok((section, *state)),
            _ => Err(format!("section `{}` has a key and was given up, or has none and was not", section.word())),
        };
        opened.into_iter().map(state).collect()
    }
}
