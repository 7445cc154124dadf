//! The whole ledger, read again and compared with what a naive model says of it.

use crate::image::Image;
use crate::world::{CANARY, ORIGIN, Told, both_masters, signer};
use sluice_ledger::checkpoint::SignedCheckpoint;
use sluice_ledger::grammar::Grammar;
use sluice_ledger::keyring::{KeyEntry, WrappedKeys};
use sluice_ledger::layout::Slot;
use sluice_ledger::record::{Kind, Leaf, OpenedSection, open};
use sluice_ledger::tree::{Hash, Tile, Tree, leaf_hash, node_hash};
use sluice_store::disk::{Disk, read_whole};
use sluice_store::{Reader, read_history};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Every leaf in order, by the definition of RFC 6962 and nothing cleverer.
pub fn naive_root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => sluice_ledger::tree::empty_root(),
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

/// Fails the test unless everything holds: tree, tiles, history, grammar, bodies, keys from `deep` on, and all that was told.
pub fn audit(disk: &Arc<dyn Disk>, told: &[Told], deep: u64) -> Vec<Leaf> {
    let reader = Reader::open(disk.clone()).unwrap();
    let mut leaves = Vec::new();
    let mut hashes = Vec::new();
    let mut tree = Tree::default();
    let mut grammar = Grammar::new(usize::MAX);
    let mut roots = BTreeMap::from([(0, tree.root())]);
    let mut full = BTreeMap::new();
    for index in 0..reader.size() {
        let bytes = reader.leaf_bytes(index).unwrap();
        let leaf = Leaf::read(&bytes).unwrap();
        assert_eq!(grammar.follow(&leaf), Ok(()), "leaf {index}");
        full.extend(tree.append(&bytes).unwrap());
        hashes.push(leaf_hash(&bytes));
        roots.insert(index + 1, tree.root());
        leaves.push(leaf);
    }
    assert_eq!(reader.checkpoint().checkpoint().root, naive_root(&hashes));
    full.extend(tree.partial());
    for tile in Tile::all(reader.size()) {
        let found = read_whole(disk.as_ref(), &tile.path(), 1 << 20).unwrap();
        assert_eq!(found.as_ref(), full.get(&tile), "{tile}");
    }
    check_history(disk, &reader, &roots);
    check_records(&reader, &leaves, deep);
    for told in told {
        let leaf = leaves.get(usize::try_from(told.index).unwrap()).unwrap_or_else(|| panic!("{told:?} is lost"));
        assert_eq!((leaf.record, leaf.kind, leaf.time_ms), (told.record, told.kind, told.time_ms), "{told:?}");
    }
    leaves
}

/// Two checkpoints that contradict each other would be proof against us, so none that was seen may be missing.
pub fn assert_in_history(disk: &Arc<dyn Disk>, published: Vec<u8>) {
    assert!(read_history(disk.as_ref()).unwrap().contains(&published), "a checkpoint is missing: {}", String::from_utf8_lossy(&published));
}

fn check_history(disk: &Arc<dyn Disk>, reader: &Reader, roots: &BTreeMap<u64, Hash>) {
    let notes = read_history(disk.as_ref()).unwrap();
    let mut size = 0;
    for note in &notes {
        let checkpoint = SignedCheckpoint::open(note, &[signer().verifier_key().clone()]).unwrap();
        let checkpoint = checkpoint.checkpoint();
        assert!(checkpoint.size >= size, "history runs back");
        assert_eq!(Some(&checkpoint.root), roots.get(&checkpoint.size), "size {}", checkpoint.size);
        size = checkpoint.size;
    }
    assert_eq!(notes.last().unwrap(), reader.checkpoint().to_string().as_bytes());
}

fn check_records(reader: &Reader, leaves: &[Leaf], deep: u64) {
    let mut given_up: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for (index, leaf) in leaves.iter().enumerate() {
        if let (Kind::Erasure | Kind::RetentionExpired, Some(target)) = (leaf.kind, leaf.target) {
            given_up.entry(target.index).or_default().insert(index as u64);
        }
    }
    let master = both_masters();
    for index in deep..reader.size() {
        let record = reader.record(index).unwrap();
        let entry = match &record.slot {
            Slot::Gone { leaf } => {
                assert!(given_up[&index].contains(leaf), "record {index} is gone by leaf {leaf}");
                None
            }
            Slot::Keys(wrapped) => Some(KeyEntry::unwrap(&WrappedKeys(wrapped.clone()), ORIGIN, record.leaf.record, &master).unwrap()),
        };
        let sections = open(&record.body, &record.leaf, ORIGIN, entry.as_ref()).unwrap();
        assert_eq!(sections.len(), record.leaf.sections.len());
        let gone = sections.iter().any(|(_, section)| *section == OpenedSection::KeyGone);
        assert!(!gone || given_up.contains_key(&index), "record {index} lost keys");
    }
}

/// No file holds this: neither behind a name nor in what a crash would bring back.
pub fn assert_nowhere(image: &Image, needle: &[u8], what: &str) {
    for (path, bytes) in image.files() {
        assert!(!bytes.windows(needle.len()).any(|window| window == needle), "{what} stands in `{path}`");
    }
}

pub fn assert_no_plain_text(image: &Image) {
    assert_nowhere(image, CANARY.as_bytes(), "plain text");
}
