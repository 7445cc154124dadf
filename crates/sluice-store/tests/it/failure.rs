//! A disk without space, at every write; a disk that cannot sync, at every sync.

use crate::audit::{assert_in_history, audit};
use crate::image::Crash;
use crate::script::{Answer, Run, append, run, told};
use crate::simulated::{Failure, SimulatedDisk};
use crate::world::{SIZES, create_ledger, open, step};
use sluice_ledger::AppendFault;
use sluice_ledger::record::{Draft, Kind};
use sluice_store::StoreFault;
use sluice_store::disk::Disk;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Enough for an erasure, an expiry and a new master key.
const REQUESTS: u64 = 40;
const NEW_REQUEST: u64 = 1 << 40;

fn operations() -> Vec<String> {
    let run = run(REQUESTS, |disk| disk.fail(None));
    assert_eq!(run.fault, None);
    run.disk.operations()
}

/// Numbers start when the ledger is opened.
fn fail_at(failure: Failure) -> Run {
    run(REQUESTS, |disk| disk.fail(Some(failure)))
}

fn needs_space(operation: &str) -> bool {
    ["create", "length", "make", "rename", "write"].iter().any(|word| operation.starts_with(word))
}

/// What ends the requests that were admitted and have no end yet.
fn ends(answers: &[Answer]) -> Vec<Draft> {
    let mut open = BTreeSet::new();
    for told in told(answers) {
        match told.kind {
            Kind::RequestAdmitted => drop(open.insert(told.request)),
            kind if kind.is_terminal() => drop(open.remove(&told.request)),
            _ => {}
        }
    }
    open.into_iter().map(|request| step(Kind::RequestCompleted, request)).collect()
}

/// Nothing is promised, nothing breaks, and the same process goes on when there is space again.
fn check_no_space(failure: Failure, operation: &str) {
    let Run { disk, ledger, mut answers, fault } = fail_at(failure);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    assert!(disk.has_failed() || fault == Some(StoreFault::Full), "{failure:?}, `{operation}`: {fault:?}");
    let has_opened = ledger.is_some();
    let mut ledger = match ledger {
        Some(ledger) => ledger,
        None => {
            assert_eq!(fault, Some(StoreFault::Full), "{failure:?}, `{operation}`");
            disk.fail(None);
            open(&shared, 3).unwrap().0
        }
    };
    if matches!(failure, Failure::NoGrowthFrom(_)) && has_opened && fault.is_some() {
        append(&mut ledger, &disk, &ends(&answers), &mut answers).unwrap_or_else(|fault| panic!("{failure:?}, `{operation}`: {fault}"));
        assert!(ends(&answers).is_empty());
        ledger.apply().unwrap_or_else(|fault| assert_eq!(fault, StoreFault::Full));
        let refused = ledger.append(vec![ledger.seal(&step(Kind::RequestAdmitted, NEW_REQUEST)).unwrap()]);
        assert_eq!(refused, [Err(AppendFault::Full)], "{failure:?}, `{operation}`");
    }
    disk.fail(None);
    ledger.apply().unwrap_or_else(|fault| panic!("{failure:?}, `{operation}`: {fault}"));
    let admitted = append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, NEW_REQUEST + 1)], &mut answers);
    admitted.unwrap_or_else(|error| panic!("{failure:?}, `{operation}`, {fault:?}: {error}"));
    ledger.shut().unwrap();
    audit(&shared, &told(&answers), 0);
}

#[test]
fn without_space_nothing_is_admitted_and_what_is_open_is_ended() {
    for (number, operation) in operations().iter().enumerate().filter(|(_, operation)| needs_space(operation)) {
        if !operation.contains(" wal/") {
            check_no_space(Failure::NoGrowthFrom(number), operation);
        }
    }
}

#[test]
fn without_space_for_the_log_itself_nothing_is_promised() {
    for (number, operation) in operations().iter().enumerate().filter(|(_, operation)| needs_space(operation)) {
        check_no_space(Failure::NoSpaceFrom(number), operation);
    }
}

/// The write-ahead log fills while nothing can be applied. The batch that meets its end keeps what ends a request, and only that; it is said once.
#[test]
fn the_batch_that_meets_the_end_of_space_is_cut_down_to_its_ends() {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, machine) = open(&shared, 1).unwrap();
    let mut answers = Vec::new();
    append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, 0)], &mut answers).unwrap();
    for round in 1..3 {
        disk.fail(Some(Failure::NoGrowthFrom(0)));
        let mut open_request = NEW_REQUEST * (round - 1);
        let refused = loop {
            let next = open_request + 1;
            let batch = [step(Kind::RequestCompleted, open_request), step(Kind::RequestAdmitted, next)];
            let sealed = batch.iter().map(|draft| ledger.seal(draft).unwrap()).collect();
            match ledger.append(sealed).as_slice() {
                [Ok(_), Ok(_)] => {
                    let is_reserve = |operation: &String| operation.contains("closing");
                    assert!(!disk.operations().iter().any(is_reserve), "a request is admitted into the closing reserve");
                    open_request = next;
                }
                [Ok(_), Err(fault)] => break fault.clone(),
                other => panic!("{other:?} in round {round}"),
            }
        };
        assert_eq!(refused, AppendFault::Full);
        machine.pass(61_000);
        assert_eq!(ledger.apply(), Err(StoreFault::Full));
        machine.pass(61_000);
        assert_eq!(ledger.apply(), Err(StoreFault::Full));
        disk.fail(None);
        ledger.apply().unwrap();
        append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, NEW_REQUEST * round)], &mut answers).unwrap();
    }
    ledger.shut().unwrap();
    let leaves = audit(&shared, &told(&answers), 0);
    assert_eq!(leaves.iter().filter(|leaf| leaf.kind == Kind::AuditDegraded).count(), 2, "it is said once each time");
    assert!(leaves.iter().filter(|leaf| leaf.kind == Kind::RequestInterrupted).count() == 1, "the last one was open");
}

