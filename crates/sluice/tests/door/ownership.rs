//! What belongs to one caller is, for every other one, as if it were not there.

use crate::talk::{self, Answer};
use crate::world::{API, PROJECT, World, ask};
use serde_json::{Value, json};

const TABLE: &str = include_str!("data/ownership.txt");
const JOB: &str = "of_the_analyst";
const STATEMENT: &str = "SELECT id, diagnosis FROM clinic.visits ORDER BY id LIMIT 5";
/// Who looks for it: everybody else who may do something.
const OTHERS: [&str; 4] = ["etl-nightly", "report-job", "stranger", "support-agent"];
const SUBJECT_DIGITS: usize = 32;

/// Names of a job and of its result; or of neither.
struct Names {
    job: String,
    dataset: String,
    table: String,
}

impl Names {
    fn put(&self, text: &str) -> String {
        text.replace("{job}", &self.job).replace("{dataset}", &self.dataset).replace("{table}", &self.table)
    }

    /// What was said, without the names and without the id to quote.
    fn take(&self, answer: &Answer) -> String {
        let mut text = answer.text().replace(&self.job, "{job}").replace(&self.table, "{table}").replace(&self.dataset, "{dataset}");
        while let Some(start) = hexadecimal(&text) {
            text.replace_range(start..start + SUBJECT_DIGITS, "{id}");
        }
        format!("{} {text}", answer.status)
    }
}

fn hexadecimal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    bytes.windows(SUBJECT_DIGITS).position(|window| window.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)))
}

fn insert(world: &World, caller: &str, job: &str, statement: &str) -> Answer {
    let query = json!({ "query": statement, "useLegacySql": false });
    let body = json!({ "jobReference": { "projectId": PROJECT, "jobId": job }, "configuration": { "query": query } });
    world.call(caller, "POST", &format!("{API}/jobs"), Some(&body))
}

/// A job of the analyst's, done, and where its result is.
fn made(world: &World) -> Names {
    assert_eq!(insert(world, "analyst", JOB, STATEMENT).status, 200);
    assert_eq!(world.call("analyst", "GET", &format!("{API}/queries/{JOB}"), None).json()["totalRows"], "5");
    let job = world.call("analyst", "GET", &format!("{API}/jobs/{JOB}"), None).json();
    let text = |name: &str| job["configuration"]["query"]["destinationTable"][name].as_str().unwrap_or_else(|| panic!("{job}")).to_owned();
    let names = Names { job: JOB.to_owned(), dataset: text("datasetId"), table: text("tableId") };
    let rows = names.put(&format!("{API}/datasets/{{dataset}}/tables/{{table}}/data"));
    assert_eq!(world.call("analyst", "GET", &rows, None).json()["totalRows"], "5", "the owner reads its own result");
    names
}

