//! The write-ahead log: preallocated segments that are written block by block, synced, and wiped once what they hold stands in the folder.
//!
//! Wiping writes zeros: a segment holds wrapped keys, and what is erased later must not be left here. The last segment is the closing reserve,
//! for records that end what was begun when the others have no room.

mod batch;
mod segments;
mod unmarked;

pub use batch::{BatchKey, Entry};
pub use segments::Segments;
pub use unmarked::has_unmarked;

use crate::disk::{self, Disk, DiskFile};
use batch::{BLOCK_BYTES, Batch, Digest, Forged, Head};
use std::io;

pub const FOLDER: &str = "wal";
const PATHS: [&str; 3] = ["wal/000000.wal", "wal/000001.wal", CLOSING_PATH];
const CLOSING_PATH: &str = "wal/closing.wal";
const WRITE_BYTES: usize = 1 << 20;

/// Sizes of new segments; those that are there keep theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSizes {
    pub regular_bytes: u64,
    pub closing_bytes: u64,
}

impl Default for SegmentSizes {
    fn default() -> SegmentSizes {
        SegmentSizes { regular_bytes: 64 << 20, closing_bytes: 16 << 20 }
    }
}

#[derive(Debug)]
pub enum WalFault {
    /// Valid records stand behind a place that is not valid: no crash does that.
    Damaged(String),
    Disk(io::Error),
    /// A whole batch stands where this says that this program did not write: no crash does that, and no failing disk.
    Forged(String),
    /// Every segment that may be used is full. There will be room when the records in them are applied.
    NoRoom,
    TooLarge,
}

pub struct Journal {
    key: BatchKey,
    files: Vec<Box<dyn DiskFile>>,
    segments: Segments,
    next_index: u64,
    previous: Digest,
    /// What a write that found no space may have left.
    torn: Option<Torn>,
}

struct Torn {
    place: usize,
    offset: u64,
    bytes: usize,
}

/// Makes the segments, filled with zeros: space that is only promised can be missing when it is needed.
pub fn create(disk: &dyn Disk, sizes: SegmentSizes) -> io::Result<()> {
    disk.make_folder(FOLDER)?;
    for path in PATHS {
        let bytes = if path == CLOSING_PATH { sizes.closing_bytes } else { sizes.regular_bytes };
        let file = disk.create(path)?;
        write_zeros(file.as_ref(), bytes)?;
        file.sync()?;
    }
    disk.sync_folder(FOLDER)
}

/// What stands in the segments from `applied` on, in order. A torn end is left out. Nothing is believed that does not bear the key's mark.
pub fn scan(disk: &dyn Disk, key: &BatchKey, applied: u64) -> Result<Vec<Entry>, WalFault> {
    let mut batches = Vec::new();
    for path in PATHS {
        let file = disk.open(path)?;
        let length = usize::try_from(file.length()?).map_err(|_| WalFault::TooLarge)?;
        batches.extend(scan_segment(path, key, &file.read_at(0, length)?, applied)?);
    }
    batches.sort_by_key(|batch: &Batch| batch.head.first_index);
    let mut next_index = applied;
    let mut previous = None;
    let mut entries = Vec::new();
    for batch in batches {
        let follows = previous.is_none_or(|previous| batch.head.previous == previous && batch.head.first_index == next_index);
        if batch.head.first_index > next_index || !follows {
            return Err(WalFault::Damaged(format!("record {next_index} is missing from the write-ahead log")));
        }
        let skipped = usize::try_from(next_index - batch.head.first_index).unwrap_or(usize::MAX);
        next_index = batch.next_index();
        previous = Some(batch.digest);
        entries.extend(batch.entries.into_iter().skip(skipped));
    }
    Ok(entries)
}

/// No whole batch of records that are not applied stands behind something that is none.
fn scan_segment(path: &str, key: &BatchKey, bytes: &[u8], applied: u64) -> Result<Vec<Batch>, WalFault> {
    let mut batches = Vec::new();
    let mut gap = false;
    let mut offset = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        let found = Batch::decode(key, rest).map_err(|Forged| WalFault::Forged(format!("`{path}` at byte {offset}")))?;
        match found {
            Some((batch, length)) => {
                offset += length;
                if batch.next_index() <= applied {
                    continue;
                }
                if gap {
                    return Err(WalFault::Damaged(format!("`{path}` holds whole records behind a damaged one")));
                }
                batches.push(batch);
            }
            None => {
                gap |= !batches.is_empty() || rest.get(..BLOCK_BYTES).is_some_and(|block| block.iter().any(|byte| *byte != 0));
                offset += BLOCK_BYTES;
            }
        }
    }
    Ok(batches)
}

