//! What callers used up, on a disk that stops, or fails, at every operation: nobody can use again what was let through.

use crate::image::Crash;
use crate::simulated::{Failure, SimulatedDisk};
use sluice_policy::{Amount, Counters, Exceeded, Limit};
use sluice_store::UsageFile;
use sluice_store::disk::Disk;
use std::sync::Arc;

const NAME: &str = "usage";
const MAX: u64 = 1_200;
const LIMIT: Limit =
    Limit { requests_per_second_max: None, jobs_at_once_max: None, bytes_per_day_max: Some(MAX), cost_micros_per_day_max: None };
const TAKEN: u64 = 100;
const TAKES: usize = 12;
/// So many callers of a day before make the file be written anew.
const BEFORE: usize = 10_000;
const DAY: i64 = 24 * 60 * 60;

fn fresh() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    UsageFile::create_on(&disk, NAME).unwrap();
    disk
}

fn open(disk: &SimulatedDisk) -> UsageFile {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    UsageFile::open_on(shared, NAME, Box::new(|_| {})).unwrap()
}

fn take(file: &UsageFile, caller: &str, bytes: u64, now: i64) -> Result<(), Exceeded> {
    file.take(caller, Amount { bytes, ..Amount::default() }, &LIMIT, now)
}

/// What was let through stays used, and so much more as one step may be ahead, and one that nobody was told of.
fn check(disk: &SimulatedDisk, taken: usize, place: &str) {
    let file = open(disk);
    let left = MAX - TAKEN * taken as u64;
    assert_eq!(take(&file, "a", left + 1, DAY), Err(Exceeded::BytesPerDay { max: MAX }), "{place}");
    let sure = left.saturating_sub(MAX / 100 + TAKEN);
    assert_eq!(take(&file, "a", sure, DAY), Ok(()), "{place}");
}

#[test]
fn what_is_used_stays_used_whenever_the_machine_stops() {
    for before in [0, BEFORE - 4] {
        let disk = fresh();
        let file = open(&disk);
        for caller in 0..before {
            assert_eq!(take(&file, &format!("before-{caller}"), 1, 0), Ok(()));
        }
        disk.take_snapshots();
        for number in 0..TAKES {
            assert_eq!(take(&file, "a", TAKEN, DAY), Ok(()));
            disk.count(number + 1);
        }
        let snapshots = disk.snapshots();
        assert_eq!(snapshots.iter().any(|snapshot| snapshot.operation.starts_with("rename")), before > 0);
        for (number, snapshot) in snapshots.iter().enumerate() {
            for crash in Crash::ALL {
                let after = SimulatedDisk::of(snapshot.image.crash(crash, number as u64));
                check(&after, snapshot.counted, &format!("{crash:?} after `{}`", snapshot.operation));
            }
        }
    }
}

/// The first take that is not written is not let through, nor is any other until the next start.
#[test]
fn after_a_failed_write_nobody_with_a_limit_is_let_through() {
    for number in 0..8 {
        for failure in [Failure::SyncAt(number), Failure::FullAtSync(number), Failure::NoSpaceFrom(number)] {
            let disk = fresh();
            let file = open(&disk);
            disk.fail(Some(failure));
            let taken = (0..TAKES).take_while(|_| take(&file, "a", TAKEN, DAY).is_ok()).count();
            assert_eq!(taken < TAKES, disk.has_failed(), "{failure:?}");
            disk.fail(None);
            if taken < TAKES {
                assert_eq!(take(&file, "b", TAKEN, DAY), Err(Exceeded::Unavailable), "{failure:?}");
            }
            drop(file);
            for crash in Crash::ALL {
                check(&SimulatedDisk::of(disk.image().crash(crash, number as u64)), taken, &format!("{crash:?} after {failure:?}"));
            }
        }
    }
}
