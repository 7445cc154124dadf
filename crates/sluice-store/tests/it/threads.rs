//! Many writers at once, through the port.

use crate::audit::{assert_nowhere, audit};
use crate::simulated::{Failure, SimulatedDisk};
use crate::world::{SIZES, Told, create_ledger, erasure, open, step, subject};
use sluice_ledger::layout::Slot;
use sluice_ledger::record::Kind;
use sluice_ledger::{AppendFault, DurableLog};
use sluice_store::disk::Disk;
use sluice_store::{Condition, QUEUE_RECORDS_MAX, SegmentSizes, Store, StoreFault};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn start() -> (SimulatedDisk, Arc<dyn Disk>, Store, Arc<AtomicUsize>) {
    start_with(SIZES)
}

fn start_with(sizes: SegmentSizes) -> (SimulatedDisk, Arc<dyn Disk>, Store, Arc<AtomicUsize>) {
    let simulated = SimulatedDisk::default();
    create_ledger(&simulated, sizes);
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

/// Two at a time would overwrite each other's list of slots; and a secret must not stand in the write-ahead log when the answer comes.
#[test]
fn keys_are_given_up_by_many_at_once_and_are_nowhere_then() {
    let (simulated, disk, store, _) = start();
    let record = |request| {
        let record = store.seal(&step(Kind::RequestRefused, request)).unwrap();
        let wrapped = record.keys.0.clone();
        (store.append_and_wait(record).unwrap().index, wrapped)
    };
    let records: Vec<(u64, Vec<u8>)> = (0..12).map(record).collect();
    let give_up = |(index, wrapped): &(u64, Vec<u8>)| {
        store.give_up(store.seal(&erasure(*index)).unwrap()).unwrap();
        assert_nowhere(&simulated.image(), wrapped, "an erased key");
    };
    std::thread::scope(|scope| records.chunks(4).for_each(|part| drop(scope.spawn(|| part.iter().for_each(give_up)))));
    let reader = store.reader().unwrap();
    for (index, _) in &records {
        assert!(matches!(reader.slot(*index).unwrap(), Slot::Gone { .. }), "record {index}");
    }
    store.shut().unwrap();
    audit(&disk, &[], 0);
}

#[test]
fn below_the_free_space_that_is_asked_for_nothing_is_admitted() {
    let (simulated, disk, store, _) = start();
    let admit = |request| store.append_and_wait(store.seal(&step(Kind::RequestAdmitted, request)).unwrap());
    admit(1).unwrap();
    simulated.fail(Some(Failure::LittleFree));
    let started = Instant::now();
    // It is looked at with each round of applying.
    for request in 100.. {
        drop(store.append_and_wait(store.seal(&step(Kind::RequestRefused, request)).unwrap()));
        store.settle().unwrap();
        if store.status().unwrap().condition == Condition::Full {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "nobody looks at the free space");
    }
    assert_eq!(admit(2), Err(AppendFault::Full));
    store.append_and_wait(store.seal(&step(Kind::RequestCompleted, 1)).unwrap()).unwrap();
    simulated.fail(None);
    let started = Instant::now();
    while admit(3) == Err(AppendFault::Full) {
        assert!(started.elapsed() < Duration::from_secs(20), "there is space again, and nothing goes on");
    }
    store.shut().unwrap();
    assert!(audit(&disk, &[], 0).iter().any(|leaf| leaf.kind == Kind::AuditDegraded));
}

/// Within half a minute, or not at all.
fn in_time<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || sender.send(act()));
    receiver.recv_timeout(Duration::from_secs(30)).expect("somebody waits for a thread that is gone")
}

#[test]
fn a_thread_that_breaks_off_takes_the_ledger_with_it() {
    let (simulated, _, store, deaths) = start();
    let store = Arc::new(store);
    requests(&store, 0, 2, 5).unwrap();
    store.settle().unwrap();
    simulated.fail(Some(Failure::BreaksOff));
    // Taken or not, as the other thread comes to it.
    drop(requests(&store, 100, 1, 1));
    let settling = store.clone();
    assert!(matches!(in_time(move || settling.settle()), Err(StoreFault::Dead(_))));
    let asking = store.clone();
    let refused = in_time(move || requests(&asking, 200, 2, 1));
    assert!(matches!(refused, Err(AppendFault::Dead(_))), "{refused:?}");
    assert_eq!(deaths.load(Ordering::SeqCst), 1);
    assert!(Arc::into_inner(store).unwrap().shut().is_err());
}

/// Nothing comes, and still a sign of life is written, and covered by a checkpoint within the second.
#[test]
fn a_silent_ledger_beats_and_publishes() {
    let simulated = SimulatedDisk::default();
    create_ledger(&simulated, SIZES);
    let disk: Arc<dyn Disk> = Arc::new(simulated);
    let (ledger, machine) = open(&disk, 1).unwrap();
    let store = Store::start(ledger, Box::new(|_| {})).unwrap();
    store.settle().unwrap();
    let before = store.status().unwrap().applied;
    machine.pass(61_000);
    let started = Instant::now();
    while store.status().unwrap().applied == before {
        assert!(started.elapsed() < Duration::from_secs(20), "no sign of life is published");
        std::thread::yield_now();
    }
    store.shut().unwrap();
    let kinds: Vec<Kind> = audit(&disk, &[], 0).iter().map(|leaf| leaf.kind).collect();
    assert_eq!(kinds, [Kind::Boot, Kind::Heartbeat, Kind::Shutdown]);
}

/// More than may wait is refused at once, and what was taken is served.
#[test]
fn what_does_not_fit_the_queue_is_told_so() {
    let (simulated, disk, store, _) = start_with(SegmentSizes { regular_bytes: 8 << 20, closing_bytes: 1 << 20 });
    // The first batch waits for the disk; the rest piles up behind it.
    let sealed: Vec<_> =
        (0..QUEUE_RECORDS_MAX as u64 + 2000).map(|request| store.seal(&step(Kind::RequestRefused, request)).unwrap()).collect();
    let held = simulated.hold();
    let asked: Vec<_> = sealed.into_iter().map(|record| store.append(record)).collect();
    drop(held);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answers: Vec<_> = runtime.block_on(async {
        let mut answers = Vec::new();
        for one in asked {
            answers.push(one.await);
        }
        answers
    });
    let busy = answers.iter().filter(|answer| **answer == Err(AppendFault::Busy)).count();
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!(busy > 0 && taken >= QUEUE_RECORDS_MAX && busy + taken == answers.len(), "{busy} busy, {taken} taken");
    store.shut().unwrap();
    assert_eq!(audit(&disk, &[], 0).len(), taken + 2);
}

/// Whoever is in no hurry keeps its place, needs nobody behind it, and is not forgotten when the ledger is closed.
#[test]
fn what_nobody_waits_for_keeps_its_place() {
    let (_, disk, store, _) = start_with(SegmentSizes { regular_bytes: 8 << 20, closing_bytes: 1 << 20 });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let record = |request| store.seal(&step(Kind::RequestRefused, request)).unwrap();
    let (first, second) = (store.append_unhurried(record(1)), store.append(record(2)));
    let second = runtime.block_on(second).unwrap().index;
    let first = runtime.block_on(first).unwrap().index;
    let third = runtime.block_on(store.append_unhurried(record(3))).unwrap().index;
    assert_eq!([first, second, third], [1, 2, 3]);
    drop(store.append_unhurried(record(4)));
    store.shut().unwrap();
    assert_eq!(audit(&disk, &[], 0).len(), 6);
}
