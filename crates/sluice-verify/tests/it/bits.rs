//! Flipped bits, anywhere in the folder. All are found, but for two values in `ledger.json` that nothing is concluded from.

use crate::book::{Files, master, trust};
use crate::clinic::{Place, clinic};
use crate::honest::audit;
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use std::ops::Range;

const FLIPS_OF_SMALL: u32 = 9_200;
const FLIPS_OF_LARGE: u32 = 800;
const THREADS: u32 = 2;

/// Numbers that look random, the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// The identifier of the ledger, and when it was made.
fn is_evidence(path: &str, bytes: &[u8], place: usize) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let value = |name: &str, end: char| -> Range<usize> {
        let start = text.find(name).unwrap() + name.len();
        start..start + text.split_at(start).1.find(end).unwrap()
    };
    path != "ledger.json" || !(value("\"ledger\": \"", '"').contains(&place) || value("\"created_ms\": ", '\n').contains(&place))
}

/// Each a path, a byte, a bit. Half of the time by the byte, half by the file first, so that small files have their share.
fn flips(files: &Files, count: u32, seed: u64) -> Vec<(String, usize, u8)> {
    let mut numbers = Numbers(seed);
    let total: u64 = files.values().map(|bytes| bytes.len() as u64).sum();
    let mut flips = Vec::new();
    while flips.len() < count as usize {
        let (path, place) = if flips.len() % 2 == 0 {
            let (path, bytes) = files.iter().nth(numbers.below(files.len() as u64) as usize).unwrap();
            (path, numbers.below(bytes.len() as u64) as usize)
        } else {
            let mut place = numbers.below(total) as usize;
            let file = files.iter().find(|(_, bytes)| {
                let found = place < bytes.len();
                place = if found { place } else { place - bytes.len() };
                found
            });
            (file.unwrap().0, place)
        };
        let bit = 1 << numbers.below(8);
        if is_evidence(path, &files[path], place) {
            flips.push((path.clone(), place, bit));
        }
    }
    flips
}

fn check(requests: u8, count: u32) {
    let files = clinic(requests).files();
    let flips = flips(&files, count, 1);
    let paths: std::collections::BTreeSet<&String> = flips.iter().map(|(path, ..)| path).collect();
    assert_eq!(paths.len(), files.len(), "every file has its flips");
    let chunk = flips.len().div_ceil(THREADS as usize);
    let missed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = flips.chunks(chunk).map(|flips| scope.spawn(|| missed(&files, flips))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(missed.is_empty(), "{} of {count} flips were not found:\n{}", missed.len(), missed.join("\n"));
}

fn missed(files: &Files, flips: &[(String, usize, u8)]) -> Vec<String> {
    let place = Place::of(files);
    let folder = Folder::open(place.path()).unwrap();
    let (trust, master) = (trust(), master());
    let audit = Audit { master: Some(&master), ..audit(&trust) };
    assert!(audit.run(&folder).unwrap().holds(), "unflipped it holds");
    let mut missed = Vec::new();
    for (path, byte, bit) in flips {
        let mut bytes = files[path].clone();
        bytes[*byte] ^= bit;
        std::fs::write(place.path().join(path), &bytes).unwrap();
        if audit.run(&folder).unwrap().holds() {
            missed.push(format!("{path} byte {byte} bit {bit:#04x}"));
        }
        std::fs::write(place.path().join(path), &files[path]).unwrap();
    }
    missed
}

#[test]
fn flipped_bits_of_a_small_ledger() {
    check(3, FLIPS_OF_SMALL);
}

#[test]
fn flipped_bits_of_a_ledger_with_full_tiles() {
    check(40, FLIPS_OF_LARGE);
}
