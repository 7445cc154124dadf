//! What a gateway still knows when it was started anew: which rows were withheld, what jobs that ran over the start were understood by, and where labels go on to.

use crate::apart::Apart;
use crate::canaries::Canaries;
use crate::invariants::is_taking_up;
use crate::policies::{WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::program::pause;
use crate::talk::{self, Answer};
use crate::world::{API, ask};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const READER: &str = "support-agent";
pub const PIPELINE: &str = "etl-nightly";
const WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(90);
pub const WITH_SSN: &str = "CREATE OR REPLACE TABLE staging.{t} AS SELECT name AS a, ssn AS b FROM clinic.patients";
pub const SSN_IN: &str = "INSERT INTO staging.{t} SELECT ssn FROM clinic.patients";
const WHOLE: &str = "SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x";

#[derive(Clone, Copy, Debug)]
pub enum Stop {
    Kill,
    Term,
}

pub fn scene(name: &str) -> Apart {
    let mut apart = Apart::prepare(name, &[READER, PIPELINE]);
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &WITHOUT_LIMITS[..]].concat());
    apart.activate(policy.path());
    apart.serve();
    apart
}

pub fn stop(apart: &mut Apart, how: Stop) {
    let gateway = apart.gateway.take().unwrap();
    match how {
        Stop::Kill => drop(gateway.kill()),
        Stop::Term => assert_eq!(gateway.stop(STOPPED_WITHIN).0, Some(0)),
    }
}

pub fn call(apart: &Apart, caller: &str, verb: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {}", apart.token(caller));
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    ask(apart.plain, &talk::request(verb, &format!("{API}/{path}"), &headers, body.map(|body| body.to_string().into_bytes()).as_deref()))
}

pub fn run(apart: &Apart, statement: &str) {
    let answer = apart.query(PIPELINE, statement);
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
}

/// Past the gateway.
pub fn make(apart: &Apart, statement: &str) {
    let answer = apart.query_direct(statement);
    assert!(answer.status == 200 && answer.json()["jobComplete"] == true, "{statement}: {}", answer.text());
}

pub fn fresh(apart: &Apart, table: &str) {
    make(apart, &format!("CREATE OR REPLACE TABLE staging.{table} (a STRING)"));
    make(apart, &format!("INSERT INTO staging.{table} (a) VALUES ('plain')"));
    make(apart, &format!("CREATE OR REPLACE TABLE staging.go_{table} (a STRING)"));
}

/// A statement that waits until somebody lets it go on.
pub fn begin(apart: &Apart, caller: &str, table: &str, behind: &str) -> String {
    let waits = "DECLARE i INT64 DEFAULT 0; WHILE (SELECT COUNT(*) FROM staging.go_{t}) < 1 DO SET i = i + 1; END WHILE;";
    let script = format!("{waits} {behind}").replace("{t}", table);
    let configuration = json!({ "query": { "query": script, "useLegacySql": false } });
    let answer = call(apart, caller, "POST", "jobs", Some(&json!({ "configuration": configuration })));
    assert_eq!(answer.status, 200, "{script}: {}", answer.text());
    answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned()
}

pub fn go_on(apart: &Apart, table: &str) {
    make(apart, &format!("INSERT INTO staging.go_{table} (a) VALUES ('now')"));
}

pub fn results(apart: &Apart, caller: &str, job: &str) -> Answer {
    let until = Instant::now() + WITHIN;
    loop {
        let answer = call(apart, caller, "GET", &format!("queries/{job}?location=US&timeoutMs=5000"), None);
        if answer.status != 200 || answer.json()["jobComplete"] == true {
            return answer;
        }
        assert!(Instant::now() < until, "{job} does not end");
    }
}

fn wait_for_end(apart: &Apart, job: &str) {
    let until = Instant::now() + WITHIN;
    loop {
        let state = call(apart, PIPELINE, "GET", &format!("jobs/{job}?location=US"), None).json();
        if state["status"]["state"] == "DONE" {
            return;
        }
        assert!(Instant::now() < until, "{job} does not end: {state}");
        pause(Duration::from_millis(100));
    }
}

