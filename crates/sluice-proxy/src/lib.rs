//! Doors for data: BigQuery REST API. Each decodes what came, asks the application, and encodes the answer.

pub mod rest;
pub mod server;
