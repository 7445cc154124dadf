//! The port that everything rests on: once it has answered, the record outlives the machine's next moment.

use crate::record::SealedRecord;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Puts records on stable storage, one after the other.
///
/// Durability: a receipt is given only when the record survives a crash of the process and of the machine. Order: indices have no gap; a record
/// that is appended after another's receipt has a higher index. Failure: after an error nothing of the record is readable, or it may be,
/// without anybody having acted on it; nothing is tried again. A dropped future withdraws nothing. Calls come from many threads at once.
///
/// Who implements it decides what `Recorded` is worth: a tidy rule names the crates that may.
pub trait DurableLog: Send + Sync {
    fn append(&self, record: SealedRecord) -> Appending<'_>;

    /// The same for a record that nobody is kept waiting for: it may wait a moment for another one that shares its way to the disk.
    fn append_unhurried(&self, record: SealedRecord) -> Appending<'_> {
        self.append(record)
    }
}

pub type Appending<'a> = Pin<Box<dyn Future<Output = Result<Receipt, AppendFault>> + Send + 'a>>;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub index: u64,
    pub time_ms: u64,
    pub epoch: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// Too many records wait; try the whole request again later.
    Busy,
    /// The writer has stopped and will not come back in this process.
    Dead(String),
    /// There is no room but for records that end a request.
    Full,
    /// It does not follow what stands: a request that is not open, a record that is held.
    Refused(String),
    /// The log was closed in good order.
    Shut,
}

impl fmt::Display for AppendFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendFault::Busy => formatter.write_str("too many records wait to be written"),
            AppendFault::Dead(text) => write!(formatter, "the ledger has stopped: {}", text.escape_debug()),
            AppendFault::Full => formatter.write_str("the ledger has no room for new requests"),
            AppendFault::Refused(text) => write!(formatter, "the record does not fit what stands: {}", text.escape_debug()),
            AppendFault::Shut => formatter.write_str("the ledger is closed"),
        }
    }
}

impl std::error::Error for AppendFault {}
