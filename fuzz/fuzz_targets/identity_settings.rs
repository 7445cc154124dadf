#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| drop(sluice_identity::check(&String::from_utf8_lossy(bytes))));