/// Asked of the warehouse, which nobody has to follow for it.
pub fn wait_for_end_there(apart: &Apart, job: &str) {
    let until = Instant::now() + WITHIN;
    while apart.administer("GET", &format!("{API}/jobs/{job}?location=US"), None).json()["status"]["state"] != "DONE" {
        assert!(Instant::now() < until, "{job} does not end");
        pause(Duration::from_millis(50));
    }
}

fn check_rows(apart: &Apart, canaries: &Canaries, what: &str, job: &str, expect: u16) {
    let answer = results(apart, READER, job);
    assert_eq!(canaries.find_in(&answer), None, "{what}: {}", answer.text());
    assert_eq!(answer.status, expect, "{what}: {}", answer.text());
    let text = if expect == 403 { "rows are withheld" } else { "plain" };
    assert!(answer.text().contains(text), "{what}: {}", answer.text());
}

/// Where the rows of a job lie, for whoever reads them as a table.
fn result_table(apart: &Apart, job: &str) -> String {
    let state = call(apart, READER, "GET", &format!("jobs/{job}?location=US"), None).json();
    let table = &state["configuration"]["query"]["destinationTable"];
    let part = |name: &str| table[name].as_str().unwrap_or_else(|| panic!("{state}")).to_owned();
    format!("datasets/{}/tables/{}/data", part("datasetId"), part("tableId"))
}

#[test]
fn rows_that_were_withheld_stay_so() {
    let (mut apart, canaries) = (scene("restarted-withheld"), Canaries::declared(|_| true));
    for how in [Stop::Kill, Stop::Term] {
        let mut jobs = Vec::new();
        // There and back: what is there at the end looks as it did when they were understood.
        for (table, changes, expect) in [
            ("replaced", &[WITH_SSN][..], 403),
            ("back", &[WITH_SSN, "CREATE OR REPLACE TABLE staging.{t} (a STRING)"], 403),
            ("calm", &[], 200),
        ] {
            fresh(&apart, table);
            let job = begin(&apart, READER, table, WHOLE);
            changes.iter().for_each(|change| run(&apart, &change.replace("{t}", table)));
            go_on(&apart, table);
            check_rows(&apart, &canaries, table, &job, expect);
            jobs.push((table, job, expect));
        }
        let plain = apart.query(READER, "SELECT a FROM staging.calm").json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
        stop(&mut apart, how);
        // What happens later is nothing to a job that was over.
        make(&apart, "CREATE OR REPLACE TABLE staging.calm (a STRING, c STRING)");
        apart.serve();
        for (table, job, expect) in &jobs {
            check_rows(&apart, &canaries, &format!("{table} after {how:?}"), job, *expect);
        }
        check_rows(&apart, &canaries, "plain", &plain, 200);
        let read = call(&apart, READER, "GET", &result_table(&apart, &plain), None);
        assert!(read.status == 200 && read.text().contains("plain"), "after {how:?}: {}", read.text());
    }
    apart.finish();
}

