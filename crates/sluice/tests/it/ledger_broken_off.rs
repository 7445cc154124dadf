//! Commands on a ledger that somebody else holds or left behind, and commands that are themselves stopped half way.

use crate::desk::{ADMITTED, Desk, SIZES, WHO, admitted, append, request};
use crate::program::{root, run};
use serde_json::json;
use sluice_ledger::layout::{PACK_HEAD_BYTES, PackKind, PackName, PackTable};
use sluice_ledger::record::OpenedSection;
use sluice_store::LocalMachine;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const WRITING: [(&str, &[&str]); 4] = [("hold", &["1"]), ("release", &["2"]), ("erase", &["1"]), ("rotate-keys", &[])];
/// Whether there is anything to do for it is looked up without the lock; a ledger that was not shut always has.
const EXPIRE: (&str, &[&str]) = ("expire", &["--older-than", "1"]);

#[test]
fn nothing_is_written_while_a_gateway_runs() {
    let desk = Desk::new("ledger_in_use");
    desk.fill().act("hold", &["2"]).check(0, &[]);
    let keys = std::fs::read(desk.path("keys/master.keys")).unwrap();
    let mut gateway = desk.open();
    request(&mut gateway, 77);
    gateway.apply().unwrap();
    for (command, more) in WRITING.into_iter().chain([EXPIRE]) {
        desk.act(command, more).check(2, &["another process has the ledger open: stop the gateway first"]);
        let value = desk.act(command, &[more, &["--json"]].concat()).json();
        assert!(value["refused"].as_str().unwrap().contains("stop the gateway"), "{value}");
    }
    assert_eq!(std::fs::read(desk.path("keys/master.keys")).unwrap(), keys, "a refused rotation leaves no key behind");
    // What reads works beside it, up to what is published.
    assert_eq!(desk.status("ledger")["records"], json!(12));
    desk.find(&["--kind", "boot"]).check(0, &["3 found"]);
    desk.prove("1", "proof", &["--show", "meta"]).check(0, &["of 12 records"]);
    assert_eq!(desk.backup("copy").json()["records"], json!(12));
    gateway.shut().unwrap();
    desk.act("hold", &["1"]).check(0, &[]);
}

/// A gateway that was killed: records in the write-ahead log alone, and a request without an end.
#[test]
fn every_command_takes_up_what_a_killed_gateway_left() {
    let commands: [(&str, &[&str]); 3] = [("hold", &["1"]), ("erase", &["1"]), ("rotate-keys", &[])];
    for (number, (command, more)) in commands.into_iter().enumerate() {
        let desk = Desk::new(&format!("ledger_left_{number}"));
        desk.fill();
        let mut gateway = desk.open();
        request(&mut gateway, 77);
        append(&mut gateway, &admitted(78));
        drop(gateway);
        assert_eq!(desk.status("ledger")["records"], json!(5), "nothing of it is published");
        desk.act(command, more).check(0, &[]);
        let value = desk.status("ledger");
        assert_eq!((&value["violations"], &value["running"], &value["open_requests"]), (&json!([]), &json!(false), &json!(0)), "{value}");
        assert_eq!((&value["kinds"]["request.interrupted"], &value["kinds"]["request.completed"]), (&json!(1), &json!(2)));
        assert_eq!(desk.backup("copy").json()["records"], value["records"]);
    }
}

fn opens_all(desk: &Desk) {
    let (reader, master) = (desk.reader(), desk.secrets().master());
    for record in 0..reader.size() {
        let (_, sections) = reader.open_record(record, master.as_ref()).unwrap();
        assert!(sections.iter().all(|(_, section)| matches!(section, OpenedSection::Verified(_))), "record {record}");
    }
}

/// The new key is there, and some secrets are wrapped by it and some by the old one.
#[test]
fn a_rotation_that_was_broken_off_is_finished_by_the_next() {
    let desk = Desk::new("ledger_rotation");
    let old = desk.fill().secrets().master_key().to_string();
    let new = desk.secrets().add_master_key(&LocalMachine::default()).unwrap().to_string();
    desk.fill();
    assert_eq!(desk.backup("copy").json()["master_keys"].as_array().unwrap().len(), 2);
    opens_all(&desk);
    let value = desk.act("rotate-keys", &["--json"]).json();
    assert_eq!((&value["resumed"], &value["master_key"], &value["retired"]), (&json!(true), &json!(new), &json!([old])));
    assert_eq!(desk.secrets().older_master_keys(), []);
    opens_all(&desk);
    assert_eq!(desk.backup("after").json()["master_keys"], json!([new]));
    let value = desk.act("rotate-keys", &["--json"]).json();
    assert_eq!((&value["resumed"], &value["retired"]), (&json!(false), &json!([new])));
}

