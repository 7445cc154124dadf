//! Hashes of leaves, of nodes and of whole trees.

use aws_lc_rs::digest::{Context, SHA256};

pub const HASH_BYTES: usize = 32;
pub type Hash = [u8; HASH_BYTES];

// A leaf can never be read as a node: each has its own first byte.
const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&LEAF, entry])
}

pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&NODE, left, right])
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The root over these leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            // The largest power of two below the count: RFC 6962 splits there.
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; HASH_BYTES];
    hash.iter_mut().zip(context.finish().as_ref()).for_each(|(to, from)| *to = *from);
    hash
}
