//! Durable records a second, and how long one waits for its receipt, on the file system of the temporary folder. `make bench` runs it.
//!
//! Sealing is part of it: each writer encrypts its own records. Compare with the syncs a second that the same disk gives alone.

use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Kind, SectionId, Subject};
use sluice_store::disk::{Disk, LocalDisk};
use sluice_store::{Ledger, LedgerFacts, LocalMachine, Machine, Opening, SegmentSizes, Store, create};
use std::error::Error;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ORIGIN: &str = "ledger.example.com/bench";
const MEASURED: Duration = Duration::from_secs(5);
const TEXT_BYTES: usize = 900;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    measure_all(folder.path())
}

fn measure_all(folder: &Path) -> Outcome<()> {
    let mut out = std::io::stdout().lock();
    let each = sync_alone(folder)?;
    writeln!(out, "disk alone: {:.0} syncs of 4 KiB a second, {each:.1?} each", 1.0 / each.as_secs_f64())?;
    for writers in [1, 16, 64] {
        let place = folder.join(format!("{writers}"));
        std::fs::create_dir(&place)?;
        let store = start(&place)?;
        let (rate, times) = measure(&store, writers)?;
        let at = |part: usize| times.get(times.len() * part / 1000).copied().unwrap_or_default();
        writeln!(out, "{writers:2} writers: {rate:>6.0} records a second, p50 {:.2?}, p99 {:.2?}", at(500), at(990))?;
        store.shut()?;
    }
    Ok(())
}

fn sync_alone(folder: &Path) -> Outcome<Duration> {
    const SYNCS: u32 = 300;
    let disk = LocalDisk::new(folder)?;
    let file = disk.create("alone")?;
    file.write_at(0, &vec![0; 4096 * 301])?;
    file.sync()?;
    let start = Instant::now();
    for number in 0..SYNCS {
        file.write_at(u64::from(number) * 4096, &[1; 4096])?;
        file.sync()?;
    }
    Ok(start.elapsed() / SYNCS)
}

fn start(folder: &Path) -> Outcome<Store> {
    let disk = Arc::new(LocalDisk::new(folder)?);
    let signer = Arc::new(Signer::from_seed(ORIGIN, KeyKind::Log, &[7; 32])?);
    let facts = LedgerFacts { origin: ORIGIN.to_owned(), ledger: [9; 16], verifier_key: signer.verifier_key().clone(), created_ms: 0 };
    create(disk.as_ref(), &facts, &signer, SegmentSizes::default())?;
    let master = Arc::new(LocalMasterKeys::new((MasterKeyId(*b"test"), [1; 32]), &[])?);
    let machine = Arc::new(LocalMachine::default());
    let opening = Opening { signer, master, machine, boot: serde_json::json!({}), free_bytes_min: 0 };
    Ok(Store::start(Ledger::open(disk, &opening)?, Box::new(|_| {}))?)
}

/// Records a second, and the time of each, shortest first.
fn measure(store: &Store, writers: u64) -> Outcome<(f64, Vec<Duration>)> {
    let started = Instant::now();
    let requests = AtomicU64::new(0);
    let times = std::thread::scope(|scope| {
        let run = || {
            let mut times = Vec::new();
            while started.elapsed() < MEASURED {
                let mut subject = [0; 16];
                LocalMachine::default().random(&mut subject)?;
                requests.fetch_add(1, Ordering::Relaxed);
                for kind in [Kind::RequestAdmitted, Kind::ResultPage, Kind::RequestCompleted] {
                    let draft = Draft::of_request(kind, Subject(subject))?.with(SectionId::Meta, text())?;
                    let record = store.seal(&draft)?;
                    let before = Instant::now();
                    store.append_and_wait(record)?;
                    times.push(before.elapsed());
                }
            }
            Outcome::Ok(times)
        };
        let threads: Vec<_> = (0..writers).map(|_| scope.spawn(run)).collect();
        let times = threads.into_iter().map(|thread| thread.join().unwrap_or(Err("a writer broke off".into())));
        times.collect::<Outcome<Vec<_>>>()
    })?;
    let mut times = times.concat();
    times.sort();
    Ok((times.len() as f64 / started.elapsed().as_secs_f64(), times))
}

/// Of the length of a statement with its facts; it compresses as text does.
fn text() -> Vec<u8> {
    let words = "SELECT customer, sum(amount) FROM shop.orders WHERE day >= DATE '2026-01-01' GROUP BY customer ORDER BY 2 DESC; ";
    words.bytes().cycle().take(TEXT_BYTES).collect()
}
