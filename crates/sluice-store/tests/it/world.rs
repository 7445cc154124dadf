//! A small ledger with everything that comes from outside: keys, a clock that the test moves, random bytes that are the same each time.

use aws_lc_rs::digest;
use sluice_ledger::clock::Moment;
use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Kind, RecordId, SectionId, SectionSet, Subject, Target};
use sluice_store::disk::Disk;
use sluice_store::{Ledger, LedgerFacts, Machine, Opening, SegmentSizes, StoreFault, create};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const ORIGIN: &str = "ledger.example.com/test";
pub const NOON_MS: u64 = 1_800_000_000_000;
/// Stands in the text of every record and in no file.
pub const CANARY: &str = "canary-4711";
/// Small, so that they fill and rotate all the time.
pub const SIZES: SegmentSizes = SegmentSizes { regular_bytes: 32 << 10, closing_bytes: 24 << 10 };
const OLD_KEY: (MasterKeyId, [u8; 32]) = (MasterKeyId(*b"old."), [1; 32]);
const NEW_KEY: (MasterKeyId, [u8; 32]) = (MasterKeyId(*b"new."), [2; 32]);

/// Time stands unless it is moved.
#[derive(Default)]
pub struct TestMachine {
    counted_ms: AtomicU64,
    ahead_ms: AtomicU64,
    drawn: AtomicU64,
    seed: u64,
}

impl TestMachine {
    pub fn new(seed: u64) -> TestMachine {
        TestMachine { seed, ..TestMachine::default() }
    }

    pub fn pass(&self, ms: u64) {
        self.counted_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Sets the wall's clock: behind noon it wraps.
    pub fn step(&self, ms: i64) {
        self.ahead_ms.fetch_add(ms.cast_unsigned(), Ordering::SeqCst);
    }
}

impl Machine for TestMachine {
    fn moment(&self) -> Moment {
        let counted_ms = self.counted_ms.load(Ordering::SeqCst);
        Moment { counted_ms, wall_ms: (NOON_MS + counted_ms).wrapping_add(self.ahead_ms.load(Ordering::SeqCst)) }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), StoreFault> {
        for part in bytes.chunks_mut(32) {
            let number = self.drawn.fetch_add(1, Ordering::SeqCst);
            let digest = digest::digest(&digest::SHA256, &[self.seed.to_be_bytes(), number.to_be_bytes()].concat());
            part.copy_from_slice(&digest.as_ref()[..part.len()]);
        }
        Ok(())
    }
}

pub fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_seed(ORIGIN, KeyKind::Log, &[7; 32]).unwrap())
}

pub fn old_master() -> LocalMasterKeys {
    LocalMasterKeys::new(OLD_KEY, &[]).unwrap()
}

/// Wraps with the new key, opens both.
pub fn both_masters() -> LocalMasterKeys {
    LocalMasterKeys::new(NEW_KEY, &[OLD_KEY]).unwrap()
}

pub fn new_master() -> LocalMasterKeys {
    LocalMasterKeys::new(NEW_KEY, &[]).unwrap()
}

pub fn create_ledger(disk: &dyn Disk, sizes: SegmentSizes) {
    let facts =
        LedgerFacts { origin: ORIGIN.to_owned(), ledger: [9; 16], verifier_key: signer().verifier_key().clone(), created_ms: NOON_MS };
    create(disk, &facts, &signer(), sizes).unwrap();
}

pub fn opening(machine: Arc<TestMachine>) -> Opening {
    let boot = serde_json::json!({ "program": "test", "text": CANARY });
    Opening { signer: signer(), master: Arc::new(both_masters()), machine, boot, free_bytes_min: 1 << 20 }
}

pub fn open(disk: &Arc<dyn Disk>, seed: u64) -> Result<(Ledger, Arc<TestMachine>), StoreFault> {
    let machine = Arc::new(TestMachine::new(seed));
    Ledger::open(disk.clone(), &opening(machine.clone())).map(|ledger| (ledger, machine))
}

pub fn subject(number: u64) -> Subject {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Subject(bytes)
}

pub fn number(subject: Subject) -> u64 {
    u64::from_be_bytes(*subject.0.first_chunk().unwrap())
}

pub fn step(kind: Kind, request: u64) -> Draft {
    let text = format!("{{\"text\":\"{CANARY}\",\"request\":{request},\"kind\":\"{}\"}}", kind.word());
    let draft = Draft::of_request(kind, subject(request)).unwrap();
    let draft = draft.with(SectionId::Meta, text.clone().into_bytes()).unwrap();
    match kind {
        Kind::RequestAdmitted => {
            draft.with(SectionId::Request, text.repeat(1 + usize::try_from(request % 7).unwrap()).into_bytes()).unwrap()
        }
        _ => draft,
    }
}

pub fn erasure(index: u64) -> Draft {
    Draft::of_record(Kind::Erasure, Target { index, sections: SectionSet::ALL }).unwrap()
}

pub fn expiry(index: u64, section: SectionId) -> Draft {
    Draft::of_record(Kind::RetentionExpired, Target { index, sections: SectionSet::default().with(section) }).unwrap()
}

/// What a caller was told is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub index: u64,
    pub record: RecordId,
    pub kind: Kind,
    pub request: u64,
    pub time_ms: u64,
}
