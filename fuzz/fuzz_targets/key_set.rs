#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(sluice_identity::KeySet::read(bytes)));
