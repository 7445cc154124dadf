//! Honest ledgers hold, and the report says exactly what is known.

use crate::book::{Book, log_key, master, publish, trust, witness_key};
use crate::clinic::{Clinic, ERASED, EXPIRED, Place, clinic};
use sluice_ledger::record::SectionId;
use sluice_ledger::trust::Trust;
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use sluice_verify::report::{Report, SectionState};

pub fn audit(trust: &Trust) -> Audit<'_> {
    Audit { trust, origin: None, master: None, bodies: true, seen: Vec::new(), unwitnessed_max: None, alive_after_ms: None }
}

fn holds(report: &Report) -> bool {
    assert!(report.holds(), "{report}");
    true
}

#[test]
fn an_honest_ledger_holds() {
    let Clinic { book, sizes, cosigned } = clinic(40);
    let clinic = Clinic { book, sizes, cosigned };
    let place = Place::of(&clinic.files());
    let folder = Folder::open(place.path()).unwrap();
    let (trust, master) = (trust(), master());
    assert!(clinic.size() > 256, "a full tile");

    let sealed = audit(&trust).run(&folder).unwrap();
    assert!(holds(&sealed));
    let keys = Audit { master: Some(&master), ..audit(&trust) };
    let report = keys.run(&folder).unwrap();
    assert!(holds(&report));
    assert_eq!((report.records, report.epochs, report.closed), (clinic.size(), 2, true));
    assert_eq!(report.checkpoints, clinic.sizes.len() as u64);
    let witnessed = report.witnessed.clone().unwrap();
    assert_eq!((witnessed.records, witnessed.times.len()), (clinic.cosigned, 2));

    let all: u64 = clinic.book.rows.iter().enumerate().map(|(index, _)| clinic.book.leaf(index as u64).sections.len() as u64).sum();
    let erased = clinic.book.leaf(ERASED).sections.len() as u64;
    assert_eq!(report.sections.get("ERASED"), Some(&erased));
    assert_eq!(report.sections.get("EXPIRED"), Some(&1));
    assert_eq!(report.sections.get("VERIFIED"), Some(&(all - erased - 1)));
    assert_eq!(sealed.sections.get("SEALED"), Some(&(all - erased - 1)));
    assert_eq!((report.sections.len(), sealed.sections.len()), (3, 3));
}

#[test]
fn the_sections_of_one_record() {
    let clinic = clinic(3);
    let place = Place::of(&clinic.files());
    let folder = Folder::open(place.path()).unwrap();
    let (trust, master) = (trust(), master());
    let audit = Audit { master: Some(&master), ..audit(&trust) };
    let erasure = (0..clinic.size()).find(|index| clinic.book.leaf(*index).kind.word() == "erasure").unwrap();
    let check = |record: u64, section: SectionId, expect: SectionState| {
        let (_, states) = audit.run_for(&folder, record).unwrap();
        let state = states.iter().find(|(id, _)| *id == section).unwrap().1;
        assert_eq!(state, expect, "{record} {}", section.word());
    };
    check(ERASED, SectionId::Identity, SectionState::Erased(erasure));
    check(EXPIRED, SectionId::Recording, SectionState::Expired(erasure + 1));
    check(EXPIRED, SectionId::Result, SectionState::Verified);
    assert_eq!(audit.run_for(&folder, clinic.size()).unwrap().1, []);
}

#[test]
fn what_a_caller_may_demand() {
    let clinic = clinic(3);
    let place = Place::of(&clinic.files());
    let folder = Folder::open(place.path()).unwrap();
    let trust = trust();
    let check = |audit: Audit<'_>, expect: &str| {
        let report = audit.run(&folder).unwrap();
        assert_eq!(report.findings_count, u64::from(!expect.is_empty()), "{report}");
        assert!(report.to_string().contains(expect), "{report}");
    };
    let unwitnessed = clinic.size() - clinic.cosigned;
    check(Audit { unwitnessed_max: Some(unwitnessed), ..audit(&trust) }, "");
    check(Audit { unwitnessed_max: Some(unwitnessed - 1), ..audit(&trust) }, "stand behind the last one that witnesses vouch for");
    // Closed by a shutdown: it owes no sign of life.
    check(Audit { alive_after_ms: Some(u64::MAX), ..audit(&trust) }, "");
    check(Audit { origin: Some(crate::book::ORIGIN), ..audit(&trust) }, "");
    check(Audit { origin: Some("other"), ..audit(&trust) }, "it has to name one log");
    for size in &clinic.sizes {
        check(Audit { seen: vec![("seen".to_owned(), clinic.book.signed(*size).to_string().into_bytes())], ..audit(&trust) }, "");
    }
    let none = Trust::parse(format!("log {}\nquorum none\n", log_key(1).verifier_key()).as_bytes()).unwrap();
    let report = audit(&none).run(&folder).unwrap();
    assert_eq!((report.findings_count, report.witnessed), (2, None), "the two witnesses are strangers to this trust file");
}

#[test]
fn an_open_ledger_owes_a_sign_of_life() {
    let mut book = Book::new();
    book.boot();
    book.heartbeat();
    let mut files = book.files(&[2]);
    publish(&mut files, &[book.signed(2).to_string()]);
    let place = Place::of(&files);
    let folder = Folder::open(place.path()).unwrap();
    let trust = Trust::parse(format!("log {}\nquorum none\n", log_key(1).verifier_key()).as_bytes()).unwrap();
    for (after, expect) in [(book.time_ms, true), (book.time_ms + 1, false)] {
        let report = Audit { alive_after_ms: Some(after), ..audit(&trust) }.run(&folder).unwrap();
        assert_eq!(report.holds(), expect, "{report}");
    }
}

#[test]
fn an_empty_ledger_holds() {
    let book = Book::new();
    let mut files = book.files(&[]);
    publish(&mut files, &[book.signed(0).to_string()]);
    let place = Place::of(&files);
    let trust =
        Trust::parse(format!("log {}\nwitness w {}\nquorum none\n", log_key(1).verifier_key(), witness_key(1).verifier_key()).as_bytes());
    let report = audit(&trust.unwrap()).run(&Folder::open(place.path()).unwrap()).unwrap();
    assert!(holds(&report));
    assert_eq!((report.records, report.sections.len()), (0, 0));
}

/// More than one pack, more than one level of tiles.
#[test]
fn a_longer_ledger_holds() {
    let mut book = Book::new();
    book.boot();
    while book.rows.len() < 4200 {
        book.heartbeat();
    }
    let mut files = book.files(&[300, 4200]);
    publish(&mut files, &[book.signed(300).to_string(), book.cosigned(4200).to_string()]);
    assert!(files.contains_key("bodies/000001.pack") && files.contains_key("tile/1/000.p/16"), "{:?}", files.keys().collect::<Vec<_>>());
    let place = Place::of(&files);
    let (trust, master) = (trust(), master());
    let report = Audit { master: Some(&master), ..audit(&trust) }.run(&Folder::open(place.path()).unwrap()).unwrap();
    assert!(holds(&report));
    assert_eq!(report.sections.get("VERIFIED"), Some(&4200));
}
