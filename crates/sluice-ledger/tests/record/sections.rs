//! Sealing and opening: what was put on record comes back, whatever was changed is found, what was given up is gone.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use sluice_ledger::keyring::{
    KeyEntry, KeyEntryError, LocalMasterKeys, MASTER_KEYS_MAX, MasterKeyFault, MasterKeyId, RecordSecret, WHOLE_ENTRY_BYTES, WrappedKeys,
    wrapped_keys_bytes_max,
};
use sluice_ledger::record::{
    Body, BodyError, Disclosed, Disclosure, DisclosureError, Draft, DraftError, Entropy, Kind, Leaf, OpenError, OpenedSection, RecordId,
    SealedRecord, SectionId, SectionSet, Subject, Target, open, seal,
};
use std::collections::BTreeMap;

const ORIGIN: &str = "sluice.example.com/log/one";
const SUBJECT: Subject = Subject([4; 16]);

fn master() -> LocalMasterKeys {
    LocalMasterKeys::new((MasterKeyId([0, 0, 0, 1]), [1; 32]), &[]).unwrap()
}

fn entropy(seed: u8) -> Entropy {
    Entropy { record: RecordId([seed; 16]), secret: RecordSecret([seed; 32]), nonce: [seed; 12] }
}

fn sealed(sections: &BTreeMap<SectionId, Vec<u8>>, seed: u8) -> SealedRecord {
    let mut draft = Draft::of_request(Kind::RequestAdmitted, SUBJECT).unwrap();
    for (section, plaintext) in sections {
        draft = draft.with(*section, plaintext.clone()).unwrap();
    }
    seal(&draft, ORIGIN, entropy(seed), &master()).unwrap()
}

fn leaf(record: &SealedRecord) -> Leaf {
    record.leaf(1_795_000_000_000, 3)
}

fn entry(record: &SealedRecord) -> KeyEntry {
    KeyEntry::unwrap(&record.keys, ORIGIN, record.record, &master()).unwrap()
}

fn texts() -> impl Strategy<Value = BTreeMap<SectionId, Vec<u8>>> {
    btree_map(proptest::sample::select(SectionId::ALL.to_vec()), vec(any::<u8>(), 0..200), 0..=8)
}

fn three() -> BTreeMap<SectionId, Vec<u8>> {
    let text = |section: SectionId| (section, format!("{{\"{}\":\"{}\"}}", section.word(), "x".repeat(40)).into_bytes());
    [SectionId::Meta, SectionId::Identity, SectionId::Request].map(text).into()
}

fn verified(sections: &BTreeMap<SectionId, Vec<u8>>) -> Vec<(SectionId, OpenedSection)> {
    sections.iter().map(|(section, text)| (*section, OpenedSection::Verified(text.clone()))).collect()
}

proptest! {
    #[test]
    fn what_was_sealed_opens(sections in texts(), seed in any::<u8>()) {
        let record = sealed(&sections, seed);
        prop_assert_eq!(record.sections, sections.keys().copied().collect::<SectionSet>());
        prop_assert_eq!(open(&record.body, &leaf(&record), ORIGIN, Some(&entry(&record))), Ok(verified(&sections)));
        let gone: Vec<_> = sections.keys().map(|section| (*section, OpenedSection::KeyGone)).collect();
        prop_assert_eq!(open(&record.body, &leaf(&record), ORIGIN, None), Ok(gone));
    }

    #[test]
    fn what_is_given_up_stays_closed(sections in texts(), lost in any::<u8>()) {
        let (record, lost) = (sealed(&sections, 1), SectionSet::from_bits(lost));
        let left = entry(&record).without(lost, record.sections).unwrap();
        prop_assert_eq!(left.is_none(), record.sections.without(lost).is_empty());
        let Some(left) = left else { return Ok(()) };
        let wrapped = left.wrap(ORIGIN, record.record, [9; 12], &master()).unwrap();
        if !record.sections.intersection(lost).is_empty() {
            prop_assert!(wrapped.0.len() <= wrapped_keys_bytes_max(sections.len()));
        }
        let left = KeyEntry::unwrap(&wrapped, ORIGIN, record.record, &master()).unwrap();
        let mut expect = verified(&sections);
        expect.iter_mut().filter(|(section, _)| lost.contains(*section)).for_each(|(_, state)| *state = OpenedSection::KeyGone);
        prop_assert_eq!(open(&record.body, &leaf(&record), ORIGIN, Some(&left)), Ok(expect));
    }
}

