//! The ledger that a gateway leaves behind, opened with its keys.

use serde_json::Value;
use sluice_ledger::keyring::MasterKey;
use sluice_ledger::record::{Kind, OpenedSection, SectionId};
use sluice_ledger::trust::Trust;
use sluice_store::disk::LocalDisk;
use sluice_store::{Reader, Secrets};
use sluice_verify::audit::Audit;
use sluice_verify::folder::Folder;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub struct Evidence {
    pub records: Vec<Record>,
    ledger: PathBuf,
    secrets: Secrets,
}

#[derive(Debug)]
pub struct Record {
    pub kind: Kind,
    pub time_ms: u64,
    /// As labels of jobs name it.
    pub subject: Option<String>,
    pub sections: BTreeMap<&'static str, Value>,
}

impl Evidence {
    pub fn read(folder: &Path) -> Evidence {
        let ledger = folder.join("ledger");
        let secrets = Secrets::open(&folder.join("ledger-keys")).unwrap();
        let reader = Reader::open(Arc::new(LocalDisk::new(&ledger).unwrap())).unwrap();
        let master = secrets.master();
        let records = (0..reader.size())
            .map(|number| {
                let (leaf, opened) = reader.open_record(number, master.as_ref()).unwrap();
                let sections = opened.iter().map(|(section, opened)| (section.word(), plain(*section, opened))).collect();
                Record { kind: leaf.kind, time_ms: leaf.time_ms, subject: leaf.subject.map(|subject| subject.to_string()), sections }
            })
            .collect();
        Evidence { records, ledger, secrets }
    }

    /// Nothing, or what an auditor finds.
    pub fn verify(&self) -> Option<String> {
        let trust = format!("log {}\nquorum none\n", self.secrets.signer().verifier_key());
        let trust = Trust::parse(trust.as_bytes()).unwrap();
        let master = self.secrets.master();
        let audit = Audit {
            trust: &trust,
            origin: None,
            master: Some(master.as_ref() as &dyn MasterKey),
            bodies: true,
            seen: Vec::new(),
            unwitnessed_max: None,
            alive_after_ms: None,
        };
        let report = audit.run(&Folder::open(&self.ledger).unwrap()).unwrap();
        let count = u64::try_from(self.records.len()).unwrap();
        let holds = report.holds() && report.records == count;
        (!holds).then(|| format!("the ledger of {count} records does not verify: {:?}", report.problems))
    }

    /// The records that one call left, by its mark.
    pub fn of_mark(&self, mark: &str) -> Vec<&Record> {
        crate::world::of_mark(&self.records, mark)
    }

    /// Outcome and reason of every end that one call left.
    pub fn ends(&self, mark: &str) -> Vec<String> {
        self.of_mark(mark).iter().filter(|record| record.kind.is_terminal()).map(|record| record.end()).collect()
    }
}

impl Record {
    pub fn text(&self, pointer: &str) -> Option<&str> {
        let (section, rest) = pointer.split_once('/').unwrap_or((pointer, ""));
        self.sections.get(section)?.pointer(&format!("/{rest}"))?.as_str()
    }

    pub fn mark(&self) -> Option<&str> {
        self.text("meta/client/user_agent")
    }

    pub fn api(&self) -> &str {
        self.text("meta/api").unwrap_or_default()
    }

    /// `refused policy`.
    pub fn end(&self) -> String {
        let reason = self.text("meta/reason").unwrap_or_default();
        format!("{} {reason}", self.text("meta/outcome").unwrap_or_default()).trim_end().to_owned()
    }
}

fn plain(section: SectionId, opened: &OpenedSection) -> Value {
    match opened {
        OpenedSection::Verified(text) => serde_json::from_slice(text).unwrap_or_else(|error| panic!("{section:?}: {error}")),
        OpenedSection::KeyGone => Value::Null,
    }
}
