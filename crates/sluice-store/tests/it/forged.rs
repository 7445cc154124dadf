//! Whoever can write the folder of the ledger and has no key: what they put into the write-ahead log is not applied, and nothing is signed over it.

use crate::image::Image;
use crate::script::append;
use crate::simulated::SimulatedDisk;
use crate::world::{ORIGIN, SIZES, TestMachine, create_ledger, open, opening, signer, step};
use aws_lc_rs::digest;
use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::record::Kind;
use sluice_store::disk::Disk;
use sluice_store::{Ledger, LedgerFacts, Recent, StoreFault, create};
use std::sync::Arc;

const SEGMENT: &str = "wal/000000.wal";
const BLOCK_BYTES: usize = 4096;
const HEAD_BYTES: usize = 128;
const MARK: std::ops::Range<usize> = 64..96;
const DIGEST: std::ops::Range<usize> = 96..128;

/// A batch as docs/ledger.md describes it: all that is needed to write one, but for the key.
#[derive(Clone)]
struct Batch {
    head: Vec<u8>,
    rows: Vec<Vec<u8>>,
}

impl Batch {
    fn read(bytes: &[u8]) -> Batch {
        assert_eq!(&bytes[..8], b"sluicew2");
        let number = |place: usize| u32::from_be_bytes(*bytes[place..].first_chunk().unwrap()) as usize;
        let mut rest = &bytes[HEAD_BYTES..HEAD_BYTES + number(8)];
        let mut rows = Vec::new();
        while !rest.is_empty() {
            let leaf = usize::from(u16::from_be_bytes(*rest.first_chunk().unwrap()));
            let [body, slot] = [2, 6].map(|place| u32::from_be_bytes(*rest[place..].first_chunk().unwrap()) as usize);
            let (row, after) = rest.split_at(10 + leaf + body + slot);
            rows.push(row.to_vec());
            rest = after;
        }
        assert_eq!(rows.len(), number(12));
        Batch { head: bytes[..HEAD_BYTES].to_vec(), rows }
    }

    /// With a digest that is right, over whatever mark it has.
    fn bytes(&self) -> Vec<u8> {
        let content = self.rows.concat();
        let mut head = self.head.clone();
        head[8..12].copy_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        head[12..16].copy_from_slice(&u32::try_from(self.rows.len()).unwrap().to_be_bytes());
        let sha256 = |bytes: &[u8]| digest::digest(&digest::SHA256, bytes).as_ref().to_vec();
        let whole = sha256(&[sha256(&[&head[..MARK.start], &content].concat()), head[MARK].to_vec()].concat());
        head[DIGEST].copy_from_slice(&whole);
        let mut bytes = [head, content].concat();
        bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
        bytes
    }

    fn first_index(mut self, index: u64) -> Batch {
        self.head[16..24].copy_from_slice(&index.to_be_bytes());
        self
    }
}

fn segment(image: &Image) -> Vec<u8> {
    (*image.files().into_iter().find(|(path, _)| path == SEGMENT).unwrap().1).clone()
}

/// `boot` and four batches of two records, all of them waiting: as a killed gateway leaves it.
fn waiting() -> Image {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let (mut ledger, _) = open(&(Arc::new(disk.clone()) as Arc<dyn Disk>), 1).unwrap();
    for request in 0..4 {
        let drafts = [step(Kind::RequestAdmitted, request), step(Kind::RequestCompleted, request)];
        append(&mut ledger, &disk, &drafts, &mut Vec::new()).unwrap();
    }
    drop(ledger);
    disk.image()
}

/// The log of `image` with these batches, one behind the other, in place of its own.
fn with(image: &Image, batches: &[Vec<u8>]) -> Image {
    let mut image = image.clone();
    let mut bytes = batches.concat();
    bytes.resize(usize::try_from(SIZES.regular_bytes).unwrap(), 0);
    image.set(SEGMENT, bytes);
    image
}

/// Opening it is refused, looking at it is, and no byte of the folder is another afterwards.
fn check(what: &str, image: Image, expect: &str) {
    let simulated = SimulatedDisk::of(image.clone());
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let faults = [open(&disk, 2).err(), Recent::open(&disk, &signer()).err()];
    for fault in faults {
        assert!(fault.as_ref().is_some_and(|fault| fault.to_string().contains(expect)), "{what}: {fault:?}");
    }
    let files = |image: &Image| image.files().into_iter().filter(|(path, _)| path != "lock").collect::<Vec<_>>();
    assert!(files(&simulated.image()) == files(&image), "{what}: something was written");
}

