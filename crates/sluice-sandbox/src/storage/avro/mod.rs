//! Rows in Avro's binary encoding.

pub mod rows;
pub mod schema;
