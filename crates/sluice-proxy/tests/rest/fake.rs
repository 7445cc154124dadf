//! An application that answers what BigQuery could answer, canaries included, and notes who asked for what.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_app::{
    Admitted, Asking, JobName, JobPage, JobRows, JobState, MethodAsk, QueryAsk, Reads, Refused, Resource, Results, Upload, UpstreamError,
    Visit, Why,
};
use sluice_identity::{Caller, Identity, KeySet, Presented, Reason, Refusal, Revocations, check};
use sluice_ledger::record::Subject;
use sluice_mask::Head;
use sluice_policy::{Bundle, Decision, Evaluation, JudgeMode, Outcome, Reason as PolicyReason, ReasonKind};
use sluice_proxy::rest::{Application, Authenticate, Connections, JobList, Rest, Settings, router};
use sluice_proxy::server::Doors;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What must never leave: unknown fields, errors' texts, plans.
pub const CANARY: &str = "CANARY-7f3a";
pub const REFERENCE: &str = "07070707070707070707070707070707";

#[derive(Default)]
pub struct Fake {
    asked: Mutex<Vec<String>>,
    pub asks: Mutex<Vec<MethodAsk>>,
    pub patience: Mutex<Option<Duration>>,
    uploaded: Mutex<Vec<u8>>,
    /// Nothing that was begun may be gone on with.
    pub stops: AtomicBool,
    ids: AtomicU64,
}

impl Fake {
    /// What was asked since the last time.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    pub fn uploaded(&self) -> Vec<u8> {
        std::mem::take(&mut self.uploaded.lock().unwrap())
    }

    fn note(&self, visit: &Visit, caller: &Caller, what: String) {
        self.asked.lock().unwrap().push(format!("{} {} {what}", visit.api, caller.principal().subject));
    }
}

impl Application for Fake {
    fn job_id(&self) -> Result<String, Refused> {
        Ok(format!("sluice_{:032x}", self.ids.fetch_add(1, Ordering::Relaxed)))
    }

