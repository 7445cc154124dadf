//! The JSON of the sections: what is on record can be read, and what is too long is refused, never cut.

use serde_json::{Value, json};
use sluice_ledger::record::content::{
    Change, Client, DecidedBy, Held, Identity, JobName, MaskedCells, MaskedOutput, Meta, Page, Parameter, Policy, Refusing, Request,
    Session, Steps, Table, Token, Totals, Upstream,
};
use sluice_ledger::record::{Draft, DraftError, Kind, SectionId, SectionSet, Subject, Target};
use sluice_model::analysis::{Analysis, Effect, Exposure, How, Output, Read, StatementAnalysis, Unresolved, Use, UseKind};
use sluice_model::name::{ColumnPath, TableName};
use sluice_model::principal::{Actor, Asserted, CallerKind, Delegation, Delegator, Grant, Principal, Run};
use std::collections::BTreeMap;

const STEPS: Steps = Steps { subject: Subject([5; 16]) };

fn principal() -> Principal {
    let on_behalf_of = Delegator {
        kind: CallerKind::Person,
        issuer: "https://login.example.com".to_owned(),
        subject: "user:7".to_owned(),
        name: "Ana".to_owned(),
        groups: ["analysts".to_owned()].into(),
    };
    let through = vec![Actor { issuer: "https://agents.example.com".to_owned(), subject: "agent:router".to_owned() }];
    Principal {
        kind: CallerKind::Pipeline,
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        subject: "repository:456789".to_owned(),
        name: "octo/etl".to_owned(),
        groups: ["etl".to_owned()].into(),
        run: Some(Run { commit: Some("9d59".to_owned()), protected: Some(true), ..Run::default() }),
        facts: [("tenant".to_owned(), "acme".to_owned())].into(),
        delegation: Some(Delegation { on_behalf_of, through }),
        grants: vec![Grant { id: "grant-1".to_owned(), expires_at: 1 }],
    }
}

fn identity() -> Identity {
    let token = Token {
        issuer: "https://token.actions.githubusercontent.com".to_owned(),
        id: Some("jti-1".to_owned()),
        digest: String::new(),
        key_id: "k1".to_owned(),
        algorithm: "RS256".to_owned(),
        keys_digest: String::new(),
        issued_at: 10,
        expires_at: 20,
    };
    let asserted = Asserted([("application".to_owned(), "dbt".to_owned())].into());
    let session = Session::new("s1", 30, &[3; 32]);
    Identity::of(&principal(), &asserted, token.with_digests(&[1; 32], &[2; 32]), Some(session))
}

fn analysis() -> Analysis {
    let patients = TableName::new("acme-prod", "clinic", "patients");
    let ssn = ColumnPath { table: patients.clone(), path: vec!["ssn".to_owned()] };
    let exposure = Exposure { at: vec!["a".to_owned(), "b".to_owned()], column: ssn.clone(), how: How::Derived };
    let statement = StatementAnalysis {
        kind: "SELECT".to_owned(),
        effects: vec![Effect::Read],
        reads: vec![Read { table: patients, columns: vec!["ssn".to_owned()] }],
        outputs: vec![Output { name: "s".to_owned(), kind: None, exposures: vec![exposure] }],
        uses: vec![Use { column: ssn, how: UseKind::Filter }],
        unresolved: vec![Unresolved { what: "an opaque thing".to_owned(), own: true }],
        span: Some((0, 9)),
        ..StatementAnalysis::default()
    };
    Analysis { statements: vec![statement], refused: None }
}

fn request() -> Request {
    let mut request = Request::of_statement("SELECT \"ssn\"\nFROM t", "acme-prod", &analysis());
    request.parameters.push(Parameter { name: "d".to_owned(), kind: "DATE".to_owned(), value: "2026-11-01".to_owned() });
    request.tables.push(Table { name: "acme-prod.clinic.patients".to_owned(), etag: "e1".to_owned() });
    request
}

