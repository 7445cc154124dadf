//! The warehouse behind HTTP: doors, shapes, polls, faults.

use super::http::Client;
use super::warehouse::engine;
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use sluice_sandbox::problem::Reason;
use sluice_sandbox::{Act, Fault, Lie, Running, Sandbox, Settings, Token};
use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

const JOBS: &str = "/bigquery/v2/projects/acme-prod/jobs";
const QUERIES: &str = "/bigquery/v2/projects/acme-prod/queries";
const DATASETS: &str = "/bigquery/v2/projects/acme-prod/datasets";

fn start(settings: Settings) -> (Running, Client) {
    let running = Sandbox::start(engine(), settings).unwrap();
    let client = Client { address: running.address, token: None };
    (running, client)
}

fn query(sql: &str) -> Value {
    json!({ "query": sql, "useLegacySql": false })
}

fn job(id: &str, sql: &str) -> Value {
    json!({ "jobReference": { "projectId": "acme-prod", "jobId": id }, "configuration": { "query": query(sql) } })
}

#[test]
fn a_token_is_demanded_where_there_is_one() {
    let token = Token { bearer: "right".to_owned(), user_email: "ada@acme.example".to_owned() };
    let (running, mut client) = start(Settings { tokens: vec![token], ..Settings::default() });
    let check = |client: &Client, expect: &str| assert_eq!(client.get(DATASETS).verdict(), expect);
    check(&client, "401 authError");
    client.token = Some("wrong");
    check(&client, "401 authError");
    client.token = Some("right");
    check(&client, "200 ");
    let answer = client.post(JOBS, job("who", "SELECT SESSION_USER()")).json();
    assert_eq!(answer["user_email"], "ada@acme.example");
    let callers: Vec<Option<String>> = running.requests().into_iter().map(|request| request.caller).collect();
    let ada = Some("ada@acme.example".to_owned());
    assert_eq!(callers, [None, None, ada.clone(), ada]);
    assert!(!format!("{:?}", running.requests()).contains("right"));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let (_running, client) = start(Settings::default());
    let check = |verb: &str, path: &str, body: &str, expect: &str| {
        assert_eq!(client.send(verb, path, body, &[]).verdict(), expect, "{verb} {path}")
    };
    check("GET", "/bigquery/v2/nowhere", "", "404 notFound");
    check("GET", "/projects/acme-prod/datasets", "", "200 ");
    check("GET", "/bigquery/v2/projects/acme-prod/datasets/clinic/models", "", "501 notImplemented");
    check("POST", "/upload/bigquery/v2/projects/acme-prod/jobs", "", "400 invalid");
    check("POST", "/batch/bigquery/v2", "", "501 notImplemented");
    check("POST", JOBS, "{broken", "400 invalid");
    check("POST", JOBS, "{}", "400 invalid");
    check("POST", JOBS, r#"{"configuration": {"extract": {}, "copy": {}}}"#, "400 invalid");
    check("POST", QUERIES, r#"{"query": "SELECT 1"}"#, "501 notImplemented");
    check("POST", QUERIES, r#"{"query": "SELECT 1", "useLegacySql": false}"#, "200 ");
    check("POST", QUERIES, r#"{"query": "SELECT nope", "useLegacySql": false}"#, "400 invalidQuery");
    check("GET", "/bigquery/v2/projects/acme-prod/jobs/none", "", "404 notFound");
    check("GET", "/bigquery/v2/projects/acme-prod/datasets/clinic?alt=media", "", "501 notImplemented");
    check("GET", "/bigquery/v2/projects/acme-prod/datasets/clinic?fields=a(", "", "400 invalid");
    check("GET", "/bigquery/v2/projects/acme-prod/datasets/clinic/tables/patients/data?maxResults=x", "", "400 invalid");
    check("GET", "/bigquery/v2/projects/acme-prod/datasets/clinic/tables/patients$20260101", "", "400 invalid");
    check("GET", "/sandbox/faults", "", "404 notFound");
}

#[test]
fn answers_are_compressed_and_reduced_on_request() {
    let (_running, client) = start(Settings::default());
    let path = "/bigquery/v2/projects/acme-prod/datasets/clinic/tables/patients?fields=tableReference(tableId),schema/fields/name";
    let answer = client.send("GET", path, "", &["Accept-Encoding: deflate, gzip"]);
    assert!(answer.head.contains("content-encoding: gzip"));
    let mut text = String::new();
    GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["tableReference"], json!({ "tableId": "patients" }));
    assert_eq!(body["schema"]["fields"][0], json!({ "name": "id" }));
    assert!(!client.get(path).head.contains("gzip"));
}

#[test]
fn generic_clients_find_their_way() {
    let (running, client) = start(Settings::default());
    for path in ["/discovery/v1/apis/bigquery/v2/rest", "/$discovery/rest?version=v2"] {
        let document = client.get(path).json();
        assert_eq!(document["rootUrl"], format!("{}/", running.url()));
        assert_eq!(document["resources"]["jobs"]["methods"]["insert"]["path"], "projects/{+projectId}/jobs");
    }
}

#[test]
fn requests_with_one_id_are_answered_once() {
    let (_running, client) = start(Settings::default());
    let mut body = query("INSERT shop.orders (id) VALUES (1000)");
    body["requestId"] = json!("r-1");
    let (first, second) = (client.post(QUERIES, body.clone()).json(), client.post(QUERIES, body.clone()).json());
    assert_eq!(first["jobReference"], second["jobReference"]);
    let count = client.post(QUERIES, query("SELECT COUNT(*) FROM shop.orders WHERE id = 1000")).json();
    assert_eq!(count["rows"][0]["f"][0]["v"], "1");
    let mut body = query("INSERT shop.orders (id) VALUES (1001)");
    body["requestId"] = json!("r-2");
    let at_once: Vec<Value> = std::thread::scope(|scope| {
        let send = |_| scope.spawn(|| client.post(QUERIES, body.clone()).json()["jobReference"].clone());
        let sent: Vec<_> = (0..6).map(send).collect();
        sent.into_iter().map(|sent| sent.join().unwrap()).collect()
    });
    assert!(at_once.iter().all(|reference| *reference == at_once[0] && reference.is_object()), "{at_once:?}");
    let count = client.post(QUERIES, query("SELECT COUNT(*) FROM shop.orders WHERE id = 1001")).json();
    assert_eq!(count["rows"][0]["f"][0]["v"], "1");
    assert_eq!(client.post(JOBS, job("j-1", "SELECT 1")).verdict(), "200 ");
    assert_eq!(client.post(JOBS, job("j-1", "SELECT 1")).verdict(), "409 duplicate");
    assert_eq!(client.post(JOBS, job("no such/id", "SELECT 1")).verdict(), "400 invalid");
}

#[test]
fn polls_are_held_until_the_job_is_done() {
    let (running, client) = start(Settings::default());
    running.faults().add(Fault::once(JOBS, Act::Job { milliseconds: 700 }));
    let inserted = client.post(JOBS, job("slow", "SELECT 1 AS x")).json();
    assert_ne!(inserted["status"]["state"], "DONE");
    let started = Instant::now();
    let path = format!("{QUERIES}/slow");
    assert_eq!(client.get(&format!("{path}?timeoutMs=0")).json()["jobComplete"], false);
    assert_eq!(client.get(&format!("{path}?timeoutMs=100")).json()["jobComplete"], false);
    let answer = client.get(&path).json();
    assert_eq!((&answer["jobComplete"], &answer["rows"][0]["f"][0]["v"]), (&json!(true), &json!("1")));
    assert!(started.elapsed() < Duration::from_secs(8));
    let polled = client.get(&format!("{path}?maxResults=0")).json();
    assert_eq!((&polled["rows"], &polled["pageToken"], &polled["totalRows"]), (&Value::Null, &Value::Null, &json!("1")));
}

#[test]
fn jobs_are_cancelled_and_time_out() {
    let (running, client) = start(Settings::default());
    let held = || running.faults().add(Fault::once(JOBS, Act::Job { milliseconds: 60_000 }));
    held();
    client.post(JOBS, job("cancelled", "DELETE shop.orders WHERE TRUE"));
    let cancelled = client.post(&format!("{JOBS}/cancelled/cancel"), json!({})).json();
    assert_eq!(cancelled["job"]["status"]["state"], "DONE");
    assert_eq!(cancelled["job"]["status"]["errorResult"]["reason"], "stopped");
    assert_eq!(client.get(&format!("{QUERIES}/cancelled")).verdict(), "499 stopped");
    held();
    let mut body = job("late", "SELECT 1");
    body["configuration"]["jobTimeoutMs"] = json!("50");
    client.post(JOBS, body);
    assert_eq!(client.get(&format!("{QUERIES}/late")).verdict(), "499 stopped");
    let count = client.post(QUERIES, query("SELECT COUNT(*) FROM shop.orders")).json();
    assert_eq!(count["rows"][0]["f"][0]["v"], "80");
}

#[test]
fn faults_are_met_as_planned() {
    let (running, client) = start(Settings::default());
    let faults = running.faults();
    let act = Act::Answer { status: 418, reason: Reason::AccessDenied, message: "no".to_owned() };
    faults.add(Fault { skip: 1, ..Fault::once("/datasets", act) });
    let found: Vec<String> = (0..3).map(|_| client.get(DATASETS).verdict()).collect();
    assert_eq!(found, ["200 ", "418 accessDenied", "200 "]);
    faults.add(Fault::once("/datasets", Act::Reset { after_bytes: 10 }));
    let reset = client.get(DATASETS);
    assert!(reset.broken && reset.body.len() == 10, "{}", reset.body.len());
    faults.add(Fault::once("/datasets", Act::TruncatedGzip));
    let truncated = client.get(DATASETS);
    assert!(truncated.head.contains("content-encoding: gzip"));
    assert!(GzDecoder::new(truncated.body.as_slice()).read_to_string(&mut String::new()).is_err());
    faults.add(Fault::once("/datasets", Act::Delay { milliseconds: 200 }));
    let started = Instant::now();
    client.get(DATASETS);
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(faults.waiting(), 0);
}

#[test]
fn dry_runs_can_lie() {
    let (running, client) = start(Settings::default());
    let mut body = job("dry", "SELECT id FROM clinic.patients");
    body["configuration"]["dryRun"] = json!(true);
    let truth = client.post(JOBS, body.clone()).json();
    assert_eq!(truth["statistics"]["query"]["statementType"], "SELECT");
    assert_eq!(truth["statistics"]["totalBytesProcessed"], "320");
    let referenced = json!([{ "projectId": "p", "datasetId": "d", "tableId": "t" }]);
    let lie = Lie { statement_type: Some("DELETE".to_owned()), referenced_tables: Some(referenced.clone()), ..Lie::default() };
    running.faults().add(Fault::once(JOBS, Act::DryRun(lie)));
    let lied = client.post(JOBS, body).json();
    assert_eq!(lied["statistics"]["query"]["statementType"], "DELETE");
    assert_eq!(lied["statistics"]["query"]["referencedTables"], referenced);
    assert_eq!(lied["statistics"]["query"]["schema"], truth["statistics"]["query"]["schema"]);
    assert_eq!(client.get(&format!("{JOBS}/dry")).verdict(), "404 notFound");
}

#[test]
fn the_admin_paths_open_only_on_demand() {
    let (_running, client) = start(Settings { admin: true, ..Settings::default() });
    let fault = json!({ "path": "/datasets", "act": { "kind": "answer", "reason": "rateLimitExceeded" } });
    assert_eq!(client.post("/sandbox/faults", fault).status, 204);
    assert_eq!(client.post("/sandbox/faults", json!({ "act": { "kind": "nonsense" } })).verdict(), "400 invalid");
    assert_eq!(client.get("/sandbox/faults").json()["waiting"], 1);
    assert_eq!(client.get(DATASETS).verdict(), "403 rateLimitExceeded");
    let requests = client.get("/sandbox/requests").json();
    assert_eq!(requests["requests"].as_array().map(Vec::len), Some(1));
    assert_eq!((&requests["requests"][0]["method"], &requests["requests"][0]["status"]), (&json!("bigquery.datasets.list"), &json!(403)));
}

#[test]
fn tables_outlive_the_process_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let settings = || Settings { folder: Some(folder.path().to_owned()), ..Settings::default() };
    let (running, client) = start(settings());
    client.post(QUERIES, query("CREATE TABLE shop.kept AS SELECT id, contacts, notes, admitted_at FROM clinic.patients"));
    client.post(QUERIES, query("DROP TABLE shop.products"));
    client.post(QUERIES, query("CREATE SNAPSHOT TABLE shop.frozen CLONE shop.kept"));
    client.post(QUERIES, query("CREATE TABLE shop.cloned CLONE shop.frozen"));
    let resource = |client: &Client, name: &str| client.get(&format!("{DATASETS}/shop/tables/{name}")).json();
    let derived = ["frozen", "cloned"].map(|name| resource(&client, name));
    assert_eq!(derived[0]["type"], "SNAPSHOT");
    let sql = "SELECT TO_JSON_STRING(ARRAY_AGG(t ORDER BY id)) FROM shop.kept t";
    let before = client.post(QUERIES, query(sql)).json()["rows"].clone();
    drop(running);
    let (_running, client) = start(settings());
    assert_eq!(client.post(QUERIES, query(sql)).json()["rows"], before);
    for (before, name) in derived.iter().zip(["frozen", "cloned"]) {
        let after = resource(&client, name);
        for field in ["type", "snapshotDefinition", "cloneDefinition", "schema", "numRows"] {
            assert_eq!(after[field], before[field], "{name} {field}");
        }
    }
    assert_eq!(client.get(&format!("{DATASETS}/shop/tables/products")).verdict(), "404 notFound");
    assert_eq!(client.post(QUERIES, query("SELECT COUNT(*) FROM bench.events")).verdict(), "200 ");
}

#[test]
fn it_stops_when_it_is_dropped() {
    let (running, client) = start(Settings::default());
    let address = client.address;
    assert_eq!(client.get(DATASETS).status, 200);
    drop(running);
    let started = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(started.elapsed() < Duration::from_secs(10));
        std::thread::yield_now();
    }
}
