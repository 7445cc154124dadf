//! `sluice requests`: what is on record of each request, while a gateway holds the ledger and after.

use crate::desk::{CALLER, Desk, append};
use crate::program::{Ran, run};
use serde_json::{Value, json};
use sluice_ledger::record::content::{JobName, Meta, Page, Steps, Totals, Upstream};
use sluice_ledger::record::{Draft, Kind, SectionId, Subject};
use sluice_store::Ledger;

const PERSON: &str = "https://accounts.example#ana";
const SQL: &str = "SELECT name FROM clinic.patients WHERE id = @id";
const SET: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn id(number: u8) -> String {
    format!("{number:02x}").repeat(16)
}

fn meta(outcome: &str, reason: Option<&str>) -> Meta {
    let mut meta = Meta { api: "bigquery.jobs.query".to_owned(), connection: Some("clinic".to_owned()), ..Meta::default() };
    (meta.outcome, meta.reason) = (outcome.to_owned(), reason.map(str::to_owned));
    meta
}

fn decided(kind: Kind, number: u8, meta: &Meta, policy: &Value) -> Draft {
    let identity = json!({
        "kind": "ai", "issuer": "https://ci.example", "subject": "repo:octo/etl\u{1b}[2J", "name": "octo", "groups": ["staff"],
        "run": { "repository": "octo/etl", "reference": "refs/heads/main" },
        "on_behalf_of": [{ "kind": "person", "issuer": "https://accounts.example", "subject": "ana" }],
    });
    let request = json!({
        "statement": SQL, "project": "acme", "parameters": [{ "name": "id", "type": "INT64", "value": "7" }],
        "analysis": { "statements": [{ "kind": "SELECT" }] },
    });
    let draft = Draft::of_request(kind, Subject([number; 16])).unwrap().with_content(meta).unwrap();
    let texts = [(SectionId::Identity, &identity), (SectionId::Request, &request), (SectionId::Policy, policy)];
    texts.into_iter().fold(draft, |draft, (section, text)| draft.with(section, text.to_string().into_bytes()).unwrap())
}

fn permitted() -> Value {
    json!({
        "set": SET, "outcome": "permitted", "judge": "both", "permitted": { "read clinic.patients": ["people-read"] },
        "masks": [{ "rules": ["mask-names"] }], "bytes": 2048, "cost_micros": 1_250_000,
    })
}

/// One that is completed with two pages, one that policy refused, one that is still open.
fn three(ledger: &mut Ledger) {
    let steps = Steps { subject: Subject([11; 16]) };
    append(ledger, &decided(Kind::RequestAdmitted, 11, &meta("permitted", None), &permitted()));
    append(ledger, &steps.page(&Page::new(0, 5, 80, &[1; 32], Vec::new())).unwrap());
    append(ledger, &steps.page(&Page::new(1, 2, 40, &[2; 32], Vec::new())).unwrap());
    let mut end = meta("completed", None);
    end.job = Some(JobName { project: "acme".to_owned(), location: None, id: "job_1".to_owned() });
    end.counts.insert("polls".to_owned(), 3);
    let upstream = Upstream { job: "acme:job_1".to_owned(), ..Upstream::default() };
    append(ledger, &steps.completed(&end, &Totals { rows: 7, ..Totals::default() }, &upstream).unwrap());
    let refused = json!({
        "set": SET, "outcome": "refused", "judge": "both",
        "refused": [{ "kind": "no_rule", "question": "decide by clinic.patients.id", "rules": [], "fact": "labelled" }],
    });
    append(ledger, &decided(Kind::RequestRefused, 12, &meta("refused", Some("policy")), &refused));
    append(ledger, &decided(Kind::RequestAdmitted, 13, &meta("permitted", None), &permitted()));
}

fn ask(desk: &Desk, more: &[&str]) -> Ran {
    run(&[&["requests", &desk.path("ledger"), "--keys", &desk.path("keys")], more].concat())
}