impl Journal {
    /// Wipes what is there: call it once everything that `scan` gave is applied.
    pub fn start(disk: &dyn Disk, key: BatchKey, next_index: u64) -> Result<Journal, WalFault> {
        let mut files = Vec::new();
        let mut segments = Vec::new();
        for path in PATHS {
            let file = disk.open(path)?;
            let bytes = file.length()?;
            wipe_file(file.as_ref(), bytes)?;
            files.push(file);
            segments.push(bytes);
        }
        Ok(Journal { key, files, segments: Segments::new(segments), next_index, previous: [0; 32], torn: None })
    }

    pub fn next_index(&self) -> u64 {
        self.next_index
    }

    pub fn segments(&self) -> Segments {
        self.segments.clone()
    }

    /// Returns once the entries are on stable storage. After an error that is not for want of space the log must not be used again.
    pub fn append(&mut self, epoch: u64, entries: &[Entry], may_close: bool) -> Result<(), WalFault> {
        self.clear_torn()?;
        let head = Head { first_index: self.next_index, epoch, previous: self.previous };
        let (bytes, digest) = head.encode(&self.key, entries).ok_or(WalFault::TooLarge)?;
        let (place, offset) = self.segments.reserve(bytes.len() as u64, may_close)?;
        if let Err(error) = self.write(place, offset, &bytes) {
            self.torn = Some(Torn { place, offset, bytes: bytes.len() });
            return Err(WalFault::Disk(error));
        }
        self.next_index += entries.len() as u64;
        self.previous = digest;
        self.segments.advance(place, bytes.len() as u64, head.first_index, self.next_index);
        Ok(())
    }

    /// The next batch starts another segment, if one is free, so that this one can be wiped.
    pub fn rotate(&mut self) -> bool {
        self.segments.rotate()
    }

    /// A batch that failed may stand there whole. Its numbers will be given again, and no start may find two of them.
    fn clear_torn(&mut self) -> Result<(), WalFault> {
        if let Some(torn) = &self.torn {
            self.write(torn.place, torn.offset, &vec![0; torn.bytes])?;
            self.segments.release(torn.place);
            self.torn = None;
        }
        Ok(())
    }

    fn write(&self, place: usize, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.files.get(place).ok_or(io::ErrorKind::NotFound)?;
        file.write_at(offset, bytes)?;
        file.sync()
    }
}

fn wipe_file(file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    // A segment that is clean already is only read.
    let mut offset = 0;
    let mut is_dirty = false;
    while offset < bytes {
        let length = usize::try_from(bytes - offset).map_or(WRITE_BYTES, |rest| rest.min(WRITE_BYTES));
        if file.read_at(offset, length)?.iter().any(|byte| *byte != 0) {
            file.write_at(offset, &vec![0; length])?;
            is_dirty = true;
        }
        offset += length as u64;
    }
    if is_dirty { file.sync() } else { Ok(()) }
}

fn write_zeros(file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    let mut offset = 0;
    while offset < bytes {
        let length = usize::try_from(bytes - offset).map_or(WRITE_BYTES, |rest| rest.min(WRITE_BYTES));
        file.write_at(offset, &vec![0; length])?;
        offset += length as u64;
    }
    Ok(())
}

impl WalFault {
    /// Nothing is broken; there may be space again.
    pub fn is_for_want_of_space(&self) -> bool {
        matches!(self, WalFault::NoRoom) || matches!(self, WalFault::Disk(error) if disk::is_out_of_space(error))
    }
}

