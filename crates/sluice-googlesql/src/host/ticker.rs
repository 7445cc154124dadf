//! The clock that deadlines are counted in: a thread advances the engine's epoch at a steady pace, as long as something runs.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub const TICK_MILLISECONDS: u64 = 5;

/// The clock's thread ends when this is dropped.
pub struct Ticker {
    shared: Arc<Shared>,
}

/// Keeps the clock going.
pub struct Running<'a> {
    ticker: &'a Ticker,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running: usize,
    closed: bool,
}

pub fn start(engine: &wasmtime::Engine) -> std::io::Result<Ticker> {
    let ticker = Ticker { shared: Arc::default() };
    let (engine, shared) = (engine.clone(), ticker.shared.clone());
    let run = move || while shared.tick(&engine) {};
    std::thread::Builder::new().name("googlesql-clock".to_owned()).spawn(run)?;
    Ok(ticker)
}

pub fn ticks(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(TICK_MILLISECONDS).max(1)
}

impl Ticker {
    pub fn running(&self) -> Running<'_> {
        self.shared.change(|state| state.running += 1);
        Running { ticker: self }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.ticker.shared.change(|state| state.running = state.running.saturating_sub(1));
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.change(|state| state.closed = true);
    }
}

impl Shared {
    /// Waits until something runs, then ticks until nothing does. `false` at the end.
    fn tick(&self, engine: &wasmtime::Engine) -> bool {
        let idle = |state: &mut State| state.running == 0 && !state.closed;
        let mut state = self.changed.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let (start, mut ticks) = (Instant::now(), 0);
        while state.running > 0 && !state.closed {
            let waited = self.changed.wait_timeout(state, Duration::from_millis(TICK_MILLISECONDS));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            // By the clock and not by the number of waits: on a busy machine each takes longer, and deadlines would drift.
            while ticks < start.elapsed().as_millis() / u128::from(TICK_MILLISECONDS) {
                engine.increment_epoch();
                ticks += 1;
            }
        }
        !state.closed
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
