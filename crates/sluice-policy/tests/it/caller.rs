//! Decisions for callers whom tokens proved, from the signature to the permit. The pure principal is for other tests.

use crate::starter;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sluice_identity::{Caller, Identity, KeySet, Presented, Revocations, check};
use sluice_model::{
    Analysis, CallerKind, ColumnPath, Effect, Exposure, How, Output, Principal, Read, StatementAnalysis, TableName, Type, Use, UseKind,
};
use sluice_policy::{Circumstances, DryRun, Halt, Known, MemoryCounters, PolicySet, Purpose, Refusal, Request, Statement, Verdict, Work};

const NOW: u64 = 1_893_585_600;
const IDENTITY: &str = r#"
[identity]
audiences = ["https://sluice.example"]
[[identity.issuers]]
name = "company"
shape = "oidc"
url = "https://login.acme.example"
groups_claim = "groups"
delegates = true
kind = "person"
algorithms = ["EdDSA"]
[[identity.issuers]]
name = "ci"
shape = "oidc"
url = "https://ci.acme.example"
kind = "pipeline"
algorithms = ["EdDSA"]
run = { event = "event", repository = "repository" }
[[identity.issuers.groups]]
group = "ci-analytics"
when = { repository_id = "7" }
"#;

/// A service of which nothing else is known.
pub fn anybody() -> Principal {
    Principal {
        kind: CallerKind::Service,
        issuer: "https://issuer.example".to_owned(),
        subject: "1".to_owned(),
        name: "1".to_owned(),
        groups: Default::default(),
        run: None,
        facts: Default::default(),
        delegation: None,
        grants: Vec::new(),
    }
}

fn caller(claims: Value) -> Caller {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let key = json!({ "kty": "OKP", "kid": "1", "use": "sig", "crv": "Ed25519", "x": encode(pair.public_key().as_ref()) });
    let keys = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let mut whole = json!({ "aud": "https://sluice.example", "iat": NOW - 10, "exp": NOW + 300, "jti": "1" });
    whole.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let head = json!({ "alg": "EdDSA", "kid": "1", "typ": "at+jwt" });
    let signed = format!("{}.{}", encode(head.to_string().as_bytes()), encode(whole.to_string().as_bytes()));
    let token = format!("{signed}.{}", encode(pair.sign(signed.as_bytes()).as_ref()));
    let identity = Identity::new(check(IDENTITY).unwrap(), None);
    match identity.read(token.as_bytes()).unwrap() {
        Presented::Outside(token) => token.verify(&keys, &Revocations::default(), NOW).unwrap(),
        Presented::Issued(_) | Presented::Own(_) => panic!("a token of ours"),
    }
}

fn person(groups: &[&str]) -> Caller {
    caller(json!({ "iss": "https://login.acme.example", "sub": "7a1c-ana", "groups": groups }))
}

/// The groups of the claim are the person's, not its own.
fn agent(groups: &[&str]) -> Caller {
    caller(json!({ "iss": "https://login.acme.example", "sub": "7a1c-ana", "groups": groups, "act": { "sub": "assistant" } }))
}

fn pipeline(changes: Value) -> Caller {
    let mut claims = json!({ "iss": "https://ci.acme.example", "sub": "job:1", "repository_id": "7", "event": "push" });
    claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    caller(claims)
}

fn patients() -> TableName {
    TableName::new("acme-prod", "clinic", "patients")
}

fn column(name: &str) -> ColumnPath {
    ColumnPath { table: patients(), path: vec![name.to_owned()] }
}

fn request(used: &[&str]) -> Request {
    let output = |name: &str| Output {
        name: name.to_owned(),
        kind: Some(Type::String),
        exposures: vec![Exposure { at: Vec::new(), column: column(name), how: How::Direct }],
    };
    let understood = StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Read],
        reads: vec![Read { table: patients(), columns: vec!["name".to_owned(), "ssn".to_owned()] }],
        outputs: vec![output("name"), output("ssn")],
        uses: used.iter().map(|name| Use { column: column(name), how: UseKind::Filter }).collect(),
        ..StatementAnalysis::default()
    };
    let statement = Statement {
        text: "SELECT name, ssn FROM patients".to_owned(),
        parameters: Vec::new(),
        default_dataset: None,
        location: None,
        destination: None,
        purpose: Purpose::Dispatch,
        analysis: Analysis { statements: vec![understood], refused: None },
    };
    Request {
        connection: "warehouse".to_owned(),
        project: "acme-prod".to_owned(),
        work: Work::Statement(Box::new(statement)),
        also: Vec::new(),
        sends: sluice_policy::Sends::default(),
    }
}

