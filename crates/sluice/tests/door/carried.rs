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
    assert!(listed.contains("acme-prod.staging.made.code  national_id  since ") && listed.lines().count() == 2, "{listed}");
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
