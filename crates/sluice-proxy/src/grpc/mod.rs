//! BigQuery's Storage API by gRPC, for clients that do not know we are there. On the same ports as REST: what calls itself `application/grpc` comes here.
//!
//! `serve.rs` is the way of one call: head, method, caller, message, then one call of the application, then the answer. Nothing of a message is forwarded.

mod answer;
mod application;
mod decode;
mod defaults;
mod encode;
mod method;
pub mod probe;
mod refusal;
mod serve;
mod wire;
mod write;

pub use application::StorageApplication;
pub use method::{ALL, Duty, Method};
pub use refusal::is_asked;
pub use serve::{CALL_SECONDS_MAX, MESSAGE_BYTES_MAX, STREAM_SECONDS_MAX, Storage, serve};
pub use write::{APPEND_BYTES_MAX, COMMITTED_STREAMS_MAX};

use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
