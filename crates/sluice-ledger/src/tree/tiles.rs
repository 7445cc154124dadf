//! Hashes of subtrees, out of tiles or out of memory.

use super::hash::{HASH_BYTES, Hash, root};
use super::proofs::Nodes;
use super::tile::{Level, TILE_WIDTH, Tile, count_at, decode_hashes};

/// Reads the tiles of a log of `size` leaves. Nothing it answers is trusted before a root is compared with a checkpoint.
pub struct TileNodes<R: Fn(&Tile) -> Option<Vec<u8>>> {
    size: u64,
    read: R,
}

impl<R: Fn(&Tile) -> Option<Vec<u8>>> TileNodes<R> {
    pub fn new(size: u64, read: R) -> Self {
        TileNodes { size, read }
    }
}

impl<R: Fn(&Tile) -> Option<Vec<u8>>> Nodes for TileNodes<R> {
    fn node(&self, height: u32, index: u64) -> Option<Hash> {
        let level = Level::Hashes(u8::try_from(height / 8).ok()?);
        let first = index.checked_shl(height % 8)?;
        let place = first / TILE_WIDTH;
        let width = count_at(level, self.size).checked_sub(place * TILE_WIDTH)?.min(TILE_WIDTH);
        let tile = Tile { level, index: place, width };
        let bytes = (self.read)(&tile).or_else(|| (self.read)(&tile.full()))?;
        let start = usize::try_from(first % TILE_WIDTH).ok()? * HASH_BYTES;
        let hashes = decode_hashes(bytes.get(start..start + (HASH_BYTES << (height % 8)))?)?;
        Some(root(&hashes))
    }
}

/// All leaf hashes, for small trees and for tests.
pub struct MemoryNodes(pub Vec<Hash>);

impl Nodes for MemoryNodes {
    fn node(&self, height: u32, index: u64) -> Option<Hash> {
        let width = 1_usize.checked_shl(height)?;
        let start = usize::try_from(index).ok()?.checked_mul(width)?;
        self.0.get(start..start.checked_add(width)?).map(root)
    }
}
