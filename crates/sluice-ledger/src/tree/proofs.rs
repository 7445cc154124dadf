//! Inclusion and consistency proofs: made from hashes of subtrees, verified from nothing but the proof.

use super::hash::{Hash, empty_root, node_hash};
use std::fmt;

/// A tree of 2^64 leaves has no longer path.
pub const PROOF_HASHES_MAX: usize = 64;

/// Hashes of the perfect subtrees of one tree.
pub trait Nodes {
    /// The subtree over the leaves from `index * 2^height` on, `2^height` of them. None if the tree does not hold them all.
    fn node(&self, height: u32, index: u64) -> Option<Hash>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFault {
    /// The index is not below the size.
    Index,
    /// Too many hashes, or too few.
    Length,
    /// The proof leads to another root.
    Root,
    /// The older tree is larger than the newer one.
    Size,
}

/// The path from leaf `index` to the root of the first `size` leaves, nearest first. None if hashes are missing or the index is not below the size.
pub fn inclusion_proof(nodes: &impl Nodes, index: u64, size: u64) -> Option<Vec<Hash>> {
    if index >= size {
        return None;
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Some(proof)
}

/// That the first `new` leaves begin with the first `old` ones. Nothing to show for the empty tree, nor for the same one.
pub fn consistency_proof(nodes: &impl Nodes, old: u64, new: u64) -> Option<Vec<Hash>> {
    if old > new {
        return None;
    }
    if old == 0 || old == new {
        return Some(Vec::new());
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end > old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(range_root(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range_root(nodes, start, middle)?);
            start = middle;
        }
    }
    // The old root itself is known to whoever verifies, where it is one of the subtrees.
    if start > 0 {
        proof.push(range_root(nodes, start, end)?);
    }
    proof.reverse();
    Some(proof)
}

/// `leaf` is the hash of the leaf.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofFault> {
    if index >= size {
        return Err(ProofFault::Index);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for other in proof {
        if last == 0 {
            return Err(ProofFault::Length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(other, &hash);
            // A right edge is carried up until it becomes somebody's right child.
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, other);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofFault::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofFault::Root) }
}

pub fn verify_consistency(old: u64, old_root: &Hash, new: u64, new_root: &Hash, proof: &[Hash]) -> Result<(), ProofFault> {
    if old > new {
        return Err(ProofFault::Size);
    }
    if old == new || old == 0 {
        // Every tree continues the empty one, so there is nothing to show.
        let same = if old == new { old_root == new_root } else { *old_root == empty_root() };
        return match (proof, same) {
            ([], true) => Ok(()),
            ([], false) => Err(ProofFault::Root),
            _ => Err(ProofFault::Length),
        };
    }
    let mut rest = proof.iter();
    // A tree of 2^n leaves is itself a subtree of the new one: its root need not be sent.
    let first = if old.is_power_of_two() { old_root } else { rest.next().ok_or(ProofFault::Length)? };
    let (mut node, mut last) = (old - 1, new - 1);
    while node & 1 == 1 {
        (node, last) = (node >> 1, last >> 1);
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for other in rest {
        if last == 0 {
            return Err(ProofFault::Length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(other, &old_hash);
            new_hash = node_hash(other, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, other);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(ProofFault::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(ProofFault::Root) }
}

/// Where RFC 6962 splits: the largest power of two below `count`, which is at least 2.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// The root over the leaves from `start` to `end`; `start` is a multiple of the power of two at or above their number.
fn range_root(nodes: &impl Nodes, start: u64, end: u64) -> Option<Hash> {
    let count = end.checked_sub(start)?;
    if count.is_power_of_two() {
        let height = count.ilog2();
        return nodes.node(height, start >> height);
    }
    let middle = start + split(count);
    Some(node_hash(&range_root(nodes, start, middle)?, &range_root(nodes, middle, end)?))
}

impl fmt::Display for ProofFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            ProofFault::Index => "the index is not below the size of the tree",
            ProofFault::Length => "the proof has too many hashes or too few",
            ProofFault::Root => "the proof leads to another root",
            ProofFault::Size => "the older tree is larger than the newer one",
        })
    }
}

impl std::error::Error for ProofFault {}
