//! The seeds of the fuzz targets, and whatever they once found, replayed without a fuzzer: nothing panics, nothing unsigned is accepted.

use crate::issuer::{NOW, SHAPES, honest_claims, honest_token, verify, world};
use sluice_identity::{KeySet, check};
use std::path::PathBuf;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = entries.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

#[test]
fn seeds_of_tokens() {
    for seed in seeds("token_text") {
        assert!(verify(&seed).is_err(), "{}", String::from_utf8_lossy(&seed));
    }
}

#[test]
fn seeds_of_claims() {
    for seed in seeds("token_claims") {
        for media_type in ["JWT", ""] {
            drop(world().identity.preview(media_type, &seed, NOW));
        }
    }
}

#[test]
fn seeds_of_key_sets() {
    seeds("key_set").iter().for_each(|seed| drop(KeySet::read(seed)));
}

#[test]
fn seeds_of_configuration() {
    seeds("identity_settings").iter().for_each(|seed| drop(check(&String::from_utf8_lossy(seed))));
}

/// A poor man's fuzzer: honest texts, cut, doubled and spoiled by a counter. It has to end without a panic.
#[test]
fn spoiled_texts_do_not_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for shape in SHAPES {
        let token = honest_token(shape).into_bytes();
        let claims = serde_json::Value::Object(honest_claims(shape)).to_string().into_bytes();
        for _ in 0..2000 {
            for honest in [&token, &claims] {
                let mut spoiled = honest.clone();
                for _ in 0..=next(4) {
                    let (at, to) = (next(spoiled.len()), next(spoiled.len()));
                    match next(4) {
                        0 => spoiled[at] = u8::try_from(next(256)).unwrap(),
                        1 => drop(spoiled.drain(at.min(to)..at.max(to).min(at.min(to) + 8))),
                        2 => spoiled.insert(at, b"\"{}[]:,.\\\x00\xff0e-"[next(14)]),
                        _ => spoiled.extend_from_within(at.min(to)..at.max(to).min(at.min(to) + 64)),
                    }
                }
                // A change may leave the signature alone only if it changes nothing.
                assert!(verify(&spoiled).is_err() || spoiled == token);
                drop(world().identity.preview("JWT", &spoiled, NOW));
            }
        }
    }
}
