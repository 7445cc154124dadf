// A body from anybody. What is taken has one form, and its ciphertexts are those that its rows name.
#![no_main]

use sluice_ledger::record::{Body, Row};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(body) = Body::read(bytes) {
        let sections: Option<Vec<(Row, Vec<u8>)>> = body.rows().map(|row| Some((*row, body.ciphertext(row.section)?.to_vec()))).collect();
        assert_eq!(Body::write(body.record(), &sections.expect("every row has a ciphertext")), bytes);
    }
});
