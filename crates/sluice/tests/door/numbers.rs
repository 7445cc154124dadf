//! What operators count: exactly what happened, on a page that only this machine sees, and that the manual names.

use crate::collector::wait;
use crate::exposition::Page;
use crate::talk::{self, Answer, Link};
use crate::world::{API, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

const MANUAL: &str = include_str!("../../../../docs/operating.md");
pub const COUNT: &str = "SELECT COUNT(*) AS n FROM clinic.visits";

pub fn get(link: &mut Link, path: &str, headers: &[(&str, &str)]) -> Answer {
    link.send(&talk::request("GET", path, headers, None));
    let (back, _) = link.receive(talk::PATIENCE);
    talk::answers(&back).pop().unwrap_or_default()
}

pub fn page(address: SocketAddr) -> (Page, String) {
    let answer = get(&mut Link::plain(address), "/metrics", &[]);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/openmetrics-text; version=1.0.0; charset=utf-8")));
    let text = answer.text();
    (Page::read(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}")), text)
}

pub fn query(statement: &str) -> Value {
    json!({ "query": statement, "useLegacySql": false })
}

/// What grew or shrank between two pages, of these metrics.
fn changes(before: &Page, after: &Page, metrics: &[&str]) -> BTreeMap<String, f64> {
    let keys = before.samples.keys().chain(after.samples.keys()).filter(|key| metrics.contains(&key.split('{').next().unwrap_or_default()));
    let change = |key: &String| (key.clone(), after.number(key) - before.number(key));
    keys.map(change).filter(|(_, change)| *change != 0.0).collect()
}

fn expected(changes: &[(&str, f64)]) -> BTreeMap<String, f64> {
    changes.iter().map(|(key, change)| ((*key).to_owned(), *change)).collect()
}

/// A garbage token, a token of the wrong kind, and a form that is none.
fn refused_tokens(world: &World) {
    for (body, status) in [("grant_type=x", 400), ("token=abc", 200)] {
        let path = if status == 200 { "/v1/introspect" } else { "/v1/token" };
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let mut link = world.link();
        link.send(&talk::request("POST", path, &headers, Some(body.as_bytes())));
        let answer = talk::answers(&link.receive(talk::PATIENCE).0).remove(0);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    assert_eq!(get(&mut world.link(), &format!("{API}/jobs"), &[("Authorization", "Bearer abc")]).status, 401);
}

#[test]
fn numbers_say_exactly_what_happened() {
    let world = World::start("watch-numbers");
    let path = format!("{API}/queries");
    ["analyst", "stranger"].iter().for_each(|caller| drop(world.token(caller)));
    // Births that nobody labelled are found, and that is counted behind their rows.
    assert_eq!(world.call("analyst", "POST", &path, Some(&query("SELECT dob FROM clinic.patients"))).status, 200);
    let births = "sluice_findings_total{kind=\"date_of_birth\",act=\"warn\"}";
    wait("a finding", || page(world.plain).0.samples.contains_key(births));
    let completed = "sluice_ledger_records_total{kind=\"request.completed\"}";
    wait("the end of its job", || page(world.plain).0.number(completed) >= 2.0);
    let (before, _) = page(world.plain);
    assert_eq!(before.number(births), 1.0);
    assert_eq!(world.call("analyst", "POST", &path, Some(&query(COUNT))).status, 200);
    assert_eq!(world.call("stranger", "POST", &path, Some(&query(COUNT))).status, 403);
    assert_eq!(world.call("analyst", "GET", &format!("{API}/nothing"), None).status, 404);
    refused_tokens(&world);
    // The end of a job is put on record by whoever follows it.
    wait("the job's end", || page(world.plain).0.number(completed) >= before.number(completed) + 2.0);
    let (after, text) = page(world.plain);
    let of_requests =
        ["sluice_requests_total", "sluice_refusals_total", "sluice_token_requests_total", "sluice_rows_total", "sluice_alarms_total"];
    let request = |method: &str, outcome: &str| format!("sluice_requests_total{{door=\"rest\",method=\"{method}\",outcome=\"{outcome}\"}}");
    let (served, refused) = (request("bigquery.jobs.query", "served"), request("bigquery.jobs.query", "refused"));
    let (nothing, form) = (request("bigquery", "refused"), request("sluice.token.exchange", "refused"));
    let (garbage, list) = (request("sluice.token.introspect", "refused"), request("bigquery.jobs.list", "refused"));
    let expect = expected(&[
        (&served, 2.0),
        (&refused, 1.0),
        (&nothing, 1.0),
        (&form, 1.0),
        (&garbage, 1.0),
        (&list, 1.0),
        ("sluice_refusals_total{reason=\"policy\",kind=\"not_permitted\"}", 1.0),
        ("sluice_refusals_total{reason=\"no_method\",kind=\"none\"}", 1.0),
        ("sluice_refusals_total{reason=\"invalid\",kind=\"unsupported_grant_type\"}", 1.0),
        ("sluice_refusals_total{reason=\"unproven\",kind=\"token_malformed\"}", 2.0),
        ("sluice_token_requests_total{act=\"exchange\",outcome=\"refused\",reason=\"unsupported_grant_type\"}", 1.0),
        ("sluice_token_requests_total{act=\"introspect\",outcome=\"refused\",reason=\"token_malformed\"}", 1.0),
        ("sluice_rows_total", 1.0),
    ]);
    assert_eq!(changes(&before, &after, &of_requests), expect);
    let of_records = ["sluice_ledger_records_total"];
    let expect = expected(&[
        ("sluice_ledger_records_total{kind=\"authn.fail\"}", 3.0),
        ("sluice_ledger_records_total{kind=\"request.admitted\"}", 2.0),
        ("sluice_ledger_records_total{kind=\"request.completed\"}", 2.0),
        ("sluice_ledger_records_total{kind=\"request.refused\"}", 2.0),
        ("sluice_ledger_records_total{kind=\"result.page\"}", 1.0),
        ("sluice_ledger_records_total{kind=\"upstream.dispatched\"}", 1.0),
    ]);
    let mut found = changes(&before, &after, &of_records);
    // Whether policy wants a dry run first is the starter set's business.
    found.remove("sluice_ledger_records_total{kind=\"request.estimated\"}");
    assert_eq!(found, expect);
    of_durations(&before, &after);
    let ledger_waits = after.number("sluice_ledger_wait_seconds_count") - before.number("sluice_ledger_wait_seconds_count");
    // Nobody waits for the dispatch and the end of a request.
    let unhurried = |kind: &str| ["request.completed", "upstream.dispatched"].iter().any(|word| kind.contains(word));
    let waited = changes(&before, &after, &of_records).into_iter().filter(|(kind, _)| !unhurried(kind));
    assert_eq!(ledger_waits, waited.map(|(_, count)| count).sum::<f64>());
    assert_eq!((after.number("sluice_ledger_open"), after.number("sluice_open_jobs")), (1.0, 0.0), "{text}");
    of_manual(&after);
    is_near_by(&world);
    a_spoilt_engine_is_counted(&world);
    drop(world.finish());
}

fn of_durations(before: &Page, after: &Page) {
    let durations =
        changes(before, after, &["sluice_request_seconds_count", "sluice_upstream_seconds_count", "sluice_stage_seconds_count"]);
    let duration = |key: &str| durations.get(key).copied().unwrap_or_else(|| panic!("{key}: {durations:?}"));
    assert_eq!(duration("sluice_request_seconds_count{method=\"bigquery.jobs.query\",outcome=\"served\"}"), 2.0);
    assert_eq!(duration("sluice_upstream_seconds_count{call=\"dispatch\",outcome=\"done\"}"), 1.0);
    assert_eq!(duration("sluice_upstream_seconds_count{call=\"rows\",outcome=\"done\"}"), 1.0);
    assert_eq!(
        duration("sluice_stage_seconds_count{stage=\"identify\"}"),
        4.0,
        "of two callers, of a token that is none, of a path that is none"
    );
    assert_eq!(duration("sluice_stage_seconds_count{stage=\"understand\"}"), 2.0);
}

fn a_spoilt_engine_is_counted(world: &World) {
    let name = "sluice_engine_restarts_total";
    let before = page(world.plain).0.number(name);
    // More than the engine's stack can hold: the instance is given up, and another takes its place.
    let chain = format!("SELECT 1{}", " + 1".repeat(10_000));
    assert_ne!(world.call("analyst", "POST", &format!("{API}/queries"), Some(&query(&chain))).status, 200);
    assert_eq!(world.call("analyst", "POST", &format!("{API}/queries"), Some(&query(COUNT))).status, 200);
    assert!(page(world.plain).0.number(name) > before);
}

/// The table of metrics names what is on the page, with its type and its labels, and nothing else.
fn of_manual(page: &Page) {
    let table = MANUAL.lines().skip_while(|line| !line.starts_with("| metric |")).skip(2).take_while(|line| line.starts_with('|'));
    let words = |cell: &str| -> Vec<String> {
        cell.split(", ").map(|word| word.trim_matches('`').to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let mut told: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    for line in table {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let names: Vec<String> = words(cells[1]);
        told.extend(names.into_iter().map(|name| (name, (cells[2].to_owned(), words(cells[3]).into_iter().collect()))));
    }
    let mut shown: BTreeMap<String, (String, BTreeSet<String>)> =
        page.families.iter().map(|(name, kind)| (name.clone(), (kind.clone(), BTreeSet::new()))).collect();
    for key in page.samples.keys() {
        // Of those that it begins with: `sluice_connections` is one, `sluice_connections_open` another.
        let family = page.families.keys().filter(|family| key.starts_with(family.as_str())).max_by_key(|family| family.len()).unwrap();
        let labels = key.split_once('{').map_or("", |(_, labels)| labels).split("\",").filter_map(|pair| pair.split_once('='));
        let labels = labels.map(|(name, _)| name.to_owned()).filter(|name| name != "le");
        shown.get_mut(family).unwrap().1.extend(labels);
    }
    assert_eq!(told, shown);
}

/// On the port with TLS, through a proxy, by another verb: no numbers, and no other answer than any path gets that is none.
fn is_near_by(world: &World) {
    let other = get(&mut world.encrypted_link(b"http/1.1"), "/nothing", &[]);
    let answers = [
        get(&mut world.encrypted_link(b"http/1.1"), "/metrics", &[]),
        get(&mut world.link(), "/metrics", &[("X-Forwarded-For", "203.0.113.9")]),
        get(&mut world.link(), "/metrics", &[("Forwarded", "for=203.0.113.9")]),
        get(&mut world.link(), "/metrics", &[("Origin", "http://localhost")]),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.reason()), (other.status, other.reason()), "{}", answer.text());
        assert!(!answer.text().contains("sluice_"), "{}", answer.text());
    }
    assert_eq!(world.call("analyst", "POST", "/metrics", None).status, 404);
}
