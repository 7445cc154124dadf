//! The seeds of the fuzz targets, and whatever they once found, replayed without a fuzzer: what is taken has one form, and nothing panics.

use sluice_ledger::keyring::KeyEntry;
use sluice_ledger::layout::{PACK_HEAD_BYTES, PackKind, PackName, PackTable, Slot};
use sluice_ledger::record::{Body, Disclosure, Leaf};
use std::path::PathBuf;

/// Files in hexadecimal hold bytes.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let seeds: Vec<Vec<u8>> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
        })
        .collect();
    assert!(!seeds.is_empty(), "{target}");
    seeds
}

#[test]
fn seeds_of_leaves() {
    let taken = seeds("ledger_leaf").iter().filter(|seed| Leaf::read(seed).is_ok_and(|leaf| leaf.bytes() == **seed)).count();
    assert!(taken >= 2, "{taken} of the seeds are leaves");
}

#[test]
fn seeds_of_bodies() {
    let seeds = seeds("ledger_body");
    let rewritten = |body: &Body<'_>| {
        let sections: Vec<_> = body.rows().map(|row| (*row, body.ciphertext(row.section).unwrap().to_vec())).collect();
        Body::write(body.record(), &sections)
    };
    let taken = seeds.iter().filter(|seed| Body::read(seed).is_ok_and(|body| rewritten(&body) == **seed)).count();
    assert!(taken >= 2, "{taken} of the seeds are bodies");
}

#[test]
fn seeds_of_key_entries() {
    let taken = seeds("ledger_key_entry").iter().filter(|seed| KeyEntry::read(seed).is_some_and(|entry| entry.bytes() == **seed)).count();
    assert!(taken >= 2, "{taken} of the seeds are entries");
}

#[test]
fn seeds_of_disclosures() {
    let is_taken = |seed: &&Vec<u8>| Disclosure::read(seed).is_some_and(|(leaf, shown)| shown.bytes(&leaf) == **seed);
    let taken = seeds("ledger_disclosure").iter().filter(is_taken).count();
    assert!(taken >= 2, "{taken} of the seeds are disclosures");
}

/// A slot has one form; rows lie one behind the other. Of the seeds that is so for two slots and three tables, one of which names more bytes than any file has.
#[test]
fn seeds_of_layouts() {
    let name = PackName { kind: PackKind::Keys, number: 2 };
    let mut taken = (0, 0);
    for seed in seeds("ledger_layout") {
        if let Ok(slot) = Slot::read(1, &seed) {
            assert_eq!(slot.bytes(seed.len()).as_deref(), Some(seed.as_slice()));
            taken.0 += 1;
        }
        let mut head = name.empty_head();
        let start = head.len() - 8 * 4096;
        head[start..start + seed.len()].copy_from_slice(&seed);
        let Ok(table) = PackTable::read(name, &head, seed.len() as u64 / 8) else { continue };
        let rows = (0..table.records()).map(|row| table.row(name.first_record() + row).unwrap());
        let end = rows.fold(PACK_HEAD_BYTES as u64, |end, (start, length)| {
            assert_eq!(start, end);
            start + length as u64
        });
        assert_eq!(end, table.end());
        taken.1 += 1;
    }
    assert_eq!(taken, (2, 3));
}

/// A poor man's fuzzer: seeds, cut, doubled and spoiled by a counter. What is still taken has one form.
#[test]
fn spoiled_seeds_have_one_form() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below.max(1)).unwrap()).unwrap()
    };
    for target in ["ledger_body", "ledger_disclosure", "ledger_key_entry", "ledger_leaf"] {
        for seed in seeds(target) {
            for _ in 0..2000 {
                let mut spoiled = seed.clone();
                for _ in 0..=next(3) {
                    let (at, to) = (next(spoiled.len()), next(spoiled.len()));
                    match next(4) {
                        0 if at < spoiled.len() => spoiled[at] = u8::try_from(next(256)).unwrap(),
                        1 if at < spoiled.len() => spoiled[at] ^= 1 << next(8),
                        2 => spoiled.insert(at, u8::try_from(next(256)).unwrap()),
                        _ => drop(spoiled.drain(at.min(to)..at.max(to).min(at.min(to) + 8))),
                    }
                }
                assert!(Leaf::read(&spoiled).is_ok_and(|leaf| leaf.bytes() == spoiled) || Leaf::read(&spoiled).is_err());
                assert!(KeyEntry::read(&spoiled).is_none_or(|entry| entry.bytes() == spoiled));
                assert!(Disclosure::read(&spoiled).is_none_or(|(leaf, shown)| shown.bytes(&leaf) == spoiled));
                drop(Body::read(&spoiled));
            }
        }
    }
}
