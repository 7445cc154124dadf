//! MINT: `Recorded<T>`. Give something in, get it back once its record is durable; whoever asks for a `Recorded<T>` asks for that.

use crate::durable::{AppendFault, DurableLog, Receipt};
use crate::record::{Kind, SealedRecord};
use std::fmt;

/// Its record outlives a crash. Not `Clone`, not read from text, made here alone.
#[derive(Debug)]
pub struct Recorded<T> {
    value: T,
    kind: Kind,
    receipt: Receipt,
}

/// The record could not be made durable. The value is gone with it: nothing may be done that is not on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingError {
    pub kind: Kind,
    pub fault: AppendFault,
}

impl<T> Recorded<T> {
    /// `record` says what `value` is; that it does is the caller's part. A dropped future loses the value, never the record.
    pub async fn commit(value: T, record: SealedRecord, log: &dyn DurableLog) -> Result<Recorded<T>, RecordingError> {
        let kind = record.kind;
        match log.append(record).await {
            Ok(receipt) => Ok(Recorded { value, kind, receipt }),
            Err(fault) => Err(RecordingError { kind, fault }),
        }
    }

    pub fn value(&self) -> &T {
        &self.value
    }

    /// As what it was put on record: a dry run asks for `request.estimated`, a call for `request.admitted`.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn receipt(&self) -> Receipt {
        self.receipt
    }

    /// Uses the proof up.
    pub fn into_parts(self) -> (T, Receipt) {
        (self.value, self.receipt)
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` could not be put on record: {}", self.kind.word(), self.fault)
    }
}

impl std::error::Error for RecordingError {}
