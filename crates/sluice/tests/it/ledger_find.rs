//! `sluice ledger find` and `rebuild-index`: what is found is what is there, whatever became of the index.

use crate::desk::{CALLER, Desk};
use crate::program::run;
use serde_json::{Value, json};
use std::path::Path;

/// The numbers of what is found.
fn check(desk: &Desk, more: &[&str], expect: &[u64]) {
    let value = desk.find(&[more, &["--json"]].concat()).json();
    let numbers: Vec<u64> = value["found"].as_array().unwrap().iter().map(|found| found["record"].as_u64().unwrap()).collect();
    assert_eq!(numbers, expect, "{more:?}");
}

/// Three epochs of a request: boot, admitted, page, completed, shutdown.
fn filled(name: &str) -> Desk {
    let desk = Desk::new(name);
    desk.fill().fill().fill();
    desk
}

#[test]
fn records_are_found_by_everything_that_is_asked() {
    let desk = filled("ledger_find");
    check(&desk, &[], &(0..15).collect::<Vec<_>>());
    check(&desk, &["--kind", "boot"], &[0, 5, 10]);
    check(&desk, &["--kind", "boot", "--kind", "result.page", "--after", "4"], &[5, 7, 10, 12]);
    check(&desk, &["--caller", CALLER], &[1, 6, 11]);
    check(&desk, &["--caller", CALLER, "--kind", "boot"], &[]);
    check(&desk, &["--caller", "https://token.actions.githubusercontent.com#repo:octo/other"], &[]);
    check(&desk, &["--request", &"06".repeat(16)], &[6, 7, 8]);
    check(&desk, &["--until", "2020-01-01"], &[]);
    check(&desk, &["--from", "2020-01-01", "--until", "9999-12-31T23:59:59Z", "--kind", "shutdown"], &[4, 9, 14]);
    let value = desk.find(&["--kind", "request.admitted", "--max", "2", "--json"]).json();
    let first = &value["found"][0];
    assert_eq!((&value["records"], &value["go_on_after"], &first["request"]), (&json!(15), &json!(6), &json!("01".repeat(16))));
    let time = first["time"].as_str().unwrap();
    check(&desk, &["--from", time, "--kind", "request.admitted", "--max", "1"], &[first["record"].as_u64().unwrap()]);
    check(&desk, &["--until", time, "--kind", "request.admitted"], &[]);
    desk.find(&["--kind", "request.admitted", "--max", "2"])
        .check(0, &["request 0606", "2 found, there may be more: go on with --after 6"]);
    desk.find(&["--kind", "erasure"]).check(0, &["0 found among 15 records"]);
    desk.act("erase", &["6"]).check(0, &[]);
    check(&desk, &["--caller", CALLER], &[1, 11]);
    desk.find(&["--kind", "erasure"]).check(0, &["about record 6", "1 found"]);
}

#[test]
fn what_cannot_be_asked() {
    let desk = filled("ledger_find_wrong");
    for (more, expect) in [
        (["--kind", "boots"], "kinds are boot, heartbeat"),
        (["--from", "yesterday"], "2026-11-21T09:30:00Z, in UTC"),
        (["--until", "2026-11-21T09:30:00+01:00"], "in UTC"),
        (["--request", "12"], "32 hexadecimal digits"),
        (["--max", "0"], "not in 1..=1000"),
    ] {
        desk.find(&more).check(2, &[expect]);
    }
    // Keys of another ledger, and none at all.
    let other = Desk::new("ledger_find_other_keys");
    run(&["ledger", "find", &desk.path("ledger"), "--keys", &other.path("keys")]).check(1, &["record 1"]);
    run(&["ledger", "find", &desk.path("ledger")]).check(2, &["--keys"]);
}

#[test]
fn an_index_can_be_lost_damaged_or_anothers() {
    let desk = filled("ledger_index");
    let (ledger, keys, index) = (desk.path("ledger"), desk.path("keys"), desk.path("ledger.index.sqlite"));
    let found = || check(&desk, &["--caller", CALLER], &[1, 6, 11]);
    found();
    let good = std::fs::read(&index).unwrap();
    std::fs::remove_file(&index).unwrap();
    found();
    let zeros = good.iter().enumerate().map(|(place, byte)| if place < 4096 { *byte } else { 0 }).collect();
    for damaged in [Vec::new(), good[..good.len() / 2].to_vec(), zeros] {
        std::fs::write(&index, damaged).unwrap();
        found();
    }
    let other = Desk::new("ledger_index_other");
    other.fill().find(&[]).check(0, &["5 found"]);
    std::fs::copy(other.path("ledger.index.sqlite"), &index).unwrap();
    found();
    // A row that was taken out is noticed by nobody, and comes back when the index is made anew.
    let size = std::fs::metadata(&index).unwrap().len();
    let rebuild = ["ledger", "rebuild-index", &ledger, "--keys", &keys];
    let value: Value = run(&[&rebuild[..], &["--json"]].concat()).json();
    assert_eq!((&value["records"], &value["index"]), (&json!(15), &json!(Path::new(&index).canonicalize().unwrap().to_str().unwrap())));
    assert_eq!(std::fs::metadata(&index).unwrap().len(), size);
    found();
    // A backup is searched as well, with an index elsewhere.
    desk.backup("copy").check(0, &[]);
    let elsewhere = desk.path("elsewhere.sqlite");
    run(&["ledger", "rebuild-index", &desk.path("copy"), "--keys", &keys, "--index", &elsewhere]).check(0, &["records  15"]);
}

#[test]
fn no_file_is_taken_for_an_index_that_is_none() {
    let desk = filled("ledger_index_path");
    let (ledger, keys) = (desk.path("ledger"), desk.path("keys"));
    let precious = desk.path("precious");
    for text in [b"the only copy".to_vec(), vec![b'x'; 5000], [b"SQLite format 3\0".as_slice(), &[0; 4080]].concat()] {
        std::fs::write(&precious, &text).unwrap();
        desk.find(&["--index", &precious]).check(2, &["is not an index of a ledger"]);
        run(&["ledger", "rebuild-index", &ledger, "--keys", &keys, "--index", &precious]).check(2, &["is not an index of a ledger"]);
        assert_eq!(std::fs::read(&precious).unwrap(), text);
    }
    desk.find(&["--index", &desk.path("ledger/index.sqlite")]).check(2, &["lies in the ledger"]);
    desk.find(&["--index", &desk.path("nowhere/index.sqlite")]).check(2, &["nowhere/index.sqlite"]);
    assert!(!Path::new(&desk.path("ledger/index.sqlite")).exists());
}
