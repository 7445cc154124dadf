//! BigQuery's Storage Write API: streams of rows onto a table, as messages of protobuf that the client describes.

mod append;
mod appending;
mod cells;
mod descriptor;
mod layout;
mod manage;
mod messages;
mod schema;
mod serve;
mod streams;
mod wire;

use super::api;

pub use appending::APPEND_BYTES_MAX;
pub use streams::{HELD_BYTES_MAX, WRITE_STREAM_MILLISECONDS_MAX, WRITE_STREAMS_MAX};

pub(crate) use streams::WriteStreams;

pub(super) use serve::{Method, answer};
