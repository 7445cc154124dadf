//! Many writers at once, through the port.

use crate::audit::audit;
use crate::simulated::{Failure, SimulatedDisk};
use crate::world::{SIZES, Told, create_ledger, erasure, open, step, subject};
use sluice_ledger::layout::Slot;
use sluice_ledger::record::Kind;
use sluice_ledger::{AppendFault, DurableLog};
use sluice_store::disk::Disk;
use sluice_store::{Condition, Store, StoreFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn start() -> (SimulatedDisk, Arc<dyn Disk>, Store, Arc<AtomicUsize>) {
    let simulated = SimulatedDisk::default();
    create_ledger(&simulated, SIZES);
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let deaths = Arc::new(AtomicUsize::new(0));
    let counted = deaths.clone();
    let ledger = open(&disk, 1).unwrap().0;
    let on_death = move |_: &StoreFault| {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let store = Store::start(ledger, Box::new(on_death)).unwrap();
    (simulated, disk, store, deaths)
}

/// Whole requests in every thread; what was promised.
fn requests(store: &Store, first: u64, threads: u64, each: u64) -> Result<Vec<Told>, AppendFault> {
    let told = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(store, first + thread * each, each))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>, _>>()
    })?;
    Ok(told.concat())
}

fn run(store: &Store, first: u64, count: u64) -> Result<Vec<Told>, AppendFault> {
    let mut told = Vec::new();
    for request in first..first + count {
        for kind in [Kind::RequestAdmitted, Kind::ResultPage, Kind::RequestCompleted] {
            let record = store.seal(&step(kind, request)).unwrap();
            let id = record.record;
            let receipt = store.append_and_wait(record)?;
            told.push(Told { index: receipt.index, record: id, kind, request, time_ms: receipt.time_ms });
        }
    }
    Ok(told)
}

#[test]
fn every_promise_of_every_thread_is_kept() {
    let (_, disk, store, deaths) = start();
    let told = requests(&store, 0, 8, 25).unwrap();
    let erased = store.give_up(store.seal(&erasure(told[0].index)).unwrap()).unwrap();
    assert_eq!(store.reader().unwrap().slot(told[0].index).unwrap(), Slot::Gone { leaf: erased.index });
    let status = store.status().unwrap();
    assert_eq!((status.condition, status.epoch, status.durable), (Condition::Open, 1, told.len() as u64 + 2));
    store.settle().unwrap();
    assert_eq!(store.status().unwrap().applied, status.durable);
    store.shut().unwrap();
    assert_eq!(told.len(), 8 * 25 * 3);
    let leaves = audit(&disk, &told, 0);
    assert_eq!(leaves.last().unwrap().kind, Kind::Shutdown);
    assert_eq!(deaths.load(Ordering::SeqCst), 0);
    open(&disk, 2).unwrap().0.shut().unwrap();
}

#[test]
fn a_task_waits_for_its_receipt() {
    let (_, disk, store, _) = start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let record = store.seal(&step(Kind::RequestRefused, 1)).unwrap();
    let id = record.record;
    let receipt = runtime.block_on(async { store.append(record).await }).unwrap();
    // A future that nobody waits for withdraws nothing.
    drop(store.append(store.seal(&step(Kind::RequestRefused, 2)).unwrap()));
    store.shut().unwrap();
    let leaves = audit(&disk, &[], 0);
    assert_eq!(leaves[usize::try_from(receipt.index).unwrap()].record, id);
    assert_eq!(leaves.len(), 4);
}

#[test]
fn without_space_requests_end_and_none_begins_until_there_is_some() {
    let (simulated, disk, store, deaths) = start();
    let mut told = requests(&store, 0, 2, 5).unwrap();
    let open = store.seal(&step(Kind::RequestAdmitted, 100)).unwrap();
    store.append_and_wait(open).unwrap();
    store.settle().unwrap();
    simulated.fail(Some(Failure::NoGrowthFrom(0)));
    let refused = (0..1000).find_map(|request| requests(&store, 200 + request, 1, 1).err());
    assert_eq!(refused, Some(AppendFault::Full));
    assert_eq!(store.status().unwrap().condition, Condition::Full);
    store.append_and_wait(store.seal(&step(Kind::RequestCompleted, 100)).unwrap()).unwrap();
    assert_eq!(store.settle(), Err(StoreFault::Full));
    simulated.fail(None);
    let patience = Instant::now() + Duration::from_secs(20);
    let more = loop {
        assert!(Instant::now() < patience, "there is space again, and nothing goes on");
        if store.settle().is_ok()
            && let Ok(more) = requests(&store, 5000, 2, 5)
        {
            break more;
        }
    };
    told.extend(more);
    store.shut().unwrap();
    audit(&disk, &told, 0);
    assert_eq!(deaths.load(Ordering::SeqCst), 0);
}

#[test]
fn a_failed_sync_is_the_end_of_it() {
    let (simulated, disk, store, deaths) = start();
    let told = requests(&store, 0, 2, 5).unwrap();
    store.settle().unwrap();
    simulated.fail(Some(Failure::SyncAt(1)));
    let dead = requests(&store, 500, 4, 1);
    assert!(matches!(dead, Err(AppendFault::Dead(_))), "{dead:?}");
    simulated.fail(None);
    let dead = requests(&store, 600, 1, 1);
    assert!(matches!(dead, Err(AppendFault::Dead(_))), "{dead:?}");
    assert!(matches!(store.status().unwrap().condition, Condition::Dead(_)));
    assert!(matches!(store.settle(), Err(StoreFault::Dead(_))));
    assert!(matches!(store.shut(), Err(StoreFault::Dead(_))));
    assert_eq!(deaths.load(Ordering::SeqCst), 1);
    open(&disk, 2).unwrap().0.shut().unwrap();
    let leaves = audit(&disk, &told, 0);
    assert!(leaves.iter().all(|leaf| leaf.subject != Some(subject(600))), "a dead ledger took a record");
}
