//! Load and copy jobs: what is written, what is not, and what the job says about it.

use super::http::Client;
use super::warehouse::engine;
use serde_json::{Value, json};
use sluice_sandbox::{Act, Fault, Running, Sandbox, Settings};
use std::sync::atomic::{AtomicU64, Ordering};

const JOBS: &str = "/bigquery/v2/projects/acme-prod/jobs";
const QUERIES: &str = "/bigquery/v2/projects/acme-prod/queries";
const TABLES: &str = "/bigquery/v2/projects/acme-prod/datasets/shop/tables";

struct Bench {
    running: Running,
    client: Client,
    jobs: AtomicU64,
}

impl Bench {
    fn new() -> Bench {
        let running = Sandbox::start(engine(), Settings::default()).unwrap();
        let client = Client { address: running.address, token: None };
        Bench { running, client, jobs: AtomicU64::new(0) }
    }

    fn run(&self, sql: &str) {
        let answer = self.client.post(QUERIES, json!({ "query": sql, "useLegacySql": false }));
        assert_eq!(answer.verdict(), "200 ", "{sql}");
    }

    /// The done job, or the refusal.
    fn job(&self, configuration: Value, file: Option<&str>) -> Result<Value, String> {
        let id = format!("job-{}", self.jobs.fetch_add(1, Ordering::Relaxed));
        let job = json!({ "jobReference": { "projectId": "acme-prod", "jobId": id }, "configuration": configuration });
        let answer = match file {
            None => self.client.post(JOBS, job),
            Some(file) => {
                let body = format!("--b\ncontent-type: application/json\n\n{job}\n--b\n\n{file}\n--b--\n");
                let path = format!("/upload{JOBS}?uploadType=multipart");
                self.client.send("POST", &path, &body, &["Content-Type: multipart/related; boundary=b"])
            }
        };
        if answer.status != 200 {
            return Err(format!("{} {}", answer.verdict(), answer.json()["error"]["message"].as_str().unwrap()));
        }
        loop {
            let job = self.client.get(&format!("{JOBS}/{id}")).json();
            if job["status"]["state"] == "DONE" {
                return Ok(job);
            }
            std::thread::yield_now();
        }
    }

    /// Rows of a table, a list of texts each.
    fn rows(&self, table: &str) -> Value {
        let answer = self.client.get(&format!("{TABLES}/{table}/data")).json();
        let cells = |row: &Value| -> Value { row["f"].as_array().unwrap().iter().map(|cell| cell["v"].clone()).collect() };
        answer["rows"].as_array().into_iter().flatten().map(cells).collect()
    }
}

fn table(name: &str) -> Value {
    json!({ "projectId": "acme-prod", "datasetId": "shop", "tableId": name })
}

fn load(name: &str, more: Value) -> Value {
    let mut load = json!({ "destinationTable": table(name) });
    load.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "load": load })
}

fn copy(sources: &[&str], destination: &str, more: Value) -> Value {
    let sources: Vec<Value> = sources.iter().map(|name| table(name)).collect();
    let mut copy = json!({ "sourceTables": sources, "destinationTable": table(destination) });
    copy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "copy": copy })
}

/// The reason and the message of a job that failed, or of its refusal; nothing for one that did its work.
fn failure(job: Result<Value, String>) -> Option<String> {
    match job {
        Err(refusal) => Some(refusal),
        Ok(job) => {
            let error = job["status"].get("errorResult")?;
            Some(format!("{} {}", error["reason"].as_str().unwrap(), error["message"].as_str().unwrap()))
        }
    }
}

fn check(found: Result<Value, String>, expect: Option<&str>) {
    let found = failure(found);
    match expect {
        None => assert_eq!(found, None),
        Some(part) => assert!(found.as_ref().is_some_and(|found| found.contains(part)), "{part:?} is not in {found:?}"),
    }
}

fn schema(fields: &[(&str, &str, &str)]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|(name, kind, mode)| json!({ "name": name, "type": kind, "mode": mode })).collect();
    json!({ "fields": fields })
}