#[test]
fn every_changed_bit_of_a_body_is_found_without_a_key() {
    let record = sealed(&three(), 1);
    for bit in 0..record.body.len() * 8 {
        let mut body = record.body.clone();
        body[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(open(&body, &leaf(&record), ORIGIN, None), Err(OpenError::Body(_))), "bit {bit}");
    }
    for length in 0..record.body.len() {
        assert!(open(&record.body[..length], &leaf(&record), ORIGIN, None).is_err(), "{length} bytes");
    }
    let longer = [record.body.as_slice(), &[0]].concat();
    assert_eq!(open(&longer, &leaf(&record), ORIGIN, None), Err(OpenError::Body(BodyError::Form)));
}

#[test]
fn every_changed_bit_of_wrapped_keys_is_found() {
    let record = sealed(&three(), 1);
    assert_eq!(record.keys.0.len(), WHOLE_ENTRY_BYTES);
    for bit in 0..record.keys.0.len() * 8 {
        let mut keys = record.keys.clone();
        keys.0[bit / 8] ^= 1 << (bit % 8);
        assert!(KeyEntry::unwrap(&keys, ORIGIN, record.record, &master()).is_err(), "bit {bit}");
    }
}

#[test]
fn keys_and_bodies_are_of_one_record_and_one_log() {
    let (one, other) = (sealed(&three(), 1), sealed(&three(), 2));
    let wrong = Err(KeyEntryError::MasterKey(MasterKeyFault::Wrong));
    assert_eq!(KeyEntry::unwrap(&one.keys, ORIGIN, other.record, &master()), wrong);
    assert_eq!(KeyEntry::unwrap(&one.keys, "sluice.example.com/log/two", one.record, &master()), wrong);
    assert_eq!(open(&other.body, &leaf(&one), ORIGIN, None), Err(OpenError::Body(BodyError::Record)));
    let first = SectionId::Meta;
    assert_eq!(open(&one.body, &leaf(&one), ORIGIN, Some(&entry(&other))), Err(OpenError::Key(first)));
    assert_eq!(open(&one.body, &leaf(&one), "sluice.example.com/log/two", Some(&entry(&one))), Err(OpenError::Key(first)));
    let mut swapped = leaf(&one);
    swapped.sections = SectionSet::from_bits(0b11);
    assert_eq!(open(&one.body, &swapped, ORIGIN, None), Err(OpenError::Body(BodyError::Root)));
}

/// Equal texts of two records look different, to whoever has no keys.
#[test]
fn equal_texts_do_not_look_alike() {
    let (one, other) = (sealed(&three(), 1), sealed(&three(), 2));
    let (one, other) = (Body::read(&one.body).unwrap(), Body::read(&other.body).unwrap());
    for (left, right) in one.rows().zip(other.rows()) {
        assert_eq!(left.section, right.section);
        assert!(left.commitment != right.commitment && left.ciphertext_digest != right.ciphertext_digest);
    }
}