fn policy() -> Policy {
    let masked = MaskedOutput {
        statement: 0,
        output: 0,
        at: "a.b".to_owned(),
        mask: "sha256".to_owned(),
        labels: vec!["phi".to_owned()],
        columns: vec!["acme-prod.clinic.patients.ssn".to_owned()],
        rules: Vec::new(),
    };
    let refusing = Refusing {
        kind: "forbidden".to_owned(),
        question: Some("drop".to_owned()),
        rules: vec!["no-drop".to_owned()],
        fact: "it drops".to_owned(),
    };
    let held = Held {
        group: "owners".to_owned(),
        quorum: 2,
        assurance: "passkey".to_owned(),
        rules: vec!["hold-drop".to_owned()],
        questions: vec!["drop".to_owned()],
    };
    Policy {
        set: "sha256:00".to_owned(),
        outcome: "permitted".to_owned(),
        judge: "both".to_owned(),
        permitted: [("read of table t".to_owned(), vec!["allow-read".to_owned()])].into(),
        refused: vec![refusing],
        held: vec![held],
        masks: vec![masked],
        clear: Vec::new(),
        inherits: BTreeMap::from([("p.d.t.c".to_owned(), vec!["health".to_owned()])]),
        inherits_computed: BTreeMap::from([("p.d.t.c".to_owned(), vec!["health".to_owned()])]),
        decided_by: vec![DecidedBy {
            column: "p.d.t.c".to_owned(),
            how: "filter".to_owned(),
            label: None,
            rules: vec!["allow-filter".to_owned()],
        }],
        bytes: Some(u64::MAX),
        cost_micros: Some(7),
        shadows: BTreeMap::new(),
    }
}

fn meta() -> Meta {
    Meta {
        api: "bigquery.jobs.query".to_owned(),
        outcome: "permitted".to_owned(),
        client: Some(Client { address: "203.0.113.7".to_owned(), tls: None, user_agent: Some("bq".to_owned()) }),
        job: Some(JobName { project: "acme-prod".to_owned(), location: None, id: "sluice_1".to_owned() }),
        ..Meta::default()
    }
}

fn section(draft: &Draft, section: SectionId) -> Value {
    serde_json::from_slice(&draft.sections()[&section]).unwrap()
}

#[test]
fn who_called_is_on_record() {
    let draft = STEPS.admitted(&meta(), &identity(), &request(), &policy()).unwrap();
    let (one, two, three) = ("01".repeat(32), "02".repeat(32), "03".repeat(32));
    assert_eq!(
        section(&draft, SectionId::Identity),
        json!({
            "kind": "pipeline", "issuer": "https://token.actions.githubusercontent.com", "subject": "repository:456789", "name": "octo/etl",
            "groups": ["etl"], "run": { "commit": "9d59", "protected": "true" }, "facts": { "tenant": "acme" },
            "on_behalf_of": [
                { "kind": "person", "issuer": "https://login.example.com", "subject": "user:7", "name": "Ana", "groups": ["analysts"] },
                { "issuer": "https://agents.example.com", "subject": "agent:router" },
            ],
            "grants": ["grant-1"], "asserted": { "application": "dbt" },
            "token": {
                "issuer": "https://token.actions.githubusercontent.com", "id": "jti-1", "digest": format!("sha256:{one}"), "key_id": "k1",
                "algorithm": "RS256", "keys_digest": format!("sha256:{two}"), "issued_at": 10, "expires_at": 20,
            },
            "session": { "id": "s1", "ends_at": 30, "origin_digest": format!("sha256:{three}") },
        })
    );
}

#[test]
fn what_was_asked_is_on_record_to_the_letter() {
    let draft = STEPS.estimated(&meta(), &identity(), &request(), &policy()).unwrap();
    assert_eq!(
        section(&draft, SectionId::Request),
        json!({
            "statement": "SELECT \"ssn\"\nFROM t",
            "parameters": [{ "name": "d", "type": "DATE", "value": "2026-11-01" }],
            "project": "acme-prod",
            "tables": [{ "name": "acme-prod.clinic.patients", "etag": "e1" }],
            "analysis": { "refused": null, "statements": [{
                "kind": "SELECT", "effects": ["read"], "reads": [{ "table": "acme-prod.clinic.patients", "columns": ["ssn"] }], "historical": [], "writes": [],
                "outputs": [{ "name": "s", "type": null, "exposure": [
                    { "at": "a.b", "column": "acme-prod.clinic.patients.ssn", "how": "derived" },
                ] }],
                "uses": [{ "column": "acme-prod.clinic.patients.ssn", "how": "filter" }],
                "routines": [], "unresolved": ["an opaque thing"], "locations": [], "child_job": false, "span": [0, 9],
            }] },
        })
    );
}