#[test]
fn files_are_added_to_tables() {
    let bench = Bench::new();
    bench.run("CREATE TABLE shop.t (id INT64 NOT NULL, code STRING(3), tags ARRAY<STRING>)");
    let json_lines = |more: Value| {
        let mut load = load("t", more);
        load["load"]["sourceFormat"] = json!("NEWLINE_DELIMITED_JSON");
        load
    };
    let add = |more: Value, file: &str, expect: Option<&str>| check(bench.job(json_lines(more), Some(file)), expect);
    add(json!({}), "{\"id\": 1, \"tags\": [\"x\"]}\n", None);
    add(json!({ "autodetect": true }), "{\"code\": \"b\", \"id\": 2}\n", None);
    let other_order = schema(&[("code", "STRING", "NULLABLE"), ("ID", "INTEGER", "REQUIRED")]);
    add(json!({ "schema": other_order }), "{\"code\": \"c\", \"ID\": 3}\n", None);
    let rows = json!([["1", null, [{ "v": "x" }]], ["2", "b", []], ["3", "c", []]]);
    assert_eq!(bench.rows("t"), rows);
    let mismatch = |fields: &[(&str, &str, &str)], expect: &str| add(json!({ "schema": schema(fields) }), "{}\n{}\n", Some(expect));
    let differs = "invalid Provided Schema does not match Table acme-prod:shop.t.";
    mismatch(&[("id", "INTEGER", "REQUIRED"), ("z", "STRING", "NULLABLE")], "invalid Error while reading data");
    let with = |fields: &[(&str, &str, &str)], file: &str, expect: &str| add(json!({ "schema": schema(fields) }), file, Some(expect));
    with(&[("id", "INTEGER", "REQUIRED"), ("z", "STRING", "")], "{\"id\": 4}", &format!("{differs} Cannot add fields (field: z)"));
    with(&[("id", "STRING", "REQUIRED")], "{\"id\": 4}", &format!("{differs} Field id has changed type from INT64 to STRING"));
    with(&[("id", "INTEGER", "")], "{\"id\": 4}", &format!("{differs} Field id has changed mode from REQUIRED to NULLABLE"));
    with(&[("code", "STRING", "")], "{}", &format!("{differs} Field id is missing in new schema"));
    with(&[("id", "INTEGER", "REQUIRED"), ("code", "STRING", "")], "{\"id\": 4, \"code\": \"long\"}", "maximum length 3");
    add(json!({ "writeDisposition": "WRITE_EMPTY" }), "{\"id\": 4}", Some("duplicate Already Exists: Table acme-prod:shop.t"));
    add(json!({ "maxBadRecords": 1 }), "{\"id\": 4, \"code\": \"long\"}\n{\"id\": 5, \"none\": 1}\n", Some("too many errors"));
    assert_eq!(bench.rows("t"), rows);
    let job = bench.job(json_lines(json!({ "maxBadRecords": 1 })), Some("{\"id\": 4}\n{\"id\": \"five\"}\n")).unwrap();
    assert_eq!(job["status"].get("errorResult"), None);
    assert!(job["status"]["errors"][0]["message"].as_str().unwrap().ends_with("Field: id; Value: five"), "{job}");
    assert_eq!((&job["statistics"]["load"]["badRecords"], &job["statistics"]["load"]["outputRows"]), (&json!("1"), &json!("1")));
    add(json!({ "writeDisposition": "WRITE_TRUNCATE" }), "{\"id\": 9}\n", None);
    assert_eq!(bench.rows("t"), json!([["9", null, []]]));
}

