//! Doors: BigQuery's REST API for data, and one for tokens. Each decodes what came, asks the application, and encodes the answer.

pub mod rest;
pub mod server;
pub mod token;