fn told(desk: &Desk, more: &[&str]) -> Vec<Value> {
    let ran = ask(desk, &[more, &["--json"]].concat());
    ran.check(0, &[]);
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The ids of what is shown, in its order.
fn check(desk: &Desk, more: &[&str], expect: &[u8]) {
    let ids: Vec<String> = told(desk, more).iter().map(|told| told["request"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expect.iter().map(|number| id(*number)).collect::<Vec<_>>(), "{more:?}");
}

#[test]
fn what_is_not_in_a_checkpoint_yet_is_shown() {
    let desk = Desk::new("requests_held");
    let mut ledger = desk.open();
    ledger.apply().unwrap();
    let before = desk.reader().size();
    three(&mut ledger);
    assert_eq!(desk.reader().size(), before, "the records are in the write-ahead log alone");
    check(&desk, &[], &[11, 12, 13]);
    ledger.apply().unwrap();
    assert_eq!(desk.reader().size(), before + 6);
    check(&desk, &[], &[11, 12, 13]);
    ledger.shut().unwrap();
    let outcomes: Vec<Value> = told(&desk, &[]).iter().map(|told| told["outcome"].clone()).collect();
    assert_eq!(outcomes, [json!("completed"), json!("refused"), json!("interrupted")]);
}

#[test]
fn everything_on_record_is_told() {
    let desk = Desk::new("requests_told");
    let mut ledger = desk.open();
    three(&mut ledger);
    let told = told(&desk, &["--request", &id(11)]).remove(0);
    let expect = json!({
        "caller": "https://ci.example#repo:octo/etl\u{1b}[2J", "kind": "ai", "on_behalf_of": PERSON, "connection": "clinic",
        "api": "bigquery.jobs.query", "statement_types": ["SELECT"], "decision": "permitted", "policy": SET,
        "rules": ["mask-names", "people-read"], "reasons": [], "bytes": 2048, "cost_micros": 1_250_000, "outcome": "completed",
        "reason": null, "polls": 3, "rows": 7, "run": { "repository": "octo/etl", "reference": "refs/heads/main" },
    });
    for (name, expect) in expect.as_object().unwrap() {
        assert_eq!(&told[name], expect, "{name}");
    }
    for (pointer, expect) in [
        ("/records/0/kind", json!("request.admitted")),
        ("/records/0/record", json!(1)),
        ("/records/0/sections/request/statement", json!(SQL)),
        ("/records/0/sections/request/parameters/0", json!({ "name": "id", "type": "INT64", "value": "7" })),
        ("/records/0/sections/identity/groups", json!(["staff"])),
        ("/records/2/sections/result/rows", json!(2)),
        ("/records/3/sections/upstream/job", json!("acme:job_1")),
        ("/records/3/erased", json!([])),
    ] {
        assert_eq!(told.pointer(pointer), Some(&expect), "{pointer}");
    }
}

#[test]
fn a_line_says_it_shortly_and_says_no_statement() {
    let desk = Desk::new("requests_lines");
    let mut ledger = desk.open();
    three(&mut ledger);
    let ran = ask(&desk, &[]);
    ran.check(
        0,
        &[
            "https://ci.example#repo:octo/etl\\u{1b}[2J (ai) for https://accounts.example#ana [repository=octo/etl reference=refs/heads/main]",
            "clinic  bigquery.jobs.query SELECT  job job_1  permitted by sha256:0123456789ab  rules mask-names, people-read  2048 bytes  cost 1.250000  \
             completed  3 polls  7 rows",
            "refused by sha256:0123456789ab  because no_rule: decide by clinic.patients.id  - bytes  cost -  refused (policy)  - polls  0 rows",
            "open  - polls  0 rows",
        ],
    );
    assert_eq!(ran.out.lines().count(), 3);
    assert!(!ran.out.contains("patients WHERE") && !ran.out.contains('\u{1b}'), "{}", ran.out);
}

#[test]
fn requests_are_chosen() {
    let desk = Desk::new("requests_chosen");
    desk.fill();
    let mut ledger = desk.open();
    three(&mut ledger);
    drop(ledger);
    // The first of `fill` bears the number of the records before it.
    let all = told(&desk, &[]);
    let first = all[0]["request"].as_str().unwrap().to_owned();
    assert_eq!((all.len(), first), (4, id(1)), "{all:?}");
    check(&desk, &["--caller", CALLER], &[1]);
    check(&desk, &["--caller", PERSON], &[11, 12, 13]);
    check(&desk, &["--caller", "https://ci.example#nobody"], &[]);
    check(&desk, &["--outcome", "refused"], &[12]);
    check(&desk, &["--outcome", "open"], &[13]);
    check(&desk, &["--max", "2"], &[12, 13]);
    check(&desk, &["--max", "1", "--outcome", "refused"], &[12]);
    check(&desk, &["--request", &id(9)], &[]);
    check(&desk, &["--since", "2020-01-01"], &[1, 11, 12, 13]);
    check(&desk, &["--since", all[2]["time"].as_str().unwrap(), "--outcome", "refused"], &[12]);
    check(&desk, &["--since", "9999-01-01"], &[]);
}

#[test]
fn what_was_erased_is_said_to_be() {
    let desk = Desk::new("requests_erased");
    let mut ledger = desk.open();
    three(&mut ledger);
    ledger.shut().unwrap();
    desk.act("erase", &["1", "--section", "identity"]).check(0, &[]);
    let told = told(&desk, &["--request", &id(11)]).remove(0);
    assert_eq!((&told["caller"], &told["records"][0]["erased"]), (&Value::Null, &json!(["identity"])));
    assert_eq!(told.pointer("/records/0/sections/request/statement"), Some(&json!(SQL)));
}

#[test]
fn what_cannot_be_asked() {
    let desk = Desk::new("requests_wrong");
    desk.fill();
    let other = Desk::new("requests_other_keys");
    let ledger = desk.path("ledger");
    run(&["requests", &ledger]).check(2, &["--keys"]);
    run(&["requests", &ledger, "--keys", &other.path("keys")]).check(1, &["the signing key is not the one that the ledger names"]);
    run(&["requests", &desk.path("nowhere"), "--keys", &desk.path("keys"), "--json"]).check(1, &["\"failed\""]);
    ask(&desk, &["--since", "yesterday"]).check(2, &["in UTC"]);
    ask(&desk, &["--request", "12"]).check(2, &["32 hexadecimal digits"]);
    ask(&desk, &["--outcome", "refsued"]).check(2, &["completed, refused, failed"]);
    ask(&desk, &["--caller", "nobody"]).check(2, &["its issuer's URL, `#`, and its subject"]);
    ask(&desk, &["--caller", "https://issuer.example#nobody"]).check(0, &["no request on record is like that"]);
    ask(&desk, &["--max", "0"]).check(2, &["not in 1..=100000"]);
}
