//! The applied part of the ledger: bodies, keys, tiles, checkpoints. What the write-ahead log holds is put here, and here it stays.
//!
//! Order: rows of bodies and keys, tiles, all synced; then the signed checkpoint takes the place of the last one: from that moment they count.
//! A crash before leaves bytes behind that nothing points to; the same step, run again from the same size, writes the same bytes over them.

mod history;

pub use history::{FOLDER as HISTORY_FOLDER, History, read as read_history, read_whole as read_whole_history, write as write_history};

use crate::disk::{self, Disk, DiskFile, folder_of};
use crate::facts::LedgerFacts;
use crate::fault::StoreFault;
use crate::wal::Entry;
use sluice_ledger::checkpoint::{Checkpoint, SignedCheckpoint};
use sluice_ledger::layout::{PACK_HEAD_BYTES, PACK_RECORDS, PackKind, PackName, PackTable, table_offset};
use sluice_ledger::note::{NOTE_BYTES_MAX, Signer, VerifierKey};
use sluice_ledger::tree::{Tile, Tree};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

pub const CHECKPOINT: &str = "checkpoint";
pub const FOLDERS: [&str; 4] = ["bodies", HISTORY_FOLDER, "keys", "tile"];
/// A full bundle of the longest entries there can be.
pub const TILE_BYTES_MAX: usize = 256 * (2 + 65_535);

pub struct Shelf {
    disk: Arc<dyn Disk>,
    signer: Arc<Signer>,
    tree: Tree,
    tables: Tables,
    history: History,
    published: SignedCheckpoint,
    /// Known to be durable.
    folders: BTreeSet<String>,
}

/// Of the packs that the next record goes to.
#[derive(Clone)]
struct Tables {
    bodies: PackTable,
    keys: PackTable,
}

/// The checkpoint that counts, by the key that is given.
pub fn read_checkpoint(disk: &dyn Disk, key: &VerifierKey) -> Result<SignedCheckpoint, StoreFault> {
    let note = disk::read_whole(disk, CHECKPOINT, NOTE_BYTES_MAX)?.ok_or_else(|| StoreFault::Missing(CHECKPOINT.to_owned()))?;
    Ok(SignedCheckpoint::open(&note, std::slice::from_ref(key))?)
}

pub fn read_tile(disk: &dyn Disk, tile: &Tile) -> Option<Vec<u8>> {
    disk::read_whole(disk, &tile.path(), TILE_BYTES_MAX).ok().flatten()
}

impl Shelf {
    /// Compares the right edge of the tree with the checkpoint.
    pub fn open(disk: Arc<dyn Disk>, facts: &LedgerFacts, signer: Arc<Signer>) -> Result<Shelf, StoreFault> {
        if signer.verifier_key() != &facts.verifier_key {
            return Err(StoreFault::Key("the signing key is not the one that the ledger names".to_owned()));
        }
        let published = read_checkpoint(disk.as_ref(), &facts.verifier_key)?;
        let size = published.checkpoint().size;
        let tree = Tree::restore(size, |tile| read_tile(disk.as_ref(), tile))?;
        if tree.root() != published.checkpoint().root || published.checkpoint().origin != facts.origin {
            return Err(StoreFault::Damaged("the tiles do not have the root that the checkpoint names".to_owned()));
        }
        let tables = Tables::read(disk.as_ref(), size)?;
        let mut history = History::open(disk.as_ref())?;
        // A line of history comes after its checkpoint. To go on would sign a second history.
        let last = history.last().and_then(|note| SignedCheckpoint::open(note, std::slice::from_ref(&facts.verifier_key)).ok());
        if last.is_some_and(|last| last.checkpoint().size > size) {
            return Err(StoreFault::Damaged(
                "`checkpoint` is older than the last one in the history: an older one was put back".to_owned(),
            ));
        }
        let note = published.to_string();
        // The process before may have died of the sync of this very file: it is there, and it may be gone after the next power cut.
        // What it covers was synced before it was written.
        disk::replace(disk.as_ref(), CHECKPOINT, note.as_bytes())?;
        if history.last() != Some(note.as_bytes()) {
            history.append(disk.as_ref(), note.as_bytes())?;
        }
        Ok(Shelf { disk, signer, tree, tables, history, published, folders: BTreeSet::new() })
    }

    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The entries behind those that are here. After `Full` the same entries, and more, may be given again; after any other error nothing may.
    pub fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreFault> {
        if entries.is_empty() {
            return Ok(());
        }
        let size = self.size();
        let mut tables = self.tables.clone();
        let mut rest = entries;
        let mut first = size;
        while !rest.is_empty() {
            let room = usize::try_from(PACK_RECORDS - first % PACK_RECORDS).unwrap_or(usize::MAX);
            let (group, after) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            let bodies: Vec<&[u8]> = group.iter().map(|entry| entry.body.as_slice()).collect();
            let slots: Vec<&[u8]> = group.iter().map(|entry| entry.slot.as_slice()).collect();
            write_rows(self.disk.as_ref(), &mut tables.bodies, PackKind::Bodies, first, &bodies)?;
            write_rows(self.disk.as_ref(), &mut tables.keys, PackKind::Keys, first, &slots)?;
            first += group.len() as u64;
            rest = after;
        }
        let mut tree = self.tree.clone();
        let full = write_tiles(self.disk.as_ref(), &mut tree, entries, &mut self.folders)?;
        let checkpoint = Checkpoint { origin: self.published.checkpoint().origin.clone(), size: tree.size(), root: tree.root() };
        let published = checkpoint.sign(&self.signer)?;
        let note = published.to_string();
        disk::replace(self.disk.as_ref(), CHECKPOINT, note.as_bytes())?;
        // From here on the entries count, whatever becomes of the rest: the next start adds the line of history.
        self.tree = tree;
        self.tables = tables;
        self.published = published;
        self.append_history(&note)?;
        remove_partial(self.disk.as_ref(), &full, &mut self.folders)
    }