/// Both decisions, as a door makes them.
fn decide(set: &PolicySet, caller: &Caller, request: Request, bytes: u64) -> Verdict {
    let (halt, known, counters) = (Halt::default(), Known::default(), MemoryCounters::default());
    let now = i64::try_from(NOW).unwrap();
    let circumstances = Circumstances { now, door: "rest", address: None, halt: &halt, known: &known };
    let estimate = match set.decide(caller, request, &circumstances, &counters) {
        Verdict::ToEstimate(estimate) => estimate,
        other => return other,
    };
    assert_eq!(estimate.decision().caller, caller.principal().to_string());
    let field = |name: &str| sluice_model::Field { name: name.to_owned(), kind: Type::String };
    let dry_run = DryRun {
        statement_type: Some("SELECT".to_owned()),
        bytes: Some(bytes),
        referenced_tables: vec![patients()],
        schema: Some(vec![field("name"), field("ssn")]),
        ..DryRun::default()
    };
    set.decide_estimated(caller, estimate, &dry_run, &circumstances, &counters)
}

/// The outcome, and what decided: masks of a permit, group of a hold, rules of a refusal.
fn said(verdict: &Verdict) -> (&'static str, Vec<String>) {
    match verdict {
        Verdict::Permitted(permit) => {
            ("permitted", permit.masks().iter().map(|masked| format!("{} {}", masked.name, masked.mask)).collect())
        }
        Verdict::Held(hold) => ("held", hold.needs().iter().map(|need| need.duty.group.clone()).collect()),
        Verdict::Refused(Refusal { decision }) => {
            let reasons = &decision.evaluation.reasons;
            let rules = reasons.iter().flat_map(|reason| &reason.rules).map(|rule| rule.id.clone());
            (
                "refused",
                rules.chain(reasons.iter().filter(|reason| reason.rules.is_empty()).map(|reason| reason.kind.word().to_owned())).collect(),
            )
        }
        Verdict::ToEstimate(_) => ("to_estimate", Vec::new()),
    }
}

#[test]
fn a_proven_caller_is_decided_on() {
    let set = starter::load(&starter::bundle());
    let check = |caller: Caller, used: &[&str], bytes: u64, outcome: &str, expect: &[&str]| {
        let verdict = decide(&set, &caller, request(used), bytes);
        assert_eq!(said(&verdict), (outcome, expect.iter().map(|text| (*text).to_owned()).collect()), "{} {used:?}", caller.principal());
    };
    check(agent(&["staff"]), &[], 1, "permitted", &["ssn last_four"]);
    check(agent(&["staff"]), &[], 107_374_182_401, "held", &["data-owners"]);
    check(agent(&["staff"]), &["ssn"], 1, "refused", &["not_permitted"]);
    // It may not see what the person whom it acts for may see: those groups are not its own.
    check(agent(&["staff", "data-owners"]), &[], 1, "permitted", &["ssn last_four"]);
    check(person(&["staff"]), &["ssn"], 1, "permitted", &["ssn last_four"]);
    check(person(&["staff", "data-owners"]), &["ssn"], 1, "permitted", &[]);
    check(person(&["strangers"]), &[], 1, "refused", &["not_permitted", "not_permitted"]);
    check(pipeline(json!({})), &["ssn"], 1, "permitted", &["ssn last_four"]);
    check(pipeline(json!({ "event": "pull_request" })), &[], 1, "refused", &["ci-no-requests-of-strangers"]);
    check(pipeline(json!({ "repository_id": "8" })), &[], 1, "refused", &["not_permitted", "not_permitted"]);
}

/// What is permitted is what was asked, by whom it was asked; and it is for one.
#[test]
fn a_permit_owns_the_request_of_its_caller() {
    let set = starter::load(&starter::bundle());
    let caller = person(&["staff"]);
    let Verdict::Permitted(permit) = decide(&set, &caller, request(&[]), 7) else { panic!("not permitted") };
    let (owned, decision) = permit.into_parts();
    assert_eq!(owned, request(&[]));
    assert_eq!((decision.caller.as_str(), &decision.policy), ("https://login.acme.example#7a1c-ana", &set.digest));
    assert_eq!(decision.evaluation.cost.map(|cost| (cost.bytes, cost.micros)), Some((7, 1)));
}

#[test]
fn an_estimate_of_one_caller_is_of_no_use_to_another() {
    let set = starter::load(&starter::bundle());
    let (halt, known, counters) = (Halt::default(), Known::default(), MemoryCounters::default());
    let circumstances = Circumstances { now: 1, door: "rest", address: None, halt: &halt, known: &known };
    let Verdict::ToEstimate(estimate) = set.decide(&person(&["staff"]), request(&[]), &circumstances, &counters) else {
        panic!("no estimate")
    };
    let verdict = set.decide_estimated(&agent(&["staff"]), estimate, &DryRun::default(), &circumstances, &counters);
    assert_eq!(said(&verdict), ("refused", vec!["error".to_owned()]));
}