/// Long before the disk is full: what is open can be ended, and there is room to do so.
#[test]
fn below_the_free_space_that_is_asked_for_nothing_is_admitted() {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    let mut answers = Vec::new();
    append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, 1)], &mut answers).unwrap();
    disk.fail(Some(Failure::LittleFree));
    ledger.apply().unwrap();
    let drafts = [step(Kind::RequestCompleted, 1), step(Kind::RequestAdmitted, 2)];
    let refused = ledger.append(drafts.iter().map(|draft| ledger.seal(draft).unwrap()).collect());
    assert!(matches!(refused.as_slice(), [Ok(_), Err(AppendFault::Full)]), "{refused:?}");
    disk.fail(None);
    ledger.apply().unwrap();
    append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, 3)], &mut answers).unwrap();
    ledger.shut().unwrap();
    let leaves = audit(&shared, &told(&answers), 0);
    assert_eq!(leaves.iter().filter(|leaf| leaf.kind == Kind::AuditDegraded).count(), 1);
}

/// A batch may stand there whole though its sync found no space. Its numbers are given again, in another segment.
#[test]
fn a_batch_that_failed_is_found_by_no_start() {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (mut ledger, _) = open(&shared, 1).unwrap();
    let mut answers = Vec::new();
    append(&mut ledger, &disk, &[step(Kind::RequestRefused, 1)], &mut answers).unwrap();
    disk.fail(Some(Failure::FullAtSync(0)));
    append(&mut ledger, &disk, &[step(Kind::RequestRefused, 2)], &mut answers).unwrap();
    assert!(disk.has_failed() && disk.operations().iter().any(|operation| operation == "write wal/000001.wal"), "{:?}", disk.operations());
    check_crashes(&disk, &answers, 0, "a whole batch that failed");
}

/// Where space is given out late, it is the sync that finds none, and the kernel may have thrown away what it could not write.
#[test]
fn a_sync_without_space_loses_nothing_that_was_told() {
    for (number, operation) in operations().iter().enumerate().filter(|(_, operation)| operation.starts_with("sync")) {
        let Run { disk, ledger, mut answers, fault } = fail_at(Failure::FullAtSync(number));
        assert!(disk.has_failed(), "`{operation}`");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let mut ledger = ledger.unwrap_or_else(|| open(&shared, 3).unwrap().0);
        ledger.apply().unwrap_or_else(|fault| panic!("`{operation}`: {fault}"));
        let admitted = append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, NEW_REQUEST)], &mut answers);
        admitted.unwrap_or_else(|error| panic!("`{operation}`, {fault:?}: {error}"));
        check_crashes(&disk, &answers, number as u64, operation);
    }
}

/// What is left, opened and applied once more.
fn check_crashes(disk: &SimulatedDisk, answers: &[Answer], seed: u64, operation: &str) -> Vec<Arc<dyn Disk>> {
    // It is durable: this process has read it, or written it.
    let published = disk.published();
    let check = |crash| {
        let after: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(disk.image().crash(crash, seed)));
        let (mut ledger, _) = open(&after, 5).unwrap_or_else(|fault| panic!("{crash:?} after `{operation}`: {fault}"));
        ledger.apply().unwrap();
        audit(&after, &told(answers), 0);
        assert_in_history(&after, published.clone());
        after
    };
    Crash::ALL.into_iter().map(check).collect()
}

/// After a failed sync the page cache may show what the disk does not hold. The process ends; the next one sees the cache, then power fails.
#[test]
fn after_a_failed_sync_the_process_ends_and_nothing_told_is_lost() {
    let syncs = |operation: &String| operation.starts_with("sync") || operation.starts_with("rename");
    for (number, operation) in operations().iter().enumerate().filter(|(_, operation)| syncs(operation)) {
        let Run { disk, ledger, mut answers, fault } = fail_at(Failure::SyncAt(number));
        assert!(matches!(fault, Some(StoreFault::Dead(_) | StoreFault::Refused(_))), "`{operation}`: {fault:?}");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        if let Some(mut ledger) = ledger {
            disk.fail(None);
            let refused = ledger.append(vec![ledger.seal(&step(Kind::RequestRefused, NEW_REQUEST)).unwrap()]);
            assert!(matches!(refused.as_slice(), [Err(AppendFault::Dead(_))]), "`{operation}`: {refused:?}");
            assert!(disk.operations().is_empty(), "`{operation}`: a dead ledger wrote {:?}", disk.operations());
        }
        disk.fail(None);
        let (mut ledger, _) = open(&shared, 4).unwrap_or_else(|fault| panic!("`{operation}`: {fault}"));
        append(&mut ledger, &disk, &[step(Kind::RequestAdmitted, NEW_REQUEST)], &mut answers).unwrap();
        let seen = disk.published();
        check_crashes(&disk, &answers, number as u64, operation);
        // What the second process makes durable says nothing of what the first could not.
        ledger.apply().unwrap();
        for after in check_crashes(&disk, &answers, number as u64, operation) {
            assert_in_history(&after, seen.clone());
        }
    }
}
