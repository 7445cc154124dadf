//! What BigQuery answers, and the two ends of a connection that appends.

use super::ask::StreamKind;
use crate::ports::{Asking, UpstreamFault};
use crate::storage::Moment;
use bytes::Bytes;
use sluice_ledger::Recorded;
use std::fmt;

/// To what is asked about a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamAnswer {
    Committed(Committed),
    Described(WriteStreamState),
    Finalized { rows: u64 },
    Flushed { offset: u64 },
}

#[derive(Clone, Debug, PartialEq)]
pub struct WriteStreamState {
    pub name: String,
    pub kind: StreamKind,
    pub created: Option<Moment>,
    pub committed: Option<Moment>,
    /// A `TableSchema`, as it is encoded.
    pub schema: Option<Bytes>,
    pub location: String,
}

/// Nothing is committed where there are faults.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    pub at: Option<Moment>,
    pub faults: Vec<StreamFault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFault {
    /// Of BigQuery's `StorageErrorCode`.
    pub code: i32,
    pub stream: String,
    pub text: String,
}

/// To one message of rows.
#[derive(Clone, PartialEq)]
pub struct AppendAnswer {
    /// Where they stand in their stream, if it counts.
    pub taken: Result<Option<i64>, AppendFault>,
    pub row_faults: Vec<RowFault>,
    /// A `TableSchema`, as it is encoded: the table has changed.
    pub schema: Option<Bytes>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendFault {
    /// Of gRPC.
    pub code: i32,
    /// Of BigQuery's `StorageErrorCode`, if it said one.
    pub storage: Option<i32>,
    pub text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    pub index: i64,
    pub code: i32,
    pub text: String,
}

/// Rows that may go on once they are on record.
pub struct RowsToAppend {
    message: Bytes,
    _room: Box<dyn Send + Sync>,
}

/// Takes rows no faster than BigQuery does. Dropped, it says that no more come.
pub trait AppendSink: Send + Sync {
    fn send(&mut self, rows: Recorded<RowsToAppend>) -> Asking<'_, Result<(), UpstreamFault>>;
}

/// One answer for each message, in their order; nothing at the end. Whoever stops waiting may ask again.
pub trait AppendSource: Send + Sync {
    fn next(&mut self) -> Asking<'_, Result<Option<AppendAnswer>, UpstreamFault>>;
}

impl RowsToAppend {
    pub(super) fn new(message: Bytes, room: Box<dyn Send + Sync>) -> RowsToAppend {
        RowsToAppend { message, _room: room }
    }

    /// An `AppendRowsRequest` without the name of its stream.
    pub fn message(&self) -> &Bytes {
        &self.message
    }
}

/// What is wrong with a row can quote it.
impl fmt::Debug for AppendAnswer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {} rows at fault", if self.taken.is_ok() { "taken" } else { "not taken" }, self.row_faults.len())
    }
}
