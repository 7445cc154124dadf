//! A copy that was made while the ledger was written is a true ledger, whatever came between its first read and its last.

use crate::store::{World, give_up, request};
use sluice_ledger::record::{Kind, SectionId, SectionSet};
use sluice_store::disk::{Disk, DiskFile, LocalDisk, Version};
use sluice_store::{Reader, backup};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Act = Box<dyn FnOnce() + Send>;

/// Lets something happen just before a file is opened for the n-th time.
struct Between {
    disk: LocalDisk,
    opened: AtomicUsize,
    at: usize,
    act: Mutex<Option<Act>>,
}

impl Disk for Between {
    fn make_folder(&self, path: &str) -> io::Result<()> {
        self.disk.make_folder(path)
    }

    fn has_folder(&self, path: &str) -> io::Result<bool> {
        self.disk.has_folder(path)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        if self.opened.fetch_add(1, Ordering::SeqCst) == self.at {
            let act = self.act.lock().unwrap().take();
            act.into_iter().for_each(|act| act());
        }
        self.disk.open(path)
    }

    fn version(&self, path: &str) -> io::Result<Version> {
        self.disk.version(path)
    }

    fn create(&self, path: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.create(path)
    }

    fn create_new(&self, path: &str) -> io::Result<()> {
        self.disk.create_new(path)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.disk.remove(path)
    }

    fn remove_folder(&self, path: &str) -> io::Result<()> {
        self.disk.remove_folder(path)
    }

    fn sync_folder(&self, path: &str) -> io::Result<()> {
        self.disk.sync_folder(path)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }

    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.disk.lock(path)
    }
}

fn check_copy(world: &World, copy: &Path, records: u64) {
    for with_keys in [false, true] {
        let report = world.audit_of(copy, with_keys);
        assert!(report.holds() && report.records == records, "{report}");
    }
}

/// At each file that a backup opens: two erasures, an expiry and a request come in between.
#[test]
fn whatever_happens_between_two_reads() {
    let mut opened = 0;
    let mut newer = 0;
    loop {
        let world = World::new();
        let mut ledger = world.open();
        for number in 0..3 {
            request(&mut ledger, number);
        }
        ledger.apply().unwrap();
        let before = ledger.size();
        let act: Act = Box::new(move || {
            give_up(&mut ledger, Kind::Erasure, 1, SectionSet::ALL);
            give_up(&mut ledger, Kind::RetentionExpired, 2, SectionSet::default().with(SectionId::Recording));
            let late = request(&mut ledger, 9);
            give_up(&mut ledger, Kind::Erasure, late, SectionSet::default().with(SectionId::Meta));
            ledger.apply().unwrap();
        });
        let disk = LocalDisk::new(&world.ledger()).unwrap();
        let between = Arc::new(Between { disk, opened: AtomicUsize::new(0), at: opened, act: Mutex::new(Some(act)) });
        let copy = world.place.path().join("copy");
        std::fs::create_dir(&copy).unwrap();
        let shared: Arc<dyn Disk> = between.clone();
        let copied = backup(&shared, &LocalDisk::new(&copy).unwrap()).unwrap();
        check_copy(&world, &copy, copied.records);
        assert!([before, before + 7].contains(&copied.records), "{opened}: {copied:?}");
        newer += usize::from(copied.records > before);
        if between.act.lock().unwrap().is_some() {
            break;
        }
        opened += 1;
    }
    assert!(opened > 4 && newer > 1 && newer < opened, "{newer} of {opened} copies had to follow");
}

const BACKUPS: usize = 12;

/// A writer that never rests, and copies one after the other.
#[test]
fn copies_of_a_ledger_that_is_written_all_the_time() {
    let world = World::new();
    let mut ledger = world.open();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut given_up = 0;
            for number in 0..=u8::MAX {
                std::thread::park_timeout(Duration::from_millis(20));
                let first = request(&mut ledger, number);
                ledger.apply().unwrap();
                give_up(&mut ledger, Kind::Erasure, first, SectionSet::ALL);
                give_up(&mut ledger, Kind::RetentionExpired, first + 1, SectionSet::default().with(SectionId::Recording));
                given_up += 2;
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
            given_up
        });
        let disk: Arc<dyn Disk> = Arc::new(LocalDisk::new(&world.ledger()).unwrap());
        let mut sizes = Vec::new();
        for number in 0..BACKUPS {
            let before = sizes.last().copied().unwrap_or_default();
            while Reader::open(disk.clone()).unwrap().size() < before + 8 && !writer.is_finished() {
                std::thread::yield_now();
            }
            let copy = world.place.path().join(format!("copy{number}"));
            std::fs::create_dir(&copy).unwrap();
            let copied = backup(&disk, &LocalDisk::new(&copy).unwrap()).unwrap();
            check_copy(&world, &copy, copied.records);
            sizes.push(copied.records);
        }
        stop.store(true, Ordering::SeqCst);
        assert!(sizes.is_sorted_by(|before, after| before < after), "{sizes:?}");
        assert!(writer.join().unwrap() >= BACKUPS, "it was written meanwhile");
    });
    ledger.shut().unwrap();
    assert!(world.audit(true).holds(), "{}", world.audit(true));
}
