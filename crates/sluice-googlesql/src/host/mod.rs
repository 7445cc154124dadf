//! Runs the module: a pool of instances, each in the same state before every call, under a deadline and a memory cap.

pub mod instance;
#[cfg(test)]
mod isolation;
pub mod pool;
pub mod runtime;
pub mod session;
pub mod settings;
pub mod snapshot;
pub mod start;
pub mod state;
pub mod table_sets;
mod ticker;
mod wasi;
pub mod zoneinfo;
