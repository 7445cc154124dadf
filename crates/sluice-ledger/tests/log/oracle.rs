//! The same trees by `tlog_tiles`, which is another implementation of RFC 6962: roots, proofs both ways, bytes of tiles.

use crate::reference;
use crate::tiles::{Stored, log};
use sluice_ledger::checkpoint::Checkpoint;
use sluice_ledger::tree::{
    Level, MemoryNodes, Tile, Tree, consistency_proof, inclusion_proof, leaf_hash, node_hash, verify_consistency, verify_inclusion,
};
use tlog_tiles as other;
use tlog_tiles::Hash as OtherHash;

/// The hashes as `tlog_tiles` wants to read them.
#[derive(Default)]
struct Storage(Vec<OtherHash>);

impl other::HashReader for Storage {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<OtherHash>, other::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

impl Storage {
    fn grow(&mut self, index: u64) {
        let stored = other::stored_hashes(index, &reference::entry(index), self).unwrap();
        self.0.extend(stored);
    }
}

const GROWTH: u64 = 300;
const TILE_HEIGHT: u8 = 8;

#[test]
fn growing_trees_agree() {
    let mut tree = Tree::default();
    let mut storage = Storage::default();
    let mut roots = vec![tree.root()];
    let leaves = reference::leaves(GROWTH);
    let nodes = MemoryNodes(leaves.clone());
    let theirs = |hashes: &[[u8; 32]]| hashes.iter().map(|hash| OtherHash(*hash)).collect::<Vec<_>>();
    let ours = |hashes: Vec<OtherHash>| hashes.iter().map(|hash| hash.0).collect::<Vec<_>>();
    let mut checks = 0;
    for index in 0..GROWTH {
        storage.grow(index);
        tree.append(&reference::entry(index)).unwrap();
        let (size, root) = (index + 1, tree.root());
        roots.push(root);
        assert_eq!(root, other::tree_hash(size, &storage).unwrap().0, "root of {size}");
        for leaf in 0..size {
            let proof = inclusion_proof(&nodes, leaf, size).unwrap();
            let record = leaves[leaf as usize];
            assert_eq!(proof, ours(other::prove_record(size, leaf, &storage).unwrap()), "{leaf} of {size}");
            assert!(other::check_record(&theirs(&proof), size, OtherHash(root), leaf, OtherHash(record)).is_ok());
            // The same wrong place is refused by both.
            let wrong = (leaf + 1) % size;
            let other_verdict = other::check_record(&theirs(&proof), size, OtherHash(root), wrong, OtherHash(record)).is_ok();
            assert_eq!(verify_inclusion(&record, wrong, size, &proof, &root).is_ok(), other_verdict, "{wrong} of {size}");
            checks += 4;
        }
        for old in 1..=size {
            let proof = consistency_proof(&nodes, old, size).unwrap();
            assert_eq!(proof, ours(other::prove_tree(size, old, &storage).unwrap()), "{old} in {size}");
            let old_root = roots[old as usize];
            assert!(other::check_tree(&theirs(&proof), size, OtherHash(root), old, OtherHash(old_root)).is_ok());
            let wrong_root = roots[old as usize - 1];
            assert!(verify_consistency(old, &wrong_root, size, &root, &proof).is_err());
            assert!(other::check_tree(&theirs(&proof), size, OtherHash(root), old, OtherHash(wrong_root)).is_err());
            checks += 4;
        }
    }
    assert_eq!(checks, 4 * GROWTH * (GROWTH + 1));
}

#[test]
fn tiles_have_the_same_bytes() {
    let mut tree = Tree::default();
    let mut storage = Storage::default();
    let mut full = Vec::new();
    for index in 0..1100 {
        storage.grow(index);
        full.extend(tree.append(&reference::entry(index)).unwrap());
    }
    full.extend(tree.partial());
    let mut compared = 0;
    for (Tile { level, index, width }, bytes) in full {
        let Level::Hashes(level) = level else { continue };
        let tile = other::Tile::new(TILE_HEIGHT, level, index, u32::try_from(width).unwrap(), false);
        assert_eq!(tile.read_data(&storage).unwrap(), bytes, "{level} {index} {width}");
        compared += 1;
    }
    assert_eq!(compared, 5 + 1);
}

/// Our tiles as a file server has them, under their reader: it believes nothing but the root.
struct Served(Stored);

impl other::TileReader for Served {
    fn height(&self) -> u8 {
        TILE_HEIGHT
    }

    fn read_tiles(&self, tiles: &[other::Tile]) -> Result<Vec<Vec<u8>>, other::Error> {
        let ours =
            tiles.iter().map(|tile| Tile { level: Level::Hashes(tile.level()), index: tile.level_index(), width: u64::from(tile.width()) });
        Ok(ours.map(|tile| self.0[&tile.path()].clone()).collect())
    }

    fn save_tiles(&self, _: &[other::Tile], _: &[Vec<u8>]) {}
}

#[test]
fn our_tiles_are_read_by_the_other_implementation() {
    for size in [1, 2, 255, 256, 257, 511, 513, 1100] {
        let (tree, stored) = log(size);
        let nodes = MemoryNodes(reference::leaves(size));
        let served = Served(stored);
        let reader = other::TileHashReader::new(size, OtherHash(tree.root()), &served);
        assert_eq!(other::tree_hash(size, &reader).unwrap().0, tree.root(), "{size}");
        for index in [0, size / 2, size - 1] {
            let theirs: Vec<[u8; 32]> = other::prove_record(size, index, &reader).unwrap().iter().map(|hash| hash.0).collect();
            assert_eq!(theirs, inclusion_proof(&nodes, index, size).unwrap(), "{index} of {size}");
        }
    }
}

#[test]
fn hashes_and_checkpoints_agree() {
    for text in [b"".as_slice(), b"a", &[0; 100]] {
        assert_eq!(leaf_hash(text), other::record_hash(text).0);
    }
    assert_eq!(node_hash(&[1; 32], &[2; 32]), other::node_hash(OtherHash([1; 32]), OtherHash([2; 32])).0);
    for (origin, size) in [("example.com/log", 0), ("x", 1), ("example.com/log", u64::from(u32::MAX))] {
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: [5; 32] };
        let theirs = other::Checkpoint::from_bytes(checkpoint.text().as_bytes()).unwrap();
        assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0, theirs.extension()), (origin, size, [5; 32], ""));
        assert_eq!(theirs.to_bytes(), checkpoint.text().as_bytes());
    }
    // What both refuse. Extension lines they take and we do not: nobody can audit what those say.
    let good = Checkpoint { origin: "x".to_owned(), size: 42, root: [5; 32] }.text();
    for (from, to) in [("42", "042"), ("42", "-1"), ("42", ""), ("x\n", "\n"), ("BQUF", "BQU"), ("42\n", "")] {
        let bad = good.replacen(from, to, 1);
        assert!(Checkpoint::parse(&bad).is_err() && other::Checkpoint::from_bytes(bad.as_bytes()).is_err(), "{bad:?}");
    }
    let extended = format!("{good}more\n");
    assert!(Checkpoint::parse(&extended).is_err() && other::Checkpoint::from_bytes(extended.as_bytes()).is_ok());
}
