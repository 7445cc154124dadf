//! After every single operation of the script the machine stops, in four ways. What was told is still there, and the ledger verifies.

use crate::audit::{assert_in_history, assert_no_plain_text, assert_nowhere, audit};
use crate::image::Crash;
use crate::script::{Answer, REQUESTS, append, run, told};
use crate::simulated::{Failure, SimulatedDisk, Snapshot};
use crate::world::{SIZES, TestMachine, both_masters, create_ledger, erasure, expiry, old_master, open, opening, step};
use sluice_ledger::layout::Slot;
use sluice_ledger::record::{Kind, OpenedSection, SectionId};
use sluice_store::disk::Disk;
use sluice_store::{Ledger, Reader, backup};
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
    let published = disk.published();
    let (mut ledger, _) = open(&shared, 2).unwrap();
    let receipts = ledger.append(vec![ledger.seal(&step(Kind::RequestRefused, 1 << 40)).unwrap()]);
    assert!(receipts[0].is_ok(), "{receipts:?}");
    ledger.apply().unwrap();
    let size = ledger.size();
    audit(&shared, &told, if all { 0 } else { size.saturating_sub(DEEP_RECORDS) });
    assert_in_history(&shared, published);
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
    create_ledger(&disk, SIZES);
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
        ledger.give_up(ledger.seal(&erasure(receipt.index)).unwrap()).unwrap();
        for crash in Crash::ALL {
            assert_nowhere(&disk.image().crash(crash, 1), &wrapped, "an erased key");
        }
    }
}

/// A list of new slots that was begun is finished by the start, whether anything else asks for it or not.
#[test]
fn no_key_is_lost_whenever_the_machine_stops_while_keys_are_wrapped_anew() {
    const RECORDS: u64 = 12;
    const SEEDS: u64 = 6;
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let mut with_old = opening(Arc::new(TestMachine::new(1)));
    with_old.master = Arc::new(old_master());
    let mut ledger = Ledger::open(shared.clone(), &with_old).unwrap();
    // So many that a slot of one lies across the end of a sector: half of it can be there, and look whole.
    let drafts: Vec<_> = (0..RECORDS).map(|number| step(Kind::RequestRefused, number)).collect();
    append(&mut ledger, &disk, &drafts, &mut Vec::new()).unwrap();
    ledger.shut().unwrap();
    let mut ledger = open(&shared, 2).unwrap().0;
    ledger.apply().unwrap();
    disk.take_snapshots();
    assert_eq!(ledger.rewrap_keys().unwrap(), RECORDS + 2);
    let snapshots = disk.snapshots();
    assert!(snapshots.iter().any(|snapshot| snapshot.operation == "write keys/rewrite"));
    for (number, snapshot) in snapshots.iter().enumerate() {
        for (crash, seed) in Crash::ALL.into_iter().flat_map(|crash| (0..SEEDS).map(move |seed| (crash, seed))) {
            let after: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(snapshot.image.crash(crash, number as u64 * SEEDS + seed)));
            let opens_all = |disk: &Arc<dyn Disk>, when: &str| {
                let reader = Reader::open(disk.clone()).unwrap();
                for index in 0..reader.size() {
                    let opened = reader.open_record(index, &both_masters());
                    assert!(opened.is_ok(), "record {index}, {crash:?} after `{}`, {when}: {opened:?}", snapshot.operation);
                }
            };
            opens_all(&after, "before the next start");
            let copy: Arc<dyn Disk> = Arc::new(SimulatedDisk::default());
            backup(&after, copy.as_ref()).unwrap_or_else(|fault| panic!("{crash:?} after `{}`: {fault}", snapshot.operation));
            opens_all(&copy, "in a copy");
            drop(open(&after, 3).unwrap_or_else(|fault| panic!("{crash:?} after `{}`: {fault}", snapshot.operation)));
            opens_all(&after, "after it");
        }
    }
}

