//! What an honest writer never writes.

use crate::record::{Kind, Subject};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    AfterShutdown,
    /// An epoch that does not begin with a boot.
    BootMissing {
        epoch: u64,
    },
    BootTwice,
    /// Something of a request that is over.
    Ended {
        subject: Subject,
        kind: Kind,
    },
    EpochSkipped {
        from: u64,
        to: u64,
    },
    /// The record may not be erased.
    Held {
        index: u64,
    },
    /// A hold is released that does not stand.
    NotHeld {
        index: u64,
    },
    /// Requests of an epoch before have to be ended first.
    OrphansLeft,
    /// This cannot come now in the life of this request.
    OutOfTurn {
        subject: Subject,
        kind: Kind,
    },
    ShutdownBefore {
        open: usize,
    },
    Silence {
        ms: u64,
    },
    /// It speaks of a record that is not before it, or of none of its sections.
    Target {
        index: u64,
    },
    TimeBack {
        ms: u64,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::AfterShutdown => formatter.write_str("a record follows `shutdown` in the same epoch"),
            Violation::BootMissing { epoch } => write!(formatter, "epoch {epoch} does not begin with `boot`"),
            Violation::BootTwice => formatter.write_str("`boot` comes twice in one epoch"),
            Violation::Ended { subject, kind } => write!(formatter, "`{}` of request `{subject}`, which is over", kind.word()),
            Violation::EpochSkipped { from, to } => write!(formatter, "epoch {to} follows epoch {from}"),
            Violation::Held { index } => write!(formatter, "record {index} is held and may not be erased"),
            Violation::NotHeld { index } => write!(formatter, "a hold of record {index} is released that does not stand"),
            Violation::OrphansLeft => formatter.write_str("requests that a crash left open were not ended first"),
            Violation::OutOfTurn { subject, kind } => write!(formatter, "`{}` of request `{subject}` cannot come here", kind.word()),
            Violation::ShutdownBefore { open } => write!(formatter, "`shutdown` while {open} requests are open"),
            Violation::Silence { ms } => write!(formatter, "no sign of life for {ms} milliseconds"),
            Violation::Target { index } => write!(formatter, "it speaks of record {index}, or of no section of it"),
            Violation::TimeBack { ms } => write!(formatter, "time runs back by {ms} milliseconds"),
        }
    }
}

impl std::error::Error for Violation {}
