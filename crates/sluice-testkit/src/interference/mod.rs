//! The non-interference test: statements run on warehouses that differ only in labelled values.
//!
//! Whatever differs in a result must be told by the analysis: the output as an exposure of a labelled column, the rows or a failure as a use
//! of one. A difference that the analysis does not tell is a miss, and a miss is a leak.

pub mod adapters;
pub mod amplify;
pub mod campaign;
pub mod clinic;
pub mod datum;
pub mod generate;
pub mod handmade;
pub mod judge;
pub mod mutate;
pub mod report;
pub mod shrink;
pub mod value;
pub mod variants;
pub mod warehouses;
