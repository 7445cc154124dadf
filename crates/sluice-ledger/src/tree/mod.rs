//! The Merkle tree of RFC 6962 over SHA-256, and its tiles as `c2sp.org/tlog-tiles` lays them out.
//!
//! It is the only authority of the ledger: whatever else stands on disk is judged against its root.

mod frontier;
mod growth;
mod hash;
mod proofs;
mod tile;
mod tiles;

pub use frontier::Frontier;
pub use growth::Tree;
pub(crate) use hash::sha256;
pub use hash::{HASH_BYTES, Hash, empty_root, leaf_hash, node_hash, root};
pub use proofs::{Nodes, PROOF_HASHES_MAX, ProofFault, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};
pub use tile::{ENTRY_BYTES_MAX, Level, TILE_WIDTH, Tile, TileFault, decode_entries, decode_hashes, encode_entry};
pub use tiles::{MemoryNodes, TileNodes};
