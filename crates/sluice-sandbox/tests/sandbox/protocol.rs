//! What clients and the proxies before them do with HTTP: compressed requests, overridden verbs, etags, filters, rows that are refused.

use super::http::Client;
use super::warehouse::engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sluice_sandbox::{Running, Sandbox, Settings};
use std::io::Write as _;

const DATASETS: &str = "/bigquery/v2/projects/acme-prod/datasets";
const QUERIES: &str = "/bigquery/v2/projects/acme-prod/queries";

fn start() -> (Running, Client) {
    let running = Sandbox::start(engine(), Settings::default()).unwrap();
    let client = Client { address: running.address, token: None };
    (running, client)
}

fn query(sql: &str) -> Value {
    json!({ "query": sql, "useLegacySql": false })
}

#[test]
fn requests_may_be_compressed() {
    let (_running, client) = start();
    let packed = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let check = |coding: &str, body: &[u8], expect: &str| {
        assert_eq!(client.send_bytes("POST", QUERIES, body, &[&format!("Content-Encoding: {coding}")]).verdict(), expect, "{coding}");
    };
    check("gzip", &packed(&query("SELECT 1").to_string()), "200 ");
    check("gzip", query("SELECT 1").to_string().as_bytes(), "400 invalid");
    check("br", b"x", "501 notImplemented");
    check("gzip", &packed("[1]"), "400 invalid");
}

