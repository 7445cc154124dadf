//! Loaders that add rows to one table at the same time, while somebody reads it. What they add to stays what it is, so the reader is disturbed by none of them;
//! and whoever makes another thing of it is seen in the crowd.

use crate::canaries::Canaries;
use crate::program::pause;
use crate::reshaped::{PIPELINE, READER, begin, end_of, fresh, go_on, make, query, ran, results, world};
use crate::world::{API, World};
use serde_json::{Value, json};
use std::time::Duration;

/// All of a crowd have begun before the first of them ends.
const JOB_MILLISECONDS: u64 = 1_200;
const MORE: &str = "SELECT 'more' AS a";
const SSN: &str = "SELECT ssn AS a FROM clinic.patients";

fn table(name: &str) -> Value {
    json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": name })
}

fn into(name: &str, text: &str, disposition: &str) -> Value {
    json!({ "query": { "query": text, "useLegacySql": false, "destinationTable": table(name), "writeDisposition": disposition } })
}

fn adds(name: &str) -> Value {
    into(name, MORE, "WRITE_APPEND")
}

fn copies(name: &str) -> Value {
    json!({ "copy": { "sourceTable": table("more"), "destinationTable": table(name), "writeDisposition": "WRITE_APPEND" } })
}

fn statement(text: &str) -> Value {
    json!({ "query": { "query": text, "useLegacySql": false } })
}

fn makes(name: &str) -> Value {
    statement(&format!("CREATE TABLE IF NOT EXISTS staging.{name} (other STRING)"))
}

fn at_once(world: &World, jobs: &[Value]) {
    world.fault(&json!({ "verb": "POST", "path": "/jobs", "count": 100, "act": { "kind": "job", "milliseconds": JOB_MILLISECONDS } }));
    let begun = jobs.iter().map(|configuration| {
        let answer = world.call(PIPELINE, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
        ran(&answer, &configuration.to_string());
        answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned()
    });
    let begun: Vec<String> = begun.collect();
    for (job, configuration) in begun.iter().zip(jobs) {
        let state = end_of(world, job);
        assert_eq!(state["status"].get("errorResult"), None, "{configuration}: {state}");
    }
    world.clear_faults();
}

#[test]
fn loaders_that_add_at_once_disturb_no_reader() {
    let world = world("loaders");
    let canaries = Canaries::of(&world);
    make(&world, "CREATE OR REPLACE TABLE staging.more AS SELECT 'more' AS a");
    let check = |table: &str, jobs: &[Value], expect: (u16, &str)| {
        fresh(&world, table);
        let reader = begin(&world, READER, table, "", "SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x");
        at_once(&world, jobs);
        go_on(&world, table);
        let answer = results(&world, READER, &reader);
        assert_eq!(canaries.find_in(&answer), None, "{table}: {}", answer.text());
        assert_eq!(answer.status, expect.0, "{table}: {}", answer.text());
        assert!(answer.text().contains(expect.1), "{table}: {}", answer.text());
    };
    check("appended", &[adds("appended"), adds("appended"), adds("appended")], (200, "more"));
    check("copied", &[copies("copied"), adds("copied"), copies("copied")], (200, "more"));
    check("there", &[makes("there"), adds("there"), makes("there")], (200, "more"));
    let dataset = || statement("CREATE SCHEMA IF NOT EXISTS staging");
    check("of_a_run", &[dataset(), adds("of_a_run"), dataset()], (200, "more"));
    check("emptied", &[adds("emptied"), into("emptied", MORE, "WRITE_TRUNCATE"), makes("emptied")], (200, "more"));
    // What is labelled comes in with the columns that there are: it is masked, as what a statement inserts.
    let masked = (200, r#"[{"f":[{"v":""}]}"#);
    check("replaced", &[makes("replaced"), into("replaced", SSN, "WRITE_TRUNCATE")], masked);
    check("labelled", &[adds("labelled"), into("labelled", SSN, "WRITE_APPEND")], masked);
    // Between understanding a statement and sending it, too.
    fresh(&world, "between");
    let slow = json!({ "verb": "POST", "path": "/jobs", "skip": 0, "count": 1, "act": { "kind": "delay", "milliseconds": 2_500 } });
    let same = "CREATE OR REPLACE TABLE staging.between AS SELECT a FROM staging.between";
    for change in [
        same,
        "ALTER TABLE staging.between SET OPTIONS (description = 'd')",
        "DROP TABLE staging.between; CREATE TABLE staging.between AS SELECT 'back' AS a",
    ] {
        world.fault(&slow);
        let answer = std::thread::scope(|scope| {
            let reading = scope.spawn(|| query(&world, READER, "SELECT a FROM staging.between"));
            pause(Duration::from_millis(700));
            ran(&query(&world, PIPELINE, change), change);
            reading.join().unwrap()
        });
        ran(&answer, change);
        assert_eq!(world.clear_faults(), 0, "{change}: the reader was not kept waiting");
    }
    // In the crowd one that makes another thing of it.
    let withheld = (403, "rows are withheld");
    let rebuilds = |name: &str| statement(&format!("CREATE OR REPLACE TABLE staging.{name} AS SELECT ssn AS b FROM clinic.patients"));
    check("rebuilt", &[adds("rebuilt"), rebuilds("rebuilt"), makes("rebuilt")], withheld);
    check("widened", &[adds("widened"), statement("ALTER TABLE staging.widened ADD COLUMN b STRING")], withheld);
    // It goes, and comes back by one that would only have added to it.
    check("gone", &[statement("DROP TABLE staging.gone"), into("gone", SSN, "WRITE_APPEND")], withheld);
    world.finish();
}

#[test]
fn whoever_loads_a_partition_disturbs_no_reader_of_the_table() {
    let world = world("loaders-partitions");
    let day = |name: &str, text: &str| {
        let rows = format!("SELECT '{text}' AS a, DATE '2024-01-01' AS d");
        make(&world, &format!("CREATE OR REPLACE TABLE staging.{name} PARTITION BY d AS {rows}"));
    };
    day("more", "more");
    let check = |name: &str, disposition: &str| {
        day(name, "plain");
        make(&world, &format!("CREATE OR REPLACE TABLE staging.go_{name} (a STRING)"));
        let reader = begin(&world, READER, name, "", "SELECT a FROM staging.{t}");
        let copy = json!({
            "sourceTable": table("more$20240101"),
            "destinationTable": table(&format!("{name}$20240101")),
            "writeDisposition": disposition,
        });
        at_once(&world, &[json!({ "copy": copy })]);
        go_on(&world, name);
        let answer = results(&world, READER, &reader);
        ran(&answer, name);
        assert!(answer.text().contains("more"), "{name}: {}", answer.text());
    };
    check("partition_added", "WRITE_APPEND");
    check("partition_replaced", "WRITE_TRUNCATE");
    world.finish();
}
