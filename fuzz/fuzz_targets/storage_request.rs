// A request of the Storage API from anybody: understood or refused, and never with a field that nobody knows.
#![no_main]

use sluice_proxy::grpc::probe::lets_through;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert_eq!(lets_through(bytes), None);
});