#[test]
fn tables_are_made_by_loads() {
    let bench = Bench::new();
    let made = |name: &str| bench.client.get(&format!("{TABLES}/{name}")).json();
    let properties = json!({ "description": "made", "labels": { "a": "b" } });
    let layout = json!({ "autodetect": true, "clustering": { "fields": ["id"] }, "destinationTableProperties": properties });
    check(bench.job(load("detected", layout), Some("id,day\n1,2026-01-02\n")), None);
    let table = made("detected");
    let names: Vec<&Value> = table["schema"]["fields"].as_array().unwrap().iter().map(|field| &field["type"]).collect();
    assert_eq!(names, ["INTEGER", "DATE"]);
    assert_eq!((&table["description"], &table["clustering"]["fields"][0]), (&json!("made"), &json!("id")));
    check(bench.job(load("detected", json!({ "autodetect": true, "writeDisposition": "WRITE_TRUNCATE" })), Some("v\n1.5\n")), None);
    let table = made("detected");
    assert_eq!((&table["schema"]["fields"][0]["type"], &table["description"]), (&json!("FLOAT"), &json!("made")));
    let never = json!({ "autodetect": true, "createDisposition": "CREATE_NEVER" });
    check(bench.job(load("never", never), Some("1\n")), Some("notFound Not found: Table acme-prod:shop.never"));
    check(bench.job(load("never", json!({})), Some("1\n")), Some("invalid Schema has no fields"));
    let mut elsewhere = load("x", json!({ "autodetect": true }));
    elsewhere["load"]["destinationTable"]["datasetId"] = json!("nowhere");
    check(bench.job(elsewhere, Some("1\n")), Some("404 notFound Not found: Dataset acme-prod:nowhere"));
    bench.run("CREATE VIEW shop.view AS SELECT 1 AS a");
    check(bench.job(load("view", json!({ "autodetect": true })), Some("1\n")), Some("invalid acme-prod:shop.view is not allowed"));
    assert_eq!(bench.client.get(&format!("{TABLES}/never")).verdict(), "404 notFound");
}

#[test]
fn loads_that_are_not_done_are_refused_by_name() {
    let bench = Bench::new();
    let refused = |field: &str, value: Value, expect: &str| {
        let mut more = json!({});
        more[field] = value;
        check(bench.job(load("t", more), Some("1\n")), Some(expect));
    };
    refused("sourceFormat", json!("PARQUET"), "501 notImplemented The sandbox warehouse does not do this: load jobs of `PARQUET`");
    refused("sourceFormat", json!("XML"), "400 invalid");
    refused(
        "sourceUris",
        json!(["gs://bucket/file.csv"]),
        "501 notImplemented The sandbox warehouse does not do this: load jobs from `gs://bucket/file.csv`",
    );
    refused("encoding", json!("ISO-8859-1"), "501 notImplemented The sandbox warehouse does not do this: `encoding` of a load job");
    refused("schemaUpdateOptions", json!(["ALLOW_FIELD_ADDITION"]), "`schemaUpdateOptions`");
    refused("destinationEncryptionConfiguration", json!({ "kmsKeyName": "k" }), "`destinationEncryptionConfiguration`");
    refused("timeZone", json!("Europe/Zurich"), "`timeZone`");
    refused("hivePartitioningOptions", json!({ "mode": "AUTO" }), "`hivePartitioningOptions`");
    refused("writeDisposition", json!("WRITE_TRUNCATE_DATA"), "`WRITE_TRUNCATE_DATA`");
    refused("neverHeardOf", json!(1), "`neverHeardOf`");
    refused("fieldDelimiter", json!("||"), "400 invalid");
    refused("fieldDelimiter", json!("\u{fe}"), "outside of ASCII");
    refused("quote", json!(","), "400 invalid");
    refused("skipLeadingRows", json!("many"), "400 invalid");
    refused("allowJaggedRows", json!("perhaps"), "400 invalid");
    refused("schema", json!({ "fields": [{ "name": "a", "type": "WORD" }] }), "400 invalid");
    let harmless = json!({ "autodetect": true, "encoding": "UTF-8", "location": "US", "useAvroLogicalTypes": false, "schemaUpdateOptions": [], "fieldDelimiter": "\\t" });
    check(bench.job(load("harmless", harmless), Some("a\tb\n1\t2\n")), None);
    check(bench.job(load("t", json!({})), None), Some("400 invalid Load configuration must specify at least one source URI"));
    let mut dry = load("t", json!({ "autodetect": true }));
    dry["dryRun"] = json!(true);
    check(bench.job(dry, Some("1\n")), Some("501 notImplemented The sandbox warehouse does not do this: dry runs of load jobs"));
    let mut both = load("t", json!({}));
    both["query"] = json!({ "query": "SELECT 1" });
    check(bench.job(both, None), Some("400 invalid Job configuration must contain exactly one of"));
}

