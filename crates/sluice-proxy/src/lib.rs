//! Doors: BigQuery's REST API and its Storage Read API for data, and one for tokens. Each decodes what came, asks the application, and encodes the answer.

pub mod grpc;
pub mod rest;
pub mod server;
pub mod token;
