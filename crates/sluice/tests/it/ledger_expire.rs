//! Retention: what is old is given up, each record by one of its own; what is held, young, or not a caller's stays.

use crate::desk::{Desk, WHO, admitted, append, request};
use crate::ledger_broken_off::{delays, kill_after};
use crate::program::run;
use serde_json::{Value, json};
use sluice_ledger::clock::Moment;
use sluice_ledger::layout::Slot;
use sluice_ledger::record::{Draft, Kind, SectionId};
use sluice_ledger::trust::Trust;
use sluice_store::{LocalMachine, Machine, StoreFault};
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use sluice_verify::report::{Report, SectionState};
use std::path::Path;
use std::sync::Arc;

const DAY_MS: u64 = 86_400_000;

/// A machine of so many days ago.
struct Earlier(LocalMachine, u64);

impl Machine for Earlier {
    fn moment(&self) -> Moment {
        let now = self.0.moment();
        Moment { wall_ms: now.wall_ms - self.1 * DAY_MS, ..now }
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), StoreFault> {
        self.0.random(bytes)
    }
}

/// Records 1 and 2, 4 and 5, ... have sections; the end of a request has none.
fn old_requests(desk: &Desk, days: u64, requests: u8) {
    let mut ledger = desk.open_by(Arc::new(Earlier(LocalMachine::default(), days)));
    (0..requests).for_each(|number| request(&mut ledger, number));
    append(&mut ledger, &Draft::new(Kind::AuthnFail).unwrap().with(SectionId::Meta, b"{}".to_vec()).unwrap());
    append(&mut ledger, &Draft::new(Kind::AdminAction).unwrap().with(SectionId::Meta, b"{}".to_vec()).unwrap());
    ledger.shut().unwrap();
}

fn expire(desk: &Desk, more: &[&str]) -> Value {
    let ran = desk.act("expire", &[more, &["--json"]].concat());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    ran.json()
}

/// What `sluice-verify` says, master keys in hand.
fn verify(desk: &Desk, folder: &str, record: u64) -> (Report, Vec<(SectionId, SectionState)>) {
    let secrets = desk.secrets();
    let trust = Trust::parse(format!("log {}\nquorum none\n", secrets.signer().verifier_key()).as_bytes()).unwrap();
    let master = secrets.master();
    let audit = Audit {
        trust: &trust,
        origin: None,
        master: Some(master.as_ref()),
        bodies: true,
        seen: Vec::new(),
        unwitnessed_max: None,
        alive_after_ms: None,
    };
    audit.run_for(&Folder::open(Path::new(&desk.path(folder))).unwrap(), record).unwrap()
}

fn count(report: &Report, state: &str) -> u64 {
    assert!(report.holds(), "{report}");
    report.sections.get(state).copied().unwrap_or_default()
}

#[test]
fn what_is_older_expires_and_a_verifier_says_so() {
    let desk = Desk::new("expire_old");
    old_requests(&desk, 500, 3);
    desk.fill().act("hold", &["4"]).check(0, &[]);
    let before = count(&verify(&desk, "ledger", 0).0, "VERIFIED");
    let size = desk.reader().size();
    // Looking changes nothing, and a length of time that nothing is as old as begins no epoch.
    for (more, expect) in [(&["--older-than", "400", "--dry-run"][..], json!([1, 2, 5, 7, 8, 10])), (&["--older-than", "501"], json!([]))] {
        let value = expire(&desk, more);
        assert_eq!((&value["records"], &value["by_records"]), (&expect, &json!([])), "{value}");
        assert_eq!(desk.reader().size(), size, "{more:?}");
    }
    let value = expire(&desk, &["--older-than", "400"]);
    assert_eq!((&value["records"], &value["held"]), (&json!([1, 2, 5, 7, 8, 10]), &json!([4])), "{value}");
    let by: Vec<u64> = serde_json::from_value(value["by_records"].clone()).unwrap();
    assert_eq!(by.len(), 6);
    let reader = desk.reader();
    let given_up: u64 = [1, 2, 5, 7, 8, 10].iter().map(|record| reader.leaf(*record).unwrap().sections.len() as u64).sum();
    let (report, states) = verify(&desk, "ledger", 1);
    assert_eq!((count(&report, "EXPIRED"), count(&report, "ERASED")), (given_up, 0));
    // What stays, and the boot and six records that this run wrote.
    assert_eq!(count(&report, "VERIFIED"), before - given_up + 7);
    assert_eq!(states, [SectionId::Meta, SectionId::Identity].map(|section| (section, SectionState::Expired(by[0]))));
    for (record, by) in [1, 2, 5, 7, 8, 10].into_iter().zip(&by) {
        assert_eq!(reader.slot(record).unwrap(), Slot::Gone { leaf: *by });
    }
    // Held, not a caller's, young: still there.
    for record in [4, 11, 14] {
        assert!(matches!(reader.slot(record).unwrap(), Slot::Keys(_)), "record {record}");
    }
    let size = reader.size();
    let again = expire(&desk, &["--older-than", "400"]);
    assert_eq!((&again["records"], &again["held"], desk.reader().size()), (&json!([]), &json!([4]), size));
    desk.act("release", &["4"]).check(0, &[]);
    assert_eq!(expire(&desk, &["--older-than", "400"])["records"], json!([4]));
    assert_eq!(count(&verify(&desk, "ledger", 0).0, "EXPIRED"), given_up + reader.leaf(4).unwrap().sections.len() as u64);
    assert_eq!(desk.status("ledger")["violations"], json!([]));
    // A copy made now says the same.
    assert_eq!(desk.backup("copy").code, 0);
    assert!(verify(&desk, "copy", 0).0.holds());
}

