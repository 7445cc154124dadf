//! RFC 6962 section 2.1, word for word and slow, and leaves to hash.

use sluice_ledger::tree::{Hash, leaf_hash, node_hash};

/// The entry of each index is its number in text.
pub fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

pub fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&entry(index))).collect()
}

/// MTH(D[n]) of 2.1.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => sluice_ledger::tree::empty_root(),
        1 => leaves[0],
        count => node_hash(&root(&leaves[..below(count)]), &root(&leaves[below(count)..])),
    }
}

/// PATH(m, D[n]) of 2.1.1.
pub fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(below(leaves.len()));
    let (mut path, sibling) =
        if index < left.len() { (self::path(index, left), root(right)) } else { (self::path(index - left.len(), right), root(left)) };
    path.push(sibling);
    path
}

/// PROOF(m, D[n]) of 2.1.2.
pub fn consistency(old: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(old, leaves, true)
}

fn subproof(old: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if is_known { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(below(leaves.len()));
    let (mut proof, other) = if old <= left.len() {
        (subproof(old, left, is_known), root(right))
    } else {
        (subproof(old - left.len(), right, false), root(left))
    };
    proof.push(other);
    proof
}

/// The largest power of two smaller than the count.
fn below(count: usize) -> usize {
    let mut power = 1;
    while power * 2 < count {
        power *= 2;
    }
    power
}
