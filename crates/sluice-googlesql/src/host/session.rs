//! What one job may do with an instance, and how each failure reads.

use super::instance::Instance;
use super::snapshot::{Changes, Snapshot};
use super::state::State;
use super::table_sets::{Key, TableSet, TableSets};
use super::ticker::{self, Ticker};
use super::zoneinfo::Zoneinfo;
use sluice_sql::engine::Fault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use wasmtime::{InstancePre, Trap};

/// Of a message of the module's.
pub const MESSAGE_BYTES_MAX: usize = 8 << 10;

/// What all instances share.
pub struct Shared {
    pub module: InstancePre<State>,
    pub zoneinfo: Arc<Zoneinfo>,
    pub base: Snapshot,
    pub sets: TableSets,
    pub ticker: Ticker,
    /// Instances that were given up: after a trap, a deadline, a full memory, or as they had grown beyond the base.
    pub restarts: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    pub milliseconds_max: u64,
    pub memory_bytes_max: usize,
}

impl CallLimits {
    /// When a call that starts now is to end.
    pub fn ends(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.milliseconds_max)
    }
}

/// A table set that is registered, or is to be.
pub enum Entry {
    Known(Arc<TableSet>),
    New { key: Key, request: Vec<u8> },
}

/// A thread's instance. It is made when it is needed, and dropped when its state can no longer be trusted.
pub struct Session {
    shared: Arc<Shared>,
    instance: Option<Instance>,
    /// Instances that nothing may run in any more. Giving back their memory takes a while, for which no caller waits.
    spoilt: Vec<Instance>,
    limits: CallLimits,
    ends: Instant,
}

impl Session {
    pub fn new(shared: Arc<Shared>) -> Session {
        let limits = CallLimits { milliseconds_max: 0, memory_bytes_max: 0 };
        Session { shared, instance: None, spoilt: Vec::new(), limits, ends: Instant::now() }
    }

    /// Starts a job: every call until the next start ends at `ends` at the latest.
    pub fn start(&mut self, limits: CallLimits, ends: Instant) {
        self.limits = limits;
        self.ends = ends;
    }

    pub fn drop_instance(&mut self) {
        if let Some(spoilt) = self.instance.take() {
            self.shared.restarts.fetch_add(1, Ordering::Relaxed);
            self.spoilt.push(spoilt);
        }
    }

    /// Puts the instance back when nobody waits, so that the next job finds it ready. Its own start makes sure all the same.
    pub fn tidy(&mut self) {
        self.spoilt.clear();
        if self.reset().is_err() {
            self.drop_instance();
        }
    }

    pub fn base_bytes(&self) -> usize {
        self.shared.base.memory_bytes
    }

    /// Puts the instance back to the state in which nothing is registered.
    pub fn reset(&mut self) -> Result<(), Fault> {
        self.restore(None)
    }

    /// Puts the instance into the state in which the table set is registered. The answer is the number under which it is.
    pub fn enter(&mut self, entry: &Entry, number: impl FnOnce(&[u8]) -> Result<i64, Fault>) -> Result<i64, Fault> {
        let (key, request) = match entry {
            Entry::Known(set) => return self.restore(Some(set)).map(|()| set.id),
            Entry::New { key, request } => (key, request),
        };
        // Another worker may have been faster.
        if let Some(set) = self.shared.sets.find(key) {
            return self.restore(Some(&set)).map(|()| set.id);
        }
        self.restore(None)?;
        let answer = self.call("RegisterCatalog", request).map_err(|fault| match fault {
            // What is wrong with a catalog is never the statement's fault.
            Fault::Invalid { message, .. } => Fault::Engine { message: format!("the catalog is refused: {message}") },
            other => other,
        })?;
        let id = number(&answer)?;
        let changes = self.difference()?;
        self.shared.sets.keep(*key, Arc::new(TableSet { changes, id }));
        Ok(id)
    }

    /// What the present state adds to the base.
    pub fn difference(&mut self) -> Result<Changes, Fault> {
        let shared = self.shared.clone();
        let instance = self.instance()?;
        let files = instance.state().files.clone();
        Ok(shared.base.changes(instance.memory(), &files))
    }