#[test]
fn one_section_can_be_shown() {
    let record = sealed(&three(), 1);
    let texts: Vec<(SectionId, Vec<u8>)> = three().into_iter().collect();
    let body = Body::read(&record.body).unwrap();
    let identity = SectionSet::default().with(SectionId::Identity);
    let disclosure = Disclosure::of(&body, &entry(&record), &texts, identity);
    assert_eq!(disclosure.check(&leaf(&record)), Ok(()));
    assert_eq!(disclosure.shown.iter().map(|shown| shown.section).collect::<Vec<_>>(), [SectionId::Identity]);

    let bytes = disclosure.bytes(&leaf(&record));
    assert_eq!(Disclosure::read(&bytes), Some((leaf(&record), disclosure.clone())));
    assert_eq!(Disclosure::read(&[bytes.as_slice(), &[0]].concat()), None);
    assert_eq!((0..bytes.len()).find(|length| Disclosure::read(&bytes[..*length]).is_some()), None);
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // Parts of the leaf that the rows do not depend on are the proof's to find.
        if let Some((other, shown)) = Disclosure::read(&changed) {
            assert_eq!(shown.bytes(&other), changed);
            assert!(other != leaf(&record) || shown.check(&other).is_err(), "bit {bit}");
        }
    }

    let check = |change: &dyn Fn(&mut Disclosure), expect: DisclosureError| {
        let mut changed = disclosure.clone();
        change(&mut changed);
        assert_eq!(changed.check(&leaf(&record)), Err(expect));
    };
    let root = DisclosureError::Body(BodyError::Root);
    check(&|it| it.shown[0].plaintext[3] ^= 1, DisclosureError::Text(SectionId::Identity));
    check(&|it| it.shown[0].salt[3] ^= 1, DisclosureError::Text(SectionId::Identity));
    check(&|it| it.shown[0].section = SectionId::Meta, DisclosureError::Text(SectionId::Meta));
    check(&|it| it.shown[0].section = SectionId::Policy, DisclosureError::Section(SectionId::Policy));
    check(&|it| it.shown.push(it.shown[0].clone()), DisclosureError::Section(SectionId::Identity));
    check(&|it| it.rows[2].commitment[0] ^= 1, root);
    check(&|it| it.rows[2].ciphertext_digest[0] ^= 1, root);
    check(&|it| it.rows.truncate(2), root);
    check(&|it| it.rows.reverse(), root);
}

/// What is shown of one section opens no other: its salt is not the key, and neither follows from the other.
#[test]
fn what_is_shown_opens_nothing() {
    let record = sealed(&three(), 1);
    let Disclosed { salt, .. } = Disclosure::of(
        &Body::read(&record.body).unwrap(),
        &entry(&record),
        &three().into_iter().collect::<Vec<_>>(),
        SectionSet::default().with(SectionId::Meta),
    )
    .shown
    .remove(0);
    for section in SectionId::ALL {
        let keys = entry(&record).section_keys(section).unwrap().unwrap();
        assert!(keys.key != salt && (keys.salt == salt) == (section == SectionId::Meta));
    }
}

#[test]
fn a_new_master_key_leaves_bodies_alone() {
    let record = sealed(&three(), 1);
    let (old, new) = ((MasterKeyId([0, 0, 0, 1]), [1; 32]), (MasterKeyId([0, 0, 0, 2]), [2; 32]));
    let both = LocalMasterKeys::new(new, &[old]).unwrap();
    let rewrapped = record.keys.rewrap(ORIGIN, record.record, [8; 12], &both).unwrap().unwrap();
    assert_eq!((rewrapped.master(), rewrapped.0.len()), (Some(new.0), WHOLE_ENTRY_BYTES));
    // Done twice it changes nothing; afterwards the old key is not needed.
    assert_eq!(rewrapped.rewrap(ORIGIN, record.record, [7; 12], &both), Ok(None));
    let only_new = LocalMasterKeys::new(new, &[]).unwrap();
    let entry = KeyEntry::unwrap(&rewrapped, ORIGIN, record.record, &only_new).unwrap();
    assert_eq!(open(&record.body, &leaf(&record), ORIGIN, Some(&entry)), Ok(verified(&three())));
    let unknown = Err(KeyEntryError::MasterKey(MasterKeyFault::Unknown(old.0)));
    assert_eq!(KeyEntry::unwrap(&record.keys, ORIGIN, record.record, &only_new), unknown);
}