#[test]
fn verbs_may_be_overridden() {
    let (running, client) = start();
    let path = format!("{DATASETS}/shop");
    let answer = client.send("POST", &path, r#"{"description": "new"}"#, &["X-HTTP-Method-Override: PATCH"]);
    assert_eq!(answer.json()["description"], "new");
    assert_eq!(
        running.requests().last().map(|request| (request.verb.clone(), request.method)),
        Some(("PATCH".to_owned(), Some("bigquery.datasets.patch")))
    );
    assert_eq!(client.send("POST", &format!("{path}?x=1"), "", &["X-HTTP-Method-Override: GET"]).json()["description"], "new");
    assert_eq!(client.send("DELETE", &path, "", &["X-HTTP-Method-Override: GET"]).verdict(), "400 resourceInUse");
}

#[test]
fn etags_save_answers_and_guard_changes() {
    let (_running, client) = start();
    for path in
        [format!("{DATASETS}/shop"), format!("{DATASETS}/shop/tables/orders"), DATASETS.to_owned(), format!("{DATASETS}/shop/tables")]
    {
        let first = client.get(&path);
        let etag = first.json()["etag"].as_str().unwrap().to_owned();
        assert!(first.head.contains(&format!("etag: \"{etag}\"")), "{path}");
        let again = |etag: &str| client.send("GET", &path, "", &[&format!("If-None-Match: {etag}")]);
        let known = again(&format!("\"other\", \"{etag}\""));
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
        assert_eq!(again("\"other\"").status, 200, "{path}");
    }
    let before = client.get(DATASETS).json()["etag"].clone();
    client.post(DATASETS, json!({ "datasetReference": { "datasetId": "guarded" } }));
    assert_ne!(client.get(DATASETS).json()["etag"], before);
    let path = format!("{DATASETS}/guarded");
    assert_eq!(client.send("DELETE", &path, "", &["If-Match: \"other\""]).verdict(), "412 conditionNotMet");
    let table = json!({ "tableReference": { "tableId": "t" } });
    assert_eq!(client.post(&format!("{path}/tables"), table).verdict(), "200 ");
    assert_eq!(client.send("DELETE", &format!("{path}/tables/t"), "", &["If-Match: other"]).verdict(), "412 conditionNotMet");
    let etag = client.get(&format!("{path}/tables/t")).json()["etag"].as_str().unwrap().to_owned();
    assert_eq!(client.send("DELETE", &format!("{path}/tables/t"), "", &[&format!("If-Match: {etag}")]).verdict(), "204 ");
}

#[test]
fn lists_are_filtered() {
    let (_running, client) = start();
    client.post(DATASETS, json!({ "datasetReference": { "datasetId": "care" }, "labels": { "team": "care" } }));
    let check = |path: &str, list: &str, pointer: &str, expect: &[&str]| {
        let answer = client.get(path).json();
        let names: Vec<&str> =
            answer[list].as_array().into_iter().flatten().map(|entry| entry.pointer(pointer).unwrap().as_str().unwrap()).collect();
        assert_eq!(names, expect, "{path}");
    };
    check(&format!("{DATASETS}?filter=labels.team:care"), "datasets", "/datasetReference/datasetId", &["care"]);
    check(&format!("{DATASETS}?filter=labels.team:other"), "datasets", "/datasetReference/datasetId", &[]);
    let routines = format!("{DATASETS}/clinic/routines?filter=routineType:TABLE_VALUED_FUNCTION");
    check(&routines, "routines", "/routineType", &["TABLE_VALUED_FUNCTION"]);
    assert_eq!(client.get(&format!("{DATASETS}?filter=name:care")).verdict(), "400 invalid");
    for id in ["a-b", "a b", "a.b"] {
        assert_eq!(client.post(DATASETS, json!({ "datasetReference": { "datasetId": id } })).verdict(), "400 invalid", "{id}");
    }
}

#[test]
fn refused_rows_are_named() {
    let (_running, client) = start();
    client.post(QUERIES, query("CREATE TABLE shop.rows (id INT64 NOT NULL, code STRING(3), price NUMERIC(5, 2))"));
    let path = format!("{DATASETS}/shop/tables/rows");
    let check = |body: Value, expect: &[(u64, &str, &str)]| {
        let answer = client.post(&format!("{path}/insertAll"), body.clone()).json();
        let text = |error: &Value, field: &str| error["errors"][0][field].as_str().unwrap().to_owned();
        let errors = answer["insertErrors"].as_array().into_iter().flatten();
        let found: Vec<(u64, String, String)> =
            errors.map(|error| (error["index"].as_u64().unwrap(), text(error, "reason"), text(error, "location"))).collect();
        let expect: Vec<(u64, String, String)> =
            expect.iter().map(|(index, reason, location)| (*index, (*reason).to_owned(), (*location).to_owned())).collect();
        assert_eq!(found, expect, "{body}");
    };
    let count = || client.get(&format!("{path}/data")).json()["totalRows"].as_str().unwrap().to_owned();
    let rows = json!([{ "json": { "id": 1 } }, { "json": { "id": "x" } }, { "json": { "id": 3, "nope": 1 } }, {}]);
    check(json!({ "rows": rows }), &[(0, "stopped", ""), (1, "invalid", "id"), (2, "invalid", "nope"), (3, "invalid", "")]);
    assert_eq!(count(), "0");
    check(json!({ "rows": rows, "skipInvalidRows": true }), &[(1, "invalid", "id"), (2, "invalid", "nope"), (3, "invalid", "")]);
    assert_eq!(count(), "1");
    check(json!({ "rows": [{ "json": { "id": 4, "nope": 1 } }], "ignoreUnknownValues": true }), &[]);
    check(json!({ "rows": [{ "json": { "id": 5, "code": "long" } }] }), &[(0, "invalid", "code")]);
    check(json!({ "rows": [{ "json": { "id": 6, "price": "1234.5" } }] }), &[(0, "invalid", "price")]);
    check(json!({ "rows": [{ "json": { "id": 7, "price": "1.005" } }] }), &[]);
    let listed = client.get(&format!("{path}/data?selectedFields=PRICE&startIndex=2")).json();
    assert_eq!(listed["rows"], json!([{ "f": [{ "v": "1.01" }] }]));
}

#[test]
fn what_is_asked_for_is_not_left_out_in_silence() {
    let (_running, client) = start();
    let check = |field: &str, value: Value, expect: &str| {
        let mut body = query("SELECT 1");
        body[field] = value.clone();
        assert_eq!(client.post(QUERIES, body).verdict(), expect, "{field} {value}");
    };
    check("timeoutMs", json!("soon"), "400 invalid");
    check("maxResults", json!(-1), "400 invalid");
    check("queryParameters", json!({ "a": 1 }), "400 invalid");
    check("useLegacySql", json!("maybe"), "400 invalid");
    check("maxResults", json!(1), "200 ");
    let geography = json!([{ "name": "g", "parameterType": { "type": "GEOGRAPHY" }, "parameterValue": { "value": "POINT(1 2)" } }]);
    check("queryParameters", geography, "501 notImplemented");
    // Not an internal error: clients would repeat it for minutes.
    let chain = format!("SELECT 1{}", " + 1".repeat(5_000));
    assert_eq!(client.post(QUERIES, query(&chain)).verdict(), "400 resourcesExceeded");
    let destination = json!({ "projectId": "acme-prod", "datasetId": "shop", "tableId": "made" });
    let mut body = query("SELECT DATE '2026-01-01' AS day, 1 AS id");
    body["destinationTable"] = destination;
    body["timePartitioning"] = json!({ "type": "DAY", "field": "day" });
    body["clustering"] = json!({ "fields": ["id"] });
    let job = json!({ "jobReference": { "projectId": "acme-prod", "jobId": "made" }, "configuration": { "query": body } });
    client.post("/bigquery/v2/projects/acme-prod/jobs", job);
    assert_eq!(client.get(&format!("{QUERIES}/made")).verdict(), "200 ");
    let table = client.get(&format!("{DATASETS}/shop/tables/made")).json();
    assert_eq!((&table["timePartitioning"]["field"], &table["clustering"]["fields"][0]), (&json!("day"), &json!("id")));
}
