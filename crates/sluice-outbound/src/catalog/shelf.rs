//! What is known of one warehouse, by name: no older than its connection allows, no more than fits, read once for all who ask at a time.

use sluice_app::CatalogFault;
use sluice_model::{ColumnPath, TableName};
use sluice_sql::catalog::{Model, Routine, Table};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Of the resources as they came, for one connection.
const SHELF_BYTES_MAX: usize = 64 << 20;
const SHELF_ENTRIES_MAX: usize = 20_000;
/// What an entry takes beside its text.
const ENTRY_BYTES: usize = 512;
/// That something is not there is believed for so long: it may be about to be made.
const ABSENT_SECONDS_MAX: u64 = 2;
const READS_AT_ONCE_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The names of a dataset's tables.
    Listing,
    Model,
    Routine,
    Table,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub kind: Kind,
    pub name: TableName,
}

#[derive(Clone)]
pub enum Found {
    Absent,
    Listing(Arc<Vec<String>>),
    Model(Arc<Model>),
    /// The whole dataset is not there.
    NoDataset,
    Routine(Arc<Routine>),
    Table(Arc<Described>),
}

impl Found {
    pub fn is_absent(&self) -> bool {
        matches!(self, Found::Absent | Found::NoDataset)
    }
}

pub struct Described {
    pub table: Table,
    pub tags: Vec<(ColumnPath, String)>,
    pub has_row_policies: bool,
}

/// What was read, and with what it may be asked for again.
#[derive(Clone)]
pub struct Held {
    pub found: Found,
    pub etag: String,
    /// Before it was asked for.
    pub read_at: Instant,
    pub bytes: usize,
}

pub struct Shelf {
    age_max: Duration,
    /// BigQuery holds each caller to its own row access policies, so nobody else has to know of them.
    pub knows_callers: bool,
    entries: Mutex<Entries>,
    reads: Semaphore,
}

#[derive(Default)]
struct Entries {
    slots: HashMap<Key, Arc<Slot>>,
    used: u64,
    bytes: usize,
}

/// One name. It outlives its place in the shelf while somebody reads it.
#[derive(Default)]
pub struct Slot {
    state: Mutex<State>,
    pub flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    held: Option<Held>,
    used: u64,
    /// When the last read failed.
    failed: Option<(Instant, CatalogFault)>,
}

impl Shelf {
    pub fn new(age_max: Duration, knows_callers: bool) -> Shelf {
        Shelf { age_max, knows_callers, entries: Mutex::default(), reads: Semaphore::new(READS_AT_ONCE_MAX) }
    }

    /// Without asking anybody.
    pub fn at_hand(&self, key: &Key, came: Instant) -> Option<Found> {
        let mut entries = self.entries();
        entries.used += 1;
        let used = entries.used;
        let slot = entries.slots.get(key)?;
        slot.state().used = used;
        slot.fresh(came, self.age_max)
    }

    pub fn slot(&self, key: &Key) -> Arc<Slot> {
        let mut entries = self.entries();
        entries.used += 1;
        let used = entries.used;
        let slot = match entries.slots.get(key) {
            Some(slot) => Arc::clone(slot),
            None => {
                let slot: Arc<Slot> = Arc::default();
                entries.bytes += slot.bytes();
                entries.slots.insert(key.clone(), Arc::clone(&slot));
                slot
            }
        };
        slot.state().used = used;
        entries.make_room();
        slot
    }

    pub fn age_max(&self) -> Duration {
        self.age_max
    }

    /// Waits for its turn. Nothing only where the shelf is gone.
    pub async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.reads.acquire().await.ok()
    }

    /// Keeps what was read, where nobody has said meanwhile that it changed.
    pub fn keep(&self, key: &Key, slot: &Arc<Slot>, held: Held) {
        let mut entries = self.entries();
        let before = slot.bytes();
        slot.state().held = Some(held);
        if entries.slots.get(key).is_some_and(|kept| Arc::ptr_eq(kept, slot)) {
            entries.bytes = (entries.bytes + slot.bytes()).saturating_sub(before);
            entries.make_room();
        }
    }

    /// A dataset, or a project, stands for all that is in it. What is being read at this moment is not kept.
    pub fn forget(&self, changed: &TableName) {
        let fits = |one: &str, other: &str| one.is_empty() || one == other;
        let mut entries = self.entries();
        let mut freed = 0;
        entries.slots.retain(|key, slot| {
            let is_near = key.name.project == changed.project && fits(&changed.dataset, &key.name.dataset);
            let stays = !(is_near && (key.kind == Kind::Listing || fits(&changed.table, &key.name.table)));
            freed += if stays { 0 } else { slot.bytes() };
            stays
        });
        entries.bytes = entries.bytes.saturating_sub(freed);
    }

    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.entries().slots.len()
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// What was not used for longest goes first, a quarter at a time.
    fn make_room(&mut self) {
        if self.bytes <= SHELF_BYTES_MAX && self.slots.len() <= SHELF_ENTRIES_MAX {
            return;
        }
        let mut by_use: Vec<(u64, Key)> = self.slots.iter().map(|(key, slot)| (slot.state().used, key.clone())).collect();
        by_use.sort();
        for (_, key) in by_use {
            if self.bytes <= SHELF_BYTES_MAX / 4 * 3 && self.slots.len() <= SHELF_ENTRIES_MAX / 4 * 3 {
                return;
            }
            if let Some(slot) = self.slots.remove(&key) {
                self.bytes = self.bytes.saturating_sub(slot.bytes());
            }
        }
    }
}

