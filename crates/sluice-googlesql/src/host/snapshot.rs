//! A copy of an instance's state, and the difference that a table set makes to it.
//!
//! State is linear memory and open files: the module exports no mutable global, and between calls its stack pointer stands at its start.

use super::state::Open;
use std::collections::BTreeMap;

/// The unit of comparing and copying.
const BLOCK_BYTES: usize = 4 << 10;

static ZERO: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

#[derive(Debug)]
pub struct Snapshot {
    /// Blocks of nothing but zeros take no memory here and are not read when memory is put back.
    blocks: Vec<Option<Box<[u8]>>>,
    pub files: BTreeMap<u32, Open>,
    pub memory_bytes: usize,
}

/// What differs from the base snapshot.
#[derive(Debug)]
pub struct Changes {
    /// Blocks of memory by number, ascending.
    blocks: Vec<(usize, Box<[u8]>)>,
    pub files: BTreeMap<u32, Open>,
    pub memory_bytes: usize,
}

impl Snapshot {
    pub fn new(memory: &[u8], files: &BTreeMap<u32, Open>) -> Snapshot {
        let blocks = memory.chunks(BLOCK_BYTES).map(|block| (!zero(block)).then(|| block.into())).collect();
        Snapshot { blocks, files: files.clone(), memory_bytes: memory.len() }
    }

    pub fn changes(&self, memory: &[u8], files: &BTreeMap<u32, Open>) -> Changes {
        let blocks = memory.chunks(BLOCK_BYTES).zip(self.wanted()).enumerate();
        let changed = blocks.filter(|(_, (now, before))| *now != *before);
        let blocks = changed.map(|(number, (now, _))| (number, now.into())).collect();
        Changes { blocks, files: files.clone(), memory_bytes: memory.len() }
    }

    /// Puts memory into the recorded state, with the changes if any, to the byte. What lies beyond the recorded memory is zero.
    ///
    /// Comparing first: most blocks are as they were, and reading is cheaper than writing.
    pub fn write_into(&self, memory: &mut [u8], changes: Option<&Changes>) {
        let mut changed = changes.map_or(&[][..], |changes| &changes.blocks).iter().peekable();
        for (number, (now, before)) in memory.chunks_mut(BLOCK_BYTES).zip(self.wanted()).enumerate() {
            let wanted = changed.next_if(|(at, _)| *at == number).map_or(before, |(_, block)| block);
            if now != wanted {
                now.copy_from_slice(wanted);
            }
        }
    }

    fn wanted(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks.iter().map(|block| block.as_deref().unwrap_or(&ZERO)).chain(std::iter::repeat(&ZERO[..]))
    }
}

impl Changes {
    /// Turns the base's memory into the changed one.
    pub fn write_into(&self, memory: &mut [u8]) {
        for (number, block) in &self.blocks {
            if let Some(now) = memory.get_mut(number * BLOCK_BYTES..(number + 1) * BLOCK_BYTES) {
                now.copy_from_slice(block);
            }
        }
    }

    pub fn size_bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }
}

fn zero(block: &[u8]) -> bool {
    block == ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_put_back_to_the_byte() {
        let mut base: Vec<u8> = (0..10 * BLOCK_BYTES).map(|position| (position / 7) as u8).collect();
        base[3 * BLOCK_BYTES..5 * BLOCK_BYTES].fill(0);
        let snapshot = Snapshot::new(&base, &BTreeMap::new());
        let mut set = base.clone();
        set.resize(12 * BLOCK_BYTES, 0);
        set[5] ^= 1;
        set[4 * BLOCK_BYTES] = 1;
        set[10 * BLOCK_BYTES + 3] = 9;
        let changes = snapshot.changes(&set, &BTreeMap::new());
        assert_eq!(changes.blocks.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 4, 10]);
        let mut memory = vec![77; 12 * BLOCK_BYTES];
        snapshot.write_into(&mut memory, None);
        assert_eq!(memory[..base.len()], base);
        assert!(memory[base.len()..].iter().all(|byte| *byte == 0));
        memory[..base.len()].copy_from_slice(&base);
        memory[base.len()..].fill(0);
        changes.write_into(&mut memory);
        assert_eq!(memory, set);
        memory[3] ^= 1;
        snapshot.write_into(&mut memory, Some(&changes));
        assert_eq!(memory, set);
    }
}
