#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sluice_testkit::fuzz::type_text(bytes));
