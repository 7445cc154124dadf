//! What is found is what is there, and no name stands in the file.

use crate::simulated::SimulatedDisk;
use crate::world::{ORIGIN, SIZES, TestMachine, both_masters, create_ledger, erasure, new_master, open, step, subject};
use sluice_ledger::record::{Draft, Kind, Leaf, SectionId};
use sluice_store::disk::Disk;
use sluice_store::{Index, Ledger, Reader, Scribe, Search, StoreFault};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const ALICE: &str = "https://issuer.example.com#alice";
const BOB: &str = "https://issuer.example.com#bob";

struct Indexed {
    disk: Arc<dyn Disk>,
    ledger: Ledger,
    scribe: Scribe,
    path: PathBuf,
    _folder: TempDir,
}

/// Admitted and refused requests, every third of Alice, and one of an agent on Bob's behalf.
fn indexed(seed: u64) -> Indexed {
    let simulated = SimulatedDisk::default();
    create_ledger(&simulated, SIZES);
    let disk: Arc<dyn Disk> = Arc::new(simulated);
    let (mut ledger, machine) = open(&disk, seed).unwrap();
    for request in 0..30 {
        machine.pass(1000);
        let kind = if request % 2 == 0 { Kind::RequestAdmitted } else { Kind::RequestRefused };
        let draft = match request % 3 {
            0 => identified(step(kind, request), "alice", "[]"),
            _ if request == 7 => identified(step(kind, request), "agent", r#"[{"issuer":"https://issuer.example.com","subject":"bob"}]"#),
            _ => step(kind, request),
        };
        assert!(ledger.append(vec![ledger.seal(&draft).unwrap()])[0].is_ok());
    }
    ledger.apply().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let scribe = Scribe::new(ORIGIN, Arc::new(both_masters()), Arc::new(TestMachine::new(9)));
    Indexed { disk, ledger, scribe, path: folder.path().join("index.sqlite"), _folder: folder }
}

fn identified(draft: Draft, name: &str, on_behalf_of: &str) -> Draft {
    let text = format!(r#"{{"kind":"agent","issuer":"https://issuer.example.com","subject":"{name}","on_behalf_of":{on_behalf_of}}}"#);
    draft.with(SectionId::Identity, text.into_bytes()).unwrap()
}

fn of(principal: &str) -> Search {
    Search { principal: Some(principal.to_owned()), ..Search::default() }
}

/// The index against a look at every leaf.
fn check(world: &Indexed, index: &mut Index, search: &Search, fits: impl Fn(u64, &Leaf) -> bool) {
    let reader = Reader::open(world.disk.clone()).unwrap();
    let mut expect = Vec::new();
    reader
        .each_leaf(0, |number, leaf| {
            expect.extend(fits(number, &leaf).then_some(number));
            Ok(())
        })
        .unwrap();
    let found = index.search(search, &reader, &world.scribe).unwrap();
    assert_eq!(found.iter().map(|found| found.number).collect::<Vec<_>>(), expect, "{search:?}");
}

fn is_of_alice(leaf: &Leaf) -> bool {
    leaf.subject.is_some_and(|subject| crate::world::number(subject).is_multiple_of(3)) && leaf.sections.contains(SectionId::Identity)
}

#[test]
fn what_is_found_is_what_is_there() {
    let mut world = indexed(1);
    let reader = world.ledger.reader().unwrap();
    let mut index = Index::open(&world.path, &reader, &world.scribe).unwrap();
    let noon = crate::world::NOON_MS;
    check(&world, &mut index, &Search::default(), |_, _| true);
    check(&world, &mut index, &Search { subject: Some(subject(4)), ..Search::default() }, |_, leaf| leaf.subject == Some(subject(4)));
    let refused = Search { kinds: vec![Kind::RequestRefused, Kind::Boot], ..Search::default() };
    check(&world, &mut index, &refused, |_, leaf| matches!(leaf.kind, Kind::RequestRefused | Kind::Boot));
    let early = Search { from_ms: Some(noon + 3000), until_ms: Some(noon + 9000), after: Some(4), ..Search::default() };
    check(&world, &mut index, &early, |number, leaf| number > 4 && (3000..9000).contains(&(leaf.time_ms - noon)));
    check(&world, &mut index, &Search { records_max: 3, ..Search::default() }, |number, _| number < 3);
    check(&world, &mut index, &of(ALICE), |_, leaf| is_of_alice(leaf));
    check(&world, &mut index, &of(BOB), |_, leaf| leaf.subject == Some(subject(7)));
    check(&world, &mut index, &of("https://issuer.example.com#nobody"), |_, _| false);
    // What came since is found too, and whoever was erased is not.
    let erased = index.search(&of(ALICE), &reader, &world.scribe).unwrap()[0].number;
    world.ledger.give_up(world.ledger.seal(&erasure(erased)).unwrap()).unwrap();
    world.ledger.apply().unwrap();
    check(&world, &mut index, &of(ALICE), |number, leaf| is_of_alice(leaf) && number != erased);
    check(&world, &mut Index::rebuild(&world.path, &world.ledger.reader().unwrap(), &world.scribe).unwrap(), &of(ALICE), |number, leaf| {
        is_of_alice(leaf) && number != erased
    });
}

#[test]
fn no_name_stands_in_the_file() {
    let world = indexed(1);
    drop(Index::open(&world.path, &world.ledger.reader().unwrap(), &world.scribe).unwrap());
    let bytes = std::fs::read(&world.path).unwrap();
    for name in [b"alice".as_slice(), b"bob", b"issuer.example.com", crate::world::CANARY.as_bytes()] {
        assert!(!bytes.windows(name.len()).any(|window| window == name), "{}", String::from_utf8_lossy(name));
    }
}

/// A file that is damaged, cut off, of another history or under a lost master key is made anew.
#[test]
fn an_index_that_is_wrong_is_made_anew() {
    let world = indexed(1);
    let reader = world.ledger.reader().unwrap();
    drop(Index::open(&world.path, &reader, &world.scribe).unwrap());
    let bytes = std::fs::read(&world.path).unwrap();
    let damages: [(&str, Vec<u8>); 3] = [
        ("empty", Vec::new()),
        ("half", bytes[..bytes.len() / 2].to_vec()),
        ("zeros", bytes.iter().enumerate().map(|(place, byte)| if place > 4096 { 0 } else { *byte }).collect()),
    ];
    for (name, damaged) in damages {
        std::fs::write(&world.path, damaged).unwrap();
        let mut index = Index::open(&world.path, &reader, &world.scribe).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        check(&world, &mut index, &of(ALICE), |_, leaf| is_of_alice(leaf));
    }
    // What does not bear its mark is not thrown away.
    for foreign in [vec![b'x'; 5000], bytes[..70].to_vec(), [&bytes[..68], &[0; 4], &bytes[72..]].concat()] {
        std::fs::write(&world.path, &foreign).unwrap();
        for refused in [Index::open(&world.path, &reader, &world.scribe), Index::rebuild(&world.path, &reader, &world.scribe)] {
            assert!(matches!(refused.err(), Some(StoreFault::Refused(text)) if text.contains("is not an index of a ledger")));
        }
        assert_eq!(std::fs::read(&world.path).unwrap(), foreign);
    }
    std::fs::write(&world.path, &bytes).unwrap();
    let connection = rusqlite::Connection::open(&world.path).unwrap();
    connection.execute("UPDATE records SET kind = 1 WHERE number = 5", []).unwrap();
    drop(connection);
    let mut index = Index::open(&world.path, &reader, &world.scribe).unwrap();
    check(&world, &mut index, &Search { kinds: vec![Kind::Boot], ..Search::default() }, |_, leaf| leaf.kind == Kind::Boot);
    drop(index);
    let other = indexed(2);
    drop(Index::open(&other.path, &other.ledger.reader().unwrap(), &other.scribe).unwrap());
    std::fs::copy(&other.path, &world.path).unwrap();
    check(&world, &mut Index::open(&world.path, &reader, &world.scribe).unwrap(), &of(BOB), |_, leaf| leaf.subject == Some(subject(7)));
    let renewed = Scribe::new(ORIGIN, Arc::new(new_master()), Arc::new(TestMachine::new(10)));
    let mut index = Index::open(&world.path, &reader, &renewed).unwrap();
    assert_eq!(index.search(&of(BOB), &reader, &renewed).unwrap().len(), 1);
}
