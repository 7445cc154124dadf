//! A tree that grows: entries go in, finished tiles and bundles come out.

use super::frontier::Frontier;
use super::hash::{HASH_BYTES, Hash, leaf_hash, root};
use super::tile::{ENTRY_BYTES_MAX, Level, TILE_WIDTH, Tile, TileFault, count_at, decode_entries, decode_hashes, encode_entry};

/// The right edge of a log, with what is needed to write its next tiles. Old tiles are never needed again.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    frontier: Frontier,
    /// The hashes of the unfinished tile of each level, lowest first.
    levels: Vec<Vec<Hash>>,
    /// The unfinished bundle, as it is written.
    bundle: Vec<u8>,
}

impl Tree {
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The tiles and the bundle that this entry fills, with their bytes; mostly none. They never change again.
    pub fn append(&mut self, entry: &[u8]) -> Result<Vec<(Tile, Vec<u8>)>, TileFault> {
        encode_entry(&mut self.bundle, entry)?;
        let mut full = Vec::new();
        let size = self.size() + 1;
        if size.is_multiple_of(TILE_WIDTH) {
            let tile = Tile { level: Level::Entries, index: size / TILE_WIDTH - 1, width: TILE_WIDTH };
            full.push((tile, std::mem::take(&mut self.bundle)));
        }
        let levels = &mut self.levels;
        self.frontier.push_and_see(leaf_hash(entry), |height, hash| {
            // Every eighth height is a level of tiles.
            let Ok(level) = u8::try_from(height / 8) else { return };
            if height % 8 != 0 {
                return;
            }
            let place = usize::from(level);
            if levels.len() <= place {
                levels.resize(place + 1, Vec::new());
            }
            let Some(hashes) = levels.get_mut(place) else { return };
            hashes.push(*hash);
            let count = count_at(Level::Hashes(level), size);
            if count.is_multiple_of(TILE_WIDTH) {
                let tile = Tile { level: Level::Hashes(level), index: count / TILE_WIDTH - 1, width: TILE_WIDTH };
                full.push((tile, std::mem::take(hashes).concat()));
            }
        });
        Ok(full)
    }

    /// The partial tiles and bundle that a checkpoint of this size needs, with their bytes.
    pub fn partial(&self) -> Vec<(Tile, Vec<u8>)> {
        let bytes = |tile: &Tile| match tile.level {
            Level::Entries => self.bundle.clone(),
            Level::Hashes(level) => self.levels.get(usize::from(level)).map(|hashes| hashes.concat()).unwrap_or_default(),
        };
        Tile::partial(self.size()).map(|tile| (tile, bytes(&tile))).collect()
    }

    /// The tree of this size, from its partial tiles; a fuller tile at the same place will do. The caller compares the root with a checkpoint.
    pub fn restore(size: u64, mut read: impl FnMut(&Tile) -> Option<Vec<u8>>) -> Result<Tree, TileFault> {
        let mut tree = Tree::default();
        for tile in Tile::partial(size) {
            let bytes = read(&tile).or_else(|| read(&tile.full())).ok_or(TileFault::Missing(tile))?;
            match tile.level {
                Level::Entries => tree.bundle = first_entries(&tile, &bytes)?,
                Level::Hashes(level) => {
                    tree.levels.resize(usize::from(level), Vec::new());
                    tree.levels.push(first_hashes(&tile, &bytes)?);
                }
            }
        }
        let entries = decode_entries(&tree.bundle).unwrap_or_default();
        let hashes = entries.iter().map(|entry| leaf_hash(entry));
        if !hashes.eq(tree.levels.first().into_iter().flatten().copied()) {
            return Err(TileFault::Mismatch(Tile { level: Level::Entries, index: size / TILE_WIDTH, width: size % TILE_WIDTH }));
        }
        let peaks = tree.levels.iter().rev().flat_map(|hashes| peaks(hashes)).collect();
        let whole = Tile { level: Level::Hashes(0), index: size / TILE_WIDTH, width: size % TILE_WIDTH };
        tree.frontier = Frontier::from_peaks(size, peaks).ok_or(TileFault::Form(whole))?;
        Ok(tree)
    }
}

fn first_hashes(tile: &Tile, bytes: &[u8]) -> Result<Vec<Hash>, TileFault> {
    let width = usize::try_from(tile.width).map_err(|_| TileFault::Form(*tile))?;
    let bytes = bytes.get(..width * HASH_BYTES).ok_or(TileFault::Form(*tile))?;
    decode_hashes(bytes).ok_or(TileFault::Form(*tile))
}

fn first_entries(tile: &Tile, bytes: &[u8]) -> Result<Vec<u8>, TileFault> {
    let width = usize::try_from(tile.width).map_err(|_| TileFault::Form(*tile))?;
    let entries = decode_entries(bytes).ok_or(TileFault::Form(*tile))?;
    let entries = entries.get(..width).ok_or(TileFault::Form(*tile))?;
    let mut bundle = Vec::with_capacity(entries.len().min(ENTRY_BYTES_MAX));
    entries.iter().try_for_each(|entry| encode_entry(&mut bundle, entry))?;
    Ok(bundle)
}

/// The roots of the perfect subtrees over these hashes, largest first.
fn peaks(mut hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    while !hashes.is_empty() {
        let (left, right) = hashes.split_at(1 << hashes.len().ilog2());
        peaks.push(root(left));
        hashes = right;
    }
    peaks
}
