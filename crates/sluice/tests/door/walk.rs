//! Every method of BigQuery's discovery document, for each caller of the demo: answered or refused as the table says, and on record in either case.

use crate::evidence::Evidence;
use crate::world::{API, CALLERS, PROJECT, World};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TABLE: &str = include_str!("data/methods.txt");
const REFUSED: &str = include_str!("data/unknown.txt");
/// As the clients ask for it.
const DISCOVERY: [&str; 2] = ["/discovery/v1/apis/bigquery/v2/rest", "/$discovery/rest?version=v2"];

struct Case {
    line: &'static str,
    method: &'static str,
    path: &'static str,
    body: &'static str,
    expect: Vec<&'static str>,
}

/// One call that was made, to be found again in the ledger.
struct Made {
    what: String,
    mark: String,
    api: String,
    status: u16,
}

fn cases() -> Vec<Case> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" |").map(str::trim).collect();
            assert_eq!(parts.len(), 3 + CALLERS.len(), "{line}");
            Case { line, method: parts[0], path: parts[1], body: parts[2], expect: parts[3..].to_vec() }
        })
        .collect()
}

/// `datasets.get` -> its verb.
fn methods(document: &Value) -> BTreeMap<String, String> {
    let resources = document["resources"].as_object().unwrap().values();
    let methods = resources.flat_map(|resource| resource["methods"].as_object().unwrap().values());
    let text = |method: &Value, name: &str| method[name].as_str().unwrap().to_owned();
    methods.map(|method| (text(method, "id").trim_start_matches("bigquery.").to_owned(), text(method, "httpMethod"))).collect()
}

#[test]
fn every_method_is_decided_and_recorded() {
    let world = World::start("walk");
    let documents = DISCOVERY.map(|path| world.call("stranger", "GET", path, None).json());
    assert_eq!(documents[0], documents[1]);
    let methods = methods(&documents[0]);
    let cases = cases();
    let walked: BTreeSet<&str> = cases.iter().map(|case| case.method).collect();
    assert_eq!(walked, methods.keys().map(String::as_str).collect(), "the table does not name what the document names");
    assert!(methods.len() >= 47, "{} methods", methods.len());
    let jobs: BTreeMap<&str, String> = CALLERS.iter().map(|caller| (*caller, own_job(&world, caller))).collect();
    let mut wrong = Vec::new();
    let mut made = Vec::new();
    for case in &cases {
        let found: Vec<String> = CALLERS
            .iter()
            .map(|caller| {
                let answer = ask(&world, case, &methods[case.method], caller, &jobs[caller]);
                let (what, api) = (format!("{caller}: {}", case.line), format!("bigquery.{}", case.method));
                made.push(Made { what, mark: answer.mark.clone(), api, status: answer.status });
                answer.class()
            })
            .collect();
        if found != case.expect {
            wrong.push(format!("{} | {} | {} | {}", case.method, case.path, case.body, found.join(" | ")));
        }
    }
    let evidence = world.finish();
    wrong.extend(made.iter().filter_map(|made| is_recorded(&evidence, made).err()));
    assert!(wrong.is_empty(), "{} of {} calls:\n{}", wrong.len(), made.len(), wrong.join("\n"));
}

/// A query and its page of rows are two requests with a record each, everything else is one.
fn is_recorded(evidence: &Evidence, made: &Made) -> Result<(), String> {
    let records = evidence.of_mark(&made.mark);
    let ends: Vec<&str> = records.iter().filter(|record| record.kind.is_terminal()).map(|record| record.api()).collect();
    let expect = if made.api == "bigquery.jobs.query" && made.status == 200 { 2 } else { 1 };
    let others = ends.iter().filter(|api| **api != made.api).count();
    let has_caller = records.iter().any(|record| record.sections.contains_key("identity"));
    if ends.len() == expect && others == 0 && has_caller {
        return Ok(());
    }
    Err(format!("{} ({}): {} ends {ends:?}, caller {has_caller}", made.what, made.status, ends.len()))
}

fn ask(world: &World, case: &Case, verb: &str, caller: &str, job: &str) -> crate::talk::Answer {
    let path = match case.path {
        "" => format!("/bigquery/v2/{}", case.method.trim_end_matches(".list")),
        path => format!("{API}/{}", path.replace("{job}", job)),
    };
    let body = case.body.replace("{caller}", &caller.replace('-', "_"));
    let body: Option<Value> = (!body.is_empty()).then(|| serde_json::from_str(&body).unwrap());
    world.call(caller, verb, &path, body.as_ref())
}

fn own_job(world: &World, caller: &str) -> String {
    let id = format!("own_{}", caller.replace('-', "_"));
    let body = json!({
        "jobReference": { "projectId": PROJECT, "jobId": id },
        "configuration": { "query": { "query": "SELECT device FROM clinic.logins LIMIT 3", "useLegacySql": false } }
    });
    let answer = world.call(caller, "POST", &format!("{API}/jobs"), Some(&body));
    let expect = if caller == "stranger" { 403 } else { 200 };
    assert_eq!(answer.status, expect, "{caller}: {}", answer.text());
    if answer.status == 200 {
        let answer = world.call(caller, "GET", &format!("{API}/queries/{id}"), None);
        assert_eq!(answer.json()["jobComplete"], true, "{caller}: {}", answer.text());
    }
    id
}

#[test]
fn what_is_not_known_is_refused_and_recorded() {
    let world = World::start("unknown");
    let mut wrong = Vec::new();
    let mut made = Vec::new();
    for line in REFUSED.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let parts: Vec<&str> = line.split(" |").map(str::trim).collect();
        let [verb, path, body, expect] = parts.as_slice() else { panic!("{line}") };
        let before = world.warehouse_log().len();
        for caller in ["analyst", "stranger"] {
            let headers: &[(&str, &str)] = if body.is_empty() { &[] } else { &[("Content-Type", "application/json")] };
            let bytes = (!body.is_empty()).then_some(body.as_bytes());
            let answer = world.call_with(caller, verb, path, headers, bytes);
            if answer.class() != *expect {
                wrong.push(format!("{caller}: {line}: {} {}", answer.class(), answer.text()));
            }
            made.push((format!("{caller}: {line}"), answer.mark));
        }
        if world.warehouse_log().len() != before {
            wrong.push(format!("{line}: the warehouse was asked"));
        }
    }
    let evidence = world.finish();
    for (what, mark) in &made {
        let ends = evidence.ends(mark);
        if ends.len() != 1 || !ends[0].starts_with("refused") {
            wrong.push(format!("{what}: {ends:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), made.len(), wrong.join("\n"));
}