/// Each begins to wait, then the gateway is killed, goes, and comes back.
fn begin_all(apart: &Apart, tables: &[(&'static str, u16)]) -> Vec<(&'static str, String, u16)> {
    tables.iter().for_each(|(table, _)| fresh(apart, table));
    tables.iter().map(|(table, expect)| (*table, begin(apart, READER, table, WHOLE), *expect)).collect()
}

fn check_all(apart: &mut Apart, canaries: &Canaries, jobs: &[(&'static str, String, u16)]) {
    for (table, job, expect) in jobs {
        check_rows(apart, canaries, table, job, *expect);
    }
    for how in [Stop::Term, Stop::Kill] {
        stop(apart, how);
        apart.serve();
        for (table, job, expect) in jobs {
            check_rows(apart, canaries, &format!("{table} after {how:?}"), job, *expect);
        }
    }
}

#[test]
fn a_job_that_ran_over_a_start_shows_its_rows_where_what_it_read_is_as_it_was() {
    let (mut apart, canaries) = (scene("restarted-calm"), Canaries::declared(|_| true));
    let mut jobs = begin_all(&apart, &[("calm", 200), ("calm_away", 200), ("rebuilt", 200), ("unasked", 200)]);
    // Who reads the same table beside it has not changed it.
    jobs.push(("calm", begin(&apart, READER, "calm", WHOLE), 200));
    stop(&mut apart, Stop::Kill);
    for (table, job, _) in [&jobs[1], &jobs[3]] {
        go_on(&apart, table);
        wait_for_end_there(&apart, job);
    }
    apart.serve();
    // Until it has been looked what the time without a gateway left.
    pause(Duration::from_secs(1));
    run(&apart, "CREATE OR REPLACE TABLE staging.rebuilt AS SELECT 'plain' AS a");
    go_on(&apart, "calm");
    go_on(&apart, "rebuilt");
    // It is judged when it is over, whether or not anybody asks for it: what becomes of its table later changes nothing.
    pause(Duration::from_secs(3));
    make(&apart, "CREATE OR REPLACE TABLE staging.unasked (a STRING, c STRING)");
    check_all(&mut apart, &canaries, &jobs);
    let evidence = apart.finish();
    let acts = evidence.records.iter().filter(|record| is_taking_up(record));
    assert_eq!(acts.filter_map(|record| record.text("meta/details/jobs")).collect::<Vec<_>>(), ["5"], "each is taken up once");
}

#[test]
fn a_job_that_ran_over_a_start_shows_no_rows_where_what_it_read_became_another() {
    for how in [Stop::Kill, Stop::Term] {
        changed_over_a_start(how);
    }
}

fn changed_over_a_start(how: Stop) {
    let (mut apart, canaries) = (scene("restarted-changed"), Canaries::declared(|_| true));
    let names = ["before", "away", "over_away", "after", "round", "there_and_back", "in_one"];
    let jobs = begin_all(&apart, &names.map(|name| (name, 403)));
    run(&apart, &WITH_SSN.replace("{t}", "before"));
    // What the gateway has seen itself it still knows.
    let back = "CREATE OR REPLACE TABLE staging.{t} AS SELECT 'plain' AS a";
    run(&apart, &WITH_SSN.replace("{t}", "there_and_back"));
    run(&apart, &back.replace("{t}", "there_and_back"));
    run(&apart, &format!("{WITH_SSN}; {back}").replace("{t}", "in_one"));
    stop(&mut apart, how);
    make(&apart, &WITH_SSN.replace("{t}", "away"));
    make(&apart, &WITH_SSN.replace("{t}", "over_away"));
    go_on(&apart, "over_away");
    wait_for_end_there(&apart, &jobs[2].1);
    apart.serve();
    run(&apart, &WITH_SSN.replace("{t}", "after"));
    // There and back while the gateway is there is seen.
    run(&apart, &WITH_SSN.replace("{t}", "round"));
    run(&apart, "CREATE OR REPLACE TABLE staging.round AS SELECT 'plain' AS a");
    for table in ["before", "away", "after", "round", "there_and_back", "in_one"] {
        go_on(&apart, table);
    }
    check_all(&mut apart, &canaries, &jobs);
    apart.finish();
}

#[test]
fn a_copy_that_is_made_over_a_start_gets_the_labels_of_its_source() {
    let (mut apart, canaries) = (scene("restarted-writers"), Canaries::declared(|_| true));
    let copy = "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT a FROM staging.{t}";
    let view = "CREATE OR REPLACE VIEW staging.v_{t} AS SELECT a FROM staging.{t}";
    let leaks = "CREATE OR REPLACE VIEW staging.v_{t} AS SELECT ssn AS a FROM clinic.patients";
    let of_view = "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT a FROM staging.v_{t}";
    let tables = [("filled", copy), ("viewed", of_view), ("viewed_before", of_view), ("viewed_away", of_view), ("set_away", copy)];
    tables.iter().for_each(|(table, _)| fresh(&apart, table));
    fresh(&apart, "changer");
    let mut jobs = tables
        .map(|(table, writes)| {
            make(&apart, &view.replace("{t}", table));
            (table, begin(&apart, PIPELINE, table, writes))
        })
        .to_vec();
    run(&apart, &leaks.replace("{t}", "viewed_before"));
    // One that changes what another one reads runs over the start itself.
    let changer = begin(&apart, PIPELINE, "changer", &leaks.replace("{t}", "viewed_away"));
    jobs.push(("copied", begin_copy(&apart, "copied")));
    stop(&mut apart, Stop::Kill);
    run_away(&apart);
    wait_for_end_there(&apart, &jobs[4].1);
    wait_for_end_there(&apart, &changer);
    apart.serve();
    run(&apart, &SSN_IN.replace("{t}", "filled"));
    run(&apart, &SSN_IN.replace("{t}", "copied"));
    run(&apart, &leaks.replace("{t}", "viewed"));
    for table in ["filled", "viewed", "viewed_before", "viewed_away"] {
        go_on(&apart, table);
    }
    for (table, job) in &jobs {
        wait_for_end(&apart, job);
        let clear = apart.query_direct(&format!("SELECT * FROM staging.to_{table}"));
        assert!(canaries.find_in(&clear).is_some(), "the copy of {table} holds what it should not show: {}", clear.text());
        for statement in ["SELECT * FROM staging.to_{t}", "SELECT TO_JSON_STRING(x) AS j FROM staging.to_{t} AS x"] {
            let answer = apart.query(READER, &statement.replace("{t}", table));
            assert_eq!(canaries.find_in(&answer), None, "{statement} of {table}");
            assert_eq!(answer.status, 200, "{statement} of {table}: {}", answer.text());
        }
    }
    let evidence = apart.finish();
    let late = evidence.records.iter().filter(|record| record.text("meta/what") == Some("labels of a job that ran over a start"));
    // What one of them reads became another before: its copy was labelled then.
    assert_eq!(late.count(), jobs.len() - 1);
}

/// What was there in between may be in a copy.
#[test]
fn a_copy_of_what_was_another_for_a_while_is_labelled_before_the_gateway_ends() {
    for how in [Stop::Kill, Stop::Term] {
        let mut apart = scene("restarted-copied");
        let view = "CREATE OR REPLACE VIEW staging.v AS SELECT a FROM staging.t";
        fresh(&apart, "t");
        make(&apart, view);
        let job = begin(&apart, PIPELINE, "t", "CREATE OR REPLACE TABLE staging.to_t AS SELECT a FROM staging.v");
        run(&apart, "CREATE OR REPLACE VIEW staging.v AS SELECT ssn AS a FROM clinic.patients");
        run(&apart, view);
        stop(&mut apart, how);
        apart.serve();
        go_on(&apart, "t");
        wait_for_end(&apart, &job);
        let seen = apart.query(READER, "SELECT * FROM staging.to_t");
        assert!(seen.status == 200 && !seen.text().contains("plain"), "what may be hidden is masked: {}", seen.text());
        apart.finish();
    }
}

/// While no gateway is there: a view becomes another by a job of the one before, and a person labels what is copied.
fn run_away(apart: &Apart) {
    go_on(apart, "changer");
    make(apart, "INSERT INTO staging.set_away SELECT ssn FROM clinic.patients");
    apart.run(&["labels", "set", "--label", "national_id", "--by", "ana", "--reason", "seen in a review", "acme-prod.staging.set_away.a"]);
    go_on(apart, "set_away");
}

/// A copy job that BigQuery takes its time for.
fn begin_copy(apart: &Apart, name: &str) -> String {
    fresh(apart, name);
    let table = |name: &str| json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": name });
    let fault = json!({ "verb": "POST", "path": "/jobs", "skip": 0, "count": 1, "act": { "kind": "job", "milliseconds": 12_000 } });
    assert!(apart.administer("POST", "/sandbox/faults", Some(&fault)).status < 300);
    let copy = json!({ "sourceTable": table(name), "destinationTable": table(&format!("to_{name}")) });
    let answer = call(apart, PIPELINE, "POST", "jobs", Some(&json!({ "configuration": { "copy": copy } })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned()
}