#[test]
fn master_keys_have_an_id_of_their_own() {
    let key = |id: u8| (MasterKeyId([id; 4]), [id; 32]);
    let many: Vec<_> = (1..=MASTER_KEYS_MAX as u8).map(key).collect();
    assert_eq!(LocalMasterKeys::new(key(0), &many[1..]).map(drop), Ok(()));
    assert_eq!(LocalMasterKeys::new(key(0), &many).map(drop), Err(MasterKeyFault::Keys));
    assert_eq!(LocalMasterKeys::new(key(0), &[key(0)]).map(drop), Err(MasterKeyFault::Keys));
}

#[test]
fn wrapped_keys_that_are_too_short_are_refused() {
    for length in 0..16 {
        let keys = WrappedKeys(vec![0; length]);
        assert_eq!(KeyEntry::unwrap(&keys, ORIGIN, RecordId([0; 16]), &master()), Err(KeyEntryError::Form), "{length}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_one_entry_or_none(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(entry) = KeyEntry::read(&bytes) {
            prop_assert_eq!(entry.bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_one_body_or_none(mut bytes in vec(any::<u8>(), 0..200), count in 0..3_u8) {
        if let Some(version) = bytes.first_mut() {
            *version = 1;
        }
        if let Some(at) = bytes.get_mut(17) {
            *at = count;
        }
        if let Ok(body) = Body::read(&bytes) {
            let sections: Vec<_> = body.rows().map(|row| (*row, body.ciphertext(row.section).unwrap().to_vec())).collect();
            prop_assert_eq!(Body::write(body.record(), &sections), bytes);
        }
    }
}

#[test]
fn drafts_are_refused_when_they_do_not_fit() {
    let target = Target { index: 0, sections: SectionSet::ALL };
    let shape = |kind: Kind| Err(DraftError::Shape { kind });
    assert_eq!(Draft::new(Kind::RequestAdmitted), shape(Kind::RequestAdmitted));
    assert_eq!(Draft::new(Kind::Erasure), shape(Kind::Erasure));
    assert_eq!(Draft::of_request(Kind::Boot, SUBJECT), shape(Kind::Boot));
    assert_eq!(Draft::of_record(Kind::RequestRefused, target), shape(Kind::RequestRefused));
    for section in SectionId::ALL {
        let max = section.plaintext_bytes_max();
        let draft = || Draft::new(Kind::AdminAction).unwrap();
        assert_eq!(draft().with(section, vec![b' '; max]).map(drop), Ok(()));
        let bytes = max + 1;
        assert_eq!(draft().with(section, vec![b' '; bytes]), Err(DraftError::TooLong { section, bytes }));
        let twice = draft().with(section, Vec::new()).unwrap().with(section, Vec::new());
        assert_eq!(twice, Err(DraftError::Twice { section }));
    }
}

/// The largest sections come back, and a text that does not compress fits.
#[test]
fn the_largest_record_fits() {
    let mut state = 1_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect()
    };
    let sections: BTreeMap<SectionId, Vec<u8>> = SectionId::ALL.map(|section| (section, noise(section.plaintext_bytes_max()))).into();
    let record = sealed(&sections, 1);
    assert!(open(&record.body, &leaf(&record), ORIGIN, Some(&entry(&record))).unwrap() == verified(&sections));
}

/// Logs show which sections there are, never what is in them.
#[test]
fn debug_says_nothing() {
    let secret = RecordSecret([0xab; 32]);
    let draft = Draft::new(Kind::AdminAction).unwrap().with(SectionId::Meta, b"ssn 123-45-6789".to_vec()).unwrap();
    let keys = secret.section_keys(SectionId::Meta).unwrap();
    let opened = OpenedSection::Verified(b"123-45-6789".to_vec());
    let text = format!("{draft:?} {secret:?} {keys:?} {:?} {:?} {opened:?}", KeyEntry::Whole(secret.clone()), master());
    assert!(!text.contains("123") && !text.contains("171") && !text.contains("ab"), "{text}");
}
