//! Every method of the table, for everybody: decided or refused, on record either way, and nothing unknown leaves.

use crate::fake::{CANARY, Door, REFERENCE};
use crate::talk::{GOOD, ask};
use serde_json::{Value, json};
use sluice_proxy::rest::{Duty, METHODS, Method};
use std::time::Duration;

fn path(method: &Method) -> String {
    let names =
        [("projectId", "p"), ("datasetId", "d"), ("tableId", "t"), ("jobId", "j"), ("routineId", "r"), ("modelId", "m"), ("policyId", "a")];
    names.iter().fold(format!("/bigquery/v2/{}", method.path), |path, (name, value)| path.replace(&format!("{{{name}}}"), value))
}

/// The least that each takes.
fn body(method: &Method) -> Value {
    match method.name {
        "datasets.insert" => json!({ "datasetReference": { "datasetId": "d" } }),
        "jobs.insert" => json!({ "configuration": { "query": { "query": "SELECT 1", "useLegacySql": false } } }),
        "jobs.query" => json!({ "query": "SELECT 1", "useLegacySql": false }),
        "rowAccessPolicies.batchDelete" => json!({ "policyIds": ["a"] }),
        "routines.setIamPolicy" | "tables.setIamPolicy" => json!({ "policy": {} }),
        "tabledata.insertAll" => json!({ "rows": [] }),
        "tables.insert" => json!({ "tableReference": { "tableId": "t" } }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_method_is_decided_or_refused_and_lets_nothing_unknown_out() {
    let door = Door::open().await;
    for method in METHODS {
        for (bearer, who) in [("good", "good"), ("other", "other")] {
            let headers = format!("Authorization: Bearer {bearer}\r\n");
            let body = if method.takes.is_empty() { Vec::new() } else { body(method).to_string().into_bytes() };
            let answer = ask(door.address, method.verb, &path(method), &headers, &body).await;
            let asked = door.fake.take();
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains(CANARY) && !text.contains("googleapis.com"), "{}: {text}", method.name);
            assert!(!format!("{:?}", answer.headers).contains("googleapis.com"), "{}", method.name);
            match method.duty {
                Duty::Refuse(why) => {
                    assert_eq!((answer.status, asked.join("|")), (400, format!("refused {} {who} unsupported", method.id())), "{text}");
                    assert!(text.contains(why) && text.contains(REFERENCE), "{text}");
                }
                _ => {
                    let expected = if method.gives.is_empty() { 204 } else { 200 };
                    assert_eq!(answer.status, expected, "{}: {text}", method.name);
                    let calls = if method.duty == Duty::ProjectList { 2 } else { 1 };
                    assert_eq!(asked.len(), calls, "{}: {asked:?}", method.name);
                    assert!(asked[0].starts_with(&format!("{} {who} ", method.id())), "{asked:?}");
                }
            }
            if answer.status != 204 {
                assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"), "{}", method.name);
                answer.json();
            }
        }
    }
}

#[tokio::test]
async fn nobody_is_nobody_at_every_method() {
    let door = Door::open().await;
    for method in METHODS {
        for headers in ["", "Authorization: Bearer bad\r\n", "Authorization: Basic Z29vZDo=\r\n"] {
            let answer = ask(door.address, method.verb, &path(method), headers, b"").await;
            assert_eq!(answer.status, 401, "{}", method.name);
            assert!(answer.header("www-authenticate").is_some());
            assert_eq!(answer.json()["error"]["status"], "UNAUTHENTICATED");
            assert_eq!(door.fake.take(), [format!("refused {} nobody unproven", method.id())]);
        }
    }
}

#[tokio::test]
async fn both_prefixes_and_the_override_lead_to_the_same_method() {
    let door = Door::open().await;
    let check = async |verb: &str, path: &str, headers: &str, body: &str, expect: &str| {
        let answer = ask(door.address, verb, path, &format!("{GOOD}{headers}"), body.as_bytes()).await;
        assert_eq!(door.fake.take(), [expect.to_owned()], "{verb} {path}: {answer:?}");
    };
    check("GET", "/projects/p/datasets/d", "", "", "bigquery.datasets.get good datasets.get on dataset p.d").await;
    check("GET", "/projects/example.com%3Ap/datasets/d", "", "", "bigquery.datasets.get good datasets.get on dataset example.com:p.d")
        .await;
    check(
        "POST",
        "/projects/p/datasets/d",
        "X-HTTP-Method-Override: DELETE\r\n",
        "",
        "bigquery.datasets.delete good datasets.delete on dataset p.d",
    )
    .await;
    check(
        "POST",
        "/projects/p/datasets/d",
        "X-HTTP-Method-Override: PATCH\r\n",
        "{}",
        "bigquery.datasets.patch good datasets.patch on dataset p.d",
    )
    .await;
    check("POST", "/projects/p/datasets", "X-HTTP-Method-Override: GET\r\n", "", "bigquery.datasets.list good datasets.list on project p")
        .await;
    check("POST", "/projects/p/queries", "X-HTTP-Method-Override: PUT\r\n", "{}", "refused bigquery good no_method").await;
    check("GET", "/projects/stranger/datasets/d", "", "", "refused bigquery.datasets.get good not_found").await;
    check("POST", "/batch/bigquery/v2", "", "", "refused bigquery good unsupported").await;
    check("GET", "/projects/p/jobs/others", "", "", "bigquery.jobs.get good job p:others").await;
}

#[tokio::test]
async fn conditions_are_those_of_the_resource_we_answer() {
    let door = Door::open().await;
    let first = ask(door.address, "GET", "/projects/p/datasets/d?fields=kind", GOOD, b"").await;
    assert_eq!((first.status, first.header("etag"), first.json()), (200, Some("\"abc\""), json!({ "kind": "k" })));
    for tag in ["\"abc\"", "W/\"abc\"", "abc", "\"x\", \"abc\""] {
        let again = ask(door.address, "GET", "/projects/p/datasets/d", &format!("{GOOD}If-None-Match: {tag}\r\n"), b"").await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{tag}");
    }
    door.fake.asks.lock().unwrap().clear();
    let patched = ask(door.address, "PATCH", "/projects/p/datasets/d/tables/t", &format!("{GOOD}If-Match: \"abc\"\r\n"), b"{}").await;
    assert_eq!(patched.status, 200);
    assert_eq!(door.fake.asks.lock().unwrap()[0].sends.if_match.as_deref(), Some("\"abc\""));
    let refused = ask(door.address, "GET", "/projects/p/datasets/d", &format!("{GOOD}If-Match: \"abc\"\r\n"), b"").await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn jobs_are_shown_as_their_owners_may_see_them() {
    let door = Door::open().await;
    let job = ask(door.address, "GET", "/projects/p/jobs/j?location=US&projection=full", GOOD, b"").await.json();
    assert_eq!(job["selfLink"], "https://gateway.example/bigquery/v2/projects/p/jobs/j?location=US");
    let error = json!({ "reason": "invalidQuery", "location": "query", "message": "may be told" });
    assert_eq!((&job["status"]["errorResult"], &job["status"]["errors"]), (&error, &json!([error, { "reason": "", "message": "warned" }])));
    assert_eq!((&job["configuration"]["labels"], &job["id"]), (&json!({ "mine": "1" }), &json!("p:US.j")));
    assert!(job["user_email"].is_string());
    let list = ask(door.address, "GET", "/projects/p/jobs?maxResults=3&stateFilter=done", GOOD, b"").await.json();
    assert_eq!((list["jobs"].as_array().unwrap().len(), list["jobs"][0].get("configuration")), (3, None));
    let token = list["nextPageToken"].as_str().unwrap().to_owned();
    door.fake.take();
    ask(door.address, "GET", &format!("/projects/p/jobs?maxResults=3&pageToken={token}&projection=full"), GOOD, b"").await;
    assert_eq!(door.fake.take(), ["bigquery.jobs.list good jobs p before Some(\"job2\") at most 3"]);
    let none = ask(door.address, "GET", "/projects/p/jobs?stateFilter=running", GOOD, b"").await.json();
    assert_eq!(none["jobs"], json!([]));
    let late = ask(door.address, "GET", "/projects/p/jobs?minCreationTime=1001", GOOD, b"").await.json();
    assert_eq!(late["jobs"], json!([]));
    for (query, part) in [("allUsers=true", "its own"), ("pageToken=%20", "none of this list's"), ("pageToken=Li4v", "none of this list's")]
    {
        let refused = ask(door.address, "GET", &format!("/projects/p/jobs?{query}"), GOOD, b"").await;
        assert_eq!(refused.status, 400, "{query}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(part), "{query}");
    }
    let projects = ask(door.address, "GET", "/projects", GOOD, b"").await.json();
    let ids: Vec<&str> = projects["projects"].as_array().unwrap().iter().map(|project| project["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["example.com:p", "p", "q"]);
}

#[tokio::test]
async fn polls_are_held_as_long_as_clients_rely_on() {
    let door = Door::open().await;
    let check = async |path: &str, body: Option<Value>, expect: u64| {
        let (verb, body) = body.map_or(("GET", Vec::new()), |body| ("POST", body.to_string().into_bytes()));
        let answer = ask(door.address, verb, path, GOOD, &body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(door.fake.patience.lock().unwrap().take(), Some(Duration::from_millis(expect)), "{path}");
        answer.json()
    };
    check("/projects/p/queries/j", None, 10_000).await;
    check("/projects/p/queries/j?timeoutMs=0", None, 0).await;
    check("/projects/p/queries/j?timeoutMs=200", None, 200).await;
    check("/projects/p/queries/j?timeoutMs=600000", None, 10_000).await;
    check("/projects/p/queries", Some(json!({ "query": "SELECT 1", "useLegacySql": false })), 10_000).await;
    check("/projects/p/queries", Some(json!({ "query": "SELECT 1", "useLegacySql": false, "timeoutMs": 5 })), 5).await;
    let done = check("/projects/p/queries/j", None, 10_000).await;
    assert_eq!(
        (&done["jobComplete"], &done["totalRows"], &done["schema"]),
        (&json!(true), &json!("0"), &json!({ "fields": [{ "name": "a", "type": "STRING" }] }))
    );
    let pending = check("/projects/p/queries/pending", None, 10_000).await;
    assert_eq!(
        pending,
        json!({ "kind": "bigquery#getQueryResultsResponse", "jobComplete": false, "jobReference": { "projectId": "p", "jobId": "pending" } })
    );
}

#[tokio::test]
async fn the_discovery_document_leads_to_us() {
    let door = Door::open().await;
    for path in ["/$discovery/rest?version=v2", "/discovery/v1/apis/bigquery/v2/rest", "/%24discovery/rest?version=v2"] {
        let answer = ask(door.address, "GET", path, "", b"").await;
        let document = answer.json();
        assert_eq!((answer.status, &document["baseUrl"]), (200, &json!("https://gateway.example/bigquery/v2/")), "{path}");
        assert_eq!(door.fake.take(), [""; 0]);
    }
    assert_eq!(ask(door.address, "GET", "/$discovery/rest?version=v3", "", b"").await.status, 400);
}
