//! BigQuery's Storage API, by gRPC, for what is on record. Each call has a connection of its own: nobody who takes rows slowly keeps others waiting.
//!
//! docs/upstream.md says what is repeated and what each limit is.

mod call;
mod fault;
mod port;
mod source;
mod wire;
mod write;

pub use source::BATCH_BYTES_MAX;
pub(crate) use wire::StorageClient;

use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
