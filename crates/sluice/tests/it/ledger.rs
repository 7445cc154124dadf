//! `sluice ledger`: each command on a ledger that the store made.

use crate::desk::{ADMITTED, Desk, WHO};
use crate::program::run;
use serde_json::{Value, json};
use sluice_ledger::layout::{PackKind, PackName, Slot};
use sluice_ledger::proof::Proof;
use sluice_ledger::record::{Disclosure, Kind, SectionId};
use sluice_ledger::tree::leaf_hash;
use sluice_ledger::trust::Trust;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_ledger_is_made_once_and_by_command() {
    let desk = Desk::new("ledger_init");
    let mode = |name: &str| std::fs::metadata(desk.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("keys"), mode("keys/log.seed"), mode("keys/master.keys")), (0o700, 0o600, 0o600));
    desk.init().check(2, &["is not empty"]);
    let (other, keys) = (desk.path("other"), desk.path("keys"));
    run(&["ledger", "init", &other, "--keys", &keys, "--origin", "x"]).check(2, &["keys: is not empty"]);
    for inside in ["other", "other/keys", "other/../other/keys", "."] {
        run(&["ledger", "init", &other, "--keys", &desk.path(inside), "--origin", "x"]).check(2, &["a folder of their own"]);
    }
    run(&["ledger", "init", &other, "--keys", &desk.path("k"), "--origin", "a b"]).check(2, &["`a b` cannot be the name"]);
    assert!(!Path::new(&other).exists() && !Path::new(&desk.path("k")).exists());
    run(&["ledger", "status", &desk.path("nowhere")]).check(1, &["nowhere"]);
    run(&["ledger", "status", &desk.path("keys")]).check(1, &["`ledger.json` is missing: no ledger"]);
}

#[test]
fn keys_that_others_may_read_are_refused() {
    let desk = Desk::new("ledger_modes");
    for (name, mode) in [("keys/master.keys", 0o640), ("keys/log.seed", 0o604), ("keys", 0o755)] {
        let path = desk.path(name);
        let right = std::fs::metadata(&path).unwrap().permissions();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        desk.act("rotate-keys", &[]).check(1, &["is open to others"]);
        std::fs::set_permissions(&path, right).unwrap();
    }
    desk.act("rotate-keys", &[]).check(0, &["master key"]);
}

#[test]
fn the_status_says_what_there_is() {
    let desk = Desk::new("ledger_status");
    let new = desk.status("ledger");
    assert_eq!((&new["records"], &new["epoch"], &new["violations"]), (&json!(0), &json!(0), &json!([])));
    desk.fill().fill();
    let value = desk.status("ledger");
    let kinds = json!({ "boot": 2, "request.admitted": 2, "request.completed": 2, "result.page": 2, "shutdown": 2 });
    assert_eq!((&value["records"], &value["epoch"], &value["kinds"]), (&json!(10), &json!(2), &kinds));
    assert_eq!((&value["open_requests"], &value["running"], &value["violations"]), (&json!(0), &json!(false), &json!([])));
    run(&["ledger", "status", &desk.path("ledger")]).check(0, &["records       10", "2 (closed in good order)", "0 open, 0 waiting"]);
}

#[test]
fn a_proof_convinces_without_the_ledger() {
    let desk = Desk::new("ledger_prove");
    let record = desk.fill().reader().leaf(ADMITTED).unwrap();
    desk.prove("1", "shown", &["--show", "meta"]).check(0, &["1 (request.admitted)", "of 5 records", "meta"]);
    let trust = Trust::parse(format!("log {}\nquorum none\n", desk.secrets().signer().verifier_key()).as_bytes()).unwrap();
    let proof = Proof::parse(&std::fs::read(desk.path("shown")).unwrap()).unwrap();
    let (leaf, disclosure) = Disclosure::read(proof.extra.as_ref().unwrap()).unwrap();
    proof.verify(&leaf_hash(&leaf.bytes()), &trust).unwrap();
    assert_eq!((disclosure.check(&leaf), &leaf), (Ok(()), &record));
    let shown: Vec<(SectionId, Value)> =
        disclosure.shown.iter().map(|shown| (shown.section, serde_json::from_slice(&shown.plaintext).unwrap())).collect();
    let meta = json!({ "api": "bigquery.jobs.query", "connection": null, "outcome": "permitted" });
    assert_eq!(shown, [(SectionId::Meta, meta)]);
    // Nothing of what is not shown.
    assert!(!String::from_utf8_lossy(&std::fs::read(desk.path("shown")).unwrap()).contains("octo"));

    desk.prove("1", "shown", &[]).check(2, &["is there already, and nothing is written over"]);
    desk.prove("5", "none", &[]).check(2, &["there is no record 5; the signed checkpoint covers 5"]);
    desk.prove("1", "none", &["--show", "policy"]).check(2, &["section `policy` is not part of the record"]);
    desk.prove("1", "none", &["--show", "metadata"]).check(2, &["sections are meta, identity"]);
    assert!(!Path::new(&desk.path("none")).exists());
    let value = desk.prove("2", "json", &["--json"]).json();
    assert_eq!(value, json!({ "record": 2, "kind": "result.page", "checkpoint_records": 5, "shown": [] }));
}

