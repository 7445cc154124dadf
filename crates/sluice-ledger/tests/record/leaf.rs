//! The leaf's bytes: read back exactly, and taken in no other form.

use proptest::collection::vec;
use proptest::prelude::*;
use sluice_ledger::record::{Kind, LEAF_BYTES_MAX, Leaf, LeafError, Presence, RecordId, SectionSet, Subject, Target};

pub fn leaves() -> impl Strategy<Value = Leaf> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    let bytes = (any::<[u8; 32]>(), any::<[u8; 16]>(), any::<[u8; 16]>());
    (proptest::sample::select(Kind::ALL), numbers, bytes, any::<(u8, u8)>(), 0..65_u32).prop_map(|(kind, numbers, bytes, bits, width)| {
        // Numbers of every width.
        let cut = |number: u64| number.checked_shr(width).unwrap_or(0);
        let target = Target { index: cut(numbers.2), sections: SectionSet::from_bits(bits.1) };
        Leaf {
            kind,
            time_ms: cut(numbers.0),
            epoch: cut(numbers.1),
            root: bytes.0,
            sections: SectionSet::from_bits(bits.0),
            subject: (kind.subject() == Presence::Always).then_some(Subject(bytes.1)),
            target: (kind.target() == Presence::Always).then_some(target),
            record: RecordId(bytes.2),
        }
    })
}

/// The same map with the widest numbers that CBOR has, its pairs in any order.
fn write_loosely(leaf: &Leaf, order: &[usize]) -> Vec<u8> {
    let wide = |major: u8, number: u64| [&[major << 5 | 27], number.to_be_bytes().as_slice()].concat();
    let number = |key: u64, value: u64| [wide(0, key), wide(0, value)].concat();
    let bytes = |key: u64, value: &[u8]| [wide(0, key), wide(2, value.len() as u64), value.to_vec()].concat();
    let mut pairs = vec![number(1, 1), number(2, u64::from(leaf.kind.code())), number(3, leaf.time_ms), number(4, leaf.epoch)];
    pairs.extend([bytes(5, &leaf.root), number(6, u64::from(leaf.sections.bits()))]);
    pairs.extend(leaf.subject.map(|subject| bytes(7, &subject.0)));
    pairs.extend(leaf.target.map(|target| [number(8, target.index), number(9, u64::from(target.sections.bits()))].concat()));
    pairs.push(bytes(10, &leaf.record.0));
    let count = pairs.len() as u8 + u8::from(leaf.target.is_some());
    let mut out = vec![5 << 5 | count];
    order.iter().filter_map(|index| pairs.get(*index)).for_each(|pair| out.extend(pair));
    out
}

proptest! {
    #[test]
    fn a_leaf_is_read_back(leaf in leaves()) {
        let bytes = leaf.bytes();
        prop_assert!(bytes.len() <= LEAF_BYTES_MAX);
        prop_assert_eq!(Leaf::read(&bytes), Ok(leaf));
    }

    #[test]
    fn another_form_of_the_same_is_refused(leaf in leaves(), order in Just([0, 1, 2, 3, 4, 5, 6, 7, 8]).prop_shuffle()) {
        prop_assert!(Leaf::read(&write_loosely(&leaf, &order)).is_err());
        // With the shortest numbers but one pair elsewhere.
        let bytes = leaf.bytes();
        let (kind, rest) = bytes[3..].split_at(if leaf.kind.code() < 24 { 2 } else { 3 });
        let moved = [&bytes[..1], kind, &bytes[1..3], rest].concat();
        prop_assert_eq!(Leaf::read(&moved), Err(LeafError::Form));
    }

    #[test]
    fn what_is_added_or_cut_is_refused(leaf in leaves(), more in vec(any::<u8>(), 1..8), cut in any::<prop::sample::Index>()) {
        let bytes = leaf.bytes();
        prop_assert!(Leaf::read(&[bytes.as_slice(), &more].concat()).is_err());
        prop_assert!(Leaf::read(&bytes[..cut.index(bytes.len())]).is_err());
    }

    /// Whatever is taken has one form: two texts are never one leaf.
    #[test]
    fn a_changed_bit_is_another_leaf_or_none(leaf in leaves(), bit in any::<prop::sample::Index>()) {
        let mut bytes = leaf.bytes();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Leaf::read(&bytes) {
            prop_assert!(other != leaf);
            prop_assert_eq!(other.bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_one_leaf_or_none(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(leaf) = Leaf::read(&bytes) {
            prop_assert_eq!(leaf.bytes(), bytes);
        }
    }
}

fn boot() -> Leaf {
    let (kind, sections) = (Kind::Boot, SectionSet::default());
    Leaf { kind, time_ms: 1, epoch: 1, root: [7; 32], sections, subject: None, target: None, record: RecordId([9; 16]) }
}

#[test]
fn what_does_not_fit_is_named() {
    let check = |change: &dyn Fn(&mut Leaf), spoil: &dyn Fn(&mut Vec<u8>), expect: LeafError| {
        let mut leaf = boot();
        change(&mut leaf);
        let mut bytes = leaf.bytes();
        spoil(&mut bytes);
        assert_eq!(Leaf::read(&bytes), Err(expect));
    };
    let nothing = &|_: &mut Vec<u8>| ();
    check(&|leaf| leaf.subject = Some(Subject([1; 16])), nothing, LeafError::Shape(Kind::Boot));
    check(&|leaf| leaf.target = Some(Target { index: 0, sections: SectionSet::ALL }), nothing, LeafError::Shape(Kind::Boot));
    check(&|leaf| leaf.kind = Kind::ResultPage, nothing, LeafError::Shape(Kind::ResultPage));
    check(&|leaf| leaf.kind = Kind::Erasure, nothing, LeafError::Shape(Kind::Erasure));
    check(&|_| (), &|bytes| bytes[2] = 2, LeafError::Version(2));
    check(&|_| (), &|bytes| bytes[4] = 23, LeafError::Kind(23));
    check(&|_| (), &|bytes| bytes.resize(LEAF_BYTES_MAX + 1, 0), LeafError::TooLong);
    check(&|_| (), &|bytes| bytes.clear(), LeafError::Form);
}

/// A vector for other implementations: it may not change while the version stays.
#[test]
fn the_bytes_of_a_leaf_are_fixed() {
    let mut leaf = boot();
    (leaf.kind, leaf.time_ms, leaf.epoch) = (Kind::RequestAdmitted, 1_795_000_000_123, 17);
    (leaf.sections, leaf.subject) = (SectionSet::from_bits(0b1111), Some(Subject([3; 16])));
    let hex: String = leaf.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let (root, subject, record) = ("07".repeat(32), "03".repeat(16), "09".repeat(16));
    assert_eq!(hex, format!("a8010102181f031b000001a1ee565e7b0411055820{root}060f0750{subject}0a50{record}"));
}
