// A leaf from anybody. What is taken has one form.
#![no_main]

use sluice_ledger::record::Leaf;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(leaf) = Leaf::read(bytes) {
        assert_eq!(leaf.bytes(), bytes);
    }
});
