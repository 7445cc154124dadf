//! A process that writes to the real disk is killed again and again. What it said is on record is on record.

use sluice_store::disk::{Disk, LocalDisk};
use sluice_store::{Reader, StoreFault};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CYCLES: u64 = 200;
const AUDIT_EVERY: u64 = 50;

/// Cargo builds it beside the tests.
fn writer() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/writer")
}

#[test]
fn what_was_told_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = BTreeMap::new();
    let started = Instant::now();
    for cycle in 1..=CYCLES {
        let before = told.len();
        // From before the first record to well behind a checkpoint.
        run_and_kill(folder.path(), Duration::from_millis(cycle * 7 % 120 + u64::from(cycle % 40 == 0) * 1200), &mut told);
        assert!(told.len() > before || cycle * 7 % 120 < 60, "cycle {cycle} told nothing");
        if cycle % AUDIT_EVERY == 0 {
            compare(folder.path(), &told);
        }
    }
    assert!(told.len() > 1000, "{} promises in {:?}", told.len(), started.elapsed());
}

/// The time counts from the first promise.
fn run_and_kill(folder: &Path, life: Duration, told: &mut BTreeMap<u64, String>) {
    let mut child = Command::new(writer()).arg(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let first = Instant::now();
    let killer = std::thread::spawn(move || {
        let (_sender, silence) = std::sync::mpsc::channel::<()>();
        silence.recv_timeout(life.saturating_sub(first.elapsed())).unwrap_err();
        child.kill().unwrap();
        child.wait().unwrap();
    });
    while line.ends_with('\n') {
        let (index, record) = line.trim_end().split_once(' ').unwrap();
        assert_eq!(told.insert(index.parse().unwrap(), record.to_owned()), None, "record {index} was promised twice");
        line.clear();
        lines.read_line(&mut line).unwrap();
    }
    killer.join().unwrap();
}

/// Opens nothing for writing: what is not applied yet is looked for after the next start.
fn compare(folder: &Path, told: &BTreeMap<u64, String>) {
    let mut more = BTreeMap::new();
    // A start applies all that the one before was killed over.
    run_and_kill(folder, Duration::from_millis(1), &mut more);
    let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(folder).unwrap());
    let reader = Reader::open(disk).unwrap();
    let mut next = 0;
    reader
        .each_leaf(0, |index, leaf| {
            if let Some(record) = told.get(&index) {
                assert_eq!(&leaf.record.to_string(), record, "record {index}");
                next += 1;
            }
            Ok::<(), StoreFault>(())
        })
        .unwrap();
    assert_eq!(next, told.len(), "promises that are not in the ledger");
}