#[test]
fn extracts_are_known_and_refused() {
    let bench = Bench::new();
    let extract = json!({ "extract": { "sourceTable": table("orders"), "destinationUris": ["gs://bucket/file.csv"] } });
    check(bench.job(extract.clone(), None), Some("notImplemented The sandbox warehouse does not do this: extract jobs"));
    let job = bench.client.get(&format!("{JOBS}/job-0")).json();
    assert_eq!((&job["configuration"]["jobType"], &job["configuration"]["extract"]), (&json!("EXTRACT"), &extract["extract"]));
    assert_eq!((&job["status"]["state"], &job["status"]["errorResult"]["reason"]), (&json!("DONE"), &json!("notImplemented")));
    assert_eq!(
        bench.client.post(JOBS, json!({ "jobReference": { "jobId": "job-0" }, "configuration": extract })).verdict(),
        "409 duplicate"
    );
}

#[test]
fn tables_are_copied_by_the_names_of_their_columns() {
    let bench = Bench::new();
    bench.run("CREATE TABLE shop.one AS SELECT 'p1' AS p, 'q1' AS q");
    bench.run("CREATE TABLE shop.two AS SELECT 'q2' AS q, 'p2' AS p");
    bench.run("CREATE TABLE shop.turned (q STRING, p STRING)");
    for destination in ["new", "turned"] {
        check(bench.job(copy(&["one", "two"], destination, json!({ "writeDisposition": "WRITE_APPEND" })), None), None);
    }
    assert_eq!(bench.rows("new"), json!([["p1", "q1"], ["p2", "q2"]]));
    assert_eq!(bench.rows("turned"), json!([["q1", "p1"], ["q2", "p2"]]));
}

#[test]
fn tables_are_copied() {
    let bench = Bench::new();
    bench.run("CREATE TABLE shop.a (id INT64 NOT NULL, v STRING) CLUSTER BY id AS SELECT 1 AS id, 'x' AS v");
    bench.run("CREATE TABLE shop.b (id INT64 NOT NULL, v STRING) AS SELECT 2 AS id, 'y' AS v");
    bench.run("CREATE TABLE shop.other AS SELECT 1 AS id, 2.5 AS v");
    bench.run("CREATE VIEW shop.view AS SELECT 1 AS id, 'x' AS v");
    let job = bench.job(copy(&["a", "b"], "c", json!({})), None).unwrap();
    assert_eq!(job["statistics"]["copy"], json!({ "copiedRows": "2", "copiedLogicalBytes": "22" }));
    assert_eq!((&job["configuration"]["jobType"], bench.rows("c")), (&json!("COPY"), json!([["1", "x"], ["2", "y"]])));
    let made = bench.client.get(&format!("{TABLES}/c")).json();
    assert_eq!((&made["schema"]["fields"][0]["mode"], &made["clustering"]["fields"][0]), (&json!("REQUIRED"), &json!("id")));
    let copied = |sources: &[&str], destination: &str, more: Value, expect: Option<&str>| {
        check(bench.job(copy(sources, destination, more), None), expect)
    };
    copied(&["a"], "c", json!({}), Some("duplicate Already Exists: Table acme-prod:shop.c"));
    copied(&["a"], "c", json!({ "writeDisposition": "WRITE_APPEND" }), None);
    copied(&["c"], "c", json!({ "writeDisposition": "WRITE_APPEND" }), None);
    assert_eq!(bench.rows("c").as_array().map(Vec::len), Some(6));
    copied(&["other"], "c", json!({ "writeDisposition": "WRITE_APPEND" }), Some("Field id has changed mode from REQUIRED to NULLABLE"));
    copied(&["other"], "c", json!({ "writeDisposition": "WRITE_TRUNCATE" }), None);
    assert_eq!(bench.rows("c"), json!([["1", "2.5"]]));
    copied(&["a", "other"], "d", json!({}), Some("invalid Provided Schema does not match Table acme-prod:shop.a."));
    copied(&["none"], "d", json!({}), Some("notFound Not found: Table acme-prod:shop.none"));
    copied(&["view"], "d", json!({}), Some("invalid acme-prod:shop.view is not allowed"));
    copied(&["a"], "view", json!({ "writeDisposition": "WRITE_TRUNCATE" }), Some("invalid acme-prod:shop.view is not allowed"));
    copied(&["a"], "d", json!({ "createDisposition": "CREATE_NEVER" }), Some("notFound Not found: Table acme-prod:shop.d"));
    copied(&[], "d", json!({}), Some("400 invalid Required parameter is missing: sourceTables"));
    copied(&["a"], "d", json!({ "operationType": "RESTORE" }), Some("copy jobs of the operation type `RESTORE`"));
    for (word, field, kind) in [("CLONE", "cloneDefinition", "TABLE"), ("SNAPSHOT", "snapshotDefinition", "SNAPSHOT")] {
        copied(&["a", "b"], word, json!({ "operationType": word }), Some("invalid Clones and snapshots are made of one table"));
        copied(&["a"], word, json!({ "operationType": word }), None);
        copied(&["a"], word, json!({ "operationType": word }), Some("duplicate Already Exists"));
        let made = bench.client.get(&format!("{TABLES}/{word}")).json();
        assert_eq!((&made["type"], &made[field]["baseTableReference"]), (&json!(kind), &table("a")), "{made}");
        assert_eq!(bench.rows(word), json!([["1", "x"]]));
    }
    copied(&["SNAPSHOT"], "d", json!({}), Some("invalid acme-prod:shop.SNAPSHOT is not allowed"));
    copied(&["a"], "d", json!({ "destinationExpirationTime": "2030-01-01" }), Some("`destinationExpirationTime` of a copy job"));
    copied(&["a$20260101"], "d", json!({}), Some("invalid Cannot read partition information from a table that is not partitioned"));
    let mut events = copy(&["a"], "d", json!({}));
    events["copy"]["sourceTables"] = json!([{ "projectId": "acme-prod", "datasetId": "bench", "tableId": "events" }]);
    check(bench.job(events, None), Some("notImplemented The sandbox warehouse does not do this: copies of the generated table"));
    copied(&["a"], "d", json!({ "operationType": "COPY" }), None);
    let mut single = copy(&[], "e", json!({ "sourceTable": table("a") }));
    single["labels"] = json!({ "k": "v" });
    check(bench.job(single, None), None);
    let sql = "SELECT job_type, destination_table.table_id, query FROM `region-us`.INFORMATION_SCHEMA.JOBS WHERE labels[SAFE_OFFSET(0)].value = 'v'";
    let found = bench.client.post(QUERIES, json!({ "query": sql, "useLegacySql": false })).json();
    assert_eq!(found["rows"], json!([{ "f": [{ "v": "COPY" }, { "v": "e" }, { "v": null }] }]));
}

