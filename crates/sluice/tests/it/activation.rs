//! `sluice policy activate`: only what somebody signed comes in force, one after the other.

use crate::desk;
use crate::program::{Ran, folder, run, starter};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sluice_ledger::record::{Kind, OpenedSection, SectionId};
use std::path::{Path, PathBuf};

struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Desk {
        let folder = folder(name);
        let keys = [("ana", 1), ("ben", 2)].map(|(name, seed)| format!("{name} = \"{}\"\n", STANDARD.encode(pair(seed).public_key())));
        std::fs::write(folder.join("sluice.toml"), format!("[policy.keys]\n{}", keys.concat())).unwrap();
        Desk { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn draft(&self, set: &str, more: &[&str]) -> Ran {
        let config = self.path("");
        let text = self.path("text");
        // Nothing that is there is written over.
        std::fs::remove_file(&text).ok();
        run(&[&["policy", "activate", set, "--config", &config, "--draft", &text], more].concat())
    }

    /// Signs what `draft` wrote.
    fn activate(&self, set: &str, seed: u8) -> Ran {
        let signature = pair(seed).sign(&std::fs::read(self.path("text")).unwrap());
        std::fs::write(self.path("signature"), signature.as_ref()).unwrap();
        self.record(set)
    }

    fn record(&self, set: &str) -> Ran {
        let (config, text, signature) = (self.path(""), self.path("text"), self.path("signature"));
        run(&["policy", "activate", set, "--config", &config, "--signed", &text, "--signature", &signature])
    }

    fn activate_with(&self, set: &str, seed: u8, ledger: &desk::Desk) -> Ran {
        let signature = pair(seed).sign(&std::fs::read(self.path("text")).unwrap());
        std::fs::write(self.path("signature"), signature.as_ref()).unwrap();
        let (config, text, signature) = (self.path(""), self.path("text"), self.path("signature"));
        let (folder, keys) = (ledger.path("ledger"), ledger.path("keys"));
        let signed = ["policy", "activate", set, "--config", &config, "--signed", &text, "--signature", &signature];
        run(&[&signed[..], &["--ledger", &folder, "--keys", &keys]].concat())
    }

    fn records(&self) -> Vec<serde_json::Value> {
        let record = |number: usize| std::fs::read(self.path(&format!("activations/{number:06}.json"))).ok();
        (1..).map_while(record).map(|bytes| serde_json::from_slice(&bytes).unwrap()).collect()
    }
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

const BY_ANA: [&str; 4] = ["--by", "ana", "--reason", "masks for the new columns"];

#[test]
fn a_chain_of_activations_names_who_and_what_changed() {
    let desk = Desk::new("activate_chain");
    let first = starter(&desk.folder.join("first"), &[]);
    desk.draft(&first, &BY_ANA)
        .check(0, &["sluice policy activation, format 1\nset sha256:", "nothing was in force before\n", "signed within 15 minutes"]);
    desk.activate(&first, 1).check(0, &["starter sha256:", "is in force, by ana: masks for the new columns\n"]);
    let second = starter(
        &desk.folder.join("second"),
        &[
            ("labels.toml", "mask = \"last_four\"", "mask = \"sha256\""),
            ("agents.cedar", "@id(\"agents-count\")", "@id(\"agents-counting\")"),
        ],
    );
    let changes = ["changed label `national_id`\n", "removed rule `agents-count`\n", "added rule `agents-counting`\n"];
    desk.draft(&second, &["--by", "ben", "--reason", "hash it"]).check(0, &changes);
    desk.activate(&second, 2).check(0, &changes);
    let records = desk.records();
    let of = |record: &serde_json::Value| (record["by"].as_str().unwrap().to_owned(), record["changes"].as_array().unwrap().len());
    assert_eq!(records.iter().map(of).collect::<Vec<_>>(), [("ana".to_owned(), 0), ("ben".to_owned(), 3)]);
    // The sets are kept by their digests.
    for record in records {
        let kept = desk.folder.join("activations/sets").join(record["set"].as_str().unwrap().replace(':', "-"));
        run(&["policy", "check", kept.to_str().unwrap()]).check(0, &[record["set"].as_str().unwrap()]);
    }
    // A set in shadow is recorded too, and leaves what is in force.
    desk.draft(&first, &[&BY_ANA[..], &["--shadow"]].concat()).check(0, &["\nas shadow\n"]);
    desk.activate(&first, 1).check(0, &["is in shadow, by ana"]);
    assert_eq!(desk.records().last().unwrap()["as"], "shadow");
}

#[test]
fn what_is_not_signed_so_does_not_come_in_force() {
    let desk = Desk::new("activate_refused");
    let set = starter(&desk.folder.join("set"), &[]);
    desk.draft(&set, &["--by", "eve", "--reason", "r"]).check(1, &["no key of `eve`"]);
    desk.draft(&set, &["--by", "ana", "--reason", " "]).check(1, &["the reason is empty"]);
    desk.draft(&set, &BY_ANA).check(0, &[]);
    desk.activate(&set, 2).check(1, &["not activated: the signature is not of this text by that key"]);
    let text = std::fs::read_to_string(desk.path("text")).unwrap();
    for (old, new, expect) in [
        ("by ana", "by eve", "no key of `eve` is configured"),
        ("as in force", "as  in force", "it is not an activation"),
        ("\nat 1", "\nat ", "it was signed more than"),
        ("after none", &format!("after sha256:{}", "0".repeat(64)), "it does not follow the activation in force"),
    ] {
        std::fs::write(desk.path("text"), text.replace(old, new)).unwrap();
        desk.activate(&set, 1).check(1, &[expect]);
    }
    // The folder holds something else than what was signed.
    let other = starter(&desk.folder.join("other"), &[("labels.toml", "\"last_four\"", "\"sha256\"")]);
    std::fs::write(desk.path("text"), &text).unwrap();
    desk.activate(&other, 1).check(1, &["what was signed is sha256:"]);
    assert_eq!(desk.records().len(), 0);
    // Played again, it follows nothing.
    desk.activate(&set, 1).check(0, &[]);
    desk.record(&set).check(1, &["it does not follow the activation in force"]);
    assert_eq!(desk.records().len(), 1);
}

#[test]
fn a_record_that_was_changed_stops_the_next() {
    let desk = Desk::new("activate_tampered");
    let set = starter(&desk.folder.join("set"), &[]);
    desk.draft(&set, &BY_ANA).check(0, &[]);
    desk.activate(&set, 1).check(0, &[]);
    let file = desk.path("activations/000001.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    for (old, new, expect) in [
        ("by ana\\n", "by ben\\n", "the signature is not of this text"),
        ("\"format\": 1", "\"format\": 2", "of another format"),
        ("as in force\\n", "as shadow\\n", "the signature is not of this text"),
    ] {
        assert!(whole.contains(old), "{whole}");
        std::fs::write(&file, whole.replace(old, new)).unwrap();
        desk.draft(&set, &BY_ANA).check(1, &["000001.json", expect]);
    }
    std::fs::write(&file, &whole).unwrap();
    let kept = std::fs::read_dir(desk.path("activations/sets")).unwrap().next().unwrap().unwrap().path();
    rewrite(&kept.join("labels.toml"), "last_four", "first_four");
    desk.draft(&set, &BY_ANA).check(1, &["it is not what was activated"]);
}

/// The `meta` and `policy` of every activation that is on record.
fn on_record(ledger: &desk::Desk) -> Vec<(Value, Value)> {
    let (reader, master) = (ledger.reader(), ledger.secrets().master());
    let mut found = Vec::new();
    for index in 0..reader.size() {
        let (leaf, sections) = reader.open_record(index, master.as_ref()).unwrap();
        let of = |wanted: SectionId| match sections.iter().find(|(section, _)| *section == wanted) {
            Some((_, OpenedSection::Verified(text))) => serde_json::from_slice(text).unwrap(),
            other => panic!("{other:?}"),
        };
        if leaf.kind == Kind::PolicyActivate {
            found.push((of(SectionId::Meta), of(SectionId::Policy)));
        }
    }
    found
}

#[test]
fn an_activation_is_recorded_before_it_counts() {
    let (desk, ledger) = (Desk::new("activate_recorded"), desk::Desk::new("activate_ledger"));
    let first = starter(&desk.folder.join("first"), &[]);
    desk.draft(&first, &BY_ANA).check(0, &[]);
    desk.activate_with(&first, 1, &ledger).check(0, &["is in force, by ana", "\non record: 1\n"]);
    let second = starter(&desk.folder.join("second"), &[("labels.toml", "mask = \"last_four\"", "mask = \"sha256\"")]);
    desk.draft(&second, &["--by", "ben", "--reason", "hash it"]).check(0, &[]);
    desk.activate_with(&second, 2, &ledger).check(0, &["changed label `national_id`", "\non record: 4\n"]);
    let (found, files) = (on_record(&ledger), desk.records());
    assert_eq!((found.len(), files.len()), (2, 2));
    for ((meta, policy), file) in found.iter().zip(&files) {
        assert_eq!((&meta["by"], &meta["reason"], &meta["details"]["set"]), (&file["by"], &file["reason"], &file["set"]));
        // With these anybody who has the key of the signer can check the record.
        assert_eq!((&policy["text"], &policy["signature"], &policy["changes"]), (&file["text"], &file["signature"], &file["changes"]));
    }
    assert_eq!(found[1].1["changes"].as_array().unwrap().len(), 1);
    assert_eq!((&found[0].0["details"]["after"], &found[1].0["details"]["as"]), (&json!("none"), &json!("in force")));
}

#[test]
fn what_a_gateway_kept_off_the_ledger_is_recorded_by_the_next() {
    let (desk, ledger) = (Desk::new("activate_later"), desk::Desk::new("activate_later_ledger"));
    let set = starter(&desk.folder.join("set"), &[]);
    let gateway = ledger.open();
    desk.draft(&set, &BY_ANA).check(0, &[]);
    desk.activate_with(&set, 1, &ledger).check(0, &["is in force", "not on record yet: the gateway that holds the ledger records it"]);
    gateway.shut().unwrap();
    assert_eq!(on_record(&ledger), []);
    desk.draft(&set, &["--by", "ben", "--reason", "without a ledger"]).check(0, &[]);
    desk.activate(&set, 2).check(0, &["not on record yet: a gateway that runs records it within a second"]);
    desk.draft(&set, &["--by", "ana", "--reason", "with one"]).check(0, &[]);
    desk.activate_with(&set, 1, &ledger).check(0, &["on record: 3, 4, 5\n"]);
    let reasons: Vec<Value> = on_record(&ledger).into_iter().map(|(meta, _)| meta["reason"].clone()).collect();
    assert_eq!(reasons, ["masks for the new columns", "without a ledger", "with one"]);
    // Each once.
    desk.draft(&set, &BY_ANA).check(0, &[]);
    desk.activate_with(&set, 1, &ledger).check(0, &[]);
    assert_eq!(on_record(&ledger).len(), 4);
}

#[test]
fn what_cannot_be_recorded_does_not_come_in_force() {
    let (desk, ledger) = (Desk::new("activate_unrecorded"), desk::Desk::new("activate_unrecorded_ledger"));
    let set = starter(&desk.folder.join("set"), &[]);
    desk.draft(&set, &BY_ANA).check(0, &[]);
    let keys = ledger.path("keys/master.keys");
    let whole = std::fs::read(&keys).unwrap();
    std::fs::write(&keys, "x").unwrap();
    desk.activate_with(&set, 1, &ledger).check(1, &["not activated: ", "master.keys"]);
    assert_eq!(desk.records().len(), 0);
    std::fs::write(&keys, whole).unwrap();
    // What nobody signed is not recorded either.
    desk.activate_with(&set, 2, &ledger).check(1, &["the signature is not of this text"]);
    assert_eq!(on_record(&ledger), []);
    desk.activate_with(&set, 1, &ledger).check(0, &["on record: "]);
}

fn rewrite(path: &Path, old: &str, new: &str) {
    std::fs::write(path, std::fs::read_to_string(path).unwrap().replace(old, new)).unwrap();
}

/// Whoever signs sees the text that is signed, and it is where they said.
#[test]
fn a_draft_is_what_its_reader_sees_and_a_new_file() {
    let desk = Desk::new("activate_draft");
    let set = starter(&desk.folder.join("set"), &[]);
    for reason in ["a\u{1b}[2K\rb", "a\u{202e}b", "a\u{2028}b", "a\u{200b}b", "a\nb", " "] {
        desk.draft(&set, &["--by", "ana", "--reason", reason]).check(1, &["the reason is"]);
        assert!(!Path::new(&desk.path("text")).exists(), "{reason:?}");
    }
    let config = desk.path("");
    let draft = |to: &str| run(&[&["policy", "activate", &set, "--config", &config, "--draft", to], &BY_ANA[..]].concat());
    let (kept, link, dangling) = (desk.path("kept"), desk.path("link"), desk.path("dangling"));
    std::fs::write(&kept, "kept").unwrap();
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    std::os::unix::fs::symlink(desk.path("made"), &dangling).unwrap();
    for there in [&kept, &link, &dangling] {
        draft(there).check(1, &["exists"]);
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "kept");
    assert!(!Path::new(&desk.path("made")).exists());
    draft(&desk.path("new")).check(0, &["signed within 15 minutes"]);
}
