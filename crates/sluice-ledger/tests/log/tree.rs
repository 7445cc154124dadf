//! Roots and proofs: every small tree whole, larger ones by chance, and what is no proof.

use crate::reference;
use proptest::prelude::*;
use sluice_ledger::tree::{
    Frontier, Hash, MemoryNodes, ProofFault, consistency_proof, inclusion_proof, leaf_hash, root, verify_consistency, verify_inclusion,
};

const EXHAUSTIVE: u64 = 70;

#[test]
fn roots_are_those_of_the_definition() {
    let leaves = reference::leaves(600);
    let mut frontier = Frontier::default();
    for count in 0..=leaves.len() {
        let expect = reference::root(&leaves[..count]);
        assert_eq!((root(&leaves[..count]), frontier.root(), frontier.size()), (expect, expect, count as u64));
        leaves.get(count).into_iter().for_each(|leaf| frontier.push(*leaf));
    }
}

/// Values of RFC 6962's own hashing that anyone can compute with `sha256sum`.
#[test]
fn known_hashes() {
    let hex = |hash: Hash| hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(root(&[])), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(hex(leaf_hash(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

#[test]
fn every_inclusion_proof_of_small_trees() {
    let all = reference::leaves(EXHAUSTIVE);
    for size in 1..=EXHAUSTIVE {
        let leaves = &all[..size as usize];
        let (nodes, root) = (MemoryNodes(all.clone()), reference::root(leaves));
        for index in 0..size {
            let proof = inclusion_proof(&nodes, index, size).unwrap();
            assert_eq!(proof, reference::path(index as usize, leaves), "{index} of {size}");
            let leaf = &leaves[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()), "{index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                let verdict = verify_inclusion(leaf, other, size, &proof, &root);
                assert!(verdict.is_err(), "{index} of {size} proved at {other}");
            }
        }
        assert_eq!(inclusion_proof(&nodes, size, size), None);
    }
}

#[test]
fn every_consistency_proof_of_small_trees() {
    let all = reference::leaves(EXHAUSTIVE);
    let nodes = MemoryNodes(all.clone());
    let roots: Vec<Hash> = (0..=all.len()).map(|count| reference::root(&all[..count])).collect();
    for new in 1..=EXHAUSTIVE {
        for old in 1..=new {
            let proof = consistency_proof(&nodes, old, new).unwrap();
            assert_eq!(proof, reference::consistency(old as usize, &all[..new as usize]), "{old} in {new}");
            let (old_root, new_root) = (&roots[old as usize], &roots[new as usize]);
            assert_eq!(verify_consistency(old, old_root, new, new_root, &proof), Ok(()), "{old} in {new}");
            for wrong in (1..=EXHAUSTIVE).filter(|wrong| *wrong != old) {
                assert!(
                    verify_consistency(wrong, &roots[wrong as usize], new, new_root, &proof).is_err() || (wrong == new && proof.is_empty())
                );
                let forked = verify_consistency(old, &roots[wrong as usize], new, new_root, &proof);
                assert!(forked.is_err(), "the root of {wrong} passed for that of {old} in {new}");
            }
        }
    }
}

#[test]
fn the_empty_tree_and_the_same_tree() {
    let (empty, one, two) = (reference::root(&[]), reference::root(&reference::leaves(1)), reference::root(&reference::leaves(2)));
    for (old, old_root, new, new_root, proof, expect) in [
        (0, &empty, 0, &empty, vec![], Ok(())),
        (0, &empty, 0, &one, vec![], Err(ProofFault::Root)),
        (0, &empty, 2, &two, vec![], Ok(())),
        (0, &one, 2, &two, vec![], Err(ProofFault::Root)),
        (0, &empty, 2, &two, vec![one], Err(ProofFault::Length)),
        (2, &two, 2, &two, vec![], Ok(())),
        (2, &two, 2, &one, vec![], Err(ProofFault::Root)),
        (2, &two, 2, &two, vec![one], Err(ProofFault::Length)),
        (2, &two, 1, &one, vec![], Err(ProofFault::Size)),
    ] {
        assert_eq!(verify_consistency(old, old_root, new, new_root, &proof), expect, "{old} {new} {}", proof.len());
    }
    assert_eq!(verify_inclusion(&one, 0, 0, &[], &one), Err(ProofFault::Index));
    assert_eq!(verify_inclusion(&one, 0, 1, &[one], &one), Err(ProofFault::Length));
    assert_eq!(verify_inclusion(&one, u64::MAX - 1, u64::MAX, &[], &one), Err(ProofFault::Length));
}

/// What an attacker can do to a proof without a hash collision.
fn damage(proof: &[Hash], how: usize, place: usize, bit: usize) -> Option<Vec<Hash>> {
    let mut damaged = proof.to_vec();
    let place = place % damaged.len().max(1);
    match how {
        0 => damaged.push([7; 32]),
        1 if !damaged.is_empty() => drop(damaged.remove(place)),
        2 if !damaged.is_empty() => damaged[place][bit % 32] ^= 1 << (bit / 32 % 8),
        3 if !damaged.is_empty() => damaged.insert(place, damaged[place]),
        4 => damaged.reverse(),
        _ => return None,
    }
    (damaged != proof).then_some(damaged)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn larger_trees(size in 1_u64..2500, index: u64, old: u64, how in 0_usize..5, place: usize, bit: usize) {
        let (index, old) = (index % size, 1 + old % size);
        let leaves = reference::leaves(size);
        let nodes = MemoryNodes(leaves.clone());
        let (new_root, old_root) = (reference::root(&leaves), reference::root(&leaves[..old as usize]));

        let path = inclusion_proof(&nodes, index, size).unwrap();
        prop_assert_eq!(&path, &reference::path(index as usize, &leaves));
        prop_assert_eq!(verify_inclusion(&leaves[index as usize], index, size, &path, &new_root), Ok(()));

        let proof = consistency_proof(&nodes, old, size).unwrap();
        prop_assert_eq!(&proof, &reference::consistency(old as usize, &leaves));
        prop_assert_eq!(verify_consistency(old, &old_root, size, &new_root, &proof), Ok(()));

        if let Some(path) = damage(&path, how, place, bit) {
            prop_assert!(verify_inclusion(&leaves[index as usize], index, size, &path, &new_root).is_err());
        }
        if let Some(proof) = damage(&proof, how, place, bit) {
            prop_assert!(verify_consistency(old, &old_root, size, &new_root, &proof).is_err());
        }
    }
}
