//! A ledger and its keys in a folder of one test, and the commands on it.

use crate::program::{Ran, folder, run};
use serde_json::{Value, json};
use sluice_ledger::record::content::{Meta, Page, Steps};
use sluice_ledger::record::{Draft, Kind, SectionId, Subject};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LocalMachine, Machine, Opening, Reader, Secrets};
use std::path::PathBuf;
use std::sync::Arc;

pub const SIZES: [&str; 4] = ["--segment-bytes", "262144", "--reserve-bytes", "65536"];
pub const WHO: [&str; 4] = ["--by", "ana", "--reason", "because"];
/// Of `fill`: behind `boot`.
pub const ADMITTED: u64 = 1;
/// Who calls in every request of `fill`.
pub const CALLER: &str = "https://token.actions.githubusercontent.com#repo:octo/etl";
const IDENTITY: &str =
    r#"{"kind":"ci","issuer":"https://token.actions.githubusercontent.com","subject":"repo:octo/etl","name":"octo/etl"}"#;

pub struct Desk {
    pub folder: PathBuf,
}

impl Desk {
    pub fn new(name: &str) -> Desk {
        let desk = Desk { folder: folder(name) };
        desk.init().check(0, &["ledger.example.com/one+"]);
        desk
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    pub fn init(&self) -> Ran {
        let (ledger, keys) = (self.path("ledger"), self.path("keys"));
        run(&[&["ledger", "init", &ledger, "--keys", &keys, "--origin", "ledger.example.com/one"], SIZES.as_slice()].concat())
    }

    pub fn secrets(&self) -> Secrets {
        Secrets::open(&self.folder.join("keys")).unwrap()
    }

    /// What a gateway would hold: nobody else writes until it is dropped.
    pub fn open(&self) -> Ledger {
        self.open_by(Arc::new(LocalMachine::default()))
    }

    pub fn open_by(&self, machine: Arc<dyn Machine>) -> Ledger {
        let secrets = self.secrets();
        let opening = Opening { signer: secrets.signer(), master: secrets.master(), machine, boot: json!({}), free_bytes_min: 0 };
        Ledger::open(Arc::new(LocalDisk::new(&self.folder.join("ledger")).unwrap()), &opening).unwrap()
    }

    /// One request, from its admission to its end, in an epoch of its own.
    pub fn fill(&self) -> &Desk {
        let mut ledger = self.open();
        let number = u8::try_from(ledger.size()).unwrap();
        request(&mut ledger, number);
        ledger.shut().unwrap();
        self
    }

    pub fn reader(&self) -> Reader {
        Reader::open(Arc::new(LocalDisk::new(&self.folder.join("ledger")).unwrap())).unwrap()
    }

    pub fn status(&self, folder: &str) -> Value {
        run(&["ledger", "status", &self.path(folder), "--json"]).json()
    }

    pub fn act(&self, command: &str, more: &[&str]) -> Ran {
        let (ledger, keys) = (self.path("ledger"), self.path("keys"));
        run(&[&["ledger", command, &ledger, "--keys", &keys], WHO.as_slice(), more].concat())
    }

    pub fn prove(&self, record: &str, out: &str, more: &[&str]) -> Ran {
        let (ledger, keys, out) = (self.path("ledger"), self.path("keys"), self.path(out));
        run(&[&["ledger", "prove", &ledger, record, "--keys", &keys, "--out", &out], more].concat())
    }

    pub fn backup(&self, to: &str) -> Ran {
        run(&["ledger", "backup", &self.path("ledger"), &self.path(to), "--json"])
    }

    pub fn find(&self, more: &[&str]) -> Ran {
        run(&[&["ledger", "find", &self.path("ledger"), "--keys", &self.path("keys")], more].concat())
    }

    pub fn restore(&self, from: &str, to: &str, more: &[&str]) -> Ran {
        run(&[&["ledger", "restore", &self.path(from), &self.path(to)], WHO.as_slice(), SIZES.as_slice(), more].concat())
    }
}

pub fn request(ledger: &mut Ledger, number: u8) {
    let steps = Steps { subject: Subject([number; 16]) };
    let page = steps.page(&Page::new(0, 5, 80, &[1; 32], Vec::new())).unwrap();
    let completed = Draft::of_request(Kind::RequestCompleted, steps.subject).unwrap();
    for draft in [admitted(number), page, completed] {
        append(ledger, &draft);
    }
}

pub fn admitted(number: u8) -> Draft {
    let meta = Meta { api: "bigquery.jobs.query".to_owned(), outcome: "permitted".to_owned(), ..Meta::default() };
    let draft = Draft::of_request(Kind::RequestAdmitted, Subject([number; 16])).unwrap().with_content(&meta).unwrap();
    draft.with(SectionId::Identity, IDENTITY.as_bytes().to_vec()).unwrap()
}

pub fn append(ledger: &mut Ledger, draft: &Draft) -> u64 {
    let record = ledger.seal(draft).unwrap();
    ledger.append(vec![record]).pop().unwrap().unwrap().index
}
