//! The seeds of the fuzz targets, and whatever they once found, replayed without a fuzzer; then spoiled a little, many times.

use crate::message::{self, Format, Maskers};
use sluice_mask::RawPage;
use std::path::PathBuf;

fn seeds() -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus/page_of_rows");
    let seeds: Vec<Vec<u8>> = std::fs::read_dir(&folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
    assert!(seeds.len() >= 8, "{}", folder.display());
    seeds
}

/// Whether it was read, and the rows if their shape was right.
fn look(bytes: &[u8]) -> (bool, Option<u64>) {
    match RawPage::read(bytes) {
        Ok(page) => (true, page.fits_schema().ok()),
        Err(_) => (false, None),
    }
}

#[test]
fn seeds_of_pages() {
    let found: Vec<(bool, Option<u64>)> = seeds().iter().map(|seed| look(seed)).collect();
    assert!(found.iter().any(|(read, _)| !read) && found.iter().any(|(_, rows)| rows.is_some_and(|rows| rows > 0)));
    assert!(found.contains(&(true, None)));
}

#[test]
fn spoiled_pages_do_not_panic() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    let mut refused = 0;
    for seed in seeds() {
        for _ in 0..3000 {
            let mut spoiled = seed.clone();
            for _ in 0..=next(3) {
                let (at, to) = (next(spoiled.len()), next(spoiled.len()));
                match next(4) {
                    0 => spoiled[at] = u8::try_from(next(256)).unwrap(),
                    1 => drop(spoiled.drain(at.min(to)..at.max(to).min(at.min(to) + 8))),
                    2 => spoiled.insert(at, b"\"{}[]:,.\\\x00\xff0e-"[next(14)]),
                    _ => spoiled.extend_from_within(at.min(to)..at.max(to).min(at.min(to) + 64)),
                }
            }
            let (read, rows) = look(&spoiled);
            // Whatever is read is JSON for others as well.
            assert!(!read || serde_json::from_slice::<serde_json::Value>(&spoiled).is_ok(), "{}", String::from_utf8_lossy(&spoiled));
            refused += usize::from(rows.is_none());
        }
    }
    assert!(refused > 1000);
}

/// With their names: what is good begins so.
fn messages(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(folder);
    let one = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let digits: Vec<u8> = std::fs::read(&path).unwrap().into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), bytes)
    };
    std::fs::read_dir(&folder).unwrap().map(one).collect()
}

#[test]
fn seeds_of_messages() {
    let maskers = Maskers::new();
    for (folder, format, raw) in [("arrow_message", Format::Arrow, &b"4711"[..]), ("avro_message", Format::Avro, &b"a@x.co"[..])] {
        let seeds = messages(folder);
        assert!(seeds.len() >= 6, "{folder}");
        for (name, bytes) in seeds {
            let found = message::look(&maskers, format, &bytes).unwrap();
            assert_eq!(found.is_ok(), name.starts_with("good"), "{folder} {name}");
            let Ok(batch) = found else { continue };
            let paths: Vec<String> = batch.masked().map(|masked| masked.covered.path.clone()).collect();
            assert_eq!(paths, ["c0", "c1", "c2", "c3.x"]);
            assert!(batch.masked().all(|masked| masked.cells > 0 || name == "good_nulls"), "{folder} {name}");
            assert!(!batch.bytes().windows(raw.len()).any(|bytes| bytes == raw), "{folder} {name}");
        }
    }
}
