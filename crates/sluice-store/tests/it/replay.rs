//! Spent tokens on a disk that stops, or fails, at every operation: what was answered with `First` is never answered so again.

use crate::image::Crash;
use crate::simulated::{Failure, SimulatedDisk};
use sluice_identity::{Replay, ReplayStore};
use sluice_store::disk::Disk;
use sluice_store::{ReplayFile, ReplayFolder};
use std::sync::Arc;

const NAME: &str = "spent";
const TOKENS: usize = 12;
/// So many lines make the file be written anew.
const ENDED: u64 = 10_000;
const LATER: u64 = 2_000_000_000;

fn fresh() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    ReplayFile::create_on(&disk, NAME).unwrap();
    disk
}

fn open(disk: &SimulatedDisk) -> ReplayFile {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    ReplayFile::open_on(shared, NAME).unwrap()
}

/// Every one of them is known; after that, one that is not is taken.
fn check(disk: &SimulatedDisk, spent: usize, place: &str) {
    let store = open(disk);
    for token in 0..spent {
        assert_eq!(store.spend(&format!("token-{token}"), LATER, 1000), Ok(Replay::Again), "token {token}, {place}");
    }
    assert_eq!(store.spend("another", LATER, 1000), Ok(Replay::First), "{place}");
}

#[test]
fn spent_tokens_stay_spent_whenever_the_machine_stops() {
    for ended in [0, ENDED - 4] {
        let disk = fresh();
        let store = open(&disk);
        for token in 0..ended {
            assert_eq!(store.spend(&format!("ended-{token}"), 10, 1), Ok(Replay::First));
        }
        disk.take_snapshots();
        for token in 0..TOKENS {
            assert_eq!(store.spend(&format!("token-{token}"), LATER, 1000), Ok(Replay::First));
            disk.count(token + 1);
        }
        let snapshots = disk.snapshots();
        assert_eq!(snapshots.iter().any(|snapshot| snapshot.operation.starts_with("rename")), ended > 0);
        for (number, snapshot) in snapshots.iter().enumerate() {
            for crash in Crash::ALL {
                let after = SimulatedDisk::of(snapshot.image.crash(crash, number as u64));
                check(&after, snapshot.counted, &format!("{crash:?} after `{}`", snapshot.operation));
            }
        }
    }
}

/// The process ends with the first error; the next one sees the cache, answers by it, and then power fails.
#[test]
fn after_a_failed_write_nothing_is_answered_until_the_next_start() {
    let operations = {
        let disk = fresh();
        let store = open(&disk);
        disk.fail(None);
        (0..3).for_each(|token| drop(store.spend(&format!("token-{token}"), LATER, 1000)));
        disk.operations().len()
    };
    for number in 0..operations {
        for failure in [Failure::SyncAt(number), Failure::FullAtSync(number), Failure::NoSpaceFrom(number)] {
            let disk = fresh();
            let store = open(&disk);
            disk.fail(Some(failure));
            let spent = (0..3).take_while(|token| store.spend(&format!("token-{token}"), LATER, 1000).is_ok()).count();
            if !disk.has_failed() {
                assert_eq!(spent, 3, "{failure:?}");
                continue;
            }
            assert!(spent < 3, "{failure:?}");
            disk.fail(None);
            assert!(store.spend("another", LATER, 1000).is_err() && disk.operations().is_empty(), "{failure:?}: it goes on");
            drop(store);
            let known = {
                let store = open(&disk);
                (0..3).filter(|token| store.spend(&format!("token-{token}"), LATER, 1000) == Ok(Replay::Again)).count()
            };
            assert!(known >= spent, "{failure:?}");
            for crash in Crash::ALL {
                check(&SimulatedDisk::of(disk.image().crash(crash, number as u64)), 3, &format!("{crash:?} after {failure:?}"));
            }
        }
    }
}

/// The shared folder, stopped at every operation: what was answered with `First` is never answered so again, by any replica.
#[test]
fn a_shared_folder_keeps_what_is_spent_whenever_the_machine_stops() {
    let disk = SimulatedDisk::default();
    ReplayFolder::create_on(&disk).unwrap();
    let replica = |disk: &SimulatedDisk| ReplayFolder::open_on(Arc::new(disk.clone())).unwrap();
    let (one, other) = (replica(&disk), replica(&disk));
    disk.take_snapshots();
    for token in 0..TOKENS {
        let store = if token % 2 == 0 { &one } else { &other };
        let forget_at = LATER + 3_600 * (token as u64 / 3);
        assert_eq!(store.spend(&format!("token-{token}"), forget_at, 1000), Ok(Replay::First));
        disk.count(token + 1);
    }
    let snapshots = disk.snapshots();
    assert!(snapshots.len() > 2 * TOKENS);
    for (number, snapshot) in snapshots.iter().enumerate() {
        for crash in Crash::ALL {
            let after = SimulatedDisk::of(snapshot.image.crash(crash, number as u64));
            let store = replica(&after);
            for token in 0..snapshot.counted {
                let found = store.spend(&format!("token-{token}"), LATER + 3_600 * (token as u64 / 3), 1000);
                assert_eq!(found, Ok(Replay::Again), "token {token}, {crash:?} after `{}`", snapshot.operation);
            }
        }
    }
}
