//! Rows as Arrow record batches.

pub mod message;
pub mod rows;
pub mod schema;
