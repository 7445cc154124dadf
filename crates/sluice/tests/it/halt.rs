//! `sluice halt`: what it writes, what a gateway beside it sees, what comes on record.

use crate::program::{Ran, folder, root, run};
use serde_json::json;
use sluice_model::{CallerKind, Principal, TableName};
use sluice_policy::{Bundle, Circumstances, Halt, Known, Method, Outcome, PolicySet, ReasonKind, Request, Resource, Work};
use sluice_store::disk::LocalDisk;
use sluice_store::{HaltFile, Ledger, LocalMachine, Opening, Reader, Secrets};
use std::path::PathBuf;
use std::sync::Arc;

const ANA: &str = "https://login.acme.example/realms/main#7a1c";
const BEN: &str = "https://login.acme.example/realms/main#93fe";
const WHO: [&str; 4] = ["--by", "ana", "--reason", "its token leaked"];

struct Desk {
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Desk {
        let folder = folder(name);
        let text = std::fs::read_to_string(root().join("examples/configuration/sluice.toml")).unwrap();
        std::fs::write(folder.join("sluice.toml"), text).unwrap();
        Desk { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    fn halt(&self, more: &[&str]) -> Ran {
        run(&[&["halt", "--config", &self.path("")], more].concat())
    }

    fn with_ledger(&self, more: &[&str]) -> Ran {
        self.halt(&[more, &["--ledger", &self.path("ledger"), "--keys", &self.path("keys")]].concat())
    }

    /// As a gateway holds it.
    fn open_ledger(&self) -> Ledger {
        let secrets = Secrets::open(&self.folder.join("keys")).unwrap();
        let opening = Opening {
            signer: secrets.signer(),
            master: secrets.master(),
            machine: Arc::new(LocalMachine::default()),
            boot: json!({}),
            free_bytes_min: 0,
        };
        Ledger::open(Arc::new(LocalDisk::new(&self.folder.join("ledger")).unwrap()), &opening).unwrap()
    }

    fn admin_actions(&self) -> Vec<u64> {
        let reader = Reader::open(Arc::new(LocalDisk::new(&self.folder.join("ledger")).unwrap())).unwrap();
        (0..reader.size()).filter(|index| reader.leaf(*index).unwrap().kind.word() == "admin.action").collect()
    }
}

#[test]
fn who_is_halted_is_said_by_whom_and_why() {
    let desk = Desk::new("halt_words");
    let caller = |name: &'static str| [&["--caller", name], &WHO[..]].concat();
    desk.halt(&caller(ANA)).check(1, &["halts is not there: `sluice halt --init` makes it"]);
    desk.halt(&["--init"]).check(0, &["nobody is halted"]);
    desk.halt(&["--init"]).check(1, &["halts"]);
    desk.halt(&["--list"]).check(0, &["nobody is halted\n"]);
    desk.halt(&caller(ANA)).check(0, &[&format!("halted: caller {ANA}, by ana: its token leaked\n"), "not on record yet"]);
    desk.halt(&[&["--everyone"], &WHO[..]].concat()).check(0, &["halted: everyone, by ana"]);
    desk.halt(&["--list"]).check(0, &["everyone: since ", &format!("caller {ANA}: since "), "2 not on record yet\n"]);
    let said = desk.halt(&["--list", "--json"]).json();
    assert_eq!((said["halted"].as_array().map(Vec::len), said["not_on_record"].as_u64()), (Some(2), Some(2)));
    desk.halt(&[&["--release", "--everyone"], &WHO[..]].concat()).check(0, &["lifted: everyone, by ana: its token leaked\n"]);
    desk.halt(&[&["--release"], &caller(BEN)[..]].concat()).check(2, &[&format!("refused: caller {BEN} is not halted")]);
    desk.halt(&["--list"]).check(0, &[&format!("caller {ANA}: since ")]);
}

#[test]
fn a_halt_that_would_stop_nobody_or_names_nobody_is_refused() {
    let desk = Desk::new("halt_refused");
    desk.halt(&["--init"]).check(0, &[]);
    let stranger = ["--caller", "https://login.acme.example/realms/mian#7a1c"];
    desk.halt(&[&stranger, &WHO[..]].concat()).check(1, &["would stop nobody", "https://login.acme.example/realms/main"]);
    desk.halt(&[&["--caller", "ana"], &WHO[..]].concat()).check(1, &["it is issuer, `#`, subject"]);
    desk.halt(&["--caller", ANA, "--by", "ana"]).check(2, &["--reason"]);
    desk.halt(&["--everyone", "--by", "ana", "--reason", " "]).check(1, &["the reason is empty"]);
    desk.halt(&[&["--everyone", "--caller", ANA], &WHO[..]].concat()).check(2, &["cannot be used with"]);
    desk.halt(&["--release"]).check(2, &["--caller"]);
    desk.halt(&["--list"]).check(0, &["nobody is halted\n"]);
    let damaged = std::fs::read_to_string(desk.path("halts")).unwrap().replace("halts 1", "halts 9");
    std::fs::write(desk.path("halts"), damaged).unwrap();
    desk.halt(&[&["--everyone"], &WHO[..]].concat()).check(1, &["a gateway that reads it refuses everything"]);
}

#[test]
fn acts_come_on_record_when_the_ledger_is_free() {
    let desk = Desk::new("halt_recorded");
    desk.halt(&["--init"]).check(0, &[]);
    let (ledger, keys) = (desk.path("ledger"), desk.path("keys"));
    let sizes = ["--segment-bytes", "262144", "--reserve-bytes", "65536"];
    run(&[&["ledger", "init", &ledger, "--keys", &keys, "--origin", "ledger.example.com/one"], &sizes[..]].concat()).check(0, &[]);
    let held = desk.open_ledger();
    // The gateway holds the ledger: the halt stands all the same.
    desk.with_ledger(&[&["--everyone"], &WHO[..]].concat()).check(0, &["halted: everyone", "the gateway that holds the ledger records it"]);
    held.shut().unwrap();
    assert_eq!(desk.admin_actions(), [0; 0]);
    // The one before is recorded with it.
    desk.with_ledger(&[&["--caller", ANA], &WHO[..]].concat()).check(0, &["halted: caller", "on record: "]);
    let recorded = desk.admin_actions();
    assert_eq!(recorded.len(), 2);
    desk.with_ledger(&[&["--release", "--everyone"], &WHO[..]].concat()).check(0, &["lifted: everyone", "on record: "]);
    assert_eq!(desk.admin_actions().len(), 3);
    assert_eq!(HaltFile::open(&desk.folder.join("halts")).unwrap().current().unwrap().unrecorded().count(), 0);
    // What stands does not wait for a record that cannot be made.
    std::fs::remove_dir_all(&keys).unwrap();
    desk.with_ledger(&[&["--everyone"], &WHO[..]].concat()).check(1, &["halted: everyone", "not on record: "]);
    desk.halt(&["--list"]).check(0, &["everyone: since ", "1 not on record yet\n"]);
}

/// A gateway, as far as it goes by the file: it reads it for every decision.
#[test]
fn the_next_decision_sees_it() {
    let desk = Desk::new("halt_seen");
    desk.halt(&["--init"]).check(0, &[]);
    let file = HaltFile::open(&desk.folder.join("halts")).unwrap();
    let rules = "@id(\"all\") @reason(\"r\") permit (principal, action in [Action::\"connect\", Action::\"Read\"], resource);";
    let files =
        [("policy.toml", "format = 1\nname = \"x\"\n[cost]\nmicros_per_tib = 1"), ("labels.toml", "format = 1"), ("a.cedar", rules)];
    let set = PolicySet::load(&Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())))).unwrap();
    let decide = |subject: &str| {
        let halts = file.current().unwrap();
        let halt = Halt::new(halts.everyone().is_some(), halts.callers().map(|(name, _)| name.to_owned()));
        let (issuer, subject) = subject.split_once('#').unwrap();
        let principal = Principal {
            kind: CallerKind::Person,
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            name: subject.to_owned(),
            groups: Default::default(),
            run: None,
            facts: Default::default(),
            delegation: None,
            grants: Vec::new(),
        };
        let resource = Resource::Table(TableName::new("p", "d", "t"));
        let page = Method::plain("tabledata.list", resource);
        let request = Request {
            connection: "c".to_owned(),
            project: "p".to_owned(),
            work: Work::Method(page),
            also: Vec::new(),
            sends: sluice_policy::Sends::default(),
        };
        let circumstances = Circumstances { now: 1, door: "rest", address: None, halt: &halt, known: &Known::default() };
        let evaluation = set.evaluate(&principal, &request, None, &circumstances);
        match evaluation.outcome {
            Outcome::Permitted => "permitted",
            _ if evaluation.reasons.iter().all(|reason| reason.kind == ReasonKind::Halted) => "halted",
            _ => "refused",
        }
    };
    let of_both = || (decide(ANA), decide(BEN));
    assert_eq!(of_both(), ("permitted", "permitted"));
    desk.halt(&[&["--caller", ANA], &WHO[..]].concat()).check(0, &[]);
    assert_eq!(of_both(), ("halted", "permitted"));
    desk.halt(&[&["--everyone"], &WHO[..]].concat()).check(0, &[]);
    assert_eq!(of_both(), ("halted", "halted"));
    desk.halt(&[&["--release", "--everyone"], &WHO[..]].concat()).check(0, &[]);
    assert_eq!(of_both(), ("halted", "permitted"));
    desk.halt(&[&["--release", "--caller", ANA], &WHO[..]].concat()).check(0, &[]);
    assert_eq!(of_both(), ("permitted", "permitted"));
}
