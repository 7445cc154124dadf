//! The right edge of a tree: enough to append to it and to know its root, in a few hundred bytes.

use super::hash::{Hash, empty_root, node_hash};

/// The roots of the perfect subtrees that a tree is made of, largest first: one for each bit of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn size(&self) -> u64 {
        self.size
    }

    pub fn push(&mut self, leaf: Hash) {
        self.push_and_see(leaf, |_, _| {});
    }

    /// `see` gets the height and the hash of each subtree that this leaf completes, the leaf itself first.
    pub fn push_and_see(&mut self, leaf: Hash, mut see: impl FnMut(u32, &Hash)) {
        let mut hash = leaf;
        see(0, &hash);
        for height in 1..=self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            see(height, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// `peaks` stand as `peaks` does here. None if their number does not fit the size.
    pub(super) fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Frontier> {
        let fits = u32::try_from(peaks.len()) == Ok(size.count_ones());
        fits.then_some(Frontier { size, peaks })
    }
}