#[test]
fn what_is_anothers_is_not_there() {
    let world = World::start("ownership");
    let real = made(&world);
    let missing = Names { job: "of_nobody".to_owned(), dataset: real.dataset.clone(), table: format!("{}0", real.table) };
    let mut wrong = Vec::new();
    let mut marks = Vec::new();
    for line in TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let parts: Vec<&str> = line.split(" |").map(str::trim).collect();
        let [verb, path, body, expect] = parts.as_slice() else { panic!("{line}") };
        for caller in OTHERS {
            let [found, nothing] = [&real, &missing].map(|names| {
                let body: Option<Value> = (!body.is_empty()).then(|| serde_json::from_str(&names.put(body)).unwrap());
                let answer = world.call(caller, verb, &names.put(path), body.as_ref());
                marks.push((format!("{caller}: {line}"), answer.mark.clone()));
                (answer.class(), names.take(&answer))
            });
            let is_expected = caller != "report-job" || found.0 == *expect;
            if found.1 != nothing.1 || found.0.starts_with('2') || !is_expected {
                wrong.push(format!("{caller}: {line}\n    {} {}\n    {}", found.0, found.1, nothing.1));
            }
        }
    }
    let evidence = world.finish();
    for (what, mark) in &marks {
        let ends = evidence.ends(mark);
        if ends.len() != 1 || !ends[0].starts_with("refused") {
            wrong.push(format!("{what}: {ends:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), marks.len(), wrong.join("\n"));
}

#[test]
fn ids_that_are_taken_tell_nothing() {
    let world = World::start("taken");
    made(&world);
    let plain = "SELECT device FROM clinic.logins LIMIT 1";
    for caller in ["etl-nightly", "report-job", "support-agent"] {
        let own = format!("of_{}", caller.replace('-', "_"));
        assert_eq!(insert(&world, caller, &own, plain).status, 200);
        let names = |job: &str| Names { job: job.to_owned(), dataset: "?".to_owned(), table: "?".to_owned() };
        let (mine, anothers) = (insert(&world, caller, &own, plain), insert(&world, caller, JOB, plain));
        assert_eq!(anothers.class(), "409 duplicate");
        assert!(anothers.text().contains(&format!("\"Already Exists: Job {PROJECT}:US.{JOB}. Quote")), "{}", anothers.text());
        assert_eq!(names(&own).take(&mine), names(JOB).take(&anothers), "{caller}");
        let again = insert(&world, caller, JOB, STATEMENT);
        assert!(matches!(again.class().as_str(), "409 duplicate" | "403 accessDenied"), "{caller}: {}", again.class());
        let list = world.call(caller, "GET", &format!("{API}/jobs?projection=full"), None);
        assert!(!list.text().contains(JOB), "{caller}: {}", list.text());
    }
    let list = world.call("analyst", "GET", &format!("{API}/jobs"), None).json();
    let ids: Vec<&str> = list["jobs"].as_array().unwrap().iter().map(|job| job["jobReference"]["jobId"].as_str().unwrap()).collect();
    assert_eq!(ids, [JOB]);
}

#[test]
fn request_ids_are_each_callers_own() {
    let world = World::start("request-ids");
    let body = json!({ "query": "SELECT COUNT(*) AS rows_there FROM clinic.logins", "useLegacySql": false, "requestId": "same" });
    let ask = |caller: &str| {
        let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body)).json();
        answer["jobReference"]["jobId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    let ids = ["analyst", "report-job", "support-agent"].map(&ask);
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "{ids:?}");
    let again = ["analyst", "report-job", "support-agent"].map(&ask);
    assert_eq!(again, ids);
    let sent = world.warehouse_log().iter().filter(|entry| entry["method"] == "bigquery.jobs.insert" && !is_dry_run(entry)).count();
    assert_eq!(sent, ids.len(), "each was sent once");
    // The same id, and anything else: another request.
    let mut seen = vec![ids[0].clone()];
    for (name, value) in [
        ("query", json!("SELECT 1 AS one")),
        ("defaultDataset", json!({ "projectId": PROJECT, "datasetId": "shop" })),
        ("labels", json!({ "run": "2" })),
        ("useQueryCache", json!(false)),
    ] {
        let mut other = body.clone();
        other[name] = value;
        let answer = world.call("analyst", "POST", &format!("{API}/queries"), Some(&other)).json();
        let id = answer["jobReference"]["jobId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        assert!(!seen.contains(&id), "{name}: {id} of {seen:?}");
        seen.push(id);
    }
    // How it is waited for is no part of it; a dry run is nothing that was done.
    let mut waited = body.clone();
    waited["timeoutMs"] = json!(9_000);
    waited["maxResults"] = json!(1);
    let answer = world.call("analyst", "POST", &format!("{API}/queries"), Some(&waited)).json();
    assert_eq!(answer["jobReference"]["jobId"], json!(ids[0]));
    waited["dryRun"] = json!(true);
    let answer = world.call("analyst", "POST", &format!("{API}/queries"), Some(&waited)).json();
    assert_eq!((&answer["jobReference"]["jobId"], &answer["queryId"]), (&Value::Null, &Value::Null), "{answer}");
}

fn is_dry_run(entry: &Value) -> bool {
    entry["body"].as_str().unwrap().contains("\"dryRun\":true")
}

#[test]
fn uploads_are_each_callers_own() {
    let world = World::start("uploads");
    let load = json!({ "configuration": { "load": {
        "destinationTable": { "projectId": PROJECT, "datasetId": "staging", "tableId": "uploaded" },
        "sourceFormat": "CSV", "schema": { "fields": [{ "name": "a", "type": "STRING" }] } } } });
    let headers = [("Content-Type", "application/json"), ("X-Upload-Content-Type", "*/*")];
    let start = format!("/upload{API}/jobs?uploadType=resumable");
    let begun = world.call_with("etl-nightly", "POST", &start, &headers, Some(load.to_string().as_bytes()));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let location = begun.header("location").unwrap().to_owned();
    let path = location.strip_prefix("http://localhost").unwrap_or_else(|| panic!("{location}")).to_owned();
    let id = path.split("upload_id=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let missing = path.replace(&id, &id.chars().rev().collect::<String>());
    let range = [("Content-Range", "bytes 0-1/2")];
    let mut refused = Vec::new();
    for caller in ["analyst", "report-job", "stranger", "support-agent"] {
        let names = |id: &str| Names { job: id.to_owned(), dataset: "?".to_owned(), table: "?".to_owned() };
        let found = world.call_with(caller, "PUT", &path, &range, Some(b"x\n"));
        let nothing = world.call_with(caller, "PUT", &missing, &range, Some(b"x\n"));
        assert_eq!(found.class(), "404 notFound", "{caller}");
        assert_eq!(names(&id).take(&found), names(&missing).take(&nothing), "{caller}");
        refused.extend([found.mark, nothing.mark]);
    }
    let finished = world.call_with("etl-nightly", "PUT", &path, &range, Some(b"x\n"));
    assert_eq!(finished.status, 200, "{}", finished.text());
    let job = finished.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    loop {
        let job = world.call("etl-nightly", "GET", &format!("{API}/jobs/{job}"), None).json();
        if job["status"]["state"] == "DONE" {
            break;
        }
    }
    assert_eq!(world.direct_cell("SELECT COUNT(*) FROM staging.uploaded"), "1");
    let evidence = world.finish();
    for mark in refused {
        assert_eq!(evidence.ends(&mark), ["refused not_found"]);
    }
}

/// Nobody's token, an expired one, one that is not signed by us: nothing is there for them either.
#[test]
fn who_is_nobody_is_told_nothing() {
    let world = World::start("nobody");
    let real = made(&world);
    let token = world.token("analyst");
    let (head, _) = token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", "A".repeat(86));
    for bearer in ["junk", "", &forged, "eyJhbGciOiJub25lIn0.e30."] {
        let bearer = format!("Bearer {bearer}");
        let headers = [("Authorization", bearer.as_str())];
        for path in ["/jobs/{job}", "/queries/{job}", "/datasets/{dataset}/tables/{table}/data"] {
            let bytes = talk::request("GET", &real.put(&format!("{API}{path}")), &headers, None);
            let answer = ask(world.plain, &bytes);
            assert!(matches!(answer.status, 400 | 401), "{bearer} {path}: {}", answer.class());
            assert!(!answer.text().contains(&real.table), "{}", answer.text());
        }
    }
}
