// A proof from anybody. It is read and written back the same, and it proves nothing.
#![no_main]

use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::proof::Proof;
use sluice_ledger::trust::Trust;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(proof) = Proof::parse(bytes) {
        assert_eq!(proof.to_string().as_bytes(), bytes);
        let key = Signer::from_seed("ledger.example.com/one", KeyKind::Log, &[1; 32]).expect("a name without spaces");
        let trust = Trust::parse(format!("log {}\nquorum none\n", key.verifier_key()).as_bytes()).expect("two lines");
        assert!(proof.verify(&[0; 32], &trust).is_err());
    }
});
