//! BigQuery's Storage API by gRPC: sessions over a table, rows in streams, as Arrow or Avro; and streams of rows that are written.

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
mod write;

use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;

pub use encode::MESSAGE_BYTES_MAX;
pub use sessions::{SESSION_MILLISECONDS_MAX, SESSIONS_MAX, STREAMS_MAX};
pub use write::{APPEND_BYTES_MAX, HELD_BYTES_MAX, WRITE_STREAM_MILLISECONDS_MAX, WRITE_STREAMS_MAX};

pub(crate) use listen::listen;
pub(crate) use serve::Door;
pub(crate) use sessions::Sessions;
pub(crate) use write::WriteStreams;
