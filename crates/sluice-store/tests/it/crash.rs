//! After every single operation of the script the machine stops, in four ways. What was told is still there, and the ledger verifies.

use crate::audit::{assert_no_plain_text, assert_nowhere, audit};
use crate::image::Crash;
use crate::script::{Answer, REQUESTS, run, told};
use crate::simulated::{SimulatedDisk, Snapshot};
use crate::world::{open, step};
use sluice_ledger::layout::Slot;
use sluice_ledger::record::Kind;
use sluice_store::Reader;
use sluice_store::disk::Disk;
use std::sync::Arc;

/// Records before the last that are opened after each crash; every 25th time all of them are.
const DEEP_RECORDS: u64 = 40;
const ALL_EVERY: usize = 25;

#[test]
fn what_was_told_is_durable_whenever_the_machine_stops() {
    let run = run(REQUESTS, SimulatedDisk::take_snapshots);
    assert_eq!(run.fault, None);
    run.ledger.unwrap().shut().unwrap();
    let snapshots = run.disk.snapshots();
    assert!(snapshots.len() > 2000, "{} operations", snapshots.len());
    let halves = snapshots.chunks(snapshots.len().div_ceil(2));
    std::thread::scope(|scope| {
        for (half, snapshots) in halves.enumerate() {
            let answers = &run.answers;
            scope.spawn(move || {
                snapshots.iter().enumerate().for_each(|(number, snapshot)| crash_at(half * 100_000 + number, snapshot, answers))
            });
        }
    });
}

fn crash_at(number: usize, snapshot: &Snapshot, answers: &[Answer]) {
    let ways = if snapshot.image.is_clean() { 1 } else { Crash::ALL.len() };
    for (way, crash) in Crash::ALL.into_iter().take(ways).enumerate() {
        let image = snapshot.image.crash(crash, (number * 4 + way) as u64);
        let outcome =
            std::panic::catch_unwind(|| survive(SimulatedDisk::of(image), &answers[..snapshot.counted], number.is_multiple_of(ALL_EVERY)));
        assert!(outcome.is_ok(), "{crash:?} after operation {number}, `{}`", snapshot.operation);
    }
}

fn survive(disk: SimulatedDisk, answers: &[Answer], all: bool) {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let told = told(answers);
    let (mut ledger, _) = open(&shared, 2).unwrap();
    let receipts = ledger.append(vec![ledger.seal(&step(Kind::RequestRefused, 1 << 40)).unwrap()]);
    assert!(receipts[0].is_ok(), "{receipts:?}");
    ledger.apply().unwrap();
    let size = ledger.size();
    audit(&shared, &told, if all { 0 } else { size.saturating_sub(DEEP_RECORDS) });
    let reader = Reader::open(shared.clone()).unwrap();
    for answer in answers {
        if let Answer::GivenUp(index) = answer {
            let leaf = reader.leaf(*index).unwrap();
            let whole = sluice_ledger::keyring::WHOLE_ENTRY_BYTES;
            match reader.slot(*index).unwrap() {
                Slot::Gone { .. } => {}
                Slot::Keys(wrapped) => assert_ne!(wrapped.len(), whole, "the secret of {leaf:?} is back"),
            }
        }
    }
    if all {
        assert_no_plain_text(&disk.image());
    }
}

/// Wrapped keys of an erased record are in no file any more, not in one that a crash brings back either.
#[test]
fn erased_keys_are_nowhere() {
    let disk = SimulatedDisk::default();
    crate::world::create_ledger(&disk, crate::world::SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    for (request, (applied, reopened)) in [(true, false), (false, false), (false, true), (true, true)].into_iter().enumerate() {
        let record = ledger.seal(&step(Kind::RequestRefused, request as u64)).unwrap();
        let wrapped = record.keys.0.clone();
        let receipt = ledger.append(vec![record]).pop().unwrap().unwrap();
        if applied {
            ledger.apply().unwrap();
        }
        if reopened {
            // Nothing is ended in good order: the next start finds the record in the write-ahead log.
            drop(ledger);
            ledger = open(&shared, 10 + request as u64).unwrap().0;
        }
        assert!(disk.image().files().iter().any(|(_, bytes)| bytes.windows(wrapped.len()).any(|window| window == wrapped)));
        ledger.give_up(ledger.seal(&crate::world::erasure(receipt.index)).unwrap()).unwrap();
        for crash in Crash::ALL {
            assert_nowhere(&disk.image().crash(crash, 1), &wrapped, "an erased key");
        }
    }
}
