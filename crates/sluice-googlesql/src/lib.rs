//! Google's GoogleSQL, the language's own front end and reference evaluator, run as WebAssembly inside this process.
//!
//! Set-up (`artefact`) obtains and compiles the module once. `GoogleSql` then answers `sluice_sql::engine::Engine`. A question is written by the
//! engine's own schema (`schema`, `encode`), answered by an instance that is put into the same state before every call (`host`), and read into a tree (`decode`).

pub mod artefact;
mod budget;
mod catalog;
pub mod decode;
pub mod encode;
pub mod evaluate;
mod features;
mod googlesql;
pub mod host;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod installed;
mod measure;
mod options;
pub mod schema;
mod signature;
#[cfg(test)]
mod syntax;
mod types;
mod warming;
pub mod wire;

pub use budget::{ANALYSIS_MILLISECONDS_MAX, Budget};
pub use googlesql::GoogleSql;
pub use host::settings::Settings;
