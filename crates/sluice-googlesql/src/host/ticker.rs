//! The clock that deadlines are counted in: a thread advances the engine's epoch at a steady pace while the host lives.

use std::sync::Weak;
use std::time::{Duration, Instant};

pub const TICK_MILLISECONDS: u64 = 5;

/// Ticks until `alive` has gone.
pub fn start<T: Send + Sync + 'static>(engine: &wasmtime::Engine, alive: Weak<T>) -> std::io::Result<()> {
    let engine = engine.clone();
    let run = move || {
        let (start, mut ticks) = (Instant::now(), 0);
        while alive.strong_count() > 0 {
            std::thread::sleep(Duration::from_millis(TICK_MILLISECONDS));
            // By the clock and not by the number of sleeps: on a busy machine each takes longer, and deadlines would drift.
            while ticks < start.elapsed().as_millis() / u128::from(TICK_MILLISECONDS) {
                engine.increment_epoch();
                ticks += 1;
            }
        }
    };
    std::thread::Builder::new().name("googlesql-clock".to_owned()).spawn(run).map(drop)
}

pub fn ticks(milliseconds: u64) -> u64 {
    milliseconds.div_ceil(TICK_MILLISECONDS).max(1)
}