#[test]
fn each_step_has_its_kind_and_its_sections() {
    let upstream = Upstream { job: "sluice_1".to_owned(), attempts: 1, ..Upstream::default() };
    let page = Page::new(
        0,
        5,
        80,
        &[1; 32],
        vec![MaskedCells { path: "ssn".to_owned(), mask: "null".to_owned(), cells: 5, nulls: 1, labels: Vec::new(), columns: Vec::new() }],
    );
    let (meta, identity, request, policy) = (meta(), identity(), request(), policy());
    let check = |draft: Result<Draft, DraftError>, kind: Kind, sections: &[SectionId]| {
        let draft = draft.unwrap();
        assert_eq!((draft.kind(), draft.section_set()), (kind, sections.iter().copied().collect::<SectionSet>()));
        draft.sections().values().for_each(|text| assert!(serde_json::from_slice::<Value>(text).unwrap().is_object()));
    };
    use SectionId::{Identity as Who, Meta as Head, Policy as Why, Request as What, Result as Rows, Upstream as There};
    check(STEPS.estimated(&meta, &identity, &request, &policy), Kind::RequestEstimated, &[Head, Who, What, Why]);
    check(STEPS.admitted(&meta, &identity, &request, &policy), Kind::RequestAdmitted, &[Head, Who, What, Why]);
    check(STEPS.refused(&meta, &identity, &request, &policy), Kind::RequestRefused, &[Head, Who, What, Why]);
    check(STEPS.waiting(&meta, &identity, &request, &policy), Kind::ApprovalRequested, &[Head, Who, What, Why]);
    check(STEPS.refused_otherwise(&meta, Some(&identity)), Kind::RequestRefused, &[Head, Who]);
    check(STEPS.refused_otherwise(&meta, None), Kind::RequestRefused, &[Head]);
    check(STEPS.refused_unasked(&meta, &identity, &request), Kind::RequestRefused, &[Head, Who, What]);
    check(STEPS.dispatched(&upstream), Kind::UpstreamDispatched, &[There]);
    check(STEPS.page(&page), Kind::ResultPage, &[Rows]);
    check(STEPS.completed(&meta, &Totals::default(), &upstream), Kind::RequestCompleted, &[Head, Rows, There]);
    check(STEPS.interrupted(), Kind::RequestInterrupted, &[Head]);
    check(Draft::of_refused_token(&meta), Kind::AuthnFail, &[Head]);
    check(Draft::of_session(&meta, &identity), Kind::AuthnOk, &[Head, Who]);
    let target = Target { index: 3, sections: SectionSet::ALL };
    check(Draft::of_change(Kind::Erasure, Some(target), &Change::default()), Kind::Erasure, &[Head]);
    check(Draft::of_change(Kind::ConfigChange, None, &Change::default()), Kind::ConfigChange, &[Head]);
}

#[test]
fn what_is_too_long_is_refused_and_says_so() {
    // The largest statement, in letters that JSON writes with six bytes, fits.
    let mut request = request();
    request.statement = Some("\u{1}".repeat(1 << 20));
    STEPS.admitted(&meta(), &identity(), &request, &policy()).unwrap();
    request.parameters =
        (0..100_000).map(|number| Parameter { name: format!("p{number}"), kind: "STRING".to_owned(), value: "x".repeat(10) }).collect();
    let error = STEPS.admitted(&meta(), &identity(), &request, &policy()).unwrap_err();
    let DraftError::TooLong { section: SectionId::Request, bytes } = error else { panic!("{error}") };
    let max = SectionId::Request.plaintext_bytes_max();
    assert!(bytes > max);
    assert_eq!(error.to_string(), format!("section `request` of the record has {bytes} bytes, at most {max}"));
}
