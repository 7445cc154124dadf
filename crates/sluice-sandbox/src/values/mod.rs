//! Values as BigQuery's JSON writes them, and as the store holds them.

pub mod calendar;
pub mod datum;
pub mod decimal;
pub mod interval;
pub mod limit;
pub mod read;
pub mod schema;
pub mod write;

pub use datum::Datum;
pub use schema::{Column, ColumnMode, Scalar};
pub use write::Format;
