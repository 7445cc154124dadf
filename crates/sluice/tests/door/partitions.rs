//! Tables by the names of their partitions: each is a filter on a column, and decided as one before the warehouse is asked.

use crate::policies::{Change, WITHOUT_APPROVAL, starter_with};
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Of `born.born` nobody may decide rows by, of `ill.day` pipelines may, and `days.day` is labelled by nobody.
const LABELS: [Change; 2] = [
    ("\"acme-prod.clinic.patients.address.street\"", "\"acme-prod.clinic.patients.address.street\", \"acme-prod.staging.born.born\""),
    ("\"acme-prod.clinic.patients.notes\"", "\"acme-prod.clinic.patients.notes\", \"acme-prod.staging.ill.day\""),
];
const NOT_BY_HOME: &str = "
@id(\"not-by-home\")
@reason(\"rows are not found by where somebody is from\")
forbid (principal, action == Action::\"decide_by\", resource in Label::\"home\");
";
const DAY: &str = "19800301";
/// Partitions that are there, that are not, and those that have no day.
const PARTITIONS: [&str; 4] = [DAY, "19990101", "__NULL__", "__UNPARTITIONED__"];
const READER: &str = "report-job";
pub const LOADER: &str = "etl-nightly";
const WITHIN: Duration = Duration::from_secs(20);

pub fn start(name: &str) -> (World, TempDir) {
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &LABELS[..]].concat());
    std::fs::write(policy.path().join("home.cedar"), NOT_BY_HOME).unwrap();
    let world = World::start_with(name, &["--policy", policy.path().to_str().unwrap()]);
    for (table, column) in [("born", "born"), ("ill", "day"), ("days", "day")] {
        direct(&world, &format!("CREATE TABLE staging.{table} (id INT64, {column} DATE) PARTITION BY {column}"));
        let rows = "(1, DATE '1980-03-01'), (2, DATE '1980-03-02'), (3, CAST(NULL AS DATE)), (4, DATE '1980-03-01')";
        direct(&world, &format!("INSERT INTO staging.{table} (id, {column}) VALUES {rows}"));
    }
    (world, policy)
}

fn statement(text: &str) -> Value {
    json!({ "query": text, "useLegacySql": false, "timeoutMs": 20_000 })
}

pub fn direct(world: &World, text: &str) {
    let answer = world.direct("POST", &format!("{API}/queries"), Some(&statement(text)));
    assert_eq!(answer.status, 200, "{text}: {}", answer.text());
}

pub fn path(table: &str) -> String {
    format!("{API}/datasets/staging/tables/{table}")
}

fn ids(answer: &Answer) -> Vec<String> {
    let rows = answer.json()["rows"].as_array().cloned().unwrap_or_default();
    rows.iter().map(|row| row["f"][0]["v"].as_str().unwrap().to_owned()).collect()
}

pub fn reference(table: &str) -> Value {
    json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": table })
}

/// What the gateway says, and how the job ended if one began.
pub fn job(world: &World, configuration: &Value) -> (Answer, Value) {
    let answer = world.call(LOADER, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    let ended = ended(world, &answer);
    (answer, ended)
}

fn load(world: &World, table: &str, disposition: Option<&str>, file: &str) -> (Answer, Value) {
    let mut load = json!({ "destinationTable": reference(table), "sourceFormat": "CSV" });
    if let Some(disposition) = disposition {
        load["writeDisposition"] = json!(disposition);
    }
    let body = json!({ "configuration": { "load": load } });
    let parts = format!("--b\r\nContent-Type: application/json\r\n\r\n{body}\r\n--b\r\nContent-Type: */*\r\n\r\n{file}\r\n--b--");
    let headers = [("Content-Type", "multipart/related; boundary=b")];
    let answer = world.call_with(LOADER, "POST", &format!("/upload{API}/jobs?uploadType=multipart"), &headers, Some(parts.as_bytes()));
    let ended = ended(world, &answer);
    (answer, ended)
}

fn ended(world: &World, answer: &Answer) -> Value {
    let Some(id) = answer.json()["jobReference"]["jobId"].as_str().map(str::to_owned) else { return Value::Null };
    let until = Instant::now() + WITHIN;
    loop {
        let state = world.call(LOADER, "GET", &format!("{API}/jobs/{id}"), None).json();
        if state["status"]["state"] == "DONE" {
            return state;
        }
        assert!(Instant::now() < until, "{state}");
    }
}

/// Refused by its filter, which the text names.
fn is_refused(answer: &Answer, column: &str, what: &str) {
    assert_eq!(answer.status, 403, "{what}: {}", answer.text());
    assert!(answer.text().contains(column) && answer.text().contains("filter"), "{what}: {}", answer.text());
}

pub fn went_well((answer, ended): &(Answer, Value), what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    assert_eq!(ended["status"], json!({ "state": "DONE" }), "{what}: {ended}");
}

/// No partition of the table has been named to the warehouse.
fn nothing_was_asked(world: &World, table: &str) {
    let names = [format!("{table}$"), format!("{table}%24")];
    let asked: Vec<Value> =
        world.warehouse_log().into_iter().filter(|entry| names.iter().any(|name| entry.to_string().contains(name))).collect();
    assert!(asked.is_empty(), "{asked:?}");
}

#[test]
fn who_may_not_decide_by_a_column_names_no_partition() {
    let (world, _policy) = start("partitions-refused");
    for partition in PARTITIONS {
        for name in [format!("born${partition}"), format!("born%24{partition}"), format!("ill${partition}")] {
            let column = if name.starts_with("born") { "born.born" } else { "ill.day" };
            is_refused(&world.call(READER, "GET", &format!("{}/data", path(&name)), None), column, &name);
            is_refused(&world.call(READER, "GET", &format!("{}/data?selectedFields=id&maxResults=1", path(&name)), None), column, &name);
            is_refused(&world.call(READER, "GET", &path(&name), None), column, &name);
        }
        let named = format!("born${partition}");
        is_refused(&world.call(LOADER, "GET", &format!("{}/data", path(&named)), None), "born.born", &named);
        let copy = json!({ "copy": { "sourceTable": reference(&named), "destinationTable": reference("taken") } });
        is_refused(&job(&world, &copy).0, "born.born", "a copy");
        let copies = json!({ "copy": { "sourceTables": [reference("days"), reference(&named)], "destinationTable": reference("taken") } });
        is_refused(&job(&world, &copies).0, "born.born", "a copy of several");
        let extract = json!({ "extract": { "sourceTable": reference(&named), "destinationUris": ["gs://b/o.csv"] } });
        is_refused(&job(&world, &extract).0, "born.born", "an extract");
        // What is emptied, or must be empty, tells of what is there.
        for disposition in ["WRITE_TRUNCATE", "WRITE_EMPTY"] {
            is_refused(&load(&world, &named, Some(disposition), "7,1980-03-01\n").0, "born.born", disposition);
        }
        for disposition in [json!("WRITE_TRUNCATE"), json!("WRITE_EMPTY"), Value::Null] {
            let copy = json!({ "copy": { "sourceTable": reference("days"), "destinationTable": reference(&named), "writeDisposition": disposition } });
            is_refused(&job(&world, &copy).0, "born.born", "a copy into it");
            let query = json!({ "query": {
                "query": "SELECT 7 AS id, DATE '1980-03-01' AS born", "useLegacySql": false, "destinationTable": reference(&named),
                "writeDisposition": disposition,
            } });
            is_refused(&job(&world, &query).0, "born.born", "a query into it");
        }
        let text = format!("SELECT id FROM `staging.born${partition}`");
        is_refused(&world.call(READER, "POST", &format!("{API}/queries"), Some(&statement(&text))), "born.born", &text);
        let both = format!("SELECT a.id FROM staging.born AS a, `staging.born${partition}` AS b");
        is_refused(&world.call(READER, "POST", &format!("{API}/queries"), Some(&statement(&both))), "born.born", &both);
    }
    nothing_was_asked(&world, "born");
    nothing_was_asked(&world, "ill");
    assert_eq!(world.direct_cell("SELECT COUNT(*) FROM staging.born"), "4");
    let policed = world.finish();
    assert!(policed.records.iter().any(|record| record.kind.word() == "caller.probing"), "nobody was told of it");
}

#[test]
fn a_malformed_name_is_no_way_around() {
    let (world, _policy) = start("partitions-malformed");
    let odd = [
        "born$",
        "born$$19800301",
        "$19800301",
        "born$1980%200301",
        "born@-3600000",
        "born$19800301@-3600000",
        "born@0$19800301",
        "born%2524",
        "born%252419800301",
        "born$%2A",
        "born$19800301%2Fdata",
    ];
    for name in odd {
        for path in [path(name), format!("{}/data", path(name))] {
            let answer = world.call(READER, "GET", &path, None);
            assert!((400..500).contains(&answer.status) && answer.json().get("rows").is_none(), "{path}: {}", answer.text());
        }
    }
    for name in ["born@-3600000", "born$19800301@0", "born$", "born%2419800301", "born$$1"] {
        let copy = json!({ "copy": { "sourceTable": reference(name), "destinationTable": reference("taken") } });
        assert_eq!(job(&world, &copy).0.status, 400, "{name}");
    }
    nothing_was_asked(&world, "born");
}

#[test]
fn who_may_decide_by_it_reads_and_writes_a_partition() {
    let (world, _policy) = start("partitions-permitted");
    let mut marks = Vec::new();
    for (name, expect) in [(format!("ill${DAY}"), &["1", "4"][..]), ("ill%24__NULL__".to_owned(), &["3"]), ("ill$19990101".to_owned(), &[])]
    {
        let answer = world.call(LOADER, "GET", &format!("{}/data", path(&name)), None);
        assert_eq!((answer.status, ids(&answer)), (200, expect.iter().map(|id| (*id).to_owned()).collect()), "{name}: {}", answer.text());
        // The rows are those of the day, and the day stays masked.
        assert!(!answer.text().contains("1980"), "{}", answer.text());
        marks.push(answer.mark);
    }
    let copy = json!({ "copy": { "sourceTable": reference(&format!("ill${DAY}")), "destinationTable": reference("taken") } });
    let copied = job(&world, &copy);
    went_well(&copied, "a copy");
    marks.push(copied.0.mark);
    assert_eq!(world.direct_cell("SELECT STRING_AGG(CAST(id AS STRING), ' ' ORDER BY id) FROM staging.taken"), "1 4");
    let loaded = load(&world, &format!("ill${DAY}"), Some("WRITE_TRUNCATE"), "9,1980-03-01\n");
    went_well(&loaded, "a load in the place of what was there");
    marks.push(loaded.0.mark);
    assert_eq!(world.direct_cell("SELECT STRING_AGG(CAST(id AS STRING), ' ' ORDER BY id) FROM staging.ill"), "2 3 9");
    // What is only added is the caller's own, whoever may look.
    for disposition in [Some("WRITE_APPEND"), None] {
        went_well(&load(&world, &format!("born${DAY}"), disposition, "9,1980-03-01\n"), "a load that adds");
    }
    assert_eq!(world.direct_cell("SELECT COUNT(*) FROM staging.born"), "6");
    let evidence = world.finish();
    for mark in marks {
        let found = evidence.of_mark(&mark);
        let decided = found.iter().filter_map(|record| record.sections.get("policy")?.get("decided_by")?.as_array()?.first().cloned());
        let decided: Vec<Value> = decided.collect();
        assert!(decided.iter().any(|by| by["column"] == "acme-prod.staging.ill.day" && by["how"] == "filter"), "{mark}: {decided:?}");
    }
}

#[test]
fn partitions_by_a_column_that_nobody_labelled_are_as_direct() {
    let (world, _policy) = start("partitions-plain");
    for partition in PARTITIONS.iter().chain(&["198003", "tomorrow"]) {
        let named = path(&format!("days${partition}"));
        for path in [named.clone(), format!("{named}/data"), format!("{named}/data?selectedFields=id")] {
            let [asked, real] = [world.call(READER, "GET", &path, None), world.direct("GET", &path, None)];
            assert_eq!(asked.status, real.status, "{path}: {}", asked.text());
            for name in ["rows", "totalRows", "numRows", "numBytes"] {
                assert_eq!(asked.json().get(name), real.json().get(name), "{path} {name}");
            }
        }
    }
    let copy = json!({ "copy": { "sourceTable": reference(&format!("days${DAY}")), "destinationTable": reference("taken") } });
    went_well(&job(&world, &copy), "a copy");
    went_well(&load(&world, &format!("days${DAY}"), Some("WRITE_TRUNCATE"), "9,1980-03-01\n"), "a load");
    assert_eq!(world.direct_cell("SELECT STRING_AGG(CAST(id AS STRING), ' ' ORDER BY id) FROM staging.days"), "2 3 9");
}
