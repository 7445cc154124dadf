//! BigQuery's REST API, for what is on record. `upstream.rs` is the port; `ask.rs` is one request with its repetitions.
//!
//! docs/upstream.md says what is repeated, what each limit is, and what a fault means.

mod ask;
mod connection;
mod dispatch;
mod error;
mod page;
mod poll;
mod read;
mod resumable;
mod upload;
mod upstream;

pub use ask::ANSWER_BYTES_MAX;
pub use connection::{BigQuery, Connection, ConnectionFault, ConnectionSettings, Timing};
pub use error::{ERROR_MESSAGE_BYTES_MAX, ERROR_REASON_BYTES_MAX};
pub use resumable::{UPLOAD_BYTES_MAX, UPLOAD_CHUNK_BYTES};

pub(crate) use ask::Ask;
pub(crate) use error::{Unread, read as error_of};
pub(crate) use upstream::{Matter, json as json_of, unsent};
