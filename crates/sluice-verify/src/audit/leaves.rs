//! Every leaf: its bytes, its place in the tree, its tile, its turn. One pass, in order; the roots on the way are compared with every checkpoint.

use super::history::Known;
use super::shelf::Shelf;
use super::{GivenUp, GivenUps};
use crate::folder::Folder;
use crate::report::Report;
use sluice_ledger::grammar::Grammar;
use sluice_ledger::record::{Kind, LEAF_BYTES_MAX, Leaf};
use sluice_ledger::tree::{Frontier, HASH_BYTES, Hash, Level, TILE_WIDTH, Tile, decode_entries, decode_hashes, leaf_hash, root};

const BUNDLE_BYTES_MAX: usize = 256 * (2 + LEAF_BYTES_MAX);
const TILE_BYTES_MAX: usize = 256 * HASH_BYTES;
/// Where the roots of full tiles of hashes stand, as heights of the tree.
const TILE_HEIGHT: u32 = 8;

/// What the first pass keeps for the second.
#[derive(Default)]
pub struct Log {
    /// Each bundle that was read, and the root over its entries as they were then.
    bundles: Vec<(Tile, u64, Hash)>,
    pub given_up: GivenUps,
    pub epochs: u64,
    pub first_ms: u64,
    pub last_ms: u64,
    pub closed: bool,
}

/// Stops where the records stop: behind a missing bundle nothing can be placed.
pub fn read(folder: &Folder, shelf: &mut Shelf, size: u64, known: &mut [Known], report: &mut Report) -> Log {
    let mut pass = Pass::new(known);
    pass.compare(known, report);
    for index in 0..size.div_ceil(TILE_WIDTH) {
        let width = (size - index * TILE_WIDTH).min(TILE_WIDTH);
        let Some((tile, bytes)) = bundle(folder, shelf, index, width, report) else { break };
        let entries = decode_entries(&bytes).unwrap_or_default();
        let mut hashes = Vec::with_capacity(entries.len());
        for entry in entries {
            hashes.push(leaf_hash(entry));
            pass.take(entry, hashes.last().copied().unwrap_or_default(), known, report);
        }
        check_tile(folder, shelf, Level::Hashes(0), index, &hashes, report);
        let root = pass.full_tile.take().unwrap_or_else(|| root(&hashes));
        pass.log.bundles.push((tile, width, root));
    }
    check_levels(folder, shelf, &pass.log.bundles, report);
    if pass.frontier.size() == size {
        for ahead in known.iter().filter(|known| known.size > size) {
            report.find(&ahead.place, format!("covers {} records, and the checkpoint {size}: it was rolled back", ahead.size));
        }
    }
    pass.finish(report)
}

struct Pass {
    frontier: Frontier,
    full_tile: Option<Hash>,
    grammar: Grammar,
    records: Vec<[u8; 16]>,
    /// Of `known`, by size, the next to be compared last.
    waiting: Vec<usize>,
    log: Log,
}

impl Pass {
    fn new(known: &[Known]) -> Pass {
        let mut waiting: Vec<usize> = (0..known.len()).collect();
        waiting.sort_by_key(|place| std::cmp::Reverse(known.get(*place).map(|known| known.size)));
        let grammar = Grammar::new(usize::MAX);
        Pass { frontier: Frontier::default(), full_tile: None, grammar, records: Vec::new(), waiting, log: Log::default() }
    }

    fn take(&mut self, entry: &[u8], hash: Hash, known: &mut [Known], report: &mut Report) {
        let index = self.frontier.size();
        let full_tile = &mut self.full_tile;
        self.frontier.push_and_see(hash, |height, hash| {
            if height == TILE_HEIGHT {
                *full_tile = Some(*hash);
            }
        });
        match Leaf::read(entry) {
            Ok(leaf) => self.follow(index, &leaf, report),
            Err(error) => report.find(place(index), error.to_string()),
        }
        self.compare(known, report);
    }

    fn follow(&mut self, index: u64, leaf: &Leaf, report: &mut Report) {
        if let Err(violation) = self.grammar.follow(leaf) {
            report.find(place(index), violation.to_string());
        }
        self.records.push(leaf.record.0);
        let log = &mut self.log;
        if index == 0 {
            log.first_ms = leaf.time_ms;
        }
        log.last_ms = leaf.time_ms;
        log.epochs = leaf.epoch;
        log.closed = leaf.kind == Kind::Shutdown;
        if let (Kind::Erasure | Kind::RetentionExpired, Some(target)) = (leaf.kind, leaf.target) {
            let given_up = GivenUp { leaf: index, kind: leaf.kind, sections: target.sections };
            log.given_up.entry(target.index).or_default().push(given_up);
        }
    }

    /// Every checkpoint of the size that was just reached.
    fn compare(&mut self, known: &mut [Known], report: &mut Report) {
        let size = self.frontier.size();
        while let Some(known) = self.waiting.last().and_then(|place| known.get_mut(*place)).filter(|known| known.size == size) {
            self.waiting.pop();
            known.agrees = known.root == self.frontier.root();
            known.last_ms = (size > 0).then_some(self.log.last_ms);
            if !known.agrees {
                report
                    .find(&known.place, "the records do not have the root that it names: they were changed, or two histories were signed");
            }
        }
    }

