// What somebody shows of a record. What is taken has one form, and it proves nothing of another leaf.
#![no_main]

use sluice_ledger::record::Disclosure;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((leaf, shown)) = Disclosure::read(bytes) {
        assert_eq!(shown.bytes(&leaf), bytes);
        let _ = shown.check(&leaf);
    }
});
