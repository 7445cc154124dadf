//! A backup that somebody has changed: what is restored is whole, or there is no ledger.

use crate::image::Image;
use crate::script::append;
use crate::simulated::SimulatedDisk;
use crate::world::{SIZES, create_ledger, open, step};
use sluice_ledger::record::Kind;
use sluice_store::disk::Disk;
use sluice_store::{LastKnown, Reader, backup, restore};
use std::sync::Arc;

const HISTORY: &str = "checkpoints/000000";

/// A backup with five checkpoints: of 0, of 1 and of one more request each.
fn copy() -> Image {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    ledger.apply().unwrap();
    for request in 0..3 {
        append(&mut ledger, &disk, &[step(Kind::RequestRefused, request)], &mut Vec::new()).unwrap();
        ledger.apply().unwrap();
    }
    let copy = SimulatedDisk::default();
    backup(&shared, &copy).unwrap();
    copy.image()
}

fn notes(image: &Image) -> Vec<Vec<u8>> {
    let bytes = image.files().into_iter().find(|(path, _)| path == HISTORY).unwrap().1;
    let mut rest = bytes.as_slice();
    let mut notes = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (note, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        notes.push(note.to_vec());
        rest = after;
    }
    notes
}

fn framed(notes: &[Vec<u8>]) -> Vec<u8> {
    notes.iter().flat_map(|note| [&u32::try_from(note.len()).unwrap().to_be_bytes(), note.as_slice()].concat()).collect()
}

fn check(what: &str, history: Vec<u8>, expect: Result<(), &str>) {
    let mut image = copy();
    image.set(HISTORY, history);
    check_image(what, image, expect);
}

fn check_image(what: &str, image: Image, expect: Result<(), &str>) {
    let from: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(image));
    let to = SimulatedDisk::default();
    let outcome = restore(&from, &to, &LastKnown::Sworn, &serde_json::json!({}), SIZES);
    match (outcome, expect) {
        (Ok(_), Ok(())) => assert!(open(&(Arc::new(to) as Arc<dyn Disk>), 2).is_ok(), "{what}"),
        (Err(fault), Err(part)) => {
            assert!(fault.to_string().contains(part), "{what}: {fault}");
            assert_eq!(to.image().find("ledger.json").ok(), None, "{what}: a ledger was left");
        }
        (outcome, _) => panic!("{what}: {outcome:?}"),
    }
}

#[test]
fn a_history_that_does_not_fit_is_not_restored() {
    let notes = notes(&copy());
    assert_eq!(notes.len(), 5);
    check("as it is", framed(&notes), Ok(()));
    // Each later one covers what it covered: docs/ledger.md says so.
    check("one in the middle is missing", framed(&[&notes[..2], &notes[3..]].concat()), Ok(()));
    let ends = "does not end with the checkpoint";
    check("the last is missing", framed(&notes[..4]), Err(ends));
    check("empty", Vec::new(), Err(ends));
    let behind = "what stands behind its last checkpoint is none";
    let whole = framed(&notes);
    check("a byte less", whole[..whole.len() - 1].to_vec(), Err(behind));
    check("a byte more", [whole.clone(), vec![7]].concat(), Err(behind));
    check("zeros behind it", [whole.clone(), vec![0; 600]].concat(), Err(behind));
    check("zeros", vec![0; whole.len()], Err(behind));
    let mut flipped = notes.clone();
    let last = flipped[2].len() - 20;
    flipped[2][last] ^= 1;
    check("a bit of a signature", framed(&flipped), Err("checkpoint 2: "));
    check(
        "two in the wrong order",
        framed(&[&notes[..1], &[notes[2].clone(), notes[1].clone()], &notes[3..]].concat()),
        Err("checkpoint 2: it does not follow"),
    );
    check("one twice", framed(&[&notes[..3], &notes[2..]].concat()), Err("checkpoint 3: it does not follow"));
}

#[test]
fn a_history_with_other_files_is_not_restored() {
    let image = copy();
    let mut moved = image.clone();
    let node = moved.names.remove(HISTORY).unwrap();
    moved.names.insert("checkpoints/000001".to_owned(), node);
    check_image("the first file is missing", moved, Err("a file of checkpoints before it is missing"));
    let mut twice = image.clone();
    twice.names.insert("checkpoints/000001".to_owned(), node);
    check_image("a second file behind one that is not full", twice, Err("holds 5 checkpoints, 4096 belong"));
    let mut none = image;
    none.remove(HISTORY);
    check_image("no file", none, Err("does not end with the checkpoint"));
}

/// Signed by the log, and of another history than the records: a ledger that no verifier accepts is not made.
#[test]
fn a_history_of_other_records_is_not_restored() {
    use crate::world::{ORIGIN, signer};
    let mut notes = notes(&copy());
    let other = sluice_ledger::checkpoint::Checkpoint { origin: ORIGIN.to_owned(), size: 2, root: [7; 32] };
    notes[2] = other.sign(&signer()).unwrap().to_string().into_bytes();
    check("another root", framed(&notes), Err("checkpoint 2: the records do not have the root"));
    let mut image = copy();
    image.set(HISTORY, framed(&notes));
    let from: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(image));
    assert!(Reader::open(from.clone()).is_ok());
    assert!(backup(&from, &SimulatedDisk::default()).is_err(), "no backup is made of it either");
}