#[test]
fn what_is_erased_cannot_be_read_and_still_proves() {
    let desk = Desk::new("ledger_erase");
    let before = desk.fill().reader();
    let Slot::Keys(wrapped) = before.slot(ADMITTED).unwrap() else { panic!("the record has keys") };
    desk.act("hold", &["1", "--json"]).check(0, &["\"by_record\":6"]);
    desk.act("erase", &["1"]).check(2, &["record 1 is held by record 6 and may not be erased"]);
    assert_eq!(desk.status("ledger")["records"], json!(8), "a refusal begins no epoch");
    desk.act("release", &["1"]).check(0, &["legal_hold.released"]);
    desk.act("release", &["1"]).check(2, &["no hold stands on record 1"]);
    let value = desk.act("erase", &["1", "--section", "identity", "--basis", "GDPR Art. 17", "--json"]).json();
    assert_eq!((&value["sections"], &value["kind"]), (&json!(["identity"]), &json!("erasure")));
    desk.prove("1", "identity", &["--show", "identity"]).check(2, &["section `identity` was given up"]);
    desk.prove("1", "meta", &["--show", "meta"]).check(0, &["meta"]);

    desk.act("erase", &["1", "--section", "identity"]).check(2, &["record 1 is given up already, by record 12"]);
    desk.act("erase", &["1"]).check(0, &["erasure"]);
    desk.act("erase", &["1"]).check(2, &["record 1 is given up already, by record"]);
    desk.act("erase", &["999"]).check(2, &["there is no record 999"]);
    desk.prove("1", "none", &["--show", "meta"]).check(2, &["section `meta` was given up"]);
    desk.prove("1", "bare", &[]).check(0, &["nothing but that it exists"]);
    let pack = std::fs::read(desk.folder.join("ledger").join(PackName::of(PackKind::Keys, ADMITTED).path())).unwrap();
    assert!(!pack.windows(wrapped.len()).any(|window| window == wrapped), "the wrapped secret still lies in the pack");
    assert_eq!(desk.status("ledger")["violations"], json!([]));
}

#[test]
fn a_new_master_key_opens_the_old_records() {
    let desk = Desk::new("ledger_rotate");
    let old = desk.fill().secrets().master_key().to_string();
    let value = desk.act("rotate-keys", &["--json"]).json();
    assert_eq!(value["retired"], json!([old]));
    assert_ne!(value["master_key"], json!(old));
    let keys = std::fs::read_to_string(desk.path("keys/master.keys")).unwrap();
    assert!(!keys.contains(&old) && keys.lines().count() == 1, "{} keys are left", keys.lines().count());
    desk.prove("1", "meta", &["--show", "meta"]).check(0, &["meta"]);
    let record = value["by_record"].to_string();
    desk.prove(&record, "change", &["--show", "meta"]).check(0, &["admin.action"]);
    let proof = Proof::parse(&std::fs::read(desk.path("change")).unwrap()).unwrap();
    let (_, disclosure) = Disclosure::read(&proof.extra.unwrap()).unwrap();
    let change: Value = serde_json::from_slice(&disclosure.shown[0].plaintext).unwrap();
    let details = json!({ "from": old, "to": value["master_key"] });
    assert_eq!((&change["by"], &change["reason"], &change["details"]), (&json!("ana"), &json!("because"), &details));
}

#[test]
fn a_backup_is_whole_and_becomes_a_ledger() {
    let desk = Desk::new("ledger_backup");
    let copied = desk.fill().backup("copy").json();
    assert_eq!((&copied["records"], desk.status("copy")), (&json!(5), desk.status("ledger")));
    desk.backup("copy").check(2, &["is not empty"]);
    desk.backup("ledger/copy").check(2, &["lies in the ledger"]);
    desk.backup("ledger").check(2, &["lies in the ledger"]);
    // It is not written to: that takes a restore.
    let (copy, keys) = (desk.path("copy"), desk.path("keys"));
    assert_eq!(run(&[&["ledger", "hold", &copy, "1", "--keys", &keys], WHO.as_slice()].concat()).code, 1);

    desk.restore("copy", "again", &[]).check(2, &["--last"]);
    desk.restore("copy", "again", &["--nothing-after"]).check(0, &["records     5"]);
    std::fs::rename(desk.path("ledger"), desk.path("lost")).unwrap();
    std::fs::rename(desk.path("again"), desk.path("ledger")).unwrap();
    desk.fill();
    let (leaf, sections) = desk.reader().open_record(5, desk.secrets().master().as_ref()).unwrap();
    assert_eq!((leaf.kind, leaf.epoch), (Kind::Boot, 2));
    let text = format!("{sections:?}");
    let sluice_ledger::record::OpenedSection::Verified(meta) = &sections[0].1 else { panic!("{text}") };
    let meta: Value = serde_json::from_slice(meta).unwrap();
    assert_eq!(meta["restored"], json!({ "by": "ana", "reason": "because", "nothing_after": "sworn" }));
    assert_eq!(desk.status("ledger")["violations"], json!([]));
    desk.prove("1", "meta", &["--show", "meta"]).check(0, &["meta"]);
}

