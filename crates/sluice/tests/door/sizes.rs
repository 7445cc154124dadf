//! Sizes, where BigQuery counts more than a statement looks at, or measures a table whose tags nobody has seen yet.

use crate::policies::{WITHOUT_APPROVAL, starter_with};
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use sluice_mask::COARSE_BYTES;
use std::time::{Duration, Instant};

const TAG: &str = "projects/acme-prod/locations/us/taxonomies/1/policyTags/7";
const WITHIN: Duration = Duration::from_secs(20);

fn statement(text: &str) -> Value {
    json!({ "query": text, "useLegacySql": false, "timeoutMs": 20_000 })
}

fn query(world: &World, caller: &str, text: &str) -> Answer {
    let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&statement(text)));
    assert_eq!(answer.status, 200, "{text}: {}", answer.text());
    answer
}

fn direct(world: &World, text: &str) -> Answer {
    let answer = world.direct("POST", &format!("{API}/queries"), Some(&statement(text)));
    assert_eq!(answer.status, 200, "{text}: {}", answer.text());
    answer
}

fn number(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no count"))
}

/// Told by steps, and no step is nothing.
fn is_coarse(bytes: u64) -> bool {
    bytes > 0 && bytes.is_multiple_of(COARSE_BYTES)
}

/// What a query processed, wherever it is told, beside what the warehouse says.
fn check(world: &World, caller: &str, text: &str, is_exact: bool) {
    let answer = query(world, caller, text);
    let job = answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let real = number(&world.direct("GET", &format!("{API}/jobs/{job}"), None).json()["statistics"]["totalBytesProcessed"]);
    assert!(real > 0 && !is_coarse(real), "{text}: nothing to hide in {real}");
    let dry = json!({ "query": text, "useLegacySql": false, "dryRun": true });
    let told = [
        answer.json()["totalBytesProcessed"].clone(),
        world.call(caller, "GET", &format!("{API}/jobs/{job}"), None).json()["statistics"]["query"]["totalBytesProcessed"].clone(),
        world.call(caller, "GET", &format!("{API}/queries/{job}"), None).json()["totalBytesProcessed"].clone(),
        world.call(caller, "POST", &format!("{API}/queries"), Some(&dry)).json()["totalBytesProcessed"].clone(),
    ];
    for told in told {
        let told = number(&told);
        assert!(if is_exact { told == real } else { is_coarse(told) }, "{caller} {text}: {told}, really {real}");
    }
}

#[test]
fn sizes_are_exact_where_nothing_labelled_can_be_counted() {
    let world = World::start("sizes-counted");
    for view in [
        "CREATE VIEW staging.hiding AS SELECT id, UPPER(ssn) AS u FROM clinic.patients",
        "CREATE VIEW staging.over AS SELECT id FROM staging.hiding",
        "CREATE VIEW staging.open AS SELECT id, name FROM clinic.patients",
        "CREATE TABLE FUNCTION staging.found(least INT64) AS (SELECT id, UPPER(ssn) AS u FROM clinic.patients WHERE id > least)",
    ] {
        direct(&world, view);
    }
    let masked = |text: &str, is_exact: bool| check(&world, "report-job", text, is_exact);
    masked("SELECT id, name FROM clinic.patients", true);
    masked("SELECT id FROM staging.open", true);
    masked("SELECT COUNT(*) AS n FROM (SELECT name FROM clinic.patients) WHERE name > 'B'", true);
    // One field of a record: another one is labelled.
    masked("SELECT address.city FROM clinic.patients", false);
    masked("SELECT id FROM staging.hiding", false);
    masked("SELECT id FROM staging.over", false);
    masked("SELECT id FROM staging.found(3)", false);
    masked("SELECT n FROM (SELECT id AS n, UPPER(ssn) AS u FROM clinic.patients)", false);
    masked("WITH p AS (SELECT id, ssn FROM clinic.patients) SELECT id FROM p", false);
    masked("CREATE TEMP TABLE t AS SELECT id, ssn FROM clinic.patients; SELECT id FROM t", false);
    // Who may see what is labelled there may know how long it is.
    check(&world, "analyst", "SELECT id FROM (SELECT id, UPPER(diagnosis) AS d FROM clinic.visits)", true);
    check(&world, "analyst", "SELECT id FROM (SELECT id, UPPER(ssn) AS d FROM clinic.patients)", false);
    // All that a table holds is counted where rows of it change.
    check(&world, "etl-nightly", "UPDATE staging.raw_visits SET cost = 7 WHERE cost < 0", false);
    check(&world, "etl-nightly", "DELETE FROM staging.raw_visits WHERE cost < 0", false);
}

