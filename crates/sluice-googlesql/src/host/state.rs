//! What an instance has outside its own memory: open files, what it complained about, and its memory's cap.

use super::zoneinfo::Zoneinfo;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use wasmtime::ResourceLimiter;

pub const COMPLAINT_BYTES_MAX: usize = 4 << 10;
/// The module has one table, of 44 thousand functions, which never grows.
const TABLE_ELEMENTS_MAX: usize = 100_000;

pub struct State {
    pub zoneinfo: Arc<Zoneinfo>,
    pub files: BTreeMap<u32, Open>,
    pub complaint: Vec<u8>,
    pub started: Instant,
    pub memory_bytes_max: usize,
    /// Growth was refused: what the module says next is about that.
    pub memory_refused: bool,
}

#[derive(Clone, Debug)]
pub struct Open {
    pub bytes: Arc<[u8]>,
    pub position: u64,
}

impl State {
    pub fn new(zoneinfo: Arc<Zoneinfo>, memory_bytes_max: usize) -> State {
        State { zoneinfo, files: BTreeMap::new(), complaint: Vec::new(), started: Instant::now(), memory_bytes_max, memory_refused: false }
    }

    /// Keeps what the module writes to its standard error, up to a bound.
    pub fn complaint(&mut self, bytes: &[u8]) {
        let room = COMPLAINT_BYTES_MAX.saturating_sub(self.complaint.len());
        self.complaint.extend(bytes.iter().take(room));
    }
}

impl ResourceLimiter for State {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes_max;
        self.memory_refused |= !allowed;
        Ok(allowed)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }
}
