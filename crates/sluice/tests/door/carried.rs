//! Labels go with the data: whoever reads a copy meets the labels of what was copied.

use crate::policies::{WITHOUT_APPROVAL, starter_with};
use crate::talk::Answer;
use crate::world::{API, World, of_mark};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(10);

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

fn table(name: &str) -> Value {
    json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": name })
}

fn insert(world: &World, caller: &str, configuration: &Value) -> Answer {
    let answer = world.call(caller, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let job = answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let until = Instant::now() + WITHIN;
    loop {
        let state = world.call(caller, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
        if state["status"]["state"] == "DONE" {
            assert_eq!(state["status"].get("errorResult"), None, "{state}");
            return answer;
        }
        assert!(Instant::now() < until, "{state}");
    }
}

fn labels(world: &World, arguments: &[&str]) -> String {
    let [verb, rest @ ..] = arguments else { panic!("no verb") };
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["labels", verb, "--config"]).arg(&world.folder).args(rest).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

/// No value of the column comes clear to somebody who may see none of it; the columns beside it do.
fn check(world: &World, from: &str, column: &str) {
    let answer = query(world, "report-job", &format!("SELECT {column} FROM {from} WHERE id = 1"));
    assert_eq!(answer.status, 200, "{from}.{column}: {}", answer.text());
    let cell = answer.json()["rows"][0]["f"][0]["v"].clone();
    let clear = world.direct_cell(&format!("SELECT CAST({column} AS STRING) FROM {from} WHERE id = 1"));
    assert!(!clear.is_empty() && cell != json!(clear), "{from}.{column}: {cell}");
    let (dataset, name) = from.split_once('.').unwrap();
    let read = world.call("report-job", "GET", &format!("{API}/datasets/{dataset}/tables/{name}/data?selectedFields={column}"), None);
    assert!(!read.text().contains(&clear), "{from}.{column}");
    assert_eq!(query(world, "report-job", &format!("SELECT COUNT(id) FROM {from}")).status, 200, "{from}");
    let used = query(world, "report-job", &format!("SELECT id FROM {from} WHERE CAST({column} AS STRING) > '5'"));
    assert_eq!(used.status, 403, "{from}.{column}: {}", used.text());
}

#[test]
fn what_is_written_from_a_labelled_column_is_labelled() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("carried", &["--policy", policy.path().to_str().unwrap()]);
    let etl = |statement: &str| {
        let answer = query(&world, "etl-nightly", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
        answer
    };
    let made = etl("CREATE TABLE staging.made AS SELECT id, ssn AS code, CONCAT('no. ', ssn) AS numbered FROM clinic.patients");
    check(&world, "staging.made", "code");
    check(&world, "staging.made", "numbered");
    // A copy of the copy, by every way.
    etl("CREATE TABLE staging.again AS SELECT id, REVERSE(code) AS edoc FROM staging.made");
    check(&world, "staging.again", "edoc");
    etl("CREATE TABLE staging.filled (id INT64, c STRING); INSERT INTO staging.filled (id, c) SELECT id, code FROM staging.made");
    check(&world, "staging.filled", "c");
    insert(&world, "etl-nightly", &json!({ "copy": { "sourceTable": table("made"), "destinationTable": table("copied") } }));
    check(&world, "staging.copied", "code");
    let unnamed =
        json!({ "query": "SELECT id, UPPER(code) FROM staging.made", "useLegacySql": false, "destinationTable": table("unnamed") });
    insert(&world, "etl-nightly", &json!({ "query": unnamed }));
    check(&world, "staging.unnamed", "f0_");
    etl("CREATE TABLE staging.merged (id INT64, c STRING)");
    etl("MERGE staging.merged AS t USING staging.made AS s ON t.id = s.id WHEN NOT MATCHED THEN INSERT (id, c) VALUES (s.id, s.code)");
    check(&world, "staging.merged", "c");
    // Within one script, too.
    let script =
        query(&world, "etl-nightly", "CREATE TABLE staging.step AS SELECT id, ssn AS s FROM clinic.patients; SELECT s FROM staging.step");
    assert_eq!(script.status, 200, "{}", script.text());
    check(&world, "staging.step", "s");
    // A label does not come off with the table.
    etl("DROP TABLE staging.made");
    etl("CREATE TABLE staging.made AS SELECT id, name AS code FROM clinic.patients");
    check(&world, "staging.made", "code");
    let listed = labels(&world, &["list", "--table", "acme-prod.staging.made"]);
    let mark = made.mark;
    let evidence = world.finish();
    let inherits = |record: &&crate::evidence::Record| record.sections.get("policy").is_some_and(|policy| policy["inherits"].is_object());
    let permitted = of_mark(&evidence.records, &mark).into_iter().find(inherits).expect("the labels are on record");
    assert_eq!(
        permitted.sections["policy"]["inherits"],
        json!({ "acme-prod.staging.made.code": ["national_id"], "acme-prod.staging.made.numbered": ["national_id"] })
    );
    let of_table = listed.lines().filter(|line| line.starts_with("acme-prod.staging.made.")).count();
    assert!(listed.contains("acme-prod.staging.made.code  national_id  since ") && of_table == 2, "{listed}");
}

/// What a caller reads who may see none of the values, as it comes.
fn shown(world: &World, statement: &str) -> Value {
    let answer = query(world, "report-job", statement);
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    answer.json()["rows"][0]["f"][0]["v"].clone()
}

/// The last four letters of a reversed number are its first: of what was computed no part is shown, however often it was copied.
#[test]
fn a_copy_of_what_was_computed_shows_no_part_of_it() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("computed", &["--policy", policy.path().to_str().unwrap()]);
    let etl = |statement: &str| {
        let answer = query(&world, "etl-nightly", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    };
    let support = |column: &str, from: &str| {
        let answer = query(&world, "support-agent", &format!("SELECT {column} FROM staging.{from} WHERE id = 1"));
        assert_eq!(answer.status, 200, "{from}.{column}: {}", answer.text());
        answer.json()["rows"][0]["f"][0]["v"].clone()
    };
    etl(
        "CREATE TABLE staging.m1 AS SELECT id, ssn AS clear, REVERSE(ssn) AS r, CONCAT('x@', REPLACE(email, '@', '.')) AS em FROM clinic.patients",
    );
    etl("CREATE TABLE staging.m2 (id INT64, a STRING, b STRING)");
    etl("INSERT INTO staging.m2 (b, a, id) SELECT clear, r, id FROM staging.m1");
    insert(&world, "etl-nightly", &json!({ "copy": { "sourceTable": table("m1"), "destinationTable": table("m3") } }));
    etl("CREATE TABLE staging.m4 AS SELECT id, ssn AS a FROM clinic.patients");
    let last_four = support("a", "m4");
    assert!(last_four.as_str().is_some_and(|text| text.starts_with("XXXXX") && text.len() == 9), "{last_four}");
    etl("UPDATE staging.m4 SET a = REVERSE(a) WHERE TRUE");
    etl("CREATE VIEW staging.m5 AS SELECT id, r AS a FROM staging.m3");
    etl("MERGE staging.m2 AS t USING staging.m1 AS s ON t.id = s.id WHEN MATCHED THEN UPDATE SET b = s.clear");
    for (column, from) in [("r", "m1"), ("em", "m1"), ("a", "m2"), ("r", "m3"), ("em", "m3"), ("a", "m4"), ("a", "m5")] {
        assert_eq!(support(column, from), json!(""), "{from}.{column}");
    }
    // A clear copy keeps the mask that it is joined by.
    for (column, from) in [("clear", "m1"), ("b", "m2"), ("clear", "m3")] {
        assert_eq!(support(column, from), last_four, "{from}.{column}");
    }
    let read = world.call("support-agent", "GET", &format!("{API}/datasets/staging/tables/m1/data?selectedFields=r,em"), None);
    assert!(read.status == 200 && !read.text().contains("XXXXX"), "{}", read.text());
    let listed = labels(&world, &["list", "--table", "acme-prod.staging.m3"]);
    assert!(listed.contains("acme-prod.staging.m3.r  national_id, computed  since "), "{listed}");
    assert!(listed.contains("acme-prod.staging.m3.clear  national_id  since "), "{listed}");
    world.finish();
}

/// Nobody knows whether BigQuery puts the tables of one copy together by name or by place: the label is on both.
#[test]
fn copies_of_other_orders_are_labelled_by_name_and_by_place() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("orders", &["--policy", policy.path().to_str().unwrap()]);
    let etl = |statement: &str| {
        let answer = query(&world, "etl-nightly", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    };
    etl("CREATE TABLE staging.o1 (p STRING, id INT64, q STRING); INSERT INTO staging.o1 VALUES ('a', 0, 'b')");
    etl("CREATE TABLE staging.o2 AS SELECT ssn AS q, id, name AS p FROM clinic.patients");
    etl("CREATE TABLE staging.o4 (p STRING, id INT64, q STRING)");
    let both = [table("o1"), table("o2")];
    insert(&world, "etl-nightly", &json!({ "copy": { "sourceTables": both, "destinationTable": table("o3") } }));
    let append = json!({ "sourceTable": table("o2"), "destinationTable": table("o4"), "writeDisposition": "WRITE_APPEND" });
    insert(&world, "etl-nightly", &json!({ "copy": append }));
    insert(&world, "etl-nightly", &json!({ "copy": { "sourceTable": table("o2"), "destinationTable": table("o5") } }));
    for name in ["o3", "o4", "o5"] {
        check(&world, &format!("staging.{name}"), "q");
    }
    let labelled = |name: &str| labels(&world, &["list", "--table", &format!("acme-prod.staging.{name}")]);
    for (name, by_place) in [("o3", true), ("o4", true), ("o5", false)] {
        let listed = labelled(name);
        assert!(listed.contains(&format!("staging.{name}.q  national_id  since ")), "{listed}");
        assert_eq!(listed.contains(&format!("staging.{name}.p  national_id  since ")), by_place, "{listed}");
    }
    world.finish();
}

/// A label comes to the field that the warehouse makes, whatever the statement calls its fields.
#[test]
fn a_label_finds_its_field_by_place() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("by-place", &["--policy", policy.path().to_str().unwrap()]);
    let etl = |statement: &str| {
        let answer = query(&world, "etl-nightly", statement);
        assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
    };
    let masked = |from: &str, expect: Value| {
        let whole = shown(&world, &format!("SELECT s FROM {from} ORDER BY id LIMIT 1"));
        let cells: Vec<Value> = whole["f"].as_array().into_iter().flatten().map(|cell| cell["v"].clone()).collect();
        assert_eq!(json!(cells), expect, "{from}");
    };
    let name = world.direct_cell("SELECT name FROM clinic.patients WHERE id = 1");
    etl("CREATE TABLE staging.d2 AS SELECT id, STRUCT(name, ssn || '') AS s FROM clinic.patients");
    masked("staging.d2", json!([name, ""]));
    assert_eq!(shown(&world, "SELECT s._field_2 FROM staging.d2 WHERE id = 1"), json!(""));
    etl("CREATE TABLE staging.d3 AS SELECT id, STRUCT('x' AS _1, ssn || '') AS s FROM clinic.patients");
    masked("staging.d3", json!(["x", ""]));
    etl("CREATE VIEW staging.v3 AS SELECT id, STRUCT('x' AS _1, ssn || '') AS s FROM clinic.patients");
    masked("staging.v3", json!(["x", ""]));
    etl("CREATE TABLE staging.d5 (id INT64, s STRUCT<x STRING, y STRING>)");
    etl("INSERT INTO staging.d5 (s, id) SELECT STRUCT(name AS y, ssn || '' AS x), id FROM clinic.patients");
    masked("staging.d5", json!([name, ""]));
    // Asked in one statement, with nothing withheld.
    masked("(SELECT id, STRUCT(name, ssn || '') AS s FROM clinic.patients)", json!([name, ""]));
    masked("(SELECT id, STRUCT(name AS _1, CONCAT(ssn, '')) AS s FROM clinic.patients)", json!([name, ""]));
    masked("(SELECT id, STRUCT(name AS a, ssn || '' AS a) AS s FROM clinic.patients)", json!([name, ""]));
    masked("(SELECT id, STRUCT(name AS `[2]`, ssn || '') AS s FROM clinic.patients)", json!([name, ""]));
    // By the name that BigQuery gives it, from the result read as a table.
    let begun = query(&world, "report-job", "SELECT STRUCT(name, ssn || '') AS s FROM clinic.patients WHERE id = 1");
    let ssn = world.direct_cell("SELECT ssn FROM clinic.patients WHERE id = 1");
    let job = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let described = world.call("report-job", "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    let own = &described["configuration"]["query"]["destinationTable"];
    let (dataset, name) = (own["datasetId"].as_str().unwrap(), own["tableId"].as_str().unwrap());
    for fields in ["s", "s._field_2", "s.name"] {
        let read = world.call("report-job", "GET", &format!("{API}/datasets/{dataset}/tables/{name}/data?selectedFields={fields}"), None);
        assert!(!read.text().contains(&ssn), "{fields}: {}", read.text());
        assert_eq!(read.status == 200, fields == "s", "{fields}: {}", read.text());
    }
    world.finish();
}

#[test]
fn a_person_labels_a_column_and_it_is_on_record() {
    let world = World::start("labelled-by-hand");
    let ask = || query(&world, "report-job", "SELECT name FROM shop.products WHERE id = 1");
    let clear = ask();
    assert_eq!(clear.status, 200, "{}", clear.text());
    let cell = |answer: &Answer| answer.json()["rows"][0]["f"][0]["v"].clone();
    let before = cell(&clear);
    let said = labels(&world, &["set", "--label", "health", "--by", "ana", "--reason", "seen in a review", "acme-prod.shop.products.name"]);
    assert!(said.starts_with("health: acme-prod.shop.products.name, by ana: seen in a review"), "{said}");
    let until = Instant::now() + WITHIN;
    while cell(&ask()) == before {
        assert!(Instant::now() < until);
    }
    assert_eq!(cell(&ask()), Value::Null);
    let evidence = world.finish();
    let acts: Vec<String> = evidence.records.iter().map(|record| serde_json::to_string(&record.sections).unwrap()).collect();
    assert!(acts.iter().any(|act| act.contains("label columns") && act.contains("seen in a review")), "{acts:?}");
}
