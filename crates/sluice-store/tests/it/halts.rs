//! Halts on a disk that crashes and fails: an act that was answered stands, and the file opens whatever happened.

use crate::image::Crash;
use crate::simulated::{Failure, SimulatedDisk};
use sluice_store::disk::Disk;
use sluice_store::{HaltAct, HaltFile, StoreFault, Turn, Whom};
use std::sync::Arc;

const NAME: &str = "halts";
const SEEDS: u64 = 8;
/// Where there are few operations, and two things have to happen together.
const MANY_SEEDS: u64 = 100;
/// Reasons of a few bytes and of several sectors, so that lines end everywhere and a long one is torn before a short one.
const REASON_BYTES: [usize; 8] = [500, 3, 900, 1, 240, 700, 90, 2];

fn fresh() -> SimulatedDisk {
    let disk = SimulatedDisk::default();
    HaltFile::create_on(shared(&disk), NAME).unwrap();
    disk
}

fn shared(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// A command of its own each time.
fn halt(disk: &SimulatedDisk, number: usize) -> Result<u64, StoreFault> {
    let reason = "r".repeat(REASON_BYTES[number % REASON_BYTES.len()]);
    let whom = Whom::One(format!("https://i#{number}"));
    HaltFile::open_on(shared(disk), NAME)?.act(&HaltAct { turn: Turn::Halted, whom, at: 7, by: "ana".to_owned(), reason })
}

/// All that were answered stand, and another one can be added, which stands too.
fn check(disk: &SimulatedDisk, answered: &[usize], place: &str) {
    let standing = || {
        let file = HaltFile::open_on(shared(disk), NAME).unwrap_or_else(|fault| panic!("{place}: {fault}"));
        let halts = file.current().unwrap();
        halts.callers().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    let stand = |numbers: &[usize]| {
        let standing = standing();
        numbers.iter().for_each(|number| assert!(standing.contains(&format!("https://i#{number}")), "{number} of {numbers:?}, {place}"));
    };
    stand(answered);
    halt(disk, 99).unwrap_or_else(|fault| panic!("{place}: {fault}"));
    stand(&[answered, &[99]].concat());
}

#[test]
fn what_was_answered_stands_whenever_the_machine_stops() {
    let disk = fresh();
    disk.take_snapshots();
    for number in 0..REASON_BYTES.len() {
        halt(&disk, number).unwrap();
        disk.count(number + 1);
    }
    for snapshot in disk.snapshots() {
        let answered: Vec<usize> = (0..snapshot.counted).collect();
        for (crash, seed) in Crash::ALL.into_iter().flat_map(|crash| (0..SEEDS).map(move |seed| (crash, seed))) {
            let place = format!("{crash:?} {seed} after `{}`", snapshot.operation);
            let once = SimulatedDisk::of(snapshot.image.crash(crash, seed));
            check(&once, &answered, &place);
            crash_again(&SimulatedDisk::of(snapshot.image.crash(crash, seed)), &answered, seed, &place);
        }
    }
}

/// What a crash has left is cut off by the next act; the machine stops while it does so.
fn crash_again(disk: &SimulatedDisk, answered: &[usize], seed: u64, place: &str) {
    disk.take_snapshots();
    halt(disk, 1).unwrap();
    for snapshot in disk.snapshots() {
        for crash in [Crash::Reordered, Crash::Torn] {
            let again = SimulatedDisk::of(snapshot.image.crash(crash, seed));
            check(&again, answered, &format!("{crash:?} after `{}`, {place}", snapshot.operation));
        }
    }
}

/// An act that a failed sync kept from the disk is written by the next one, or what is left of it is cut off.
#[test]
fn what_a_failed_sync_lost_is_written_by_the_next_act() {
    let operations = {
        let disk = fresh();
        disk.fail(None);
        (0..6).for_each(|number| assert_eq!(halt(&disk, number), Ok(number as u64)));
        disk.operations()
    };
    assert!(operations.iter().filter(|operation| operation.starts_with("sync")).count() >= 6, "{operations:?}");
    for number in 0..operations.len() {
        for failure in [Failure::SyncAt(number), Failure::FullAtSync(number), Failure::NoSpaceFrom(number)] {
            let disk = fresh();
            disk.fail(Some(failure));
            let mut answered: Vec<usize> = (0..6).filter(|number| halt(&disk, *number).is_ok()).collect();
            assert_eq!(disk.has_failed(), answered.len() < 6, "{failure:?}");
            for seed in 0..SEEDS {
                for crash in Crash::ALL {
                    let after = SimulatedDisk::of(disk.image().crash(crash, seed));
                    check(&after, &answered, &format!("{crash:?} {seed} after {failure:?}"));
                }
            }
            disk.fail(None);
            halt(&disk, 7).unwrap();
            answered.push(7);
            check(&SimulatedDisk::of(disk.image().crash(Crash::Lost, 0)), &answered, &format!("{failure:?}, then another act"));
        }
    }
}

#[test]
fn a_file_is_made_whole_or_not_at_all() {
    let disk = SimulatedDisk::default();
    disk.take_snapshots();
    HaltFile::create_on(shared(&disk), NAME).unwrap();
    assert_eq!(HaltFile::create_on(shared(&disk), NAME), Err(StoreFault::Exists(NAME.to_owned())));
    for (crash, seed) in Crash::ALL.into_iter().flat_map(|crash| (0..MANY_SEEDS).map(move |seed| (crash, seed))) {
        assert!(disk.image().crash(crash, seed).find(NAME).is_ok(), "{crash:?}: it was answered");
    }
    for snapshot in disk.snapshots() {
        for (crash, seed) in Crash::ALL.into_iter().flat_map(|crash| (0..MANY_SEEDS).map(move |seed| (crash, seed))) {
            let after = SimulatedDisk::of(snapshot.image.crash(crash, seed));
            let place = format!("{crash:?} {seed} after `{}`", snapshot.operation);
            match HaltFile::create_on(shared(&after), NAME) {
                Ok(()) | Err(StoreFault::Exists(_)) => check(&after, &[], &place),
                Err(fault) => panic!("{place}: {fault}"),
            }
        }
    }
}