    /// After a full disk the line may be missing still.
    pub fn settle_history(&mut self) -> Result<(), StoreFault> {
        let note = self.published.to_string();
        self.append_history(&note)
    }

    fn append_history(&mut self, note: &str) -> Result<(), StoreFault> {
        if self.history.last() == Some(note.as_bytes()) {
            return Ok(());
        }
        self.history.append(self.disk.as_ref(), note.as_bytes())
    }
}

impl Tables {
    fn read(disk: &dyn Disk, size: u64) -> Result<Tables, StoreFault> {
        let read = |kind| read_table(disk, PackName::of(kind, size), size % PACK_RECORDS);
        Ok(Tables { bodies: read(PackKind::Bodies)?, keys: read(PackKind::Keys)? })
    }
}

/// The table of a pack that holds this many published rows.
pub fn read_table(disk: &dyn Disk, name: PackName, records: u64) -> Result<PackTable, StoreFault> {
    if records == 0 {
        return Ok(PackTable::empty(name));
    }
    let path = name.path();
    let file = disk.open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreFault::Missing(path.clone()),
        _ => StoreFault::unreadable(&path, &error),
    })?;
    let table = PackTable::read(name, &file.read_at(0, PACK_HEAD_BYTES)?, records)?;
    if table.records() != records || file.length()? < table.end() {
        return Err(StoreFault::Damaged(format!("`{path}` is cut off")));
    }
    Ok(table)
}

/// All of one pack. The table that is given may be that of the pack before.
fn write_rows(disk: &dyn Disk, table: &mut PackTable, kind: PackKind, first: u64, rows: &[&[u8]]) -> io::Result<()> {
    let name = PackName::of(kind, first);
    if table.name() != name {
        *table = PackTable::empty(name);
    }
    let path = name.path();
    let is_new = table.records() == 0;
    let file = if is_new { open_or_create(disk, &path)? } else { disk.open(&path)? };
    if is_new {
        file.write_at(0, &name.empty_head())?;
    }
    let start = table.end();
    let mut ends = Vec::with_capacity(8 * rows.len());
    for row in rows {
        table.push(row.len());
        ends.extend_from_slice(&table.end().to_be_bytes());
    }
    file.write_at(start, &rows.concat())?;
    file.write_at(table_offset(first), &ends)?;
    file.sync()?;
    if is_new { disk.sync_folder(folder_of(&path)) } else { Ok(()) }
}

/// A file that a crash left is written over, not emptied: the blocks that it gave back would still hold wrapped keys.
fn open_or_create(disk: &dyn Disk, path: &str) -> io::Result<Box<dyn DiskFile>> {
    match disk.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(path),
        other => other,
    }
}

/// Returns the tiles that are full now. Nobody reads a tile before a checkpoint asks for it, so each is written in its place.
fn write_tiles(disk: &dyn Disk, tree: &mut Tree, entries: &[Entry], known: &mut BTreeSet<String>) -> Result<Vec<Tile>, StoreFault> {
    let published: BTreeSet<Tile> = Tile::partial(tree.size()).collect();
    let mut tiles = Vec::new();
    for entry in entries {
        tiles.extend(tree.append(&entry.leaf)?);
    }
    let full = tiles.iter().map(|(tile, _)| *tile).collect();
    tiles.extend(tree.partial().into_iter().filter(|(tile, _)| !published.contains(tile)));
    let mut folders = BTreeSet::new();
    for (tile, bytes) in &tiles {
        let path = tile.path();
        disk::make_folders_above(disk, &path, known)?;
        let file = disk.create(&path)?;
        file.write_at(0, bytes)?;
        file.sync()?;
        folders.insert(folder_of(&path).to_owned());
    }
    folders.iter().try_for_each(|folder| disk.sync_folder(folder))?;
    Ok(full)
}

/// What the full tile has made superfluous. A crash in between leaves some, which are correct and in nobody's way.
fn remove_partial(disk: &dyn Disk, full: &[Tile], known: &mut BTreeSet<String>) -> Result<(), StoreFault> {
    for tile in full {
        let folder = format!("{}.p", tile.path());
        let names = disk.list(&folder)?;
        known.remove(&folder);
        for name in &names {
            disk.remove(&format!("{folder}/{name}"))?;
        }
        if !names.is_empty() {
            disk.remove_folder(&folder)?;
        }
    }
    Ok(())
}
