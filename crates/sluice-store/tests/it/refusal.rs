//! What the store refuses: a second process, a clock that went back, damage, the wrong key, records that do not fit.

use crate::audit::audit;
use crate::script::{append, told};
use crate::simulated::SimulatedDisk;
use crate::world::{NOON_MS, ORIGIN, SIZES, TestMachine, create_ledger, erasure, expiry, new_master, old_master, open, opening, step};
use sluice_ledger::AppendFault;
use sluice_ledger::keyring::LocalMasterKeys;
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Kind, OpenedSection, SectionId, SectionSet, Target};
use sluice_store::disk::{Disk, LocalDisk};
use sluice_store::{Ledger, Reader, StoreFault};
use std::sync::Arc;

fn fresh() -> (SimulatedDisk, Arc<dyn Disk>) {
    let disk = SimulatedDisk::default();
    create_ledger(&disk, SIZES);
    (disk.clone(), Arc::new(disk))
}

fn fault<T>(outcome: Result<T, StoreFault>) -> StoreFault {
    outcome.err().unwrap()
}

fn kinds(disk: &Arc<dyn Disk>) -> Vec<Kind> {
    audit(disk, &[], 0).into_iter().map(|leaf| leaf.kind).collect()
}

#[test]
fn a_ledger_is_made_on_purpose_and_opened_by_one() {
    let empty: Arc<dyn Disk> = Arc::new(SimulatedDisk::default());
    assert_eq!(fault(open(&empty, 1)), StoreFault::Missing("ledger.json".to_owned()));
    let folder = tempfile::tempdir().unwrap();
    for disk in [fresh().1, Arc::new(LocalDisk::new(folder.path()).unwrap())] {
        if disk.list("").unwrap().is_empty() {
            create_ledger(disk.as_ref(), SIZES);
        }
        let (first, _) = open(&disk, 1).unwrap();
        assert_eq!(fault(open(&disk, 2)), StoreFault::InUse);
        first.shut().unwrap();
        open(&disk, 3).unwrap().0.shut().unwrap();
        assert_eq!(kinds(&disk), [Kind::Boot, Kind::Shutdown, Kind::Boot, Kind::Shutdown]);
    }
}

#[test]
fn the_clock_is_watched() {
    let (_, disk) = fresh();
    let (mut ledger, machine) = open(&disk, 1).unwrap();
    machine.pass(59_999);
    ledger.apply().unwrap();
    machine.pass(1);
    ledger.apply().unwrap();
    machine.step(-5001);
    ledger.apply().unwrap();
    machine.step(3_600_000);
    ledger.apply().unwrap();
    drop(ledger);
    assert_eq!(kinds(&disk), [Kind::Boot, Kind::Heartbeat, Kind::ClockStep, Kind::ClockStep]);
    let last_ms = Reader::open(disk.clone()).unwrap().leaf(3).unwrap().time_ms;
    let late = Arc::new(TestMachine::new(2));
    late.step(last_ms.cast_signed() - NOON_MS.cast_signed() - 24 * 3_600_000 - 1);
    let now_ms = last_ms - 24 * 3_600_000 - 1;
    assert_eq!(fault(Ledger::open(disk.clone(), &opening(late.clone()))), StoreFault::ClockBehind { last_ms, now_ms });
    late.step(1);
    Ledger::open(disk.clone(), &opening(late)).unwrap().shut().unwrap();
    assert_eq!(kinds(&disk).len(), 6);
}

