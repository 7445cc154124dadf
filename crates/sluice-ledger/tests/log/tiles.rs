//! Tiles and bundles: paths, bytes, growth, and taking up a log again from what was written.

use crate::reference;
use proptest::prelude::*;
use sluice_ledger::tree::{
    ENTRY_BYTES_MAX, Level, Nodes, Tile, TileFault, TileNodes, Tree, consistency_proof, decode_entries, decode_hashes, encode_entry,
    inclusion_proof, root, verify_consistency, verify_inclusion,
};
use std::collections::BTreeMap;

pub type Stored = BTreeMap<String, Vec<u8>>;

/// A log of this size as it would stand on disk: full tiles, and the partial ones of this size.
pub fn log(size: u64) -> (Tree, Stored) {
    let mut tree = Tree::default();
    let mut stored = Stored::new();
    for index in 0..size {
        let full = tree.append(&reference::entry(index)).unwrap();
        stored.extend(full.into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
    }
    stored.extend(tree.partial().into_iter().map(|(tile, bytes)| (tile.path(), bytes)));
    (tree, stored)
}

#[test]
fn paths() {
    let check = |level, index, width, expect: &str| {
        let tile = Tile { level, index, width };
        assert_eq!((tile.path().as_str(), Tile::parse(expect)), (expect, Some(tile)));
    };
    check(Level::Hashes(0), 0, 256, "tile/0/000");
    check(Level::Hashes(0), 1_234_067, 256, "tile/0/x001/x234/067");
    check(Level::Hashes(3), 1000, 255, "tile/3/x001/000.p/255");
    check(Level::Entries, 67, 1, "tile/entries/067.p/1");
    check(Level::Entries, u64::MAX, 8, "tile/entries/x018/x446/x744/x073/x709/x551/615.p/8");
    for path in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/00/001",
        "tile/8/001",
        "tile/-1/001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/0/001/002",
        "tile/0/x001",
        "tile/0/+01",
        "tile/0/x001/xx02",
        "/tile/0/001",
        "tile/entries/x018/x446/x744/x073/x709/x551/616",
        "tile/Entries/001",
        "tile/0/001.p/1.p/1",
    ] {
        assert_eq!(Tile::parse(path), None, "{path}");
    }
}

/// The example of the specification: 70,000 leaves.
#[test]
fn a_log_has_the_tiles_that_its_size_asks_for() {
    let (tree, stored) = log(70_000);
    let expect: Vec<String> = Tile::all(70_000).map(|tile| tile.path()).collect();
    assert_eq!(stored.keys().cloned().collect::<Vec<_>>(), {
        let mut sorted = expect.clone();
        sorted.sort();
        sorted
    });
    let count = |level| Tile::all(70_000).filter(|tile| tile.level == level).count();
    assert_eq!([count(Level::Entries), count(Level::Hashes(0)), count(Level::Hashes(1)), count(Level::Hashes(2))], [274, 274, 2, 1]);
    for path in ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"] {
        assert!(stored.contains_key(path), "{path}");
    }
    assert_eq!(Tile::all(256).map(|tile| tile.path()).collect::<Vec<_>>(), ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
    let leaves = reference::leaves(70_000);
    assert_eq!(tree.root(), root(&leaves));
    for (path, bytes) in &stored {
        let tile = Tile::parse(path).unwrap();
        let first = tile.index as usize * 256;
        match tile.level {
            Level::Entries => assert_eq!(decode_entries(bytes).unwrap().len() as u64, tile.width, "{path}"),
            Level::Hashes(level) => {
                let span = 256_usize.pow(level.into());
                let hashes = (first..first + tile.width as usize).map(|place| root(&leaves[place * span..(place + 1) * span]));
                assert_eq!(decode_hashes(bytes).unwrap(), hashes.collect::<Vec<_>>(), "{path}");
            }
        }
    }
    let nodes = TileNodes::new(70_000, |tile| stored.get(&tile.path()).cloned());
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let proof = inclusion_proof(&nodes, index, 70_000).unwrap();
        assert_eq!(verify_inclusion(&leaves[index as usize], index, 70_000, &proof, &tree.root()), Ok(()), "{index}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_taken_up_again(old in 0_u64..1500, more in 0_u64..700, index: u64) {
        let (whole, stored) = log(old + more);
        let (_, before) = log(old);
        // Partial tiles may be gone where a full one took their place.
        let kept: Stored = before.into_iter().filter(|(path, _)| !stored.contains_key(&Tile::parse(path).unwrap().full().path())).chain(stored.clone()).collect();
        let mut tree = Tree::restore(old, |tile| kept.get(&tile.path()).cloned()).unwrap();
        let old_root = tree.root();
        prop_assert_eq!(old_root, reference::root(&reference::leaves(old)));
        let mut full = Vec::new();
        for index in old..old + more {
            full.extend(tree.append(&reference::entry(index)).unwrap());
        }
        prop_assert_eq!((tree.root(), tree.partial()), (whole.root(), whole.partial()));
        for (tile, bytes) in full {
            prop_assert_eq!(stored.get(&tile.path()), Some(&bytes));
        }
        let nodes = TileNodes::new(old + more, |tile| stored.get(&tile.path()).cloned());
        let proof = consistency_proof(&nodes, old, old + more).unwrap();
        prop_assert_eq!(verify_consistency(old, &old_root, old + more, &whole.root(), &proof), Ok(()));
        if old + more > 0 {
            let index = index % (old + more);
            prop_assert_eq!(nodes.node(0, index), Some(reference::leaves(old + more)[index as usize]));
        }
        prop_assert_eq!(nodes.node(0, old + more), None);
    }
}

