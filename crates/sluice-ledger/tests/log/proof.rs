//! Proofs as text: what proves, and what does not.

use crate::keys::{checkpoint, log_key, witness_key};
use crate::reference;
use sluice_ledger::checkpoint::CheckpointFault;
use sluice_ledger::cosignature::cosign;
use sluice_ledger::proof::{Proof, TextProofFault};
use sluice_ledger::tree::{MemoryNodes, ProofFault, inclusion_proof};
use sluice_ledger::trust::Trust;

const SIZE: u64 = 11;
const INDEX: u64 = 6;

fn trust() -> Trust {
    let (log, witness) = (log_key(1), witness_key(2));
    let text = format!("log {}\nwitness w {}\nquorum w\n", log.verifier_key(), witness.verifier_key());
    Trust::parse(text.as_bytes()).unwrap()
}

fn proof() -> Proof {
    let leaves = reference::leaves(SIZE);
    let mut signed = checkpoint(SIZE, reference::root(&leaves));
    signed.add(cosign(signed.note(), &witness_key(2), 1_700_000_000).unwrap()).unwrap();
    let hashes = inclusion_proof(&MemoryNodes(leaves), INDEX, SIZE).unwrap();
    Proof { extra: Some(b"any".to_vec()), index: INDEX, hashes, checkpoint: signed.to_string() }
}

#[test]
fn a_proof_is_read_back_and_proves() {
    let leaf = reference::leaves(SIZE)[INDEX as usize];
    for extra in [None, Some(Vec::new()), Some(b"any".to_vec())] {
        let proof = Proof { extra, ..proof() };
        let read = Proof::parse(proof.to_string().as_bytes()).unwrap();
        assert_eq!(read, proof);
        let proved = read.verify(&leaf, &trust()).unwrap();
        assert_eq!((proved.checkpoint.size, proved.witnessed.times.get("w")), (SIZE, Some(&1_700_000_000)));
    }
    assert!(proof().to_string().starts_with("c2sp.org/tlog-proof@v1\nextra YW55\nindex 6\n"));
}

#[test]
fn what_proves_nothing() {
    let leaves = reference::leaves(SIZE);
    let leaf = leaves[INDEX as usize];
    let check = |change: &dyn Fn(&mut Proof), expect: TextProofFault| {
        let mut proof = proof();
        change(&mut proof);
        assert_eq!(proof.verify(&leaf, &trust()), Err(expect));
    };
    check(&|proof| proof.index = 7, TextProofFault::Inclusion(ProofFault::Root));
    check(&|proof| proof.index = SIZE, TextProofFault::Inclusion(ProofFault::Index));
    check(&|proof| proof.hashes.truncate(1), TextProofFault::Inclusion(ProofFault::Length));
    check(&|proof| proof.hashes[1][0] ^= 1, TextProofFault::Inclusion(ProofFault::Root));
    check(&|proof| proof.checkpoint = checkpoint(SIZE, reference::root(&leaves)).to_string(), TextProofFault::Quorum);
    check(
        &|proof| proof.checkpoint = proof.checkpoint.replace("ledger.", "other."),
        TextProofFault::Checkpoint(CheckpointFault::Unsigned { origin: "other.example.com/one".to_owned() }),
    );
    check(&|proof| proof.checkpoint.push('\n'), TextProofFault::Checkpoint(CheckpointFault::Note(sluice_ledger::note::NoteFault::Form)));
    assert_eq!(proof().verify(&leaves[0], &trust()), Err(TextProofFault::Inclusion(ProofFault::Root)));
}

#[test]
fn texts_that_are_no_proof() {
    let good = proof().to_string();
    let check = |text: String, expect: TextProofFault| assert_eq!(Proof::parse(text.as_bytes()), Err(expect), "{text}");
    let hash = good.lines().nth(3).unwrap();
    for text in [
        String::new(),
        good.replace("@v1", "@v2"),
        good.replace("@v1\n", "@v1 \n"),
        good.replace("@v1\n", "@v1\r\n"),
        good.replace("extra YW55", "extra YW5"),
        good.replace("extra YW55\n", "extra YW55\nextra YW55\n"),
        good.replace("extra YW55\nindex 6\n", "index 6\nextra YW55\n"),
        good.replace("index 6", "index 06"),
        good.replace("index 6\n", ""),
        good.replace("index 6", "Index 6"),
        good.replace(hash, &hash.replace('=', "")),
        good.replace(hash, &format!("{hash} ")),
        good.replacen("\n\n", "\n", 1).replacen("\n\n", "\n", 1),
    ] {
        check(text, TextProofFault::Form);
    }
    check(good.replace(hash, &vec![hash; 64].join("\n")), TextProofFault::Length);
}

/// Whatever bit is flipped, the proof fails, but for the extra data, which is nobody's word.
#[test]
fn every_flipped_bit_is_noticed() {
    let leaf = reference::leaves(SIZE)[INDEX as usize];
    let bytes = proof().to_string().into_bytes();
    let extra = "c2sp.org/tlog-proof@v1\nextra ".len()..;
    let mut passed = 0;
    for place in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        if Proof::parse(&flipped).is_ok_and(|proof| proof.verify(&leaf, &trust()).is_ok()) {
            assert!(extra.contains(&(place / 8)) && place / 8 < extra.start + 4, "bit {place}");
            passed += 1;
        }
    }
    assert!(passed > 0, "the extra data is free");
}
