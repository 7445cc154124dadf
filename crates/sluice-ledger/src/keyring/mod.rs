//! The secrets that open records, and how they are given up. They are the part of a ledger that changes: erasing a secret erases the record.

mod entry;
mod master;

pub use entry::{
    KeyEntry, KeyEntryError, RecordSecret, SectionKeys, WHOLE_ENTRY_BYTES, WRAPPED_KEYS_BYTES_MAX, WrappedKeys, wrapped_keys_bytes_max,
};
pub use master::{LocalMasterKeys, MASTER_KEYS_MAX, MasterKey, MasterKeyFault, MasterKeyId};
