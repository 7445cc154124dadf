//! `sluice credentials`: what it writes, and what comes on record where no gateway runs.

use crate::program::{Ran, folder, run};
use serde_json::Value;
use sluice_store::Reader;
use sluice_store::disk::LocalDisk;
use std::path::PathBuf;
use std::sync::Arc;

const CONFIGURATION: &str = r#"
[server]
plain = "127.0.0.1:8080"
public_url = "https://sluice.example"
[ledger]
folder = "ledger"
keys = "keys"
[state]
folder = "state"
[connections.warehouse]
projects = ["acme-prod"]
credential = { kind = "open" }
[identity]
audiences = ["https://sluice.example"]
[identity.access]
issuer = "https://sluice.example"
[[identity.issuers]]
name = "company"
shape = "oidc"
url = "https://login.acme.example"
kind = "person"
"#;
const WHO: [&str; 4] = ["--by", "ana", "--reason", "its driver takes nothing else"];
const SIZES: [&str; 4] = ["--segment-bytes", "262144", "--reserve-bytes", "65536"];

struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Desk {
        let desk = Desk { folder: folder(name) };
        std::fs::write(desk.folder.join("sluice.toml"), CONFIGURATION).unwrap();
        run(&[&["ledger", "init", &desk.path("ledger"), "--keys", &desk.path("keys"), "--origin", "ledger.example.com/one"], &SIZES[..]]
            .concat())
        .check(0, &[]);
        desk
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn credentials(&self, command: &str, more: &[&str]) -> Ran {
        run(&[&["credentials", command, "--config", &self.path("")], more].concat())
    }

    fn issue(&self, out: &str, more: &[&str]) -> Ran {
        let (soon, out) = (soon(), self.path(out));
        let given = ["--name", "nightly", "--project", "acme-prod", "--out", &out];
        let expires = if more.contains(&"--expires") { vec![] } else { vec!["--expires", soon.as_str()] };
        self.credentials("issue", &[&given, WHO.as_slice(), &expires, more].concat())
    }

    fn ledger(&self) -> [String; 4] {
        ["--ledger".to_owned(), self.path("ledger"), "--keys".to_owned(), self.path("keys")]
    }

    fn admin_actions(&self) -> usize {
        let reader = Reader::open(Arc::new(LocalDisk::new(&self.folder.join("ledger")).unwrap())).unwrap();
        (0..reader.size()).filter(|index| reader.leaf(*index).unwrap().kind.word() == "admin.action").count()
    }
}

/// A month from now.
fn soon() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    sluice_ledger::date::text(u64::try_from(now.as_millis()).unwrap() + 30 * 24 * 3_600_000)
}

#[test]
fn files_are_issued_listed_and_revoked_on_record() {
    let desk = Desk::new("credentials_recorded");
    desk.issue("a.json", &[]).check(1, &["`sluice init` makes it"]);
    run(&["init", "--config", &desk.path("")]).check(0, &[]);
    desk.credentials("list", &[]).check(0, &["none was issued\n"]);
    desk.issue("a.json", &["--group", "etl", "--kind", "pipeline"])
        .check(0, &["nightly@acme-prod.sluice.invalid, until ", "not on record yet"]);
    let file: Value = serde_json::from_slice(&std::fs::read(desk.path("a.json")).unwrap()).unwrap();
    assert_eq!((&file["token_uri"], &file["universe_domain"]), (&"https://sluice.example/v1/token".into(), &Value::Null));
    desk.credentials("list", &[]).check(0, &["pipeline, groups: etl", "by ana: its driver takes nothing else", "1 acts not on record yet"]);
    let ledger = desk.ledger();
    let ledger: Vec<&str> = ledger.iter().map(String::as_str).collect();
    // The one before is recorded with it.
    desk.issue("b.json", &ledger).check(0, &["on record: "]);
    assert_eq!(desk.admin_actions(), 2);
    let id = file["private_key_id"].as_str().unwrap();
    desk.credentials("revoke", &[&["--id", id], WHO.as_slice(), &ledger].concat())
        .check(0, &[&format!("revoked: {id}, by ana"), "on record: "]);
    assert_eq!(desk.admin_actions(), 3);
    desk.credentials("revoke", &[&["--id", id], WHO.as_slice()].concat()).check(2, &["refused: ", "is revoked already"]);
    desk.credentials("revoke", &[&["--id", "x"], WHO.as_slice()].concat()).check(2, &["there is no credential `x`"]);
    let listed = desk.credentials("list", &["--json"]).json();
    let mut serving: Vec<bool> = listed["credentials"].as_array().unwrap().iter().map(|one| one["serves"].as_bool().unwrap()).collect();
    serving.sort_unstable();
    assert_eq!((serving, &listed["not_on_record"]), (vec![false, true], &0.into()));
    // What was done stands, whatever becomes of its record.
    std::fs::remove_dir_all(desk.path("keys")).unwrap();
    desk.issue("c.json", &ledger).check(1, &["nightly@acme-prod.sluice.invalid, until ", "not on record: "]);
    assert_eq!(desk.credentials("list", &["--json"]).json()["not_on_record"], 1);
}

#[test]
fn what_cannot_be_meant_is_not_issued() {
    let desk = Desk::new("credentials_refused");
    run(&["init", "--config", &desk.path("")]).check(0, &[]);
    let check = |code: i32, more: &[&str], expect: &str| {
        desk.issue("x.json", more).check(code, &[expect]);
        assert!(!desk.folder.join("x.json").exists(), "{more:?}");
    };
    check(1, &["--expires", "2020-01-01"], "at most 366 days");
    check(1, &["--expires", "2999-01-01"], "at most 366 days");
    check(1, &["--expires", "tomorrow"], "`tomorrow` is no date");
    check(2, &["--kind", "person"], "person");
    check(1, &["--gateway", "http://10.0.0.1:8080"], "without TLS it would show tokens");
    check(1, &["--gateway", "https://sts.googleapis.com"], "that is Google");
    check(1, &["--gateway", "https://a@sluice.example"], "no address of a gateway");
    check(1, &["--universe-domain", "googleapis.com"], "is Google's");
    check(1, &["--universe-domain", "A B"], "universe domain");
    check(1, &["--group", "a\u{202e}b"], "groups");
    desk.credentials("list", &[]).check(0, &["none was issued\n"]);
    let without = CONFIGURATION.replace("[identity.access]\nissuer = \"https://sluice.example\"\n", "");
    std::fs::write(desk.folder.join("sluice.toml"), without).unwrap();
    check(1, &[], "[identity.access] is missing");
}
