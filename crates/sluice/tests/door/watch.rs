//! What operators are told: lines and traces, and what is in neither of them nor in the numbers.

use crate::collector::{FakeCollector, Manner, wait};
use crate::numbers::{COUNT, get, page, query};
use crate::program::Program;
use crate::talk::{self, Answer, Link};
use crate::world::{API, World};
use serde_json::{Value, json};
use sluice_sandbox::data::clinic::ClinicSettings;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const STOPPED_WITHIN: Duration = Duration::from_secs(60);
const WAREHOUSE_USER: &str = "gateway@acme-prod.iam.gserviceaccount.com";
const WAREHOUSE_TOKEN: &str = "fedcba9876543210fedcba9876543210";
/// A port that is given out to nobody.
const NOBODY: &str = "http://127.0.0.1:1";
const LITERAL: &str = "a literal of the analyst's";
const PARAMETER: &str = "a parameter of the analyst's";
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const SAID_TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// What the demo makes, its warehouse replaced by a process of its own, and more settings.
struct Scene {
    folder: PathBuf,
    plain: SocketAddr,
    tokens: Vec<String>,
    _warehouse: Program,
}

impl Scene {
    fn prepare(name: &str, callers: &[&str]) -> Scene {
        let (folder, plain, tokens) = World::prepare(name, callers);
        let warehouse = Program::start(&["sandbox", "--port", "0", "--token", &format!("{WAREHOUSE_TOKEN}={WAREHOUSE_USER}")]);
        let url = warehouse.first_line();
        let file = folder.join("sluice.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let before = text.lines().find(|line| line.starts_with("endpoint = ")).unwrap().to_owned();
        std::fs::write(&file, text.replace(&before, &format!("endpoint = \"{url}\""))).unwrap();
        std::fs::write(folder.join("warehouse.token"), WAREHOUSE_TOKEN).unwrap();
        Scene { folder, plain, tokens, _warehouse: warehouse }
    }

    fn ask(&self, caller: usize, verb: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.tokens[caller]);
        let all = [&[("Authorization", bearer.as_str()), ("Content-Type", "application/json")], headers].concat();
        crate::world::ask(self.plain, &talk::request(verb, path, &all, body.map(|body| body.to_string().into_bytes()).as_deref()))
    }
}