/// From nearly nothing to somewhat more than a whole run takes here and now.
pub fn delays(whole_run: impl FnOnce()) -> impl Iterator<Item = Duration> {
    let start = Instant::now();
    whole_run();
    let whole = start.elapsed();
    (1..=KILLS).map(move |part| whole * 3 * part / (2 * KILLS))
}

/// Runs it and kills it after so long. Whether it ended before.
pub fn kill_after(arguments: &[&str], delay: Duration) -> bool {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sluice"))
        .args(arguments)
        .current_dir(root())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::park_timeout(delay);
    child.kill().unwrap();
    child.wait().unwrap().success()
}

const KILLS: u32 = 12;

#[test]
fn a_rotation_that_is_killed_loses_no_record() {
    let desk = Desk::new("ledger_rotation_killed");
    let mut gateway = desk.open();
    (0..40).for_each(|number| request(&mut gateway, number));
    gateway.shut().unwrap();
    let (ledger, keys) = (desk.path("ledger"), desk.path("keys"));
    let rotate = [&["ledger", "rotate-keys", &ledger, "--keys", &keys], WHO.as_slice()].concat();
    let mut broken_off = 0;
    for delay in delays(|| run(&rotate).check(0, &[])) {
        broken_off += u32::from(!kill_after(&rotate, delay));
        assert!(desk.secrets().older_master_keys().len() <= 1, "no third key");
        opens_all(&desk);
    }
    assert!(broken_off > 0, "none was killed");
    desk.act("rotate-keys", &[]).check(0, &["master key"]);
    assert_eq!(desk.secrets().older_master_keys(), []);
    opens_all(&desk);
    assert_eq!(desk.status("ledger")["violations"], json!([]));
}

/// A copy is whole, or it is not taken for one.
#[test]
fn a_copy_that_is_killed_is_no_ledger() {
    let desk = Desk::new("ledger_copy_killed");
    let mut gateway = desk.open();
    (0..40).for_each(|number| request(&mut gateway, number));
    gateway.shut().unwrap();
    let whole = desk.status("ledger");
    desk.backup("copy").check(0, &[]);
    let copy = desk.path("copy");
    let mut broken_off = 0;
    for (number, delay) in delays(|| desk.backup("whole").check(0, &[])).enumerate() {
        let (backup, restored) = (desk.path(&format!("backup{number}")), desk.path(&format!("restored{number}")));
        kill_after(&["ledger", "backup", &desk.path("ledger"), &backup], delay);
        let sworn = [&["ledger", "restore", &copy, &restored, "--nothing-after"], WHO.as_slice(), SIZES.as_slice()].concat();
        kill_after(&sworn, delay);
        for folder in [backup, restored] {
            if Path::new(&folder).join("ledger.json").exists() {
                assert_eq!(run(&["ledger", "status", &folder, "--json"]).json(), whole);
            } else {
                broken_off += 1;
                run(&["ledger", "status", &folder]).check(1, &[]);
            }
        }
    }
    assert!(broken_off > 0, "none was killed");
}

/// Every file longer than this many KiB fails, as on a disk that is full.
fn run_with_files_of_kib(kib: u64, arguments: &[&str]) -> (i32, String) {
    let script = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &script, "bash", env!("CARGO_BIN_EXE_sluice")]).args(arguments).current_dir(root());
    let output = command.output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let desk = Desk::new("ledger_no_space");
    desk.fill();
    let (ledger, copy) = (desk.path("ledger"), desk.path("copy"));
    std::fs::create_dir(desk.path("empty")).unwrap();
    let check = |kib: u64, arguments: &[&str], gone: &[&str]| {
        let (code, text) = run_with_files_of_kib(kib, arguments);
        assert!(code == 1 && text.contains("sluice: "), "{arguments:?}: {code} {text}");
        for path in gone {
            let path = desk.path(path);
            let left: Vec<_> = std::fs::read_dir(&path).into_iter().flatten().collect();
            assert!(left.is_empty() && (path.ends_with("empty") || !Path::new(&path).exists()), "{path}: {left:?}");
        }
    };
    let init = |folder: &str, keys: &str| ["ledger", "init", folder, "--keys", keys, "--origin", "x.example.com"].map(str::to_owned);
    let init = init(&desk.path("deep/new"), &desk.path("empty"));
    check(64, &init.iter().map(String::as_str).collect::<Vec<_>>(), &["deep/new", "deep", "empty"]);
    check(16, &["ledger", "backup", &ledger, &desk.path("a/b/copy")], &["a/b/copy", "a"]);
    check(16, &["ledger", "backup", &ledger, &desk.path("empty")], &["empty"]);
    desk.backup("copy").check(0, &[]);
    let again = desk.path("again");
    let sworn = [&["ledger", "restore", &copy, &again, "--nothing-after"], WHO.as_slice()].concat();
    check(64, &sworn, &["again"]);
    check(0, &["ledger", "prove", &ledger, &ADMITTED.to_string(), "--out", &desk.path("proof")], &["proof", "proof.part"]);
    // And with space the same commands are done.
    desk.backup("a/b/copy").check(0, &[]);
    desk.restore("copy", "again", &["--nothing-after"]).check(0, &[]);
    desk.prove("1", "proof", &[]).check(0, &[]);
}