    /// Calls one procedure in the present state. After a fault other than `Invalid` the instance is gone.
    pub fn call(&mut self, name: &'static str, request: &[u8]) -> Result<Vec<u8>, Fault> {
        let limits = self.limits;
        let left = self.ends.saturating_duration_since(Instant::now());
        if left == Duration::ZERO {
            return Err(Fault::Deadline { milliseconds: limits.milliseconds_max });
        }
        let shared = self.shared.clone();
        let _running = shared.ticker.running();
        let instance = self.instance()?;
        instance.deadline(ticker::ticks(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)));
        let outcome = instance.call(name, request);
        let memory_refused = instance.state().memory_refused;
        let complaint = String::from_utf8_lossy(&instance.state().complaint).into_owned();
        let fault = match outcome {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(text)) => said(&text),
            Err(_) if memory_refused => Fault::Memory { bytes: limits.memory_bytes_max as u64 },
            Err(error) => stopped(&error, &complaint, limits),
        };
        if !matches!(fault, Fault::Invalid { .. }) {
            self.drop_instance();
        }
        Err(fault)
    }

    fn restore(&mut self, set: Option<&TableSet>) -> Result<(), Fault> {
        let shared = self.shared.clone();
        let broken = |error: wasmtime::Error| Fault::Engine { message: format!("an instance could not be put back: {error:#}") };
        let restored = match &mut self.instance {
            Some(instance) => instance.restore(&shared.base, set).map_err(broken)?,
            None => false,
        };
        if !restored {
            self.drop_instance();
            self.instance()?.restore(&shared.base, set).map_err(broken)?;
        }
        let memory_bytes_max = self.limits.memory_bytes_max;
        self.instance()?.state().memory_bytes_max = memory_bytes_max;
        Ok(())
    }

    pub(super) fn instance(&mut self) -> Result<&mut Instance, Fault> {
        if self.instance.is_none() {
            let state = State::new(self.shared.zoneinfo.clone(), super::runtime::MODULE_MEMORY_BYTES_MAX as usize);
            let made = Instance::bare(&self.shared.module, state);
            self.instance = Some(made.map_err(|error| Fault::Engine { message: format!("no instance could be made: {error:#}") })?);
        }
        self.instance.as_mut().ok_or_else(|| Fault::Engine { message: "no instance".to_owned() })
    }
}

/// The module's error texts: `Code: 3, Message: Unrecognized name: x [at 1:8]`.
pub fn said(text: &str) -> Fault {
    // Some texts repeat the whole statement, and more.
    let text = text.get(..text.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or(text);
    if text == "Failed to parse request" {
        return Fault::Engine { message: "a request is nested too deeply for the engine".to_owned() };
    }
    let parts = text.strip_prefix("Code: ").and_then(|rest| rest.split_once(", Message: "));
    let (code, message) = parts.map_or((0, text), |(code, message)| (code.parse().unwrap_or(0), message));
    match code {
        // Invalid argument, not found, exists already, too large, precondition, out of range, unimplemented: about the statement.
        3 | 5 | 6 | 8 | 9 | 11 | 12 => {
            let (message, position) = position(message);
            Fault::Invalid { message: message.to_owned(), line: position.map(|(line, _)| line), column: position.map(|(_, column)| column) }
        }
        _ => Fault::Interrupted { message: text.to_owned() },
    }
}

/// Takes the position off the end of a message.
fn position(message: &str) -> (&str, Option<(u32, u32)>) {
    let found = message.trim_end().strip_suffix(']').and_then(|rest| rest.rsplit_once(" [at "));
    let parsed = found.and_then(|(before, at)| {
        let (line, column) = at.split_once(':')?;
        Some((before, (line.parse().ok()?, column.parse().ok()?)))
    });
    parsed.map_or((message, None), |(before, at)| (before, Some(at)))
}

fn stopped(error: &wasmtime::Error, complaint: &str, limits: CallLimits) -> Fault {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Fault::Deadline { milliseconds: limits.milliseconds_max },
        // The shadow stack lies at the start of memory: running over it leaves memory.
        Some(Trap::StackOverflow | Trap::MemoryOutOfBounds) => Fault::Interrupted { message: "out of stack space".to_owned() },
        _ => Fault::Interrupted { message: format!("{}: {}", error.root_cause(), complaint.trim()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Fault) {
        assert_eq!(said(text), expect, "{text}");
    }

    #[test]
    fn error_texts_are_understood() {
        let invalid = |message: &str, line, column| Fault::Invalid { message: message.to_owned(), line, column };
        check("Code: 3, Message: Unrecognized name: x [at 1:8]", invalid("Unrecognized name: x", Some(1), Some(8)));
        check("Code: 11, Message: division by zero: 1 / 0", invalid("division by zero: 1 / 0", None, None));
        check("Code: 3, Message: Odd [at x:8]", invalid("Odd [at x:8]", None, None));
        check("Code: 13, Message: oh", Fault::Interrupted { message: "Code: 13, Message: oh".to_owned() });
        check("oh", Fault::Interrupted { message: "oh".to_owned() });
    }
}
