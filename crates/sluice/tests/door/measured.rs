//! What is told of sizes where a caller could choose them: of scripts, of their parts, and of tables that carry labels. Coarsely to those who may not see
//! what is counted, exactly to those who may.

use crate::policies::{Change, WITHOUT_APPROVAL, starter_with};
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use sluice_mask::COARSE_BYTES;

/// Sees how somebody is, and nothing else that is labelled.
const SEES_HEALTH: &str = "analyst";
const SEES_NOTHING: [&str; 2] = ["report-job", "support-agent"];
/// Pipelines see everything here, so that somebody does.
const PIPELINES_SEE: &str = "
@id(\"pipelines-see\")
@reason(\"of this test\")
permit (principal is Pipeline, action == Action::\"see\", resource);

@id(\"agents-list\")
@reason(\"of this test\")
permit (principal is Agent, action == Action::\"jobs.list\", resource);

@id(\"pipelines-measure\")
@reason(\"of this test\")
permit (principal is Pipeline, action in [Action::\"Write\", Action::\"Schema\"], resource in Dataset::\"acme-prod.measured\");
";
const ANYWHERE: Change = ("context.destination like \"acme-prod.staging.*\"", "context.destination like \"acme-prod.*\"");

fn world(name: &str) -> World {
    let policy = starter_with(&[WITHOUT_APPROVAL, ANYWHERE]);
    std::fs::write(policy.path().join("later.cedar"), PIPELINES_SEE).unwrap();
    World::start_with(name, &["--policy", policy.path().to_str().unwrap()])
}

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body));
    assert_eq!(answer.status, 200, "{caller} {statement}: {}", answer.text());
    answer
}

/// Every count of bytes, by its way.
fn counts(value: &Value, way: &str, all: &mut Vec<(String, u64)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let way = format!("{way}/{name}");
                let number = value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
                match number.filter(|_| name.to_lowercase().contains("bytes")) {
                    Some(number) => all.push((way, number)),
                    None => counts(value, &way, all),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| counts(value, &format!("{way}/*"), all)),
        _ => {}
    }
}

fn counted(value: &Value) -> Vec<(String, u64)> {
    let mut all = Vec::new();
    counts(value, "", &mut all);
    all
}

/// Beside what the warehouse says of the same, by the same ways.
fn check(what: &str, told: &Value, real: &Value, is_exact: bool) {
    let (told, real) = (counted(told), counted(real));
    assert!(!told.is_empty(), "{what}: no counts");
    for (way, number) in told {
        if is_exact {
            let there = real.iter().find(|(other, _)| *other == way).map(|(_, number)| *number);
            assert_eq!(Some(number), there, "{what}: {way}");
        } else {
            assert_eq!(number, COARSE_BYTES, "{what}: {way}");
        }
    }
}

/// What is told of a script and of each of its parts, in descriptions, lists and answers.
fn check_script(world: &World, caller: &str, script: &str, is_exact: bool) {
    let answer = query(world, caller, script).json();
    let job = answer["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let real = |job: &str| world.direct("GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    let told = |job: &str| world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    let parent = real(&job);
    let whole = parent["statistics"]["totalBytesProcessed"].as_str().unwrap();
    assert!(whole.parse::<u64>().unwrap() > 0, "nothing to hide: {parent}");
    let what = |part: &str| format!("{caller}, {part} of {script}");
    check(
        &what("the answer"),
        &json!({ "totalBytesProcessed": answer["totalBytesProcessed"] }),
        &json!({ "totalBytesProcessed": whole }),
        is_exact,
    );
    let page = world.call(caller, "GET", &format!("{API}/queries/{job}?location=US"), None).json();
    check(
        &what("its page"),
        &json!({ "totalBytesProcessed": page["totalBytesProcessed"] }),
        &json!({ "totalBytesProcessed": whole }),
        is_exact,
    );
    check(&what("the job"), &told(&job)["statistics"], &parent["statistics"], is_exact);
    let parts = world.call(caller, "GET", &format!("{API}/jobs?parentJobId={job}&projection=full"), None).json();
    let parts = parts["jobs"].as_array().unwrap_or_else(|| panic!("{parts}")).clone();
    assert!(parts.len() > 1, "{} parts", parts.len());
    for listed in parts {
        let id = listed["jobReference"]["jobId"].as_str().unwrap();
        let real = real(id);
        check(&what("a listed part"), &listed["statistics"], &real["statistics"], is_exact);
        check(&what("a part"), &told(id)["statistics"], &real["statistics"], is_exact);
    }
}

#[test]
fn sizes_of_scripts_and_their_parts_are_told_to_who_may_see_what_they_read() {
    let world = world("measured-scripts");
    let of = |column: &str, table: &str| {
        format!(
            "CREATE TEMP TABLE t AS SELECT id, REPLACE('aaaa', 'a', IF({column} > 'm', 'bbbbbbbb', 'c')) AS x FROM {table}; \
             SELECT id FROM t; SELECT COUNT(*) AS n, {column} FROM {table} GROUP BY {column}"
        )
    };
    let without_use = |column: &str, table: &str| {
        format!(
            "CREATE TEMP TABLE t AS SELECT id, REPLACE('aaaa', 'a', IF({column} > 'm', 'bbbbbbbb', 'c')) AS x FROM {table}; SELECT id FROM t; SELECT x FROM t"
        )
    };
    for caller in SEES_NOTHING {
        check_script(&world, caller, &without_use("diagnosis", "clinic.visits"), false);
        check_script(&world, caller, &without_use("ssn", "clinic.patients"), false);
        check_script(&world, caller, "SELECT id FROM clinic.patients; SELECT name FROM clinic.patients", true);
    }
    check_script(&world, SEES_HEALTH, &of("diagnosis", "clinic.visits"), true);
    check_script(&world, SEES_HEALTH, &without_use("ssn", "clinic.patients"), false);
    check_script(&world, "etl-nightly", &without_use("ssn", "clinic.patients"), true);
    world.finish();
}

fn table(world: &World, caller: &str, dataset: &str, table: &str) -> [Value; 2] {
    let path = format!("{API}/datasets/{dataset}/tables/{table}");
    let told = world.call(caller, "GET", &path, None);
    assert_eq!(told.status, 200, "{caller} {table}: {}", told.text());
    [told.json(), world.direct("GET", &path, None).json()]
}

#[test]
fn sizes_of_tables_that_carry_labels_are_told_to_who_may_see_them() {
    let world = world("measured-tables");
    let made = |dataset: &str| {
        let body = json!({ "datasetReference": { "projectId": PROJECT, "datasetId": dataset } });
        assert_eq!(world.direct("POST", &format!("{API}/datasets"), Some(&body)).status, 200);
    };
    made("measured");
    let etl = |statement: &str| query(&world, "etl-nightly", statement);
    etl("CREATE TABLE measured.carried AS SELECT id, REPLACE('aaaa', 'a', IF(diagnosis > 'm', 'bbbbbbbb', 'c')) AS x FROM clinic.visits");
    etl("CREATE TABLE measured.copied AS SELECT x AS y FROM measured.carried");
    let names = ["carried", "copied"];
    for name in names {
        let [_, real] = table(&world, "etl-nightly", "measured", name);
        let bytes: u64 = real["numBytes"].as_str().unwrap().parse().unwrap();
        assert!(bytes > 0 && !bytes.is_multiple_of(COARSE_BYTES), "{name}: {bytes}");
        let callers = SEES_NOTHING.map(|caller| (caller, false)).into_iter().chain([(SEES_HEALTH, true), ("etl-nightly", true)]);
        for (caller, is_exact) in callers {
            let [told, real] = table(&world, caller, "measured", name);
            check(&format!("{caller} {name}"), &told, &real, is_exact);
            assert_eq!(told["numRows"], real["numRows"], "{caller} {name}");
            // What a statement over it reads.
            let column = if name == "carried" { "x" } else { "y" };
            let answer = query(&world, caller, &format!("SELECT {column} FROM measured.{name}")).json();
            let job = answer["jobReference"]["jobId"].as_str().unwrap();
            let real = world.direct("GET", &format!("{API}/jobs/{job}?location=US"), None).json();
            let told = world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
            check(&format!("{caller} a read of {name}"), &told["statistics"], &real["statistics"], is_exact);
        }
    }
    let sizes = "SELECT table_id, size_bytes, row_count FROM measured.__TABLES__ ORDER BY table_id";
    let direct = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": sizes, "useLegacySql": false }))).json();
    for (caller, is_exact) in SEES_NOTHING.map(|caller| (caller, false)).into_iter().chain([(SEES_HEALTH, true), ("etl-nightly", true)]) {
        let told = query(&world, caller, sizes).json();
        for (told, real) in told["rows"].as_array().unwrap().iter().zip(direct["rows"].as_array().unwrap()) {
            assert_eq!((&told["f"][0], &told["f"][2]), (&real["f"][0], &real["f"][2]), "{caller}");
            let expect = if is_exact { real["f"][1]["v"].clone() } else { Value::Null };
            assert_eq!(told["f"][1]["v"], expect, "{caller}");
        }
        assert_eq!(told["rows"].as_array().unwrap().len(), names.len());
    }
    world.finish();
}

/// A view of all tables of the project: its sizes have every label that there is.
#[test]
fn sizes_of_a_project_are_told_to_who_may_see_all_of_it() {
    let world = world("measured-project");
    let sizes = "SELECT table_name, total_rows, total_logical_bytes, active_logical_bytes FROM `region-us`.INFORMATION_SCHEMA.TABLE_STORAGE \
                 WHERE table_schema IN ('clinic', 'shop') ORDER BY table_schema, table_name";
    let direct = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": sizes, "useLegacySql": false }))).json();
    let real = direct["rows"].as_array().unwrap_or_else(|| panic!("{direct}")).clone();
    assert!(real.len() > 5 && real.iter().any(|row| row["f"][2]["v"] != "0"), "{direct}");
    for (caller, is_exact) in [("report-job", false), ("support-agent", false), (SEES_HEALTH, false), ("etl-nightly", true)] {
        let whole = query(&world, caller, "SELECT * FROM `region-us`.INFORMATION_SCHEMA.TABLE_STORAGE");
        assert_eq!(whole.status, 200, "{caller}: {}", whole.text());
        let told = query(&world, caller, sizes).json();
        let told = told["rows"].as_array().unwrap();
        assert_eq!(told.len(), real.len(), "{caller}");
        for (told, real) in told.iter().zip(&real) {
            assert_eq!((&told["f"][0], &told["f"][1]), (&real["f"][0], &real["f"][1]), "{caller}");
            for place in [2, 3] {
                let (told, real) = (&told["f"][place]["v"], &real["f"][place]["v"]);
                assert!(if is_exact { told == real } else { told.is_null() || told == "0" }, "{caller}: {told}, really {real}");
            }
        }
    }
    world.finish();
}
