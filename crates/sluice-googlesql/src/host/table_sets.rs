//! Table sets that were registered before, as differences to the base state: the least recently used go first.

use super::snapshot::Changes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A digest of everything that was registered.
pub type Key = [u8; 32];

/// One registered catalog: the state right after its registration, and the number that the module gave to it.
#[derive(Debug)]
pub struct TableSet {
    pub changes: Changes,
    pub id: i64,
}

pub struct TableSets {
    bytes_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sets: HashMap<Key, (Arc<TableSet>, u64)>,
    bytes: usize,
    clock: u64,
}

impl TableSets {
    pub fn new(bytes_max: usize) -> TableSets {
        TableSets { bytes_max, inner: Mutex::default() }
    }

    pub fn find(&self, key: &Key) -> Option<Arc<TableSet>> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        let (set, used) = inner.sets.get_mut(key)?;
        *used = now;
        Some(set.clone())
    }

    pub fn keep(&self, key: Key, set: Arc<TableSet>) {
        let size = set.changes.size_bytes();
        if size > self.bytes_max {
            return;
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.clock += 1;
        let now = inner.clock;
        if let Some((old, _)) = inner.sets.insert(key, (set, now)) {
            inner.bytes -= old.changes.size_bytes();
        }
        inner.bytes += size;
        while inner.bytes > self.bytes_max {
            let Some(oldest) = inner.sets.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else { break };
            if let Some((old, _)) = inner.sets.remove(&oldest) {
                inner.bytes -= old.changes.size_bytes();
            }
        }
    }
}