    fn finish(mut self, report: &mut Report) -> Log {
        self.records.sort_unstable();
        let twice = self.records.windows(2).filter(|pair| matches!(pair, [first, second] if first == second)).count();
        if twice > 0 {
            report.find("records", format!("{twice} stand there twice, under the same identifier"));
        }
        self.log
    }
}

impl Log {
    /// The leaves of this bundle again, if it is still the one that was read. None of an unreadable leaf.
    pub fn leaves(&self, folder: &Folder, index: u64) -> Option<Vec<Option<Leaf>>> {
        let (tile, width, expect) = self.bundles.get(usize::try_from(index).ok()?)?;
        let bytes = folder.read(&tile.path(), BUNDLE_BYTES_MAX).ok()??;
        let entries = decode_entries(&bytes)?;
        let entries = entries.get(..usize::try_from(*width).ok()?)?;
        let hashes: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        (root(&hashes) == *expect).then(|| entries.iter().map(|entry| Leaf::read(entry).ok()).collect())
    }

    pub fn records(&self) -> u64 {
        self.bundles.iter().map(|(_, width, _)| width).sum()
    }
}

pub fn place(index: u64) -> String {
    format!("record {index}")
}

/// The first `width` entries at this place, as they are written, and the tile that they were read from. Narrower ones have to begin them.
fn bundle(folder: &Folder, shelf: &mut Shelf, index: u64, width: u64, report: &mut Report) -> Option<(Tile, Vec<u8>)> {
    let tiles = shelf.take(Level::Entries, index);
    let wanted = Tile { level: Level::Entries, index, width };
    let Some(tile) = tiles.iter().rev().find(|tile| tile.width >= width).copied() else {
        report.find(wanted.path(), "missing: nothing behind it could be checked");
        return None;
    };
    let bytes = match folder.read(&tile.path(), BUNDLE_BYTES_MAX) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) => {
            report.find(tile.path(), error.to_string());
            return None;
        }
    };
    let lengths: Option<Vec<usize>> = decode_entries(&bytes).map(|entries| entries.iter().map(|entry| 2 + entry.len()).collect());
    let Some(lengths) = lengths.filter(|lengths| lengths.len() as u64 == tile.width) else {
        report.find(tile.path(), "has not the bytes of a bundle of its width: nothing behind it could be checked");
        return None;
    };
    let start_of = |width: u64| lengths.iter().take(usize::try_from(width).unwrap_or(usize::MAX)).sum::<usize>();
    // Wider ones are a finding in any case: they are ahead.
    for other in tiles.iter().filter(|other| other.width < tile.width) {
        match folder.read(&other.path(), BUNDLE_BYTES_MAX) {
            Ok(Some(found)) if bytes.get(..start_of(other.width)) == Some(&*found) => {}
            Ok(Some(_)) => report.find(other.path(), "does not begin the fuller bundle at its place"),
            // A store that writes meanwhile removes it once the full one is there.
            Ok(None) => {}
            Err(error) => report.find(other.path(), error.to_string()),
        }
    }
    tiles.iter().filter(|tile| tile.width > width).for_each(|tile| Shelf::ahead(tile, report));
    let end = start_of(width);
    Some((tile, bytes.into_iter().take(end).collect()))
}

/// Every width at this place against the hashes that were computed.
fn check_tile(folder: &Folder, shelf: &mut Shelf, level: Level, index: u64, hashes: &[Hash], report: &mut Report) {
    let width = hashes.len() as u64;
    let tiles = shelf.take(level, index);
    if !tiles.iter().any(|tile| tile.width >= width) {
        report.find(Tile { level, index, width }.path(), "missing");
    }
    for tile in tiles {
        let bytes = match folder.read(&tile.path(), TILE_BYTES_MAX) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(error) => {
                report.find(tile.path(), error.to_string());
                continue;
            }
        };
        let found = decode_hashes(&bytes).unwrap_or_default();
        let common = usize::try_from(tile.width.min(width)).unwrap_or_default();
        if found.len() as u64 != tile.width || found.get(..common) != hashes.get(..common) {
            report.find(tile.path(), "does not hold the hashes of the records");
        }
        if tile.width > width {
            Shelf::ahead(&tile, report);
        }
    }
}

/// The levels above the leaves, out of the roots of full tiles.
fn check_levels(folder: &Folder, shelf: &mut Shelf, bundles: &[(Tile, u64, Hash)], report: &mut Report) {
    let mut hashes: Vec<Hash> = bundles.iter().filter(|(_, width, _)| *width == TILE_WIDTH).map(|(_, _, root)| *root).collect();
    let mut level = 1;
    while !hashes.is_empty() {
        let mut above = Vec::new();
        for (index, tile) in (0_u64..).zip(hashes.chunks(usize::try_from(TILE_WIDTH).unwrap_or(usize::MAX))) {
            check_tile(folder, shelf, Level::Hashes(level), index, tile, report);
            if tile.len() as u64 == TILE_WIDTH {
                above.push(root(tile));
            }
        }
        hashes = above;
        level += 1;
    }
}
