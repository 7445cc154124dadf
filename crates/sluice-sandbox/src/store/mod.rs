//! Datasets, tables, rows: what is there, and how it is changed and kept.

pub mod dataset;
pub mod folder;
pub mod partition;
pub mod routine;
pub mod rows;
pub mod state;
pub mod table;

pub use dataset::{Dataset, DatasetName};
pub use routine::{ArgumentMode, Routine, RoutineArgument, RoutineKind};
pub use rows::{Row, Rows};
pub use state::{Item, State, Working};
pub use table::{Table, TableKind};
