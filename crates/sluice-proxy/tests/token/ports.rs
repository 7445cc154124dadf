//! What a gateway needs and this door never asks: everything that has to do with statements. It is not there, and whoever calls it fails the test.

use sluice_app::{
    Alarm, AppendSink, AppendSource, Asking, BatchSource, Catalog, CatalogFault, CatalogPart, InForce, JobName, JobState, Jobs, JobsFault,
    KeepFault, Keys, KnownJob, Machine, RawRows, RawSession, Resource, RowsAsk, SealFault, Sealer, StreamAnswer, Unsettled, Upload,
    Upstream, UpstreamFault, Verdict,
};
use sluice_identity::{Issuer, KeySet, Reason, Revocations};
use sluice_ledger::Recorded;
use sluice_ledger::record::{Draft, SealedRecord, SectionId, Subject};
use sluice_model::{ColumnPath, TableName};
use sluice_policy::{Bundle, Counters, DryRun, Estimate, Halt, Inherited, Known, MemoryCounters, Permit, PolicySet};
use sluice_sql::Required;
use sluice_sql::engine::{Engine, Fault, Question};
use sluice_sql::tree::Tree;
use sluice_store::Store;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub struct Absent;

impl Engine for Absent {
    fn parse(&self, _: &str) -> Result<Tree, Fault> {
        panic!("the token door asks for none")
    }

    fn table_names(&self, _: &str) -> Result<Vec<Vec<String>>, Fault> {
        panic!("the token door asks for none")
    }

    fn has_function(&self, _: &str) -> bool {
        panic!("the token door asks for none")
    }

    fn analyze(&self, _: &Question<'_>) -> Result<Tree, Fault> {
        panic!("the token door asks for none")
    }
}

impl Catalog for Absent {
    fn fetch<'a>(&'a self, _: &'a str, _: &'a Required) -> Asking<'a, Result<CatalogPart, CatalogFault>> {
        panic!("the token door asks for none")
    }

    fn forget(&self, _: &TableName) {
        panic!("the token door asks for none")
    }
}

impl Upstream for Absent {
    fn estimate<'a>(&'a self, _: &'a Recorded<Estimate>) -> Asking<'a, Result<DryRun, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn dispatch<'a>(&'a self, _: &'a Recorded<Permit>, _: Option<Upload>) -> Asking<'a, Result<JobState, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn send<'a>(&'a self, _: &'a Recorded<Permit>) -> Asking<'a, Result<Resource, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn job<'a>(&'a self, _: &'a Recorded<Permit>, _: &'a JobName, _: Duration) -> Asking<'a, Result<JobState, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn sent_before<'a>(&'a self, _: &'a KnownJob) -> Asking<'a, Result<JobState, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn rows<'a>(&'a self, _: &'a Recorded<Permit>, _: &'a RowsAsk) -> Asking<'a, Result<RawRows, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn open_session<'a>(&'a self, _: &'a Recorded<Permit>) -> Asking<'a, Result<RawSession, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn read_stream<'a>(&'a self, _: &'a Recorded<Permit>) -> Asking<'a, Result<Box<dyn BatchSource>, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn split_stream<'a>(&'a self, _: &'a Recorded<Permit>) -> Asking<'a, Result<Option<[String; 2]>, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn ask_of_stream<'a>(&'a self, _: &'a Recorded<Permit>) -> Asking<'a, Result<StreamAnswer, UpstreamFault>> {
        panic!("the token door asks for none")
    }

    fn append_rows<'a>(
        &'a self,
        _: &'a Recorded<Permit>,
    ) -> Asking<'a, Result<(Box<dyn AppendSink>, Box<dyn AppendSource>), UpstreamFault>> {
        panic!("the token door asks for none")
    }
}

/// One job, if there is one.
#[derive(Default)]
pub struct OneJob(pub Mutex<Option<Arc<KnownJob>>>);