#[test]
fn names_may_go_before_the_rest() {
    let desk = Desk::new("expire_sections");
    old_requests(&desk, 100, 2);
    desk.act("erase", &["1", "--section", "meta"]).check(0, &[]);
    assert_eq!(expire(&desk, &["--older-than", "90", "--section", "identity"])["records"], json!([1, 4]));
    let (report, states) = verify(&desk, "ledger", 4);
    assert_eq!((count(&report, "EXPIRED"), count(&report, "ERASED")), (2, 1));
    assert!(
        matches!(states[..], [(SectionId::Meta, SectionState::Verified), (SectionId::Identity, SectionState::Expired(_))]),
        "{states:?}"
    );
    let value = expire(&desk, &["--older-than", "90"]);
    assert_eq!(value["records"], json!([2, 4, 5, 7]), "of record 1 nothing is left");
    let (report, _) = verify(&desk, "ledger", 0);
    assert_eq!((count(&report, "EXPIRED"), count(&report, "ERASED")), (6, 1));
}

#[test]
fn what_makes_no_sense_is_refused() {
    let desk = Desk::new("expire_refused");
    old_requests(&desk, 10, 1);
    for days in ["0", "-1", "x", "36526"] {
        desk.act("expire", &["--older-than", days]).check(2, &["--older-than"]);
    }
    desk.act("expire", &["--older-than", "1", "--section", "nothing"]).check(2, &["nothing"]);
    let held = desk.open();
    desk.act("expire", &["--older-than", "1"]).check(2, &["stop the gateway first"]);
    held.shut().unwrap();
    run(&["ledger", "expire", &desk.path("ledger"), "--keys", &desk.path("keys"), "--older-than", "1"]).check(2, &["--by", "--reason"]);
    desk.act("expire", &["--older-than", "1"]).check(0, &["expired    3 records", "(retention.expired)"]);
}

/// Killed anywhere: the next run finishes it, and each record expires once.
#[test]
fn a_run_that_is_killed_is_finished_by_the_next() {
    let desk = Desk::new("expire_killed");
    let mut ledger = desk.open_by(Arc::new(Earlier(LocalMachine::default(), 500)));
    (0..150).for_each(|number| request(&mut ledger, number));
    append(&mut ledger, &admitted(200));
    ledger.shut().unwrap();
    let keys = desk.path("keys");
    let copy = |number: usize| {
        let folder = desk.path(&format!("ledger{number}"));
        let copied = std::process::Command::new("cp").args(["-r", &desk.path("ledger"), &folder]).status().unwrap();
        assert!(copied.success());
        folder
    };
    let arguments = |folder: &str| {
        let fixed = ["ledger", "expire", folder, "--keys", &keys, "--older-than", "400", "--json"];
        [&fixed[..], &WHO[..]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let strings = |arguments: &[String]| run(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let mut broken_off = 0;
    let whole = copy(0);
    for (number, delay) in (1..).zip(delays(|| strings(&arguments(&whole)).check(0, &[]))) {
        let folder = copy(number);
        let arguments = arguments(&folder);
        let ended = kill_after(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), delay);
        let rest = strings(&arguments).json();
        let rest = rest["records"].as_array().unwrap().len();
        broken_off += usize::from(!ended && rest < 301);
        let (report, _) = verify(&desk, &format!("ledger{number}"), 0);
        let word = |kind: &str| run(&["ledger", "status", &folder, "--json"]).json()["kinds"][kind].clone();
        assert_eq!((word("retention.expired"), report.holds()), (json!(301), true), "{delay:?}: {report}");
        assert_eq!(strings(&arguments).json()["records"], json!([]));
    }
    // Which ones depends on the machine; that none does would say that nothing is tested here.
    assert!(broken_off > 0, "none was killed in its middle");
}