impl Slot {
    /// What was read no longer before somebody came than it may be old.
    pub fn fresh(&self, came: Instant, age_max: Duration) -> Option<Found> {
        let state = self.state();
        let held = state.held.as_ref()?;
        let age_max = if held.found.is_absent() { age_max.min(Duration::from_secs(ABSENT_SECONDS_MAX)) } else { age_max };
        (came.saturating_duration_since(held.read_at) <= age_max && (held.read_at >= came || !age_max.is_zero()))
            .then(|| held.found.clone())
    }

    pub fn held(&self) -> Option<Held> {
        self.state().held.clone()
    }

    /// For whoever waited for it.
    pub fn fault_since(&self, came: Instant) -> Option<CatalogFault> {
        self.state().failed.as_ref().filter(|(at, _)| *at >= came).map(|(_, fault)| fault.clone())
    }

    pub fn fail(&self, fault: &CatalogFault) {
        self.state().failed = Some((Instant::now(), fault.clone()));
    }

    fn bytes(&self) -> usize {
        ENTRY_BYTES + self.state().held.as_ref().map_or(0, |held| held.bytes)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Shelf").field("age_max", &self.age_max).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, project: &str, dataset: &str, table: &str) -> Key {
        Key { kind, name: TableName::new(project, dataset, table) }
    }

    fn held(bytes: usize) -> Held {
        Held { found: Found::Absent, etag: String::new(), read_at: Instant::now(), bytes }
    }

    fn fill(shelf: &Shelf, key: &Key, bytes: usize) {
        shelf.keep(key, &shelf.slot(key), held(bytes));
    }

    #[test]
    fn what_changed_is_forgotten_and_nothing_else() {
        let check = |changed: (&str, &str, &str), expect: usize| {
            let shelf = Shelf::new(Duration::from_secs(60), false);
            for name in [("p", "d", "t"), ("p", "d", "u"), ("p", "e", "t"), ("q", "d", "t")] {
                fill(&shelf, &key(Kind::Table, name.0, name.1, name.2), 1);
            }
            fill(&shelf, &key(Kind::Routine, "p", "d", "t"), 1);
            fill(&shelf, &key(Kind::Listing, "p", "d", ""), 1);
            shelf.forget(&TableName::new(changed.0, changed.1, changed.2));
            assert_eq!(shelf.count(), expect, "{changed:?}");
        };
        check(("p", "d", "t"), 3);
        check(("p", "d", "new"), 5);
        check(("p", "d", ""), 2);
        check(("p", "", ""), 1);
        check(("x", "d", "t"), 6);
    }

    #[test]
    fn it_holds_no_more_than_it_may() {
        let shelf = Shelf::new(Duration::from_secs(60), false);
        for number in 0..100 {
            fill(&shelf, &key(Kind::Table, "p", "d", &number.to_string()), 1 << 20);
            // Used again and again, so it stays.
            shelf.slot(&key(Kind::Table, "p", "d", "0"));
        }
        assert!(shelf.count() > 40 && shelf.count() < 64, "{}", shelf.count());
        assert!(shelf.at_hand(&key(Kind::Table, "p", "d", "0"), Instant::now()).is_some());
        assert!(shelf.at_hand(&key(Kind::Table, "p", "d", "1"), Instant::now()).is_none());
        for number in 0..100 {
            fill(&shelf, &key(Kind::Table, "p", "d", &number.to_string()), 1);
        }
        shelf.forget(&TableName::new("p", "", ""));
        assert_eq!(shelf.entries().bytes, 0, "what goes is counted as what came");
    }

    #[test]
    fn a_slot_that_was_forgotten_is_filled_for_nobody() {
        let shelf = Shelf::new(Duration::from_secs(60), false);
        let table = key(Kind::Table, "p", "d", "t");
        let slot = shelf.slot(&table);
        shelf.forget(&table.name);
        shelf.keep(&table, &slot, held(1));
        assert!(shelf.at_hand(&table, Instant::now()).is_none());
        assert!(slot.fresh(Instant::now(), Duration::from_secs(1)).is_some());
    }

    #[test]
    fn nothing_is_older_than_agreed() {
        let came = Instant::now();
        let check = |found: Found, age_max_ms: u64, before_ms: u64, expect: bool| {
            let slot = Slot::default();
            slot.state().held = Some(Held { found, etag: String::new(), read_at: came - Duration::from_millis(before_ms), bytes: 0 });
            assert_eq!(slot.fresh(came, Duration::from_millis(age_max_ms)).is_some(), expect, "{age_max_ms} {before_ms}");
        };
        let listing = || Found::Listing(Arc::default());
        check(listing(), 1_000, 900, true);
        check(listing(), 1_000, 1_100, false);
        check(listing(), 0, 1, false);
        check(listing(), 0, 0, true);
        check(Found::Absent, 60_000, 1_900, true);
        check(Found::Absent, 60_000, 2_100, false);
        check(Found::NoDataset, 60_000, 1_900, true);
        check(Found::NoDataset, 60_000, 2_100, false);
    }
}
