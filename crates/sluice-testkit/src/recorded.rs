//! Permits and estimates that are on record, made the only way there is: a token, a policy set that permits everything, a ledger in a temporary folder.

use crate::ground::abandon;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sluice_identity::{Caller, Identity, KeySet, Presented, Revocations, check};
use sluice_ledger::Recorded;
use sluice_ledger::keyring::{LocalMasterKeys, MasterKeyId};
use sluice_ledger::note::{KeyKind, Signer};
use sluice_ledger::record::{Draft, Kind, Subject};
use sluice_model::{Analysis, Effect, Read, StatementAnalysis, TableName};
use sluice_policy::{
    Bundle, Circumstances, Estimate, Halt, Known, MemoryCounters, Method, Permit, PolicySet, Purpose, Request, Resource, Sends, Statement,
    Verdict, Work,
};
use sluice_store::disk::LocalDisk;
use sluice_store::{Ledger, LedgerFacts, LocalMachine, Machine, Opening, SegmentSizes, Store, create};
use std::fmt::{Debug, Display};
use std::sync::Arc;
use tempfile::TempDir;

const ORIGIN: &str = "ledger.example.com/testkit";
const SIZES: SegmentSizes = SegmentSizes { regular_bytes: 1 << 20, closing_bytes: 256 << 10 };
const NOW: u64 = 1_893_585_600;
const ISSUER: &str = "https://login.acme.example";
const IDENTITY: &str = r#"
[identity]
audiences = ["https://sluice.example"]
[[identity.issuers]]
name = "company"
shape = "oidc"
url = "https://login.acme.example"
kind = "service"
algorithms = ["EdDSA"]
"#;
const RULES: &str = r#"
@id("everything") @reason("tests")
permit (
    principal,
    action in [Action::"connect", Action::"Read", Action::"Write", Action::"Destroy", Action::"Schema", Action::"Export", Action::"Execute", Action::"Admin", Action::"Column"],
    resource
);
"#;

/// Takes requests and gives back proofs. Its ledger goes with it.
pub struct Registrar {
    /// The analysis alone decides, for the connection that was named.
    permitting: PolicySet,
    /// Wants a dry run first.
    estimating: PolicySet,
    store: Store,
    machine: Arc<LocalMachine>,
    _folder: TempDir,
}