#[test]
fn what_no_crash_leaves_is_refused() {
    let (simulated, disk) = fresh();
    let (mut ledger, _) = open(&disk, 1).unwrap();
    let mut answers = Vec::new();
    for request in 0..4 {
        append(&mut ledger, &simulated, &[step(Kind::RequestRefused, request)], &mut answers).unwrap();
    }
    drop(ledger);
    let image = simulated.image();
    let wal = image.files().into_iter().find(|(path, _)| path == "wal/000000.wal").unwrap().1;
    // The last batch may be torn, and nothing before it.
    for (block, is_refused) in [(0, true), (1, true), (4, false)] {
        let mut damaged = (*wal).clone();
        damaged[block * 4096 + 200] ^= 1;
        let mut image = image.clone();
        image.set("wal/000000.wal", damaged);
        let outcome = open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 2);
        assert_eq!(matches!(outcome, Err(StoreFault::Damaged(_))), is_refused, "block {block}: {:?}", outcome.err());
    }
    for path in ["checkpoint", "ledger.json", "wal/000001.wal", "wal/closing.wal"] {
        let mut image = image.clone();
        image.remove(path);
        assert!(open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 2).is_err(), "without `{path}`");
    }
    let changes = [("checkpoint", 5), ("ledger.json", 30), ("tile/0/000.p/1", 3), ("tile/entries/000.p/1", 9), ("bodies/000000.pack", 3)];
    open(&disk, 3).unwrap().0.shut().unwrap();
    let image = simulated.image();
    let size = Reader::open(disk).unwrap().size();
    for (path, place) in changes {
        let path = path.replace(".p/1", &format!(".p/{size}"));
        let mut bytes = (*image.files().into_iter().find(|(name, _)| *name == path).unwrap().1).clone();
        bytes[place] ^= 1;
        let mut image = image.clone();
        image.set(&path, bytes);
        let outcome = open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 4);
        assert!(outcome.is_err(), "a changed `{path}` is opened");
    }
    for path in ["bodies/000000.pack", "keys/000000.keys"] {
        let bytes = (*image.files().into_iter().find(|(name, _)| name == path).unwrap().1).clone();
        let mut image = image.clone();
        image.set(path, bytes[..bytes.len() - 1].to_vec());
        let outcome = open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 4);
        assert!(matches!(outcome, Err(StoreFault::Damaged(_))), "`{path}` without its last byte: {:?}", outcome.err());
    }
}

/// A leaf and its hash changed together fit each other, and not the root that was signed.
#[test]
fn a_tree_of_another_root_is_refused() {
    let (simulated, disk) = fresh();
    open(&disk, 1).unwrap().0.shut().unwrap();
    let size = Reader::open(disk).unwrap().size();
    let mut image = simulated.image();
    let bytes_of = |image: &crate::image::Image, path: &str| (*image.files().into_iter().find(|(name, _)| name == path).unwrap().1).clone();
    let (entries, hashes) = (format!("tile/entries/000.p/{size}"), format!("tile/0/000.p/{size}"));
    let (mut bundle, mut tile) = (bytes_of(&image, &entries), bytes_of(&image, &hashes));
    let length = usize::from(u16::from_be_bytes([bundle[0], bundle[1]]));
    bundle[2 + length - 1] ^= 1;
    tile[..32].copy_from_slice(&sluice_ledger::tree::leaf_hash(&bundle[2..2 + length]));
    image.set(&entries, bundle);
    image.set(&hashes, tile);
    let outcome = open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 2);
    assert_eq!(fault(outcome), StoreFault::Damaged("the tiles do not have the root that the checkpoint names".to_owned()));
}

#[test]
fn what_a_start_saves_for_the_next_is_not_believed() {
    let (simulated, disk) = fresh();
    let (mut ledger, _) = open(&disk, 1).unwrap();
    append(&mut ledger, &simulated, &[step(Kind::RequestAdmitted, 1)], &mut Vec::new()).unwrap();
    ledger.shut().unwrap();
    for text in ["", "{", "{\"standing\":{},\"giving_up\":{}}"] {
        let mut image = simulated.image();
        image.set("standing.json", text.as_bytes().to_vec());
        let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::of(image));
        open(&disk, 2).unwrap().0.shut().unwrap();
        assert_eq!(kinds(&disk).len(), 6, "{text}");
    }
}

#[test]
fn another_key_of_the_log_is_refused() {
    let (_, disk) = fresh();
    let mut wrong = opening(Arc::new(TestMachine::new(1)));
    wrong.signer = Arc::new(Signer::from_seed(ORIGIN, KeyKind::Log, &[8; 32]).unwrap());
    assert!(matches!(Ledger::open(disk.clone(), &wrong), Err(StoreFault::Key(_))));
    let mut ledger = open(&disk, 1).unwrap().0;
    ledger.apply().unwrap();
}