#[test]
fn transfers_are_jobs_like_others() {
    let bench = Bench::new();
    bench.run("CREATE TABLE shop.a AS SELECT 1 AS id");
    let held = || bench.running.faults().add(Fault::once("/jobs", Act::Job { milliseconds: 60_000 }));
    let job = |id: &str| json!({ "jobReference": { "projectId": "acme-prod", "jobId": id }, "configuration": copy(&["a"], id, json!({})) });
    held();
    assert_ne!(bench.client.post(JOBS, job("held")).json()["status"]["state"], "DONE");
    assert_eq!(bench.client.post(JOBS, job("held")).verdict(), "409 duplicate");
    assert_eq!(bench.client.get(&format!("{QUERIES}/held")).verdict(), "400 invalid");
    let listed = bench.client.get(&format!("{JOBS}?stateFilter=pending&stateFilter=running")).json();
    assert_eq!(listed["jobs"][0]["configuration"], json!({ "jobType": "COPY" }));
    let cancelled = bench.client.post(&format!("{JOBS}/held/cancel"), json!({})).json();
    assert_eq!(cancelled["job"]["status"]["errorResult"]["reason"], "stopped");
    assert_eq!(bench.client.get(&format!("{TABLES}/held")).verdict(), "404 notFound");
    held();
    let mut late = copy(&["a"], "late", json!({}));
    late["jobTimeoutMs"] = json!("50");
    check(bench.job(late, None), Some("stopped Job execution was cancelled: Job timed out after 50 ms"));
    assert_eq!(bench.client.get(&format!("{TABLES}/late")).verdict(), "404 notFound");
}
