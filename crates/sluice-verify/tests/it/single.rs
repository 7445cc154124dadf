//! The proof of one record, verified by somebody who has nothing else.

use crate::book::{Book, ORIGIN, sections, trust};
use crate::clinic::{Clinic, clinic};
use sluice_ledger::proof::Proof;
use sluice_ledger::record::{Body, Disclosure, OpenedSection, SectionId, SectionSet, open};
use sluice_ledger::tree::{MemoryNodes, inclusion_proof, leaf_hash};
use sluice_verify::single;

const RECORD: u64 = 15;
const SIZE: usize = 355;

fn disclosure(book: &Book, index: u64, sections: SectionSet) -> Disclosure {
    let (leaf, entry) = (book.leaf(index), book.entry(index));
    let body = &book.rows[index as usize].body;
    let opened = open(body, &leaf, ORIGIN, Some(&entry)).unwrap();
    let texts: Vec<(SectionId, Vec<u8>)> = opened
        .into_iter()
        .map(|(section, opened)| match opened {
            OpenedSection::Verified(text) => (section, text),
            OpenedSection::KeyGone => panic!("{}", section.word()),
        })
        .collect();
    Disclosure::of(&Body::read(body).unwrap(), &entry, &texts, sections)
}

fn proof(clinic: &Clinic, shown: SectionSet) -> Proof {
    let book = &clinic.book;
    let nodes = MemoryNodes(book.rows.iter().take(SIZE).map(|row| leaf_hash(&row.leaf)).collect());
    let hashes = inclusion_proof(&nodes, RECORD, clinic.cosigned).unwrap();
    let extra = disclosure(book, RECORD, shown).bytes(&book.leaf(RECORD));
    Proof { extra: Some(extra), index: RECORD, hashes, checkpoint: book.cosigned(clinic.cosigned).to_string() }
}

#[test]
fn a_proof_shows_what_it_shows() {
    let clinic = clinic(40);
    let shown = single::verify(proof(&clinic, sections(&[SectionId::Request])).to_string().as_bytes(), &trust()).unwrap();
    assert_eq!((shown.index, shown.leaf.clone()), (RECORD, clinic.book.leaf(RECORD)));
    assert_eq!(shown.proved.witnessed.times.len(), 2);
    let texts: Vec<_> = shown.texts.iter().map(|text| (text.section, String::from_utf8_lossy(&text.plaintext).into_owned())).collect();
    assert_eq!(texts, [(SectionId::Request, "{\"request\":\"request.admitted of request 3\"}".to_owned())]);
    assert_eq!(shown.hidden, [SectionId::Meta, SectionId::Identity, SectionId::Policy]);
    let alone = single::verify(proof(&clinic, SectionSet::default()).to_string().as_bytes(), &trust()).unwrap();
    assert_eq!((alone.texts.len(), alone.hidden.len()), (0, 4));
}

#[test]
fn what_shows_nothing() {
    let clinic = clinic(40);
    let honest = || proof(&clinic, sections(&[SectionId::Request]));
    let check = |change: &dyn Fn(&mut Proof), expect: &str| {
        let mut proof = honest();
        change(&mut proof);
        let fault = single::verify(proof.to_string().as_bytes(), &trust()).unwrap_err();
        assert!(fault.contains(expect), "{fault}");
    };
    check(&|proof| proof.extra = None, "does not bring its record along");
    check(&|proof| proof.extra = Some(b"{}".to_vec()), "cannot be read");
    check(&|proof| proof.index += 1, "another root");
    check(&|proof| proof.checkpoint = clinic.book.signed(clinic.cosigned).to_string(), "too few of the witnesses");
    check(&|proof| proof.extra = Some(disclosure(&clinic.book, 19, SectionSet::ALL).bytes(&clinic.book.leaf(19))), "another root");
    let leaf = clinic.book.leaf(RECORD);
    let forged = |change: &dyn Fn(&mut Disclosure)| {
        let mut disclosure = disclosure(&clinic.book, RECORD, sections(&[SectionId::Request]));
        change(&mut disclosure);
        disclosure.bytes(&leaf)
    };
    check(&|proof| proof.extra = Some(forged(&|shown| shown.shown[0].plaintext[3] ^= 1)), "not the text that was put on record");
    check(&|proof| proof.extra = Some(forged(&|shown| shown.shown[0].salt[3] ^= 1)), "not the text that was put on record");
    check(&|proof| proof.extra = Some(forged(&|shown| shown.rows[0].commitment[0] ^= 1)), "another body");
    check(&|proof| proof.extra = Some(forged(&|shown| shown.rows.truncate(3))), "another body");
    check(&|proof| proof.extra = Some(forged(&|shown| shown.shown[0].section = SectionId::Policy)), "not the text that was put on record");
}

/// The record travels in the `extra` line, which nothing signs. It counts only as far as the signed tree confirms it.
#[test]
fn every_flipped_bit_is_noticed() {
    let clinic = clinic(40);
    let text = proof(&clinic, sections(&[SectionId::Request])).to_string().into_bytes();
    let trust = trust();
    for place in 0..text.len() * 8 {
        let mut flipped = text.clone();
        flipped[place / 8] ^= 1 << (place % 8);
        assert!(single::verify(&flipped, &trust).is_err(), "bit {place}");
    }
}
