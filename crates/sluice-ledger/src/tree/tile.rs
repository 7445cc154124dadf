//! Tiles: where they stand and what their bytes are.

use super::hash::{HASH_BYTES, Hash};
use std::fmt;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;
/// The length of an entry is written in two bytes.
pub const ENTRY_BYTES_MAX: usize = 65_535;
/// A level has 256 times fewer hashes than the one below: with 64 bits for a size, no level above 7 ever has one.
const LEVEL_MAX: u8 = 7;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The leaves themselves.
    Entries,
    /// 0: hashes of leaves. Above: hashes of full tiles of the level below.
    Hashes(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    pub level: Level,
    pub index: u64,
    /// 1 to 256; below 256 the tile is partial.
    pub width: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TileFault {
    /// An entry is longer than its length can say.
    EntryLength,
    /// The bytes are not those of a tile of this width.
    Form(Tile),
    /// A bundle holds another entry than the tile of hashes beside it.
    Mismatch(Tile),
    Missing(Tile),
}

impl Tile {
    /// Relative to the prefix of the log: `tile/0/x001/067.p/8`.
    pub fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let level = match self.level {
            Level::Entries => "entries".to_owned(),
            Level::Hashes(level) => level.to_string(),
        };
        let suffix = if self.is_full() { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{level}/{}{suffix}", groups.join("/"))
    }

    /// Only what `path` writes.
    pub fn parse(path: &str) -> Option<Tile> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level = if level == "entries" { Level::Entries } else { Level::Hashes(level.parse().ok()?) };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        for group in groups.split('/') {
            index = index.checked_mul(1000)?.checked_add(group.trim_start_matches('x').parse().ok()?)?;
        }
        let tile = Tile { level, index, width };
        // Written again it must be the same: no second name for a tile.
        (tile.is_possible() && tile.path() == path).then_some(tile)
    }

    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The full tile at the same place.
    pub fn full(&self) -> Tile {
        Tile { width: TILE_WIDTH, ..*self }
    }

    /// Every tile and bundle of a tree of this size, partial ones last in their level.
    pub fn all(size: u64) -> impl Iterator<Item = Tile> {
        let levels = std::iter::once(Level::Entries).chain((0..=LEVEL_MAX).map(Level::Hashes));
        levels.flat_map(move |level| {
            let count = count_at(level, size);
            (0..count.div_ceil(TILE_WIDTH)).map(move |index| Tile { level, index, width: (count - index * TILE_WIDTH).min(TILE_WIDTH) })
        })
    }

    /// The rightmost tiles and bundle that are partial at this size.
    pub fn partial(size: u64) -> impl Iterator<Item = Tile> {
        let levels = std::iter::once(Level::Entries).chain((0..=LEVEL_MAX).map(Level::Hashes));
        let last = levels.map(move |level| (level, count_at(level, size)));
        last.map(|(level, count)| Tile { level, index: count / TILE_WIDTH, width: count % TILE_WIDTH }).filter(|tile| tile.width > 0)
    }

    fn is_possible(&self) -> bool {
        let is_level = !matches!(self.level, Level::Hashes(level) if level > LEVEL_MAX);
        is_level && (1..=TILE_WIDTH).contains(&self.width)
    }
}

/// Hashes or entries of a level at this size.
pub(super) fn count_at(level: Level, size: u64) -> u64 {
    match level {
        Level::Entries => size,
        Level::Hashes(level) => size.checked_shr(8 * u32::from(level)).unwrap_or(0),
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

impl fmt::Display for TileFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TileFault::EntryLength => write!(formatter, "an entry is longer than {ENTRY_BYTES_MAX} bytes"),
            TileFault::Form(tile) => write!(formatter, "`{tile}` has not the bytes of a tile of its width"),
            TileFault::Mismatch(tile) => write!(formatter, "`{tile}` holds an entry that does not hash to the tile beside it"),
            TileFault::Missing(tile) => write!(formatter, "`{tile}` is missing"),
        }
    }
}

impl std::error::Error for TileFault {}

/// Appends an entry to the bytes of a bundle.
pub fn encode_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), TileFault> {
    let length = u16::try_from(entry.len()).map_err(|_| TileFault::EntryLength)?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The entries of a bundle. None unless the bytes are used up exactly.
pub fn decode_entries(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        entries.push(entry);
        bytes = rest;
    }
    bytes.is_empty().then_some(entries)
}

/// The hashes of a tile. None unless the bytes are whole hashes.
pub fn decode_hashes(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
    rest.is_empty().then(|| hashes.to_vec())
}