impl From<io::Error> for WalFault {
    fn from(error: io::Error) -> WalFault {
        WalFault::Disk(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;
    use batch::tests::key;

    const BEFORE: Digest = [0; 32];

    /// Where a batch stands: segment, block, its records, and what becomes of it.
    enum Placed {
        Whole(usize, u64, std::ops::Range<u64>),
        /// Names another batch as the one before.
        Stranger(usize, u64, std::ops::Range<u64>),
        Torn(usize, u64, std::ops::Range<u64>),
        /// By somebody who has all but the key.
        Forged(usize, u64, std::ops::Range<u64>),
    }
    use Placed::{Forged, Stranger, Torn, Whole};

    /// What is found from `applied` on: how many records, or the damage.
    fn check(name: &str, placed: &[Placed], applied: u64, expect: Result<usize, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let disk = LocalDisk::new(folder.path()).unwrap();
        create(&disk, SegmentSizes { regular_bytes: 64 << 10, closing_bytes: 16 << 10 }).unwrap();
        let mut previous = BEFORE;
        for one in placed {
            let (Whole(segment, block, records)
            | Stranger(segment, block, records)
            | Torn(segment, block, records)
            | Forged(segment, block, records)) = one;
            let marked_by = if matches!(one, Forged(..)) { key(8, 7) } else { key(7, 7) };
            let before = if matches!(one, Stranger(..)) { [9; 32] } else { previous };
            let head = Head { first_index: records.start, epoch: 1, previous: before };
            let entries: Vec<Entry> = records.clone().map(|_| Entry { leaf: vec![1; 90], body: vec![2; 700], slot: vec![3; 70] }).collect();
            let (mut bytes, digest) = head.encode(&marked_by, &entries).unwrap();
            if matches!(one, Torn(..)) {
                bytes[200] ^= 1;
            }
            previous = digest;
            disk.open(PATHS[*segment]).unwrap().write_at(block * BLOCK_BYTES as u64, &bytes).unwrap();
        }
        let found = scan(&disk, &key(7, 7), applied).map(|entries| entries.len());
        match (&found, expect) {
            (Ok(count), Ok(expect)) => assert_eq!(*count, expect, "{name}"),
            (Err(WalFault::Damaged(text) | WalFault::Forged(text)), Err(part)) => assert!(text.contains(part), "{name}: {text}"),
            _ => panic!("{name}: {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_told_from_a_torn_end() {
        check("forged as the end", &[Whole(0, 0, 0..2), Forged(0, 1, 2..3)], 0, Err("`wal/000000.wal` at byte 4096"));
        check("forged after a shutdown", &[Forged(1, 0, 5..6)], 5, Err("`wal/000001.wal` at byte 0"));
        check("forged in front", &[Forged(0, 0, 0..2), Whole(0, 1, 2..3)], 0, Err("`wal/000000.wal` at byte 0"));
        check("forged behind a torn one", &[Torn(0, 0, 0..2), Forged(2, 0, 0..1)], 0, Err("`wal/closing.wal` at byte 0"));
        check("forged, of records that are applied", &[Forged(0, 0, 0..2)], 2, Err("`wal/000000.wal` at byte 0"));
        check("left out in the middle", &[Whole(0, 0, 0..2), Whole(0, 1, 3..4)], 0, Err("record 2 is missing"));
        check("in another order", &[Whole(0, 1, 2..3), Whole(0, 0, 0..2)], 0, Err("record 2 is missing"));
    }

    #[test]
    fn what_no_crash_leaves_is_told_from_a_torn_end() {
        check("nothing", &[], 0, Ok(0));
        check("one after the other", &[Whole(0, 0, 0..2), Whole(0, 1, 2..3), Whole(1, 0, 3..9), Whole(2, 0, 9..10)], 0, Ok(10));
        check("a part is applied", &[Whole(0, 0, 0..2), Whole(0, 1, 2..5)], 4, Ok(1));
        check("all is applied", &[Whole(0, 0, 0..2), Whole(0, 1, 2..5)], 5, Ok(0));
        check("a torn end", &[Whole(0, 0, 0..2), Torn(0, 1, 2..3)], 0, Ok(2));
        check("a torn start", &[Torn(0, 0, 0..2)], 0, Ok(0));
        check("a torn place with more behind", &[Whole(0, 0, 0..2), Torn(0, 1, 2..3), Whole(0, 2, 3..4)], 0, Err("behind a damaged one"));
        check(
            "a torn place with the next behind",
            &[Whole(0, 0, 0..2), Torn(0, 1, 2..3), Whole(0, 2, 2..4)],
            0,
            Err("behind a damaged one"),
        );
        check("applied ones behind a torn place", &[Torn(0, 0, 0..2), Whole(0, 1, 2..3), Whole(1, 0, 3..4)], 3, Ok(1));
        check("an empty place between", &[Whole(0, 0, 0..2), Whole(0, 3, 2..4)], 0, Err("behind a damaged one"));
        check("a record is missing", &[Whole(0, 0, 0..2), Whole(1, 0, 3..4)], 0, Err("record 2 is missing"));
        check("the first is missing", &[Whole(0, 0, 1..2)], 0, Err("record 0 is missing"));
        check("a record stands twice", &[Whole(0, 0, 0..2), Whole(1, 0, 1..4)], 0, Err("record 2 is missing"));
        check("a batch stands twice", &[Whole(0, 0, 0..2), Whole(1, 0, 0..2)], 0, Err("record 2 is missing"));
        check("of another chain", &[Whole(0, 0, 0..2), Stranger(1, 0, 2..4)], 0, Err("record 2 is missing"));
    }
}