    fn submit(&self, visit: Visit, caller: Caller, ask: QueryAsk) -> Asking<'_, Result<JobState, Refused>> {
        self.note(&visit, &caller, format!("submit {}", ask.query.text));
        Box::pin(async move { Ok(state(ask.job)) })
    }

    fn query(&self, visit: Visit, caller: Caller, ask: QueryAsk, patience: Duration, _: JobRows) -> Asking<'_, Result<Results, Refused>> {
        self.note(&visit, &caller, format!("query {}", ask.query.text));
        *self.patience.lock().unwrap() = Some(patience);
        Box::pin(async move { Ok(results(ask.job)) })
    }

    fn results(&self, visit: Visit, caller: Caller, _: String, rows: JobRows, patience: Duration) -> Asking<'_, Result<Results, Refused>> {
        self.note(&visit, &caller, format!("results {rows:?}"));
        *self.patience.lock().unwrap() = Some(patience);
        Box::pin(async move { Ok(results(rows.job)) })
    }

    fn job(&self, visit: Visit, caller: Caller, _: String, job: JobName) -> Asking<'_, Result<JobState, Refused>> {
        self.note(&visit, &caller, format!("job {job}"));
        Box::pin(
            async move { if job.id == "others" { Err(refused(Why::NotFound { what: format!("job {job}") })) } else { Ok(state(job)) } },
        )
    }

    fn cancel(&self, visit: Visit, caller: Caller, _: String, job: JobName) -> Asking<'_, Result<JobState, Refused>> {
        self.note(&visit, &caller, format!("cancel {job}"));
        Box::pin(async move { Ok(state(job)) })
    }

    fn jobs(&self, visit: Visit, caller: Caller, list: JobList) -> Asking<'_, Result<JobPage, Refused>> {
        self.note(&visit, &caller, format!("jobs {} before {:?} at most {}", list.project, list.before, list.jobs_max));
        let name = |number: usize| JobName { project: list.project.clone(), location: None, id: format!("job{number}") };
        let jobs: Vec<JobState> = (0..list.jobs_max.min(3)).map(|number| state(name(number))).collect();
        let next = jobs.last().filter(|_| jobs.len() >= list.jobs_max).map(|state| state.name.id.clone());
        Box::pin(async move { Ok(JobPage { jobs, next }) })
    }

    fn admit(&self, visit: Visit, caller: Caller, ask: MethodAsk, upload: Option<Upload>) -> Asking<'_, Result<Admitted, Refused>> {
        self.note(&visit, &caller, format!("{} on {}", ask.name, ask.resource));
        self.asks.lock().unwrap().push(ask.clone());
        Box::pin(async move {
            if let Some(mut upload) = upload {
                let mut bytes = Vec::new();
                loop {
                    match upload.chunks.recv().await {
                        Some(chunk) if chunk.is_empty() => break,
                        Some(chunk) => bytes.extend(chunk),
                        None => return Err(refused(Why::NotFound { what: "the end of the upload".to_owned() })),
                    }
                    if bytes.starts_with(b"REFUSE") {
                        return Err(refused(Why::NotFound { what: "leave to load".to_owned() }));
                    }
                }
                *self.uploaded.lock().unwrap() = bytes;
            }
            Ok(match (ask.begins, ask.reads) {
                (Some(job), _) => Admitted::Job(Box::new(state(job))),
                (None, Reads::Nothing) => Admitted::Resource(Resource(resource(&ask.name))),
                (None, _) => Admitted::Rows(Box::new(Results { complete: true, head: head(), ..Results::default() })),
            })
        })
    }

    fn may_go_on(&self, visit: Visit, caller: Caller, ask: MethodAsk) -> Asking<'_, Result<(), Refused>> {
        let stops = self.stops.load(Ordering::Relaxed);
        self.note(&visit, &caller, format!("goes on with {} on {}", ask.name, ask.resource));
        Box::pin(async move { if stops { Err(refused(stopped())) } else { Ok(()) } })
    }

    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused> {
        let who = caller.map_or("nobody", |caller| caller.principal().subject.as_str());
        self.asked.lock().unwrap().push(format!("refused {} {who} {}", visit.api, why.word()));
        Box::pin(async move { refused(why) })
    }
}

/// `Bearer good` is a service, and so is `other`.
struct Tokens(Arc<Fake>);

impl Authenticate for Tokens {
    fn caller<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>> {
        Box::pin(async move {
            match bearer {
                b"good" => Ok(caller("good")),
                b"other" => Ok(caller("other")),
                b"halted" => {
                    self.0.note(visit, &caller("halted"), "is halted".to_owned());
                    Err(refused(stopped()))
                }
                _ => {
                    let refusal = Refusal { reason: Reason::SignatureWrong, issuer: None, audiences: Vec::new() };
                    Err(self.0.refuse(visit.clone(), None, Why::Unproven(Box::new(refusal))).await)
                }
            }
        })
    }
}

const NOW: u64 = 1_893_585_600;
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

