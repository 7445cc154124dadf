//! Statement + catalog -> `Analysis`. Pure: no IO, no clock, no randomness; the engine comes in as a trait.
//!
//! `analyze` drives a script (`script`), asks the engine about each statement with the names it may use (`binding`), and reads the answer
//! (`statement`, `walk`) into flows (`flow`): which source columns reach what, and what they decide.

mod analyze;
mod analyzer;
mod binding;
pub mod builtin;
mod builtin_binding;
mod cache;
pub mod catalog;
pub mod engine;
mod flow;
pub mod kind;
mod lookup;
mod naming;
mod opening;
mod order;
mod places;
mod quoted;
mod required;
mod routine;
mod scope;
mod script;
mod statement;
mod text;
pub mod tree;
mod walk;
mod wording;
mod world;

pub use analyze::{Destination, Request, STATEMENT_BYTES_MAX, analyze};
pub use cache::{CACHE_TEXT_BYTES_MAX, Cache};
pub use order::Sorted;
pub use quoted::is_naming;
pub use required::{Required, required};
