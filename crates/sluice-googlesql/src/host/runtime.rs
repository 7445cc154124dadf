//! The one configuration of the WebAssembly runtime, for compiling and for running alike.

use std::hash::{DefaultHasher, Hash, Hasher};
use wasmtime::{Config, Engine, Result};

/// Named in the manifest for people; `fingerprint` is what decides.
pub const RUNTIME: &str = "wasmtime 48";
pub const PAGE_BYTES: u64 = 64 << 10;
/// The most that any instance may be allowed; written into the module when it is compiled. Settings cap it further.
pub const MODULE_MEMORY_BYTES_MAX: u64 = 2 << 30;
pub const MODULE_MEMORY_PAGES_MAX: u32 = 32_768;
/// Native stack for the module's own calls. Deep statements reach the end of the module's shadow stack (8 MiB, inside its memory) before this one.
pub const WASM_STACK_BYTES_MAX: usize = 64 << 20;

pub fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Not used, but the runtime checks it against the line below.
    config.async_stack_size(WASM_STACK_BYTES_MAX);
    config.max_wasm_stack(WASM_STACK_BYTES_MAX);
    config.generate_address_map(false);
    config.wasm_backtrace_max_frames(None);
    Engine::new(&config)
}

/// Changes whenever a module compiled before could not be run now. Empty when there is no runtime for this machine.
pub fn fingerprint() -> String {
    let Ok(engine) = engine() else { return String::new() };
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