#[test]
fn damaged_tiles_are_refused() {
    let (_, stored) = log(300);
    let restore = |change: &dyn Fn(&mut Stored)| {
        let mut stored = stored.clone();
        change(&mut stored);
        Tree::restore(300, |tile| stored.get(&tile.path()).cloned()).map(|tree| tree.size())
    };
    let entries = Tile { level: Level::Entries, index: 1, width: 44 };
    let hashes = Tile { level: Level::Hashes(0), ..entries };
    assert_eq!(restore(&|_| {}), Ok(300));
    assert_eq!(restore(&|stored| drop(stored.remove(&entries.path()))), Err(TileFault::Missing(entries)));
    assert_eq!(restore(&|stored| drop(stored.remove(&hashes.path()))), Err(TileFault::Missing(hashes)));
    assert_eq!(restore(&|stored| stored.get_mut(&hashes.path()).unwrap().truncate(43 * 32)), Err(TileFault::Form(hashes)));
    assert_eq!(restore(&|stored| stored.get_mut(&entries.path()).unwrap().truncate(20)), Err(TileFault::Form(entries)));
    assert_eq!(restore(&|stored| stored.get_mut(&entries.path()).unwrap()[3] ^= 1), Err(TileFault::Mismatch(entries)));
    assert_eq!(restore(&|stored| stored.get_mut(&hashes.path()).unwrap()[3] ^= 1), Err(TileFault::Mismatch(entries)));
}

#[test]
fn bundles_are_used_up_exactly() {
    let mut bundle = Vec::new();
    for entry in [b"".as_slice(), b"a", &[9; ENTRY_BYTES_MAX]] {
        encode_entry(&mut bundle, entry).unwrap();
    }
    assert_eq!(decode_entries(&bundle).unwrap(), [b"".as_slice(), b"a", &[9; ENTRY_BYTES_MAX]]);
    assert_eq!(encode_entry(&mut bundle, &[9; ENTRY_BYTES_MAX + 1]), Err(TileFault::EntryLength));
    for cut in [1, 2, 4, bundle.len() - 1] {
        assert_eq!(decode_entries(&bundle[..cut]).is_some(), cut == 2, "{cut}");
    }
    assert_eq!((decode_hashes(&[0; 33]), decode_hashes(&[0; 64]).map(|hashes| hashes.len())), (None, Some(2)));
    let mut tree = Tree::default();
    assert_eq!(tree.append(&[9; ENTRY_BYTES_MAX + 1]), Err(TileFault::EntryLength));
    assert_eq!((tree.size(), tree.partial().len()), (0, 0));
}