/// At the warehouse, so that the gateway has never heard of it: `note` is tagged, or nothing is.
fn table(world: &World, dataset: &str, name: &str, is_tagged: bool) {
    let tags = if is_tagged { json!({ "names": [TAG] }) } else { Value::Null };
    let schema = json!({ "fields": [{ "name": "id", "type": "INTEGER" }, { "name": "note", "type": "STRING", "policyTags": tags }] });
    let body = json!({ "tableReference": { "projectId": PROJECT, "datasetId": dataset, "tableId": name }, "schema": schema });
    let made = world.direct("POST", &format!("{API}/datasets/{dataset}/tables"), Some(&body));
    assert_eq!(made.status, 200, "{}", made.text());
    direct(world, &format!("INSERT INTO {dataset}.{name} (id, note) VALUES (1, 'tagged-canary-4711')"));
}

#[test]
fn the_first_look_at_a_tagged_table_tells_no_exact_size() {
    let world = World::start("sizes-tagged");
    let ways = [
        "",
        "?view=BASIC",
        "?view=FULL",
        "?view=STORAGE_STATS",
        "?fields=numBytes",
        "?selectedFields=id",
        "?selectedFields=id&fields=numBytes,numRows",
    ];
    for (number_of_way, way) in ways.iter().enumerate() {
        for is_tagged in [true, false] {
            let name = format!("t{number_of_way}_{is_tagged}");
            table(&world, "staging", &name, is_tagged);
            let path = format!("{API}/datasets/staging/tables/{name}");
            let real = number(&world.direct("GET", &path, None).json()["numBytes"]);
            let answer = world.call("report-job", "GET", &format!("{path}{way}"), None);
            assert_eq!(answer.status, 200, "{}", answer.text());
            let told = number(&answer.json()["numBytes"]);
            assert!(if is_tagged { is_coarse(told) } else { told == real }, "{way} {is_tagged}: {told}, really {real}");
        }
    }
    // What a change answers describes the table, too.
    table(&world, "staging", "patched", true);
    let path = format!("{API}/datasets/staging/tables/patched");
    let patched = world.call("etl-nightly", "PATCH", &path, Some(&json!({ "description": "seen" })));
    assert!(patched.status == 200 && is_coarse(number(&patched.json()["numBytes"])), "{}", patched.text());
}

#[test]
fn a_copy_and_a_list_of_tagged_tables_tell_no_exact_size() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("sizes-listed", &["--policy", policy.path().to_str().unwrap()]);
    let dataset = json!({ "datasetReference": { "projectId": PROJECT, "datasetId": "unseen" } });
    assert_eq!(world.direct("POST", &format!("{API}/datasets"), Some(&dataset)).status, 200);
    table(&world, "unseen", "listed", true);
    let sizes = query(&world, "report-job", "SELECT size_bytes, row_count FROM unseen.__TABLES__").json()["rows"][0]["f"].clone();
    assert_eq!((&sizes[0]["v"], &sizes[1]["v"]), (&Value::Null, &json!("1")), "{sizes}");
    for path in ["/datasets/unseen/tables", "/datasets/unseen", "/datasets"] {
        let listed = world.call("report-job", "GET", &format!("{API}{path}"), None);
        assert!(listed.status == 200 && !listed.text().to_lowercase().contains("bytes"), "{path}: {}", listed.text());
    }
    for (name, is_tagged) in [("tagged", true), ("plain", false)] {
        table(&world, "staging", name, is_tagged);
        let reference = |name: &str| json!({ "projectId": PROJECT, "datasetId": "staging", "tableId": name });
        let copy = json!({ "sourceTable": reference(name), "destinationTable": reference(&format!("copy_of_{name}")) });
        let begun = world.call("etl-nightly", "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": { "copy": copy } })));
        assert_eq!(begun.status, 200, "{}", begun.text());
        let job = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
        let until = Instant::now() + WITHIN;
        let state = loop {
            let state = world.call("etl-nightly", "GET", &format!("{API}/jobs/{job}"), None).json();
            if state["status"]["state"] == "DONE" {
                break state;
            }
            assert!(Instant::now() < until, "{state}");
        };
        let told = number(&state["statistics"]["copy"]["copiedLogicalBytes"]);
        assert_eq!(is_coarse(told), is_tagged, "{name}: {state}");
    }
}