fn set(folder: &Path, server: &str, tables: &str) {
    let file = folder.join("sluice.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.split("\n# Of a test\n").next().unwrap().replace("[server]\n", &format!("[server]\n{server}\n"));
    std::fs::write(&file, format!("{text}\n# Of a test\n{tables}\n")).unwrap();
}

fn serve(folder: &Path) -> Program {
    let gateway = Program::start(&["serve", "--config", folder.to_str().unwrap()]);
    gateway.first_line();
    gateway
}

fn lines(said: &str) -> Vec<Value> {
    said.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The id that a refused caller is told to quote.
fn quoted(answer: &Answer) -> String {
    let text = answer.text();
    let id = text.split('`').find(|part| part.len() == 32 && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    id.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn text<'a>(span: &'a Value, name: &str) -> &'a str {
    span[name].as_str().unwrap_or_default()
}

fn attribute(span: &Value, key: &str) -> String {
    let attributes = span["attributes"].as_array().unwrap();
    let found = attributes.iter().find(|attribute| attribute["key"] == key);
    found.and_then(|found| found["value"]["stringValue"].as_str()).unwrap_or_default().to_owned()
}

/// The trace of this id: its root and the names of what is below, with the name of the span that each is below.
fn trace(spans: &[Value], id: &str) -> (Value, BTreeSet<(String, String)>) {
    let of: Vec<&Value> = spans.iter().filter(|span| text(span, "traceId") == id).collect();
    let ids: BTreeMap<&str, &Value> = of.iter().map(|span| (text(span, "spanId"), *span)).collect();
    assert_eq!(ids.len(), of.len(), "ids of spans are told apart: {of:?}");
    let roots: Vec<&&Value> = of.iter().filter(|span| text(span, "parentSpanId").is_empty()).collect();
    assert_eq!(roots.len(), 1, "{id}: {of:?}");
    let time = |span: &Value, name: &str| text(span, name).parse::<u128>().unwrap();
    let mut below = BTreeSet::new();
    for span in of.iter().filter(|span| !text(span, "parentSpanId").is_empty()) {
        let parent = ids.get(text(span, "parentSpanId")).unwrap_or_else(|| panic!("no parent: {span}"));
        let within = time(span, "startTimeUnixNano") >= time(parent, "startTimeUnixNano")
            && time(span, "endTimeUnixNano") <= time(parent, "endTimeUnixNano");
        assert!(within, "{span} is not within {parent}");
        below.insert((text(span, "name").to_owned(), text(parent, "name").to_owned()));
    }
    ((*roots[0]).clone(), below)
}

/// Statements with labelled values, literals and parameters, wrong and right, of those who may and who may not.
fn drive(scene: &Scene) -> Answer {
    let labelled = ClinicSettings::default().canaries();
    let path = format!("{API}/queries");
    let mut statements: Vec<String> = vec![
        "SELECT id, diagnosis FROM clinic.visits ORDER BY id LIMIT 50".to_owned(),
        format!("SELECT id FROM clinic.visits WHERE doctor = \"{LITERAL}\""),
        format!("SELECT nothing_like_it FROM clinic.visits WHERE doctor = \"{LITERAL}\""),
        format!("SELECT \"{LITERAL}"),
        format!("SELECT ERROR(\"{LITERAL}\") FROM clinic.visits"),
    ];
    for column in ["patients.ssn", "visits.diagnosis"] {
        let (_, value) = labelled.iter().find(|(one, _)| *one == column).unwrap();
        let (table, column) = column.split_once('.').unwrap();
        statements.push(format!("SELECT COUNT(*) AS n FROM clinic.{table} WHERE {column} = \"{value}\""));
        statements.push(format!("SELECT CAST({column} AS INT64) AS n FROM clinic.{table}"));
    }
    let mut served = 0;
    for statement in &statements {
        served += usize::from(scene.ask(0, "POST", &path, &[("traceparent", TRACEPARENT)], Some(&query(statement))).status == 200);
    }
    assert!(served >= 2, "{served} of {statements:?}");
    let parameter = json!({ "name": "p", "parameterType": { "type": "STRING" }, "parameterValue": { "value": PARAMETER } });
    let mut with_parameter = query("SELECT id FROM clinic.visits WHERE doctor = @p");
    with_parameter["parameterMode"] = "NAMED".into();
    with_parameter["queryParameters"] = json!([parameter]);
    assert_eq!(scene.ask(0, "POST", &path, &[], Some(&with_parameter)).status, 200);
    assert_eq!(scene.ask(0, "GET", &format!("{API}/datasets/clinic/tables/logins/data?maxResults=2"), &[], None).status, 200);
    let refused = scene.ask(1, "POST", &path, &[("traceparent", LITERAL)], Some(&query(COUNT)));
    assert_eq!(refused.status, 403, "{}", refused.text());
    refused
}

#[test]
fn lines_and_traces_say_what_happened_and_hold_no_secret() {
    let scene = Scene::prepare("watch-traces", &["analyst", "stranger"]);
    let collector = FakeCollector::start(Manner::Answers);
    set(&scene.folder, "metrics = \"127.0.0.1:0\"", &format!("[traces]\nendpoint = \"{}\"", collector.endpoint()));
    let gateway = serve(&scene.folder);
    let refused = drive(&scene);
    let id = quoted(&refused);
    collector.wait("the last trace", |collector| {
        collector.spans().iter().any(|span| text(span, "traceId") == id && text(span, "parentSpanId").is_empty())
    });
    let start = || lines(&gateway.errors()).into_iter().find(|line| line["event"] == "start");
    wait("the first line", || start().is_some());
    let metrics: SocketAddr = start().unwrap()["metrics"].as_str().unwrap().parse().unwrap();
    assert_eq!(get(&mut Link::plain(metrics), "/healthz", &[]).status, 404, "a port for numbers alone");
    let (numbers, shown) = page(metrics);
    assert_eq!(numbers.number("sluice_trace_spans_total{outcome=\"dropped\"}"), 0.0);
    let (code, said) = gateway.stop(STOPPED_WITHIN);
    assert_eq!(code, Some(0), "{said}");
    of_lines(&said, &id);
    of_traces(&collector.spans(), &id);
    of_secrets(&scene, &said, &shown, &collector);
    drop(std::fs::remove_dir_all(&scene.folder));
}

fn of_lines(said: &str, refused: &str) {
    let lines = lines(said);
    let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!((events.first(), events.last()), (Some(&"start"), Some(&"stop")), "{said}");
    assert!(events.contains(&"stopping"), "{said}");
    for line in &lines {
        let time = line["time"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-11-21T14:36:18.101Z".len(), "{time}");
    }
    let line = lines.iter().find(|line| line["request"] == refused).unwrap_or_else(|| panic!("{refused}: {said}"));
    let expect = [
        ("level", "info"),
        ("event", "request"),
        ("door", "rest"),
        ("method", "bigquery.jobs.query"),
        ("outcome", "refused"),
        ("reason", "policy"),
    ];
    for (name, value) in expect {
        assert_eq!(line[name], value, "{line}");
    }
    assert_eq!(line["kinds"], json!(["not_permitted"]), "{line}");
    assert!(line["milliseconds"].as_f64().is_some_and(|milliseconds| milliseconds > 0.0), "{line}");
}

fn of_traces(spans: &[Value], refused: &str) {
    let (root, below) = trace(spans, refused);
    let name = |span: &str, parent: &str| (span.to_owned(), parent.to_owned());
    let method = "bigquery.jobs.query";
    let expect = ["identify", "understand", "decide", "record"].map(|span| name(span, method));
    assert!(expect.iter().all(|span| below.contains(span)), "{below:?}");
    assert!(!below.iter().any(|(span, _)| span.starts_with("upstream.")), "nothing was asked of BigQuery: {below:?}");
    assert_eq!((text(&root, "name"), root["kind"].as_u64(), attribute(&root, "sluice.outcome")), (method, Some(2), "refused".to_owned()));
    assert_eq!((attribute(&root, "sluice.reason"), attribute(&root, "sluice.request")), ("policy".to_owned(), refused.to_owned()));
    assert_eq!(root["links"], json!([]), "what is no trace is linked to by nobody");
    // Each call of the analyst's said that it was part of a trace: none of ours is.
    assert!(spans.iter().all(|span| text(span, "traceId") != SAID_TRACE), "a client chooses no id");
    let served: Vec<&Value> =
        spans.iter().filter(|span| text(span, "name") == method && attribute(span, "sluice.outcome") == "served").collect();
    let linked = |span: &Value, trace: &str| span["links"].as_array().unwrap().iter().any(|link| link["traceId"] == trace);
    assert!(served.iter().any(|span| linked(span, SAID_TRACE)), "{served:?}");
    // The look at the rows comes after its job, and says so.
    let look = served.iter().find(|span| trace(spans, text(span, "traceId")).1.contains(&name("upstream.rows", method)));
    let (look, below) = trace(spans, text(look.unwrap_or_else(|| panic!("{served:?}")), "traceId"));
    for span in ["decide", "record", "upstream.rows", "mask"] {
        assert!(below.contains(&name(span, method)), "{span}: {below:?}");
    }
    let job = served.iter().find(|job| linked(&look, text(job, "traceId"))).unwrap_or_else(|| panic!("{look}"));
    let (_, below) = trace(spans, text(job, "traceId"));
    for span in ["identify", "understand", "decide", "record", "upstream.dispatch"] {
        assert!(below.contains(&name(span, method)), "{span}: {below:?}");
    }
    let whole: BTreeSet<(String, String)> =
        spans.iter().map(|span| text(span, "traceId").to_owned()).flat_map(|id| trace(spans, &id).1).collect();
    assert!(whole.contains(&name("catalog", "understand")) && whole.contains(&name("analyze", "understand")), "{whole:?}");
}

fn of_secrets(scene: &Scene, said: &str, shown: &str, collector: &FakeCollector) {
    let calls = collector.calls();
    assert!(
        calls.iter().all(|call| call.head.starts_with("POST /v1/traces HTTP/1.1\r\n") && call.head.contains("application/json")),
        "{calls:?}"
    );
    let sent: String = calls.iter().map(|call| format!("{}{}", call.head, String::from_utf8_lossy(&call.body))).collect();
    let labelled = ClinicSettings::default().canaries();
    let words = [
        LITERAL,
        PARAMETER,
        WAREHOUSE_TOKEN,
        "SELECT",
        "clinic.",
        "logins",
        "acme-prod",
        "Bearer",
        "u-1001",
        "u-9999",
        "Ada",
        "login.demo",
        "nothing_like_it",
    ];
    let secrets = scene.tokens.iter().map(String::as_str).chain(words).chain(labelled.iter().map(|(_, value)| value.as_str()));
    let secrets: Vec<&str> = secrets.collect();
    for (place, text) in [("lines", said), ("numbers", shown), ("traces", sent.as_str())] {
        assert!(text.len() > 500, "{place}: {text}");
        let found: Vec<&&str> = secrets.iter().filter(|secret| text.contains(**secret)).collect();
        assert!(found.is_empty(), "{found:?} in {place}:\n{text}");
    }
}

/// What is refused by its path alone: it needs no warehouse.
fn refuse(plain: SocketAddr, token: &str) {
    let bearer = format!("Bearer {token}");
    let refused = get(&mut Link::plain(plain), &format!("{API}/nothing"), &[("Authorization", &bearer)]);
    assert_eq!(refused.status, 404, "{}", refused.text());
}

#[test]
fn a_collector_that_hangs_or_is_away_holds_up_nothing() {
    let (folder, plain, tokens) = World::prepare("watch-away", &["analyst"]);
    let hanging = FakeCollector::start(Manner::Hangs);
    let dropped = "sluice_trace_spans_total{outcome=\"dropped\"}";
    for endpoint in [hanging.endpoint(), NOBODY.to_owned()] {
        set(&folder, "", &format!("[log]\nrequests = \"off\"\n[traces]\nendpoint = \"{endpoint}\""));
        let gateway = serve(&folder);
        refuse(plain, &tokens[0]);
        if endpoint == hanging.endpoint() {
            hanging.wait("the first trace", |collector| !collector.calls().is_empty());
        }
        // The collector has a trace and does not answer, or there is none: everybody else is answered all the same.
        for _ in 0..20 {
            refuse(plain, &tokens[0]);
        }
        wait("a count of what was dropped", || page(plain).0.number(dropped) > 0.0);
        let (numbers, _) = page(plain);
        assert_eq!(numbers.number("sluice_trace_spans_total{outcome=\"sent\"}"), 0.0);
        assert_eq!(numbers.number("sluice_requests_total{door=\"rest\",method=\"bigquery\",outcome=\"refused\"}"), 21.0);
        let (code, said) = gateway.stop(STOPPED_WITHIN);
        assert_eq!(code, Some(0), "{said}");
        let events: Vec<Value> = lines(&said).iter().map(|line| line["event"].clone()).collect();
        assert_eq!(events.iter().filter(|event| *event == "traces_fail").count(), 1, "said once: {said}");
        assert!(!events.iter().any(|event| *event == "request" || *event == "alarm"), "{said}");
    }
    wrong_settings(&folder);
    drop(std::fs::remove_dir_all(&folder));
}

/// Each is said, with everything else that is wrong.
fn wrong_settings(folder: &Path) {
    set(folder, "metrics = \"0.0.0.0:0\"", "[log]\nlevel = \"loud\"\nrequests = \"some\"\n[traces]\nendpoint = \"http://10.0.0.7:4318\"");
    let refused =
        std::process::Command::new(env!("CARGO_BIN_EXE_sluice")).args(["serve", "--config", folder.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    for problem in ["server.metrics: 0.0.0.0:0", "log.level: `loud`", "log.requests: `some`", "traces.endpoint: plain HTTP to `10.0.0.7`"] {
        assert!(said.contains(problem), "{problem}: {said}");
    }
}
