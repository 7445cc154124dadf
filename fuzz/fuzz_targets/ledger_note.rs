// A checkpoint from anybody. It is read and written back the same, and nobody signed it.
#![no_main]

use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::note::{KeyKind, Note, Signer};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
        if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
            assert_eq!(checkpoint.text(), note.text());
            let key = Signer::from_seed("ledger.example.com/one", KeyKind::Log, &[1; 32]).expect("a name without spaces");
            assert!(SignedCheckpoint::open(bytes, &[key.verifier_key().clone()]).is_err());
        }
    }
});