#[test]
fn what_waits_cannot_be_written_anew() {
    let image = waiting();
    let log = segment(&image);
    let blocks: Vec<Vec<u8>> = log.chunks(BLOCK_BYTES).take(5).map(<[u8]>::to_vec).collect();
    let batches: Vec<Batch> = blocks.iter().map(|block| Batch::read(block)).collect();
    assert_eq!(batches.iter().map(|batch| batch.rows.len()).collect::<Vec<_>>(), [1, 2, 2, 2, 2]);
    assert!(batches.iter().zip(&blocks).all(|(batch, block)| &batch.bytes() == block), "the test writes batches as the store does");
    let tampered = "the write-ahead log was tampered with: `wal/000000.wal` at byte";

    let mut fewer = batches.clone();
    fewer[4].rows.pop();
    check("an answered record is left out", with(&image, &fewer.iter().map(Batch::bytes).collect::<Vec<_>>()), tampered);
    let mut none = fewer[4].clone();
    none.head[MARK].fill(0);
    check("without a mark", with(&image, &[&blocks[..4], &[none.bytes()]].concat()), tampered);
    let together = Batch { head: batches[0].head.clone(), rows: batches.iter().flat_map(|batch| batch.rows.clone()).skip(1).collect() };
    check("all in one batch, without the first", with(&image, &[together.bytes()]), tampered);
    let mut other = batches[2].clone();
    let last = other.rows[0].len() - 1;
    other.rows[0][last] ^= 1;
    check("another content", with(&image, &[&blocks[..2], &[other.bytes()], &blocks[3..]].concat()), tampered);
    check("another place", with(&image, &[&blocks[..4], &[batches[4].clone().first_index(5).bytes()]].concat()), tampered);

    check("one in the middle is left out", with(&image, &[&blocks[..2], &blocks[3..]].concat()), "record 3 is missing");
    check("the first is left out", with(&image, &blocks[1..]), "record 0 is missing");
    check("the same twice", with(&image, &[&blocks[..], &blocks[4..]].concat()), "record 9 is missing");
    // The one thing that is left to them: the end can be taken away. docs/ledger.md says so.
    let cut: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(with(&image, &blocks[..4])));
    open(&cut, 2).unwrap();
}

#[test]
fn nothing_is_added_behind_a_shutdown() {
    let disk = SimulatedDisk::of(waiting());
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    open(&shared, 2).unwrap().0.shut().unwrap();
    let image = disk.image();
    let size = sluice_store::Reader::open(shared).unwrap().size();
    let log = segment(&waiting());
    check("after the shutdown", with(&image, &[Batch::read(&log[..BLOCK_BYTES]).first_index(size).bytes()]), "tampered with");
    // Played again, what was written once says what is there already.
    open(&(Arc::new(SimulatedDisk::of(with(&image, &[log]))) as Arc<dyn Disk>), 3).unwrap();
}

/// The same key signs two ledgers: a segment of the one is not read as one of the other.
#[test]
fn a_segment_of_another_ledger_is_refused() {
    let other = SimulatedDisk::default();
    let facts = LedgerFacts { origin: ORIGIN.to_owned(), ledger: [8; 16], verifier_key: signer().verifier_key().clone(), created_ms: 1 };
    create(&other, &facts, &signer(), SIZES).unwrap();
    let blocks: Vec<Vec<u8>> = segment(&waiting()).chunks(BLOCK_BYTES).take(5).map(<[u8]>::to_vec).collect();
    check("of another ledger", with(&other.image(), &blocks), "tampered with");
}

/// Signing what cannot be read would be signing what nobody has seen.
#[test]
fn nothing_is_written_before_the_master_keys_are_checked() {
    let image = waiting();
    let simulated = SimulatedDisk::of(image.clone());
    let mut wrong = opening(Arc::new(TestMachine::new(2)));
    wrong.master = Arc::new(LocalMasterKeys::new((MasterKeyId(*b"else"), [9; 32]), &[]).unwrap());
    let fault = Ledger::open(Arc::new(simulated.clone()), &wrong).err();
    assert!(matches!(&fault, Some(StoreFault::Key(text)) if text.starts_with("these are not the master keys")), "{fault:?}");
    let files = |image: &Image| image.files().into_iter().filter(|(path, _)| path != "lock").collect::<Vec<_>>();
    assert!(files(&simulated.image()) == files(&image));
}

/// A rotation of the master key leaves the log's key, and with it the batches that wait.
#[test]
fn batches_that_wait_outlive_a_new_master_key() {
    let simulated = SimulatedDisk::default();
    create_ledger(&simulated, SIZES);
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let mut with_old = opening(Arc::new(TestMachine::new(1)));
    with_old.master = Arc::new(crate::world::old_master());
    let mut ledger = Ledger::open(disk.clone(), &with_old).unwrap();
    append(&mut ledger, &simulated, &[step(Kind::RequestAdmitted, 1)], &mut Vec::new()).unwrap();
    ledger.use_master(Arc::new(crate::world::both_masters()));
    append(&mut ledger, &simulated, &[step(Kind::RequestCompleted, 1)], &mut Vec::new()).unwrap();
    drop(ledger);
    let (ledger, _) = open(&disk, 2).unwrap();
    assert_eq!(ledger.size(), 4);
}
