//! `sluice policy activate`: only what somebody signed comes in force, one after the other.

use crate::program::{Ran, folder, run, starter};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
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

fn rewrite(path: &Path, old: &str, new: &str) {
    std::fs::write(path, std::fs::read_to_string(path).unwrap().replace(old, new)).unwrap();
}
