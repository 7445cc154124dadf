//! Every file of the folder, crossed off as it is checked. What is left over at the end does not belong there, or is ahead of the checkpoint.

use crate::folder::Folder;
use crate::report::Report;
use sluice_ledger::layout::{PackKind, PackName};
use sluice_ledger::tree::{Level, Tile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

pub const CHECKPOINT: &str = "checkpoint";
pub const HISTORY: &str = "checkpoints/";
/// Read by the store alone; nothing is concluded from them.
const WORKING_FILES: &[&str] = &["keys/rewrite", "ledger.json", "lock", "restored.json", "standing.json", CHECKPOINT];
const WORKING_FOLDER: &str = "wal/";
const AHEAD: &str = "ahead of the checkpoint: the store was stopped while it wrote (start it once), or the checkpoint was rolled back";

pub struct Shelf {
    tiles: BTreeMap<(Level, u64), Vec<Tile>>,
    packs: BTreeSet<(PackKind, u64)>,
    pub history: Vec<String>,
}

impl Shelf {
    pub fn list(folder: &Folder, report: &mut Report) -> io::Result<Shelf> {
        let mut shelf = Shelf { tiles: BTreeMap::new(), packs: BTreeSet::new(), history: Vec::new() };
        for (path, is_plain) in folder.paths()? {
            if !is_plain {
                report.find(path, "not a plain file");
            } else if let Some(tile) = Tile::parse(&path) {
                shelf.tiles.entry((tile.level, tile.index)).or_default().push(tile);
            } else if let Some(pack) = pack_of(&path) {
                shelf.packs.insert((pack.kind, pack.number));
            } else if path.starts_with(HISTORY) {
                shelf.history.push(path);
            } else if !is_working_file(&path) {
                report.find(path, "does not belong to a ledger");
            }
        }
        Ok(shelf)
    }

    /// All widths that stand at this place, the widest first. They are crossed off.
    pub fn take(&mut self, level: Level, index: u64) -> Vec<Tile> {
        let mut tiles = self.tiles.remove(&(level, index)).unwrap_or_default();
        tiles.sort_by_key(|tile| std::cmp::Reverse(tile.width));
        tiles
    }

    pub fn take_pack(&mut self, name: PackName) {
        self.packs.remove(&(name.kind, name.number));
    }

    /// A tile that is wider than the checkpoint asks for.
    pub fn ahead(tile: &Tile, report: &mut Report) {
        report.find(tile.path(), AHEAD);
    }

    pub fn judge_rest(self, packs: bool, report: &mut Report) {
        self.tiles.into_values().flatten().for_each(|tile| Shelf::ahead(&tile, report));
        if packs {
            self.packs.into_iter().for_each(|(kind, number)| report.find(PackName { kind, number }.path(), AHEAD));
        }
    }
}

/// A store that was killed while it put a file in the place of another leaves the new one beside it.
fn is_working_file(path: &str) -> bool {
    WORKING_FILES.contains(&path.strip_suffix(".new").unwrap_or(path)) || path.starts_with(WORKING_FOLDER)
}

/// Only a path that is written for some pack.
fn pack_of(path: &str) -> Option<PackName> {
    let (kind, number) = match path.strip_prefix("bodies/").and_then(|rest| rest.strip_suffix(".pack")) {
        Some(number) => (PackKind::Bodies, number),
        None => (PackKind::Keys, path.strip_prefix("keys/")?.strip_suffix(".keys")?),
    };
    let name = PackName { kind, number: number.parse().ok()? };
    (name.path() == path).then_some(name)
}
