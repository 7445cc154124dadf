//! A ledger that the real store wrote: requests, an erasure, an expiry, a rotation of the master key, a crash.

use crate::clinic::Place;
use crate::honest::audit;
use sluice_ledger::record::{Draft, Kind, SectionId, SectionSet, Subject, Target};
use sluice_ledger::trust::Trust;
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LedgerFacts, LocalMachine, Opening, Secrets, SegmentSizes, create};
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use sluice_verify::report::Report;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub const STORE_ORIGIN: &str = "ledger.example.com/store";

/// A folder with a ledger and its keys beside it.
pub struct World {
    pub place: Place,
}

impl World {
    pub fn new() -> World {
        let world = World { place: Place::new() };
        let secrets = Secrets::create(&world.keys(), STORE_ORIGIN, &LocalMachine::default()).unwrap();
        let verifier_key = secrets.signer().verifier_key().clone();
        let trust = format!("log {verifier_key}\nquorum none\n");
        std::fs::write(world.trust(), trust).unwrap();
        std::fs::create_dir(world.ledger()).unwrap();
        let facts = LedgerFacts { origin: STORE_ORIGIN.to_owned(), ledger: [9; 16], verifier_key, created_ms: 1_800_000_000_000 };
        let sizes = SegmentSizes { regular_bytes: 64 << 10, closing_bytes: 32 << 10 };
        create(&LocalDisk::new(&world.ledger()).unwrap(), &facts, &secrets.signer(), sizes).unwrap();
        world
    }

    pub fn ledger(&self) -> PathBuf {
        self.place.path().join("ledger")
    }

    pub fn trust(&self) -> PathBuf {
        self.place.path().join("trust")
    }

    pub fn keys(&self) -> PathBuf {
        self.place.path().join("keys")
    }

    pub fn open(&self) -> Ledger {
        let secrets = Secrets::open(&self.keys()).unwrap();
        let boot = serde_json::json!({ "program": "a test" });
        let machine = Arc::new(LocalMachine::default());
        let opening = Opening { signer: secrets.signer(), master: secrets.master(), machine, boot, free_bytes_min: 1 << 20 };
        Ledger::open(Arc::new(LocalDisk::new(&self.ledger()).unwrap()), &opening).unwrap()
    }

    pub fn audit(&self, with_keys: bool) -> Report {
        self.audit_of(&self.ledger(), with_keys)
    }

    /// Of a copy.
    pub fn audit_of(&self, folder: &Path, with_keys: bool) -> Report {
        let trust = Trust::parse(&std::fs::read(self.trust()).unwrap()).unwrap();
        let secrets = Secrets::open(&self.keys()).unwrap();
        let master = secrets.master();
        let audit = Audit { master: with_keys.then_some(master.as_ref()), ..audit(&trust) };
        audit.run(&Folder::open(folder).unwrap()).unwrap()
    }
}

fn record(ledger: &mut Ledger, draft: Draft) -> u64 {
    let sealed = ledger.seal(&draft).unwrap();
    ledger.append(vec![sealed]).pop().unwrap().unwrap().index
}

/// Returns where it begins.
pub fn request(ledger: &mut Ledger, number: u8) -> u64 {
    let mut first = u64::MAX;
    for kind in [Kind::RequestAdmitted, Kind::UpstreamDispatched, Kind::ResultPage, Kind::RequestCompleted] {
        let mut draft = Draft::of_request(kind, Subject([number; 16])).unwrap();
        for section in [SectionId::Meta, SectionId::Request, SectionId::Recording] {
            draft = draft.with(section, format!("{{\"of\":\"{} {number}\"}}", kind.word()).into_bytes()).unwrap();
        }
        first = first.min(record(ledger, draft));
    }
    first
}

pub fn give_up(ledger: &mut Ledger, kind: Kind, index: u64, sections: SectionSet) {
    let sealed = ledger.seal(&Draft::of_record(kind, Target { index, sections }).unwrap()).unwrap();
    ledger.give_up(sealed).unwrap();
}

#[test]
fn what_the_store_writes_holds() {
    let world = World::new();
    let check = |records: u64, states: &[(&str, u64)]| {
        for with_keys in [false, true] {
            let report = world.audit(with_keys);
            assert!(report.holds(), "{report}");
            assert_eq!(report.records, records, "{report}");
            for (word, count) in states {
                let word = if *word == "VERIFIED" && !with_keys { "SEALED" } else { word };
                assert_eq!(report.sections.get(word), Some(count), "{report}");
            }
        }
    };
    check(0, &[]);
    let mut ledger = world.open();
    let first = (0..70).map(|number| request(&mut ledger, number)).min().unwrap();
    ledger.apply().unwrap();
    give_up(&mut ledger, Kind::Erasure, first, SectionSet::ALL);
    give_up(&mut ledger, Kind::RetentionExpired, first + 1, SectionSet::default().with(SectionId::Recording));
    ledger.apply().unwrap();
    let records = ledger.size();
    ledger.shut().unwrap();
    // Boot, 70 requests of four, two that give up, the shutdown; boot and shutdown may have a section or none.
    assert_eq!(records, 1 + 280 + 2);
    let report = world.audit(true);
    check(records + 1, &[("ERASED", 3), ("EXPIRED", 1), ("VERIFIED", report.sections["VERIFIED"])]);
    assert!(report.sections["VERIFIED"] >= 3 * 280 - 4 && report.closed, "{report}");

    // A new master key; then the process ends without a word in the middle of a request.
    Secrets::open(&world.keys()).unwrap().add_master_key(&LocalMachine::default()).unwrap();
    let mut ledger = world.open();
    assert!(ledger.rewrap_keys().unwrap() > 0);
    let admitted = Draft::of_request(Kind::RequestAdmitted, Subject([201; 16])).unwrap();
    record(&mut ledger, admitted);
    ledger.apply().unwrap();
    drop(ledger);
    assert!(world.audit(true).holds(), "{}", world.audit(true));
    let mut ledger = world.open();
    request(&mut ledger, 202);
    ledger.apply().unwrap();
    ledger.shut().unwrap();
    let report = world.audit(true);
    assert!(report.holds() && report.epochs == 3, "{report}");
    assert!(world.audit(false).holds());
}
