//! Batches of format 1: without a mark, so nobody knows who wrote them. They are looked for, and never applied.

use super::PATHS;
use super::batch::BLOCK_BYTES;
use crate::disk::Disk;
use std::io;

const MAGIC: &[u8; 8] = b"sluicew1";

/// Whether some of their records are not applied. Takes whatever looks like one, also a torn one.
pub fn has_unmarked(disk: &dyn Disk, applied: u64) -> io::Result<bool> {
    for path in PATHS {
        let file = disk.open(path)?;
        let length = file.length()?;
        let mut offset = 0;
        while offset < length {
            let block = file.read_at(offset, BLOCK_BYTES)?;
            if next_index(&block).is_some_and(|next| next > applied) {
                return Ok(true);
            }
            offset += BLOCK_BYTES as u64;
        }
    }
    Ok(false)
}

/// Behind the last record of the batch that begins here.
fn next_index(block: &[u8]) -> Option<u64> {
    let (_length, rest) = block.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk()?;
    let (first_index, _) = rest.split_first_chunk()?;
    Some(u64::from_be_bytes(*first_index).saturating_add(u64::from(u32::from_be_bytes(*count))))
}
