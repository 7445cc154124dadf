//! What the gateway keeps: the ledger's folder, spent tokens, revocations, halts, jobs, what callers used up. The only crate that touches those files.
//!
//! `wal` makes records durable, `shelf` holds them, `ledger` is the two in one hand and `store` in two threads; `disk` is the file system as a port.
//! docs/ledger.md has the write order and what each failure leaves.

mod backup;
mod checked_file;
mod checked_line;
mod copying;
mod credentials;
pub mod disk;
mod facts;
mod fault;
mod halts;
mod index;
mod jobs;
mod kept_labels;
mod keys;
mod ledger;
mod line_file;
mod machine;
mod reader;
mod recent;
mod replay;
mod replay_folder;
mod revocations;
mod secrets;
mod shelf;
mod standing;
mod store;
mod upgrade;
mod usage;
mod wal;
mod writer;

pub use backup::{LastKnown, backup, restore};
pub use copying::Copied;
pub use credentials::{
    CREDENTIAL_BY_BYTES_MAX, CREDENTIAL_REASON_BYTES_MAX, CREDENTIALS_MAX, CredentialAct, CredentialFile, Credentials, Deed, Standing,
};
pub use facts::{FORMAT, LedgerFacts, create};
pub use fault::StoreFault;
pub use halts::{HALT_BY_BYTES_MAX, HALT_CALLER_BYTES_MAX, HALT_REASON_BYTES_MAX, HaltAct, HaltFile, Halts, Turn, Whom};
pub use index::{FOUND_RECORDS_MAX, Found, Index, Search};
pub use jobs::{JOB_AGE_DAYS_MAX, JOB_BYTES_MAX, JOB_IDS_MAX, JOBS_LISTED_MAX, JOBS_MAX, JOBS_OF_ONE_OWNER_MAX, JobBook, JobLimits};
pub use kept_labels::{KeptLabels, KeptLabelsFile, LABEL_BY_BYTES_MAX, LABEL_BYTES_MAX, LABEL_REASON_BYTES_MAX, Labelling, Origin};
pub use ledger::{Ledger, Opening};
pub use machine::{LocalMachine, Machine, Scribe};
pub use reader::{Reader, StoredRecord};
pub use recent::Recent;
pub use replay::ReplayFile;
pub use replay_folder::ReplayFolder;
pub use revocations::{Revocation, RevocationFile};
pub use secrets::Secrets;
pub use shelf::{read_checkpoint, read_history};
pub use store::{Appended, Condition, OnDeath, QUEUE_BYTES_MAX, QUEUE_RECORDS_MAX, Status, Store};
pub use upgrade::{Upgraded, upgrade};
pub use usage::{UsageFault, UsageFile};
pub use wal::SegmentSizes;
