//! A job reads a table when it comes to it. A label that came onto the table since the job was decided on goes with what the job writes.

use crate::policies::{WITHOUT_APPROVAL, starter_with};
use crate::program::pause;
use crate::talk::Answer;
use crate::world::{API, World, of_mark};
use serde_json::json;
use std::process::Command;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(60);
fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// A script of a pipeline that waits until somebody has filled a table, and copies it then.
fn begin(world: &World, from: &str, to: &str) -> (String, String) {
    let waits = format!("DECLARE i INT64 DEFAULT 0; WHILE (SELECT COUNT(*) FROM staging.{from}) < 2 DO SET i = i + 1; END WHILE;");
    let script = format!("{waits} CREATE OR REPLACE TABLE staging.{to} AS SELECT a FROM staging.{from}");
    let configuration = json!({ "query": { "query": script, "useLegacySql": false } });
    let answer = world.call("etl-nightly", "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned(), answer.mark)
}

fn is_done(world: &World, job: &str) -> bool {
    let state = world.call("etl-nightly", "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
    assert_eq!(state["status"].get("errorResult"), None, "{state}");
    state["status"]["state"] == "DONE"
}

fn labels(world: &World, arguments: &[&str]) -> String {
    let [verb, rest @ ..] = arguments else { panic!("no verb") };
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).args(["labels", verb, "--config"]).arg(&world.folder).args(rest).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
fn a_label_that_comes_onto_a_source_while_a_job_runs_goes_on_with_it() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("meanwhile", &["--policy", policy.path().to_str().unwrap()]);
    for table in ["t", "by_hand"] {
        let made = query(&world, "etl-nightly", &format!("CREATE TABLE staging.{table} AS SELECT 'plain' AS a"));
        assert_eq!(made.status, 200, "{}", made.text());
    }
    let first = query(&world, "etl-nightly", "CREATE TABLE staging.u AS SELECT 'plain' AS a");
    assert_eq!(first.status, 200, "{}", first.text());
    let (copies, mark) = begin(&world, "t", "u");
    // What that one writes is read by another that runs, and what they know is asked of both.
    let (again, _) = begin(&world, "u", "w");
    let (set, set_mark) = begin(&world, "by_hand", "from_hand");
    let filled = query(&world, "etl-nightly", "INSERT INTO staging.t SELECT ssn FROM clinic.patients");
    assert_eq!(filled.status, 200, "{}", filled.text());
    // Whoever reads the copies from here on meets the label, whether or not they are written yet.
    for table in ["t", "u", "w"] {
        let listed = labels(&world, &["list", "--table", &format!("acme-prod.staging.{table}")]);
        assert!(listed.contains(&format!("acme-prod.staging.{table}.a  national_id  since ")), "{table}: {listed}");
    }
    labels(&world, &["set", "--label", "health", "--by", "ana", "--reason", "seen in a review", "acme-prod.staging.by_hand.a"]);
    assert!(!is_done(&world, &set), "it waits for rows");
    // A running gateway holds to it within a second.
    let until = Instant::now() + WITHIN;
    while query(&world, "support-agent", "SELECT a FROM staging.by_hand").text().contains("plain") {
        assert!(Instant::now() < until, "the label is not heard of");
    }
    let filled = query(&world, "etl-nightly", "INSERT INTO staging.by_hand VALUES ('plain too')");
    assert_eq!(filled.status, 200, "{}", filled.text());
    let until = Instant::now() + WITHIN;
    while ![&copies, &again, &set].iter().all(|job| is_done(&world, job)) {
        assert!(Instant::now() < until, "the scripts do not end");
        pause(Duration::from_millis(200));
    }
    let clear = world.direct_cell("SELECT MIN(a) FROM staging.w");
    assert!(clear.starts_with('9'), "{clear}");
    for table in ["u", "w"] {
        let read = query(&world, "support-agent", &format!("SELECT a FROM staging.{table}"));
        assert!(read.status == 200 && !read.text().contains(&clear), "{table}: {}", read.text());
        let read = world.call("support-agent", "GET", &format!("{API}/datasets/staging/tables/{table}/data"), None);
        assert!(read.status == 200 && !read.text().contains(&clear), "{table}: {}", read.text());
    }
    let by_hand = query(&world, "support-agent", "SELECT a FROM staging.from_hand");
    assert!(!by_hand.text().contains("plain"), "{}", by_hand.text());
    let evidence = world.finish();
    for (mark, expect) in [(mark, "acme-prod.staging.u.a has national_id"), (set_mark, "acme-prod.staging.from_hand.a has health")] {
        let records = of_mark(&evidence.records, &mark);
        let told = records.iter().any(|record| record.sections["meta"]["resources"] == json!([expect]));
        assert!(told, "{expect}: {:?}", records.iter().map(|record| &record.sections["meta"]).collect::<Vec<_>>());
    }
}