impl Registrar {
    pub fn new(connection: &str) -> Registrar {
        let folder = sure(tempfile::tempdir());
        let machine = Arc::new(LocalMachine::default());
        let store = open(folder.path(), &machine);
        let permitting = policy(&format!("[connections.{connection}]\njudge = \"analysis\"\n"));
        Registrar { permitting, estimating: policy(""), store, machine, _folder: folder }
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub async fn permit(&self, caller: &Caller, request: Request) -> Recorded<Permit> {
        match decide(&self.permitting, caller, request) {
            Verdict::Permitted(permit) => self.record(permit, Kind::RequestAdmitted).await,
            other => abandon(&format!("not permitted: {other:?}")),
        }
    }

    /// For statements alone: nothing else is estimated.
    pub async fn estimate(&self, caller: &Caller, request: Request) -> Recorded<Estimate> {
        match decide(&self.estimating, caller, request) {
            Verdict::ToEstimate(estimate) => self.record(estimate, Kind::RequestEstimated).await,
            other => abandon(&format!("not to be estimated: {other:?}")),
        }
    }

    async fn record<T>(&self, value: T, kind: Kind) -> Recorded<T> {
        let mut subject = [0; 16];
        sure(self.machine.random(&mut subject));
        let record = sure(self.store().seal(&sure(Draft::of_request(kind, Subject(subject)))));
        sure(Recorded::commit(value, record, self.store()).await)
    }
}

/// A service with this subject, `https://login.acme.example#subject`, proven by a token.
pub fn caller(subject: &str) -> Caller {
    let pair = sure(Ed25519KeyPair::from_seed_unchecked(&[3; 32]));
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "kid": "1", "use": "sig", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    let keys = sure(KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()));
    let claims = json!({
        "iss": ISSUER, "sub": subject, "aud": "https://sluice.example", "iat": NOW - 10, "exp": NOW + 300, "jti": "1",
    });
    let head = json!({ "alg": "EdDSA", "kid": "1", "typ": "at+jwt" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let token = format!("{signed}.{}", encode(pair.sign(signed.as_bytes()).as_ref()));
    let identity = Identity::new(check(IDENTITY).unwrap_or_else(|problems| abandon(&format!("{problems:?}"))), None);
    match sure(identity.read(token.as_bytes())) {
        Presented::Outside(token) => sure(token.verify(&keys, &Revocations::default(), NOW)),
        Presented::Issued(_) | Presented::Own(_) => abandon("a token of the gateway's own"),
    }
}

/// A query job that reads `acme-prod.clinic.visits`, as far as policy knows; what is sent is another matter.
pub fn query(connection: &str, project: &str, sends: Sends) -> Request {
    let reads = vec![Read { table: TableName::new("acme-prod", "clinic", "visits"), columns: vec!["id".to_owned()] }];
    let understood = StatementAnalysis { kind: "SELECT".to_owned(), effects: vec![Effect::Read], reads, ..StatementAnalysis::default() };
    let statement = Statement {
        text: "SELECT id FROM clinic.visits".to_owned(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose: Purpose::Dispatch,
        analysis: Analysis { statements: vec![understood], refused: None },
    };
    let work = Work::Statement(Box::new(statement));
    Request { connection: connection.to_owned(), project: project.to_owned(), work, also: Vec::new(), sends }
}

/// A method by the name that the schema of policy gives it.
pub fn method(connection: &str, project: &str, name: &str, resource: Resource, sends: Sends) -> Request {
    let work = Work::Method(Method::plain(name, resource));
    Request { connection: connection.to_owned(), project: project.to_owned(), work, also: Vec::new(), sends }
}

fn policy(connections: &str) -> PolicySet {
    let settings = format!("format = 1\nname = \"testkit\"\n[cost]\nmicros_per_tib = 0\n{connections}");
    let files = [("policy.toml", settings.as_str()), ("labels.toml", "format = 1"), ("everything.cedar", RULES)];
    let bundle = Bundle::new(files.map(|(name, text)| (name.to_owned(), text.to_owned())));
    PolicySet::load(&bundle).unwrap_or_else(|problems| abandon(&format!("{problems:?}")))
}

fn decide(set: &PolicySet, caller: &Caller, request: Request) -> Verdict {
    let (halt, known) = (Halt::default(), Known::default());
    let now = i64::try_from(NOW).unwrap_or(i64::MAX);
    let circumstances = Circumstances { now, door: "rest", address: None, halt: &halt, known: &known };
    set.decide(caller, request, &circumstances, &MemoryCounters::default())
}

fn open(folder: &std::path::Path, machine: &Arc<LocalMachine>) -> Store {
    let disk = Arc::new(sure(LocalDisk::new(folder)));
    let signer = Arc::new(sure(Signer::from_seed(ORIGIN, KeyKind::Log, &[7; 32])));
    let facts = LedgerFacts {
        origin: ORIGIN.to_owned(),
        ledger: [9; 16],
        verifier_key: signer.verifier_key().clone(),
        created_ms: machine.moment().wall_ms,
    };
    sure(create(disk.as_ref(), &facts, &signer, SIZES));
    let master = Arc::new(sure(LocalMasterKeys::new((MasterKeyId(*b"test"), [1; 32]), &[])));
    let opening = Opening { signer, master, machine: machine.clone(), boot: json!({}), free_bytes_min: 0 };
    sure(Store::start(sure(Ledger::open(disk, &opening)), Box::new(|fault| abandon(&fault.to_string()))))
}

fn sure<T, E: Debug + Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| abandon(&error.to_string()))
}
