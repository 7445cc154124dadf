// The keys of a record, unwrapped. What is taken has one form.
#![no_main]

use sluice_ledger::keyring::KeyEntry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(entry) = KeyEntry::read(bytes) {
        assert_eq!(entry.bytes(), bytes);
    }
});