/// The only way to one: a token whose signature is good.
fn caller(subject: &str) -> Caller {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "kid": "1", "use": "sig", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    let keys = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let issuer = "https://login.acme.example";
    let claims = json!({ "iss": issuer, "sub": subject, "aud": "https://sluice.example", "iat": NOW - 10, "exp": NOW + 300, "jti": "1" });
    let head = json!({ "alg": "EdDSA", "kid": "1", "typ": "at+jwt" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let token = format!("{signed}.{}", encode(pair.sign(signed.as_bytes()).as_ref()));
    let identity = Identity::new(check(IDENTITY).unwrap(), None);
    match identity.read(token.as_bytes()).unwrap() {
        Presented::Outside(token) => token.verify(&keys, &Revocations::default(), NOW).unwrap(),
        Presented::Issued(_) | Presented::Own(_) => panic!("a token of ours"),
    }
}

pub struct Door {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    serving: tokio::task::JoinHandle<usize>,
}

impl Door {
    pub async fn open() -> Door {
        Door::open_with(Settings { public_url: Some("https://gateway.example".to_owned()), ..Settings::default() }).await
    }

    pub async fn open_with(settings: Settings) -> Door {
        let fake = Arc::new(Fake::default());
        let projects = [("p", "warehouse"), ("q", "warehouse"), ("example.com:p", "other")];
        let connections = Connections::new(projects.map(|(project, connection)| (project.to_owned(), connection.to_owned())));
        let application: Arc<dyn Application> = fake.clone();
        let rest = Arc::new(Rest::new(application, Arc::new(Tokens(fake.clone())), connections, settings));
        let doors = Doors { plain: Some("127.0.0.1:0".parse().unwrap()), tls: None };
        let open = doors.open().await.unwrap();
        let address = open.plain_address().unwrap();
        let serving = tokio::spawn(open.serve(router(rest), std::future::pending()));
        Door { address, fake, serving }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What policy says to somebody who is halted.
fn stopped() -> Why {
    let evaluation = Evaluation {
        outcome: Outcome::Refused,
        reasons: vec![PolicyReason::plain(ReasonKind::Halted, "the caller is halted")],
        needs: Vec::new(),
        permitted: Vec::new(),
        masks: Vec::new(),
        clear: Vec::new(),
        inherited: Vec::new(),
        deciding: Vec::new(),
        judge: JudgeMode::Both,
        cost: None,
    };
    let policy = Bundle::new([]).digest();
    Why::Policy(Box::new(Decision { caller: "halted".to_owned(), policy, at: 0, evaluation, bytes_billed_max: None }))
}

fn refused(why: Why) -> Refused {
    Refused { subject: Subject([7; 16]), why }
}

/// BigQuery's own description, with everything in it that may not leave.
fn state(name: JobName) -> JobState {
    let resource = json!({
        "kind": "bigquery#job",
        "etag": "abc",
        "selfLink": "https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs/j",
        "user_email": CANARY,
        "principal_subject": CANARY,
        "jobReference": { "projectId": name.project, "jobId": name.id, "location": "US" },
        "configuration": { "jobType": "QUERY", "labels": { "mine": "1", "sluice_session": CANARY }, "query": { "query": "SELECT 1" }, "new": CANARY },
        "status": { "state": "DONE", "errorResult": { "reason": "invalid", "message": CANARY }, "errors": [{ "message": CANARY }] },
        "statistics": { "creationTime": "1000", "query": { "statementType": "SELECT", "queryPlan": [{ "steps": [CANARY] }] } },
        "aNewField": { "deep": CANARY },
    });
    let error = UpstreamError { reason: "invalidQuery".to_owned(), location: Some("query".to_owned()), message: "may be told".to_owned() };
    let errors = vec![error.clone(), UpstreamError { message: "warned".to_owned(), ..UpstreamError::default() }];
    JobState { name, done: true, error: Some(error), errors, resource: Resource(resource), ..JobState::default() }
}

fn head() -> Head {
    let rest = json!({ "cacheHit": false, "totalBytesProcessed": "7", "aNewField": CANARY });
    Head {
        complete: true,
        schema: Some(json!({ "fields": [{ "name": "a", "type": "STRING", "sample": CANARY }] })),
        total_rows: Some(0),
        page_token: None,
        rest: rest.as_object().unwrap().clone(),
        ..Head::default()
    }
}

fn results(job: JobName) -> Results {
    let complete = job.id != "pending";
    Results { job: Some(job), complete, head: head(), ..Results::default() }
}

fn resource(name: &str) -> Value {
    let reference = json!({ "projectId": "p", "datasetId": "d", "tableId": "t" });
    let link = "https://bigquery.googleapis.com/bigquery/v2/projects/p/datasets/d";
    let mut resource =
        json!({ "kind": "k", "etag": "abc", "selfLink": link, "tableReference": reference, "aNewField": { "deep": CANARY } });
    if name == "projects.list" {
        let project = |id: &str| json!({ "id": id, "projectReference": { "projectId": id }, "secret": CANARY });
        resource["projects"] = json!([project("p"), project("q"), project(CANARY), project("example.com:p")]);
    }
    resource
}
