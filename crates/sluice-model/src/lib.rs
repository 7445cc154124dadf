//! The vocabulary that every other crate speaks: names, types, analyses. No logic beyond construction and display.

pub mod analysis;
pub mod name;
pub mod place;
pub mod plain;
pub mod principal;
pub mod types;
mod word;

pub use analysis::{
    Analysis, COLUMNS_OF_TEXTS, Effect, Exposure, FOREIGN_STATEMENTS, How, Output, Read, Refused, StatementAnalysis, Unresolved, Use,
    UseKind, Write,
};
pub use name::{ColumnPath, RoutineName, TableName};
pub use principal::{Actor, Asserted, CallerKind, DELEGATION_DEPTH_MAX, Delegation, Delegator, Grant, Principal, Run};
pub use types::{Field, Type};