#[test]
fn records_that_do_not_fit_are_refused_and_the_rest_of_the_batch_is_not() {
    let (_, disk) = fresh();
    let (mut ledger, _) = open(&disk, 1).unwrap();
    let hold = |kind, index| Draft::of_record(kind, Target { index, sections: SectionSet::ALL }).unwrap();
    let cases = [
        (step(Kind::RequestCompleted, 1), false),
        (step(Kind::RequestAdmitted, 1), true),
        (step(Kind::RequestAdmitted, 1), false),
        (step(Kind::RequestCompleted, 1), true),
        (step(Kind::ResultPage, 1), false),
        (Draft::new(Kind::Heartbeat).unwrap(), false),
        (Draft::new(Kind::Shutdown).unwrap(), false),
        (erasure(1), false),
        (hold(Kind::LegalHoldReleased, 1), false),
        (hold(Kind::LegalHold, 1), true),
        (hold(Kind::LegalHold, 99), false),
    ];
    let sealed = cases.iter().map(|(draft, _)| ledger.seal(draft).unwrap()).collect();
    let answers = ledger.append(sealed);
    for ((draft, is_taken), answer) in cases.iter().zip(&answers) {
        assert_eq!(answer.is_ok(), *is_taken, "{draft:?}: {answer:?}");
        assert!(answer.is_ok() || matches!(answer, Err(AppendFault::Refused(_))), "{draft:?}: {answer:?}");
    }
    let held = ledger.give_up(ledger.seal(&erasure(1)).unwrap());
    assert!(matches!(held, Err(StoreFault::Refused(_))), "{held:?}");
    assert!(ledger.append(vec![ledger.seal(&hold(Kind::LegalHoldReleased, 1)).unwrap()])[0].is_ok());
    ledger.give_up(ledger.seal(&erasure(1)).unwrap()).unwrap();
    let again = ledger.give_up(ledger.seal(&step(Kind::RequestRefused, 7)).unwrap());
    assert!(matches!(again, Err(StoreFault::Refused(_))), "{again:?}");
    ledger.shut().unwrap();
    audit(&disk, &[], 0);
}

#[test]
fn keys_are_given_up_section_by_section_and_wrapped_anew() {
    let (simulated, disk) = fresh();
    let with = |master: LocalMasterKeys| {
        let mut opening = opening(Arc::new(TestMachine::new(5)));
        opening.master = Arc::new(master);
        Ledger::open(disk.clone(), &opening)
    };
    let mut ledger = with(old_master()).unwrap();
    let mut answers = Vec::new();
    for request in 0..3 {
        append(&mut ledger, &simulated, &[step(Kind::RequestAdmitted, request)], &mut answers).unwrap();
    }
    let told = told(&answers);
    ledger.give_up(ledger.seal(&expiry(told[1].index, SectionId::Request)).unwrap()).unwrap();
    ledger.give_up(ledger.seal(&erasure(told[2].index)).unwrap()).unwrap();
    ledger.shut().unwrap();
    let reader = Reader::open(disk.clone()).unwrap();
    assert!(reader.open_record(told[0].index, &new_master()).is_err(), "the new key alone opens nothing yet");
    let mut ledger = open(&disk, 6).unwrap().0;
    assert!(ledger.rewrap_keys().unwrap() > 4);
    assert_eq!(ledger.rewrap_keys().unwrap(), 0);
    ledger.shut().unwrap();
    let reader = Reader::open(disk.clone()).unwrap();
    let opened = |index| {
        let sections = reader.open_record(index, &new_master()).unwrap().1;
        sections.iter().map(|(_, section)| matches!(section, OpenedSection::Verified(_))).collect::<Vec<_>>()
    };
    assert_eq!([opened(told[0].index), opened(told[1].index), opened(told[2].index)], [[true, true], [true, false], [false, false]]);
    for index in 0..reader.size() {
        assert!(
            reader.open_record(index, &old_master()).is_err() || index == told[2].index,
            "record {index} is still wrapped by the old key"
        );
    }
}

#[test]
fn want_of_space_is_told_from_a_broken_disk() {
    use std::io::ErrorKind;
    let check = |kind: ErrorKind, expect: bool| assert_eq!(sluice_store::disk::is_out_of_space(&kind.into()), expect, "{kind}");
    check(ErrorKind::StorageFull, true);
    check(ErrorKind::QuotaExceeded, true);
    for kind in [ErrorKind::Other, ErrorKind::ReadOnlyFilesystem, ErrorKind::FileTooLarge, ErrorKind::WriteZero, ErrorKind::OutOfMemory] {
        check(kind, false);
    }
}

#[test]
fn an_older_checkpoint_that_was_put_back_is_not_gone_on_from() {
    let (simulated, disk) = fresh();
    let (mut ledger, _) = open(&disk, 1).unwrap();
    ledger.apply().unwrap();
    let older = simulated.published();
    append(&mut ledger, &simulated, &[step(Kind::RequestRefused, 1)], &mut Vec::new()).unwrap();
    ledger.shut().unwrap();
    let mut image = simulated.image();
    image.set("checkpoint", older);
    let wiped = vec![0; usize::try_from(SIZES.regular_bytes).unwrap()];
    ["wal/000000.wal", "wal/000001.wal"].into_iter().for_each(|path| image.set(path, wiped.clone()));
    let outcome = open(&(Arc::new(SimulatedDisk::of(image)) as Arc<dyn Disk>), 2);
    assert_eq!(
        fault(outcome),
        StoreFault::Damaged("`checkpoint` is older than the last one in the history: an older one was put back".to_owned())
    );
}
