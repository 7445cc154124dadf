// A path that somebody asks for, and the bytes of a tile or a bundle.
#![no_main]

use sluice_ledger::tree::{Tile, Tree, decode_entries, encode_entry};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some(tile) = std::str::from_utf8(bytes).ok().and_then(Tile::parse) {
        assert_eq!(tile.path().as_bytes(), bytes);
    }
    if let Some(entries) = decode_entries(bytes) {
        let mut again = Vec::new();
        for entry in entries {
            encode_entry(&mut again, entry).expect("it was read from two bytes of length");
        }
        assert_eq!(again, bytes);
    }
    if let Some((size, rest)) = bytes.split_first_chunk() {
        drop(Tree::restore(u64::from_be_bytes(*size), |_| Some(rest.to_vec())));
    }
});
