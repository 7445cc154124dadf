// A trust file, as somebody may write it by hand.
#![no_main]

use sluice_ledger::trust::Trust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    drop(Trust::parse(bytes));
});