#[test]
fn the_keys_of_another_ledger_are_noticed_at_once() {
    let (desk, other) = (Desk::new("ledger_keys"), Desk::new("ledger_keys_other"));
    desk.fill().act("hold", &["2"]).check(0, &[]);
    let before = desk.status("ledger");
    let (mine, theirs) = (desk.path("keys/master.keys"), other.path("keys/master.keys"));
    let right = std::fs::read(&mine).unwrap();
    std::fs::write(&mine, std::fs::read(&theirs).unwrap()).unwrap();
    for (command, more) in WRITING {
        desk.act(command, more).check(1, &["these are not the master keys of this ledger"]);
    }
    assert_eq!(desk.status("ledger"), before, "nothing was written");
    std::fs::write(&mine, right).unwrap();
    desk.act("hold", &["1"]).check(0, &[]);
    let ledger = desk.path("ledger");
    run(&[&["ledger", "hold", &ledger, "1", "--keys", &other.path("keys")], WHO.as_slice()].concat()).check(1, &["key"]);
}

#[test]
fn a_damaged_backup_is_not_restored() {
    let desk = Desk::new("ledger_damaged");
    let mut gateway = desk.open();
    (0..90).for_each(|number| request(&mut gateway, number));
    gateway.shut().unwrap();
    desk.backup("early").check(0, &[]);
    desk.act("erase", &["2"]).check(0, &[]);
    type Damage = (&'static str, fn(Vec<u8>) -> Option<Vec<u8>>);
    let flip = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        Some(bytes)
    };
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        Some(bytes)
    };
    let zero = |bytes: Vec<u8>| Some(bytes.iter().enumerate().map(|(place, byte)| if place > 32_784 { 0 } else { *byte }).collect());
    let damages: [Damage; 11] = [
        ("bodies/000000.pack", flip),
        ("bodies/000000.pack", cut),
        ("bodies/000000.pack", |_| None),
        ("keys/000000.keys", cut),
        ("keys/000000.keys", zero),
        ("keys/000000.keys", |_| None),
        ("tile/entries/000", flip),
        ("tile/entries/000", |_| None),
        ("checkpoint", flip),
        ("checkpoint", |_| None),
        ("ledger.json", |_| None),
    ];
    for (number, (path, damage)) in damages.into_iter().enumerate() {
        let (copy, again) = (format!("copy{number}"), format!("again{number}"));
        desk.backup(&copy).check(0, &[]);
        let file = desk.path(&format!("{copy}/{path}"));
        match damage(std::fs::read(&file).unwrap()) {
            Some(bytes) => std::fs::write(&file, bytes).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        desk.restore(&copy, &again, &["--nothing-after"]).check(1, &["copy"]);
        assert!(!Path::new(&desk.path(&again)).exists(), "{path}");
    }
    // Keys that come back from a backup of before the erasure.
    desk.backup("whole").check(0, &[]);
    let name = PackName::of(PackKind::Keys, 2);
    let early = std::fs::read(desk.path(&format!("early/{}", name.path()))).unwrap();
    let (start, length) = PackTable::read(name, &early[..PACK_HEAD_BYTES], 3).unwrap().row(2).unwrap();
    let place = usize::try_from(start).unwrap()..usize::try_from(start).unwrap() + length;
    let path = desk.path(&format!("whole/{}", name.path()));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[place.clone()].copy_from_slice(&early[place]);
    std::fs::write(&path, bytes).unwrap();
    desk.restore("whole", "never", &["--nothing-after"]).check(1, &["what is left of the keys of record 2 is not what the records say"]);
}
