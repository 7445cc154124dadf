//! Why the store refuses.

use crate::wal::WalFault;
use sluice_ledger::checkpoint::CheckpointFault;
use sluice_ledger::layout::LayoutFault;
use sluice_ledger::record::LeafError;
use sluice_ledger::tree::TileFault;
use std::fmt;
use std::io;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// The clock is more than a day behind what is on record: evidence would get the wrong time.
    ClockBehind {
        last_ms: u64,
        now_ms: u64,
    },
    /// The folder holds what no crash leaves behind.
    Damaged(String),
    /// The disk failed in a way after which nothing that it says can be relied on.
    Dead(String),
    /// There is something already where something new was to be made.
    Exists(String),
    /// Written by a version that this one does not know, or does not know any more.
    Format {
        found: u64,
        known: u64,
    },
    /// No space. What waits stays in the write-ahead log and is applied when there is some.
    Full,
    /// A legal hold stands on the record.
    Held {
        record: u64,
    },
    /// Another process has the ledger open.
    InUse,
    /// A master key or a signing key is missing, wrong or lies open.
    Key(String),
    Missing(String),
    /// What was asked for does not fit what stands.
    Refused(String),
    /// Somebody else than this program wrote into the write-ahead log, at this place.
    Tampered(String),
}

impl StoreFault {
    /// For reading: the file is unreadable, which is worse than absent.
    pub fn unreadable(path: &str, error: &io::Error) -> StoreFault {
        StoreFault::Dead(format!("`{path}`: {error}"))
    }
}

impl From<io::Error> for StoreFault {
    fn from(error: io::Error) -> StoreFault {
        if crate::disk::is_out_of_space(&error) { StoreFault::Full } else { StoreFault::Dead(error.to_string()) }
    }
}

impl From<WalFault> for StoreFault {
    fn from(fault: WalFault) -> StoreFault {
        match fault {
            WalFault::Damaged(text) => StoreFault::Damaged(text),
            WalFault::Disk(error) => error.into(),
            WalFault::Forged(place) => StoreFault::Tampered(place),
            WalFault::NoRoom => StoreFault::Full,
            WalFault::TooLarge => StoreFault::Refused("the record is longer than a segment of the write-ahead log".to_owned()),
        }
    }
}

impl From<LayoutFault> for StoreFault {
    fn from(fault: LayoutFault) -> StoreFault {
        StoreFault::Damaged(fault.to_string())
    }
}

impl From<LeafError> for StoreFault {
    fn from(fault: LeafError) -> StoreFault {
        StoreFault::Damaged(fault.to_string())
    }
}

impl From<TileFault> for StoreFault {
    fn from(fault: TileFault) -> StoreFault {
        StoreFault::Damaged(fault.to_string())
    }
}

impl From<CheckpointFault> for StoreFault {
    fn from(fault: CheckpointFault) -> StoreFault {
        StoreFault::Damaged(format!("`checkpoint`: {fault}"))
    }
}

impl fmt::Display for StoreFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreFault::ClockBehind { last_ms, now_ms } => {
                let seconds = last_ms.saturating_sub(*now_ms) / 1000;
                write!(
                    formatter,
                    "the clock is {seconds} s behind the last record: set it right, or the ledger is not the one that ran here"
                )
            }
            StoreFault::Damaged(text) => write!(formatter, "the ledger is damaged: {}", text.escape_debug()),
            StoreFault::Dead(text) => write!(formatter, "the disk of the ledger failed: {}", text.escape_debug()),
            StoreFault::Exists(what) => write!(formatter, "`{}` is there already", what.escape_debug()),
            StoreFault::Format { found, known } if found < known => {
                write!(formatter, "the ledger has format {found}, this version reads {known}: upgrade it by `sluice ledger upgrade`")
            }
            StoreFault::Format { found, known } => write!(formatter, "the ledger has format {found}, this version reads {known}"),
            StoreFault::Full => formatter.write_str("there is no space left for the ledger"),
            StoreFault::Held { record } => write!(formatter, "a legal hold stands on record {record}"),
            StoreFault::InUse => formatter.write_str("another process has the ledger open"),
            StoreFault::Key(text) => write!(formatter, "{}", text.escape_debug()),
            StoreFault::Missing(what) => write!(formatter, "`{}` is missing", what.escape_debug()),
            StoreFault::Refused(text) => write!(formatter, "{}", text.escape_debug()),
            StoreFault::Tampered(place) => write!(
                formatter,
                "the write-ahead log was tampered with: {}: a whole batch without the mark of this ledger's key. Nothing was applied or signed. \
                 Keep the folder as it is and find out who can write there; what the last checkpoint covers can be backed up and restored elsewhere",
                place.escape_debug()
            ),
        }
    }
}

impl std::error::Error for StoreFault {}