impl Jobs for OneJob {
    fn begin<'a>(&'a self, _: KnownJob) -> Asking<'a, Result<(), JobsFault>> {
        panic!("the token door asks for none")
    }

    fn find<'a>(&'a self, connection: &'a str, job: &'a JobName) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        let known = self.0.lock().unwrap().clone().filter(|known| known.connection == connection && known.name.id == job.id);
        Box::pin(async move { Ok(known) })
    }

    fn find_by_request_id<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        panic!("the token door asks for none")
    }

    fn find_by_destination<'a>(&'a self, _: &'a str, _: &'a TableName) -> Asking<'a, Result<Option<Arc<KnownJob>>, JobsFault>> {
        panic!("the token door asks for none")
    }

    fn list<'a>(&'a self, _: &'a str, _: &'a str, _: Option<&'a str>, _: usize) -> Asking<'a, Result<Vec<Arc<KnownJob>>, JobsFault>> {
        panic!("the token door asks for none")
    }

    fn release<'a>(&'a self, _: &'a str, _: &'a JobName) -> Asking<'a, Result<(), JobsFault>> {
        panic!("the token door asks for none")
    }

    fn settle<'a>(&'a self, _: &'a str, _: &'a JobName, _: Option<TableName>, _: Option<Verdict>) -> Asking<'a, Result<(), JobsFault>> {
        panic!("the token door asks for none")
    }

    fn unsettled<'a>(&'a self, _: u64, _: usize) -> Asking<'a, Result<Unsettled, JobsFault>> {
        panic!("the token door asks for none")
    }
}

/// The keys of one issuer, or nobody's.
pub struct OneIssuer(pub Arc<KeySet>);

impl Keys for OneIssuer {
    fn keys<'a>(&'a self, issuer: &'a Issuer, _: &'a str, _: u64) -> Asking<'a, Result<Arc<KeySet>, Reason>> {
        let found = match issuer.name.as_str() {
            "unreachable" => Err(Reason::KeysUnavailable("no route to host".to_owned())),
            _ => Ok(Arc::clone(&self.0)),
        };
        Box::pin(async move { found })
    }
}

/// Revocations that a test makes, and those that the door makes.
#[derive(Default)]
pub struct Standing {
    pub revocations: Mutex<Revocations>,
    counters: MemoryCounters,
}

impl InForce for Standing {
    /// Without a limit and without a rule: whoever is let in may ask for nothing.
    fn policy(&self) -> Arc<PolicySet> {
        let files = [
            ("policy.toml", "format = 1\nname = \"token\"\n[cost]\nmicros_per_tib = 0\n"),
            ("labels.toml", "format = 1"),
            ("none.cedar", "@id(\"none\")\n@reason(\"nobody asks\")\nforbid(principal, action, resource);"),
        ];
        let bundle = Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
        Arc::new(PolicySet::load(&bundle).unwrap())
    }

    fn shadows(&self) -> Vec<Arc<PolicySet>> {
        panic!("the token door asks for none")
    }

    fn halt(&self) -> Arc<Halt> {
        Arc::default()
    }

    fn known(&self) -> Arc<Known> {
        panic!("the token door asks for none")
    }

    fn carry(&self, _: Subject, _: &[Inherited]) -> Result<(), KeepFault> {
        panic!("the token door asks for none")
    }

    fn remember(&self, _: &[(ColumnPath, String)]) -> Result<(), KeepFault> {
        panic!("the token door asks for none")
    }

    fn counters(&self) -> &dyn Counters {
        &self.counters
    }

    fn revocations(&self) -> Arc<Revocations> {
        Arc::new(self.revocations.lock().unwrap().clone())
    }

    fn end_session(&self, id: &str) -> Result<(), SealFault> {
        self.revocations.lock().unwrap().sessions.insert(id.to_owned());
        Ok(())
    }
}

/// Seals by the ledger's keys, and notes what: the kind, and what stands in the open part of its record.
pub struct Noting {
    pub store: Arc<Store>,
    pub noted: Arc<Mutex<Vec<String>>>,
}

impl Sealer for Noting {
    fn seal(&self, draft: &Draft) -> Result<SealedRecord, SealFault> {
        let meta = draft.sections().get(&SectionId::Meta).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
        let identity =
            draft.sections().get(&SectionId::Identity).map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default();
        self.noted.lock().unwrap().push(format!("{} {meta} {identity}", draft.kind().word()));
        self.store.seal(draft).map_err(|fault| SealFault(fault.to_string()))
    }
}

/// Time that a test sets; chance that only counts.
pub struct Clock {
    pub now_ms: AtomicU64,
    drawn: AtomicU64,
}

impl Clock {
    pub fn at(now_ms: u64) -> Clock {
        Clock { now_ms: AtomicU64::new(now_ms), drawn: AtomicU64::new(1) }
    }
}

impl Machine for Clock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }

    fn random(&self, bytes: &mut [u8]) -> Result<(), SealFault> {
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        bytes.iter_mut().zip(drawn.iter().cycle()).for_each(|(byte, drawn)| *byte = *drawn);
        Ok(())
    }
}

pub struct Panics;

impl Alarm for Panics {
    fn raise(&self, what: &str) {
        panic!("{what}");
    }
}
