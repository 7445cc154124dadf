//! BigQuery's Storage Read API: sessions over a table, rows in streams, as Arrow or Avro, by gRPC.

mod arrow;
mod avro;
mod create;
mod encode;
mod listen;
mod messages;
mod picked;
mod reading;
mod serve;
mod sessions;
mod status;

use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;

pub use encode::MESSAGE_BYTES_MAX;
pub use sessions::{SESSION_MILLISECONDS_MAX, SESSIONS_MAX, STREAMS_MAX};

pub(crate) use listen::listen;
pub(crate) use serve::Door;
pub(crate) use sessions::Sessions;
