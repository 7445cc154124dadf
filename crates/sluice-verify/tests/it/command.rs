//! The program itself: exit codes, texts, JSON.

use crate::store::{World, request};
use sluice_ledger::proof::Proof;
use sluice_ledger::record::Disclosure;
use sluice_ledger::tree::inclusion_proof;
use std::path::Path;
use std::process::{Command, Output};

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_sluice-verify")).args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_whole_ledger_and_one_record() {
    let world = World::new();
    let mut ledger = world.open();
    let first = request(&mut ledger, 1);
    ledger.apply().unwrap();
    let reader = ledger.reader().unwrap();
    let leaf = reader.leaf(first).unwrap();
    let disclosure = Disclosure {
        rows: sluice_ledger::record::Body::read(&reader.record(first).unwrap().body).unwrap().rows().copied().collect(),
        shown: Vec::new(),
    };
    let proof = Proof {
        extra: Some(disclosure.bytes(&leaf)),
        index: first,
        hashes: inclusion_proof(&reader.nodes(), first, reader.size()).unwrap(),
        checkpoint: reader.checkpoint().to_string(),
    };
    ledger.shut().unwrap();
    let (folder, trust, keys) = (world.ledger(), world.trust(), world.keys().join("master.keys"));
    let whole = ["ledger", text(&folder), "--trust", text(&trust)];
    let with = |more: &[&str]| run(&[&whole[..], more].concat());

    let (code, out, _) = with(&[]);
    assert!(code == Some(0) && out.starts_with("VERIFIED  ledger.example.com/store\n") && out.contains("SEALED"), "{out}");
    let (code, out, _) = with(&["--master-keys", text(&keys), "--record", &first.to_string()]);
    assert!(code == Some(0) && out.contains("section request    VERIFIED"), "{out}");
    let (code, out, _) = with(&["--json", "--record", &first.to_string()]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &value["verdict"], &value["record"]["meta"]), (Some(0), &"VERIFIED".into(), &"SEALED".into()), "{out}");
    assert!(value["not_evidence"].as_array().is_some_and(|list| !list.is_empty()), "{out}");

    let file = world.place.path().join("one.tlog-proof");
    std::fs::write(&file, proof.to_string()).unwrap();
    let single = ["proof", text(&file), "--trust", text(&trust)];
    let (code, out, _) = run(&single);
    assert!(
        code == Some(0) && out.starts_with(&format!("VERIFIED  record {first} of")) && out.contains("section request: not shown"),
        "{out}"
    );
    let (code, out, _) = run(&[&single[..], &["--json"]].concat());
    assert_eq!((code, serde_json::from_str::<serde_json::Value>(&out).unwrap()["kind"].clone()), (Some(0), "request.admitted".into()));
    std::fs::write(&file, proof.to_string().replace("index 1", "index 2")).unwrap();
    let (code, out, _) = run(&single);
    assert!(code == Some(1) && out.starts_with("FAIL  the proof leads to another root"), "{out}");
    assert_eq!(run(&[&single[..], &["--json"]].concat()).0, Some(1));

    let (code, _, error) = with(&["--record", "99"]);
    assert!(code == Some(2) && error.contains("there is no record 99"), "{error}");
    // Another master key opens nothing, and that is one line.
    let strange = world.place.path().join("strange.keys");
    std::fs::write(&strange, format!("abababab {}\n", "cd".repeat(32))).unwrap();
    let (code, out, _) = with(&["--master-keys", text(&strange)]);
    let expect = "FAIL record 0 and 5 more: wrapped by master key `";
    assert!(code == Some(1) && out.contains(expect) && out.contains("which was not given: not opened"), "{out}");

    // What a store leaves that is killed while it writes a file anew.
    for working in ["checkpoint.new", "standing.json.new"] {
        std::fs::write(folder.join(working), "half of i").unwrap();
    }
    assert_eq!(with(&[]).0, Some(0));

    std::fs::write(folder.join("tile/0/extra"), "x").unwrap();
    let (code, out, _) = with(&[]);
    assert!(code == Some(1) && out.starts_with("FAIL  ") && out.contains("FAIL tile/0/extra: does not belong to a ledger"), "{out}");
    assert_eq!(with(&["--json"]).0, Some(1));
}

#[test]
fn what_cannot_be_judged() {
    let world = World::new();
    let (folder, trust) = (world.ledger(), world.trust());
    let nowhere = world.place.path().join("nowhere");
    for (arguments, expect) in [
        (vec!["ledger", text(&folder), "--trust", text(&nowhere)], "nowhere"),
        (vec!["ledger", text(&nowhere), "--trust", text(&trust)], "nowhere"),
        (vec!["ledger", text(&folder), "--trust", text(&trust), "--master-keys", text(&trust)], "each line has an id"),
        (vec!["ledger", text(&folder)], "--trust"),
        (vec!["proof", text(&nowhere), "--trust", text(&trust)], "nowhere"),
    ] {
        let (code, out, error) = run(&arguments);
        assert!(code == Some(2) && out.is_empty() && error.contains(expect), "{arguments:?} {out} {error}");
    }
}

#[test]
fn the_key_of_a_witness() {
    let world = World::new();
    let file = world.place.path().join("witness.key");
    let (code, out, _) = run(&["witness-key", "--name", "w.example.com", "--out", text(&file)]);
    assert!(code == Some(0) && out.starts_with("witness NAME w.example.com+"), "{out}");
    let signer = sluice_verify::secrets::witness(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(out.trim_end(), format!("witness NAME {}", signer.verifier_key()));
    assert_eq!(run(&["witness-key", "--name", "w.example.com", "--out", text(&file)]).0, Some(2), "nothing is written over");
    assert_eq!(run(&["witness-key", "--name", "two words", "--out", text(&world.place.path().join("other"))]).0, Some(2));
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// A name that clears the screen, and one that goes on in a line of its own: the report says what they are.
#[test]
fn names_of_files_do_not_write_the_report() {
    let world = World::new();
    world.open().shut().unwrap();
    let (folder, trust) = (world.ledger(), world.trust());
    for name in ["\u{1b}[2J\u{1b}[HVERIFIED", "x\nVERIFIED  another", "\u{202e}DEIFIREV"] {
        std::fs::write(folder.join(name), b"").unwrap();
    }
    let (code, out, _) = run(&["ledger", text(&folder), "--trust", text(&trust)]);
    assert_eq!(code, Some(1), "{out}");
    let hostile: Vec<char> = out.chars().filter(|letter| *letter != '\n' && sluice_hostile(*letter)).collect();
    assert!(hostile.is_empty() && !out.lines().any(|line| line.starts_with("VERIFIED")), "{out:?}");
    for shown in ["\\u{1b}[2J\\u{1b}[HVERIFIED: does not", "x\\u{a}VERIFIED  another: does not", "\\u{202e}DEIFIREV: does not"] {
        assert!(out.contains(shown), "{shown}: {out}");
    }
    let facts = folder.join("ledger.json");
    let written = std::fs::read_to_string(&facts).unwrap();
    std::fs::write(&facts, written.replacen("ledger.example.com/store", "\\u001b[2J\\u202e", 1)).unwrap();
    let (_, out, _) = run(&["ledger", text(&folder), "--trust", text(&trust)]);
    assert!(out.contains("it is the ledger `\\u{1b}[2J\\u{202e}`") && !out.contains('\u{1b}'), "{out:?}");
}

fn sluice_hostile(letter: char) -> bool {
    letter.is_control() || ('\u{2028}'..='\u{202e}').contains(&letter)
}