#[test]
fn no_second_history_is_begun_from_an_old_backup() {
    let desk = Desk::new("ledger_restore");
    desk.fill().backup("copy").check(0, &[]);
    let early = std::fs::read(desk.path("ledger/checkpoint")).unwrap();
    std::fs::write(desk.path("early"), early).unwrap();
    desk.fill();
    let late = desk.path("ledger/checkpoint");
    desk.restore("copy", "a", &["--last", &late]).check(2, &["the backup holds 5 records, and a checkpoint of 10", "second history"]);
    desk.restore("copy", "b", &["--last", &desk.path("early")]).check(0, &["records     5"]);
    let forged = desk.path("forged");
    std::fs::write(&forged, std::fs::read_to_string(&late).unwrap().replace("\n10\n", "\n5\n")).unwrap();
    desk.restore("copy", "c", &["--last", &forged]).check(1, &["checkpoint"]);
    // A byte of a body, and the copy is none.
    let pack = desk.path("copy/bodies/000000.pack");
    let mut bytes = std::fs::read(&pack).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    desk.restore("copy", "d", &["--nothing-after"]).check(1, &["damaged"]);
    assert!(!Path::new(&desk.path("d/ledger.json")).exists());
}

#[test]
fn only_known_formats_are_opened_and_upgraded() {
    let desk = Desk::new("ledger_upgrade");
    let ledger = desk.path("ledger");
    run(&["ledger", "upgrade", &ledger]).check(0, &["2, the newest is 2: nothing to do"]);
    let value = run(&["ledger", "upgrade", &ledger, "--try-only", "--json"]).json();
    assert_eq!(value, json!({ "from": 2, "to": 2, "done": false }));
    let path = desk.path("ledger/ledger.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("\"format\": 2", "\"format\": 3");
    std::fs::write(&path, &text).unwrap();
    run(&["ledger", "upgrade", &ledger]).check(2, &["format 3"]);
    desk.act("rotate-keys", &[]).check(2, &["format 3"]);
    run(&["ledger", "status", &ledger]).check(2, &["format 3, this version reads 2"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn every_command_teaches() {
    let commands =
        ["init", "status", "find", "prove", "hold", "release", "erase", "rotate-keys", "backup", "restore", "rebuild-index", "upgrade"];
    run(&["ledger", "--help"]).check(0, &[&["Exit codes", "Stop the gateway first"], commands.as_slice()].concat());
    for command in commands {
        run(&["ledger", command, "--help"]).check(0, &["Example", "sluice ledger", "--json", "LEDGER"]);
    }
}

/// Who and why are shown to others as they were written, or not taken; names out of a folder are written out.
#[test]
fn a_terminal_shows_what_is_there() {
    let desk = Desk::new("ledger_plain");
    let (ledger, keys) = (desk.path("named"), desk.path("named-keys"));
    let made = run(&["ledger", "init", &ledger, "--keys", &keys, "--origin", "one\u{202e}two"]);
    made.check(0, &["origin        one\\u{202e}two\n"]);
    let status = run(&["ledger", "status", &ledger]);
    status.check(0, &["origin        one\\u{202e}two\n"]);
    assert!(![made.out, status.out].concat().contains('\u{202e}'));
    for (by, reason) in [("ops\u{1b}[2K", "r"), ("ops", "a\u{202e}b"), ("ops", "a\nb"), ("o\u{2028}ps", "r"), ("ops", " ")] {
        let ran = run(&["ledger", "hold", &ledger, "0", "--keys", &keys, "--by", by, "--reason", reason]);
        assert!(ran.code == 2 && ran.err.contains("it is "), "{by:?} {reason:?}: {} {}", ran.code, ran.err);
    }
    let nowhere = run(&["ledger", "status", &desk.path("no\u{1b}[2Jwhere")]);
    assert!(nowhere.code == 1 && nowhere.err.contains("no\\u{1b}[2Jwhere") && !nowhere.err.contains('\u{1b}'), "{:?}", nowhere.err);
}
