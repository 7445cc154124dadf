//! The seeds of the fuzz targets, replayed without a fuzzer: nothing panics, nothing is believed, what is read is written again the same.

use crate::keys::log_key;
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::note::Note;
use sluice_ledger::proof::Proof;
use sluice_ledger::tree::Tile;
use sluice_ledger::trust::Trust;
use std::path::PathBuf;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

#[test]
fn seeds_of_notes() {
    let keys = [log_key(200).verifier_key().clone()];
    let mut notes = 0;
    for seed in seeds("ledger_note") {
        if let Ok(note) = Note::parse(&seed) {
            assert_eq!(note.to_string().as_bytes(), seed);
            notes += 1;
            if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
                assert_eq!(checkpoint.text(), note.text());
            }
        }
        assert!(SignedCheckpoint::open(&seed, &keys).is_err(), "{}", String::from_utf8_lossy(&seed));
    }
    assert!(notes > 0, "no seed is a note");
}

#[test]
fn seeds_of_proofs() {
    let trust = Trust::parse(format!("log {}\nquorum none\n", log_key(200).verifier_key()).as_bytes()).unwrap();
    let mut proofs = 0;
    for seed in seeds("ledger_proof") {
        if let Ok(proof) = Proof::parse(&seed) {
            assert_eq!(proof.to_string().as_bytes(), seed);
            assert!(proof.verify(&[0; 32], &trust).is_err());
            proofs += 1;
        }
    }
    assert!(proofs > 0, "no seed is a proof");
}

#[test]
fn seeds_of_trust_files() {
    let read = seeds("ledger_trust").iter().filter(|seed| Trust::parse(seed).is_ok()).count();
    assert!(read > 0, "no seed is a trust file");
}

#[test]
fn seeds_of_tile_paths() {
    let mut tiles = 0;
    for seed in seeds("ledger_tile") {
        let Ok(path) = std::str::from_utf8(&seed) else { continue };
        if let Some(tile) = Tile::parse(path.trim_end()) {
            assert_eq!(tile.path(), path.trim_end());
            tiles += 1;
        }
    }
    assert!(tiles > 0, "no seed is a path");
}