/// One list for all of them, but for a record that is meant twice; whatever is on record is carried out by the next start.
#[test]
fn keys_that_are_given_up_together_are_gone_whenever_the_machine_stops() {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    append(&mut ledger, &disk, &[1, 2, 3].map(|number| step(Kind::RequestAdmitted, number)), &mut Vec::new()).unwrap();
    ledger.apply().unwrap();
    let drafts = [expiry(1, SectionId::Request), expiry(2, SectionId::Request), erasure(1), erasure(3)];
    let sealed = drafts.iter().map(|draft| ledger.seal(draft).unwrap()).collect();
    disk.fail(None);
    disk.take_snapshots();
    assert_eq!(ledger.give_up_all(sealed).unwrap().len(), 4);
    let lists = |operation: &&String| operation.as_str() == "create keys/rewrite";
    assert_eq!(disk.operations().iter().filter(lists).count(), 2);
    for (number, snapshot) in disk.snapshots().iter().enumerate() {
        for crash in Crash::ALL {
            let after: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(snapshot.image.crash(crash, number as u64)));
            let place = format!("{crash:?} after `{}`", snapshot.operation);
            drop(open(&after, 3).unwrap_or_else(|fault| panic!("{place}: {fault}")));
            let reader = Reader::open(after).unwrap();
            let mut on_record = Vec::new();
            let seen = reader.each_leaf(0, |_, leaf| {
                on_record.extend(leaf.target.map(|target| (leaf.kind, target.index)));
                Ok(())
            });
            seen.unwrap();
            assert!(on_record.len() == 4 || on_record.is_empty(), "{place}: one batch is written whole or not at all");
            for (kind, record) in on_record {
                let (_, sections) = reader.open_record(record, &both_masters()).unwrap();
                let gone = |section: SectionId| sections.iter().any(|(id, opened)| *id == section && *opened == OpenedSection::KeyGone);
                assert!(gone(SectionId::Request) && (gone(SectionId::Meta) || kind != Kind::Erasure), "record {record}, {place}");
            }
        }
    }
}

/// The list could not be made durable, and the process died of it. The next one sees it in the cache, carries it out, and the machine stops in the middle.
#[test]
fn a_list_that_is_only_in_the_cache_is_not_lost_while_it_is_carried_out() {
    let begun = || {
        let disk = SimulatedDisk::default();
        create_ledger(&disk, SIZES);
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (mut ledger, _) = open(&shared, 1).unwrap();
        append(&mut ledger, &disk, &[1, 2].map(|number| step(Kind::RequestAdmitted, number)), &mut Vec::new()).unwrap();
        ledger.apply().unwrap();
        disk.fail(None);
        (disk, ledger)
    };
    let expire = |ledger: &mut Ledger| ledger.give_up(ledger.seal(&expiry(1, SectionId::Request)).unwrap());
    let (disk, mut ledger) = begun();
    expire(&mut ledger).unwrap();
    let operations = disk.operations();
    let list = operations.iter().position(|operation| operation == "sync keys/rewrite").unwrap();
    // Its bytes, and then its name.
    for sync in [list, list + 1] {
        assert!(operations[sync].starts_with("sync keys/"), "{operations:?}");
        let (disk, mut ledger) = begun();
        disk.fail(Some(Failure::SyncAt(sync)));
        assert!(expire(&mut ledger).is_err() && disk.has_failed());
        drop(ledger);
        disk.fail(None);
        disk.take_snapshots();
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        drop(open(&shared, 2).unwrap());
        for (number, snapshot) in disk.snapshots().iter().enumerate() {
            for crash in Crash::ALL {
                let after: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(snapshot.image.crash(crash, number as u64)));
                let place = format!("{crash:?} after `{}`", snapshot.operation);
                drop(open(&after, 3).unwrap_or_else(|fault| panic!("{place}: {fault}")));
                let (_, sections) =
                    Reader::open(after).unwrap().open_record(1, &both_masters()).unwrap_or_else(|fault| panic!("{place}: {fault}"));
                let gone = sections.iter().filter(|(_, opened)| *opened == OpenedSection::KeyGone).map(|(section, _)| *section);
                assert_eq!(gone.collect::<Vec<_>>(), [SectionId::Request], "{place}");
            }
        }
    }
}

/// The order that docs/ledger.md gives: nothing of it can be left out without a moment in which keys are lost, or come back.
#[test]
fn keys_are_overwritten_in_this_order() {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    append(&mut ledger, &disk, &[step(Kind::RequestRefused, 1)], &mut Vec::new()).unwrap();
    ledger.apply().unwrap();
    disk.fail(None);
    ledger.give_up(ledger.seal(&erasure(1)).unwrap()).unwrap();
    let operations = disk.operations();
    let (of_keys, wiped): (Vec<&str>, Vec<&str>) = operations.iter().map(String::as_str).partition(|operation| operation.contains("keys"));
    let expect = "write keys/000000.keys, write keys/000000.keys, sync keys/000000.keys, create keys/rewrite, write keys/rewrite, sync keys/rewrite, \
                  sync keys/, write keys/000000.keys, sync keys/000000.keys, write keys/000000.keys, sync keys/000000.keys, write keys/rewrite, \
                  sync keys/rewrite, remove keys/rewrite, sync keys/";
    assert_eq!(of_keys.join(", "), expect);
    let last_wipe = operations.iter().rposition(|operation| operation == "sync wal/000000.wal").unwrap();
    let list = operations.iter().position(|operation| operation == "create keys/rewrite").unwrap();
    assert!(last_wipe < list, "the secret is in the write-ahead log still: {wiped:?}");
}
