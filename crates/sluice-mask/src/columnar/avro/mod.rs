//! Avro's binary encoding: a schema in JSON once, then values one behind the other without their names.

mod look;
mod rows;
mod scan;
mod schema;

pub(crate) use look::look;
pub use schema::AVRO_SCHEMA_BYTES_MAX;
pub(super) use {rows::check, rows::mask, rows::regroup, schema::columns};
