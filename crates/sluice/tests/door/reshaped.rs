//! Tables that get other columns while somebody reads or copies them. What was decided was decided on the columns before, so no row is shown by it, no copy
//! sheds a label by it; and whoever makes a table anew with the columns that it had disturbs nobody.

use crate::canaries::Canaries;
use crate::policies::{WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::program::pause;
use crate::storage_wire::{FORMS, Form, Storage, options, session};
use crate::streamed::Look;
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub const READER: &str = "support-agent";
pub const PIPELINE: &str = "etl-nightly";
pub const WITHIN: Duration = Duration::from_secs(60);
const TO_SSN: &str = "CREATE OR REPLACE TABLE staging.{t} AS SELECT ssn AS b FROM clinic.patients";
const WITH_SSN: &str = "CREATE OR REPLACE TABLE staging.{t} AS SELECT name AS a, ssn AS b FROM clinic.patients";
const SAME: &str = "CREATE OR REPLACE TABLE staging.{t} AS SELECT name AS a FROM clinic.patients";

pub fn world(name: &str) -> World {
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &WITHOUT_LIMITS[..]].concat());
    World::start_unpaced(name, policy.path())
}

pub fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// Past the gateway, as a fixture.
pub fn make(world: &World, statement: &str) {
    let body = json!({ "query": statement, "useLegacySql": false });
    let answer = world.direct("POST", &format!("{API}/queries"), Some(&body));
    assert_eq!(answer.status, 200, "{statement}: {}", answer.text());
}

pub fn fresh(world: &World, table: &str) {
    make(world, &format!("CREATE OR REPLACE TABLE staging.{table} (a STRING)"));
    make(world, &format!("INSERT INTO staging.{table} (a) VALUES ('plain')"));
    make(world, &format!("CREATE OR REPLACE TABLE staging.go_{table} (a STRING)"));
}

/// `before`, then nothing until somebody lets it go on, then `behind`.
pub fn begin(world: &World, caller: &str, table: &str, before: &str, behind: &str) -> String {
    let waits = format!("WHILE (SELECT COUNT(*) FROM staging.go_{table}) < 1 DO SET i = i + 1; END WHILE;");
    let script = format!("DECLARE i INT64 DEFAULT 0; {before} {waits} {behind}").replace("{t}", table);
    let configuration = json!({ "query": { "query": script, "useLegacySql": false } });
    let answer = world.call(caller, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
    assert_eq!(answer.status, 200, "{script}: {}", answer.text());
    answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned()
}

pub fn go_on(world: &World, table: &str) {
    make(world, &format!("INSERT INTO staging.go_{table} (a) VALUES ('now')"));
}

pub fn results(world: &World, caller: &str, job: &str) -> Answer {
    let until = Instant::now() + WITHIN;
    loop {
        let answer = world.call(caller, "GET", &format!("{API}/queries/{job}?location=US&timeoutMs=10000"), None);
        if answer.status != 200 || answer.json()["jobComplete"] == true {
            return answer;
        }
        assert!(Instant::now() < until, "{job} does not end");
    }
}

/// When it is over, what became of it.
pub fn end_of(world: &World, job: &str) -> Value {
    let until = Instant::now() + WITHIN;
    loop {
        let state = world.call(PIPELINE, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
        if state["status"]["state"] == "DONE" {
            return state;
        }
        assert!(Instant::now() < until, "{job} does not end: {state}");
        pause(Duration::from_millis(100));
    }
}

pub fn data(world: &World, table: &str) -> Answer {
    world.call(READER, "GET", &format!("{API}/datasets/staging/tables/{table}/data?maxResults=3"), None)
}

fn table(name: &str) -> Value {
    json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": name })
}

/// Until its schema holds this.
pub fn wait_for(world: &World, table: &str, text: &str) {
    let path = format!("{API}/datasets/staging/tables/{table}");
    let until = Instant::now() + WITHIN;
    while !world.direct("GET", &path, None).json()["schema"].to_string().contains(text) {
        assert!(Instant::now() < until, "{table} does not become what it should");
        pause(Duration::from_millis(50));
    }
}

pub fn ran(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
}

#[test]
fn rows_of_a_job_are_withheld_when_a_table_that_it_reads_gets_other_columns() {
    let world = world("reshaped-readers");
    let canaries = Canaries::of(&world);
    let check = |table: &str, reads: &str, changes: &[&str], expect: u16| {
        fresh(&world, table);
        let job = begin(&world, READER, table, "", reads);
        for change in changes {
            ran(&query(&world, PIPELINE, &change.replace("{t}", table)), change);
        }
        go_on(&world, table);
        let answer = results(&world, READER, &job);
        assert_eq!(canaries.find_in(&answer), None, "{reads} beside {changes:?}");
        assert_eq!(answer.status, expect, "{reads} beside {changes:?}: {}", answer.text());
        if expect == 403 {
            assert!(answer.text().contains("rows are withheld"), "{}", answer.text());
        }
    };
    let whole = "SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x";
    check("replaced", whole, &[WITH_SSN], 403);
    check("by_place", "SELECT 'q' AS a UNION ALL SELECT * FROM staging.{t}", &[TO_SSN], 403);
    let added = "ALTER TABLE staging.{t} ADD COLUMN b STRING";
    let filled = "UPDATE staging.{t} SET b = (SELECT ssn FROM clinic.patients WHERE id = 1) WHERE TRUE";
    check("grown", whole, &[added, filled], 403);
    // There and back: nobody sees at the end what stood there in between.
    check("there_and_back", whole, &[WITH_SSN, SAME], 403);
    check("starred", "SELECT TO_JSON_STRING(x) AS j FROM `staging.starred*` AS x", &[WITH_SSN], 403);
    // The columns that it had.
    check("rebuilt", whole, &[SAME], 200);
    check("rebuilt_twice", whole, &[SAME, SAME], 200);
    check("beside", "SELECT a FROM staging.{t}", &["CREATE OR REPLACE TABLE staging.another AS SELECT ssn AS b FROM clinic.patients"], 200);
    let sharded = "SELECT TO_JSON_STRING(x) AS j FROM `staging.shards_*` AS x";
    check("shards_1", sharded, &["CREATE OR REPLACE TABLE staging.shards_2 AS SELECT name AS a FROM clinic.patients"], 200);
    check("shards_3", sharded, &["CREATE OR REPLACE TABLE staging.shards_4 AS SELECT name AS a, ssn AS b FROM clinic.patients"], 403);
    check("more_rows", whole, &["INSERT INTO staging.{t} (a) VALUES ('more')"], 200);
    world.finish();
}

#[test]
fn a_copy_of_a_table_that_gets_other_columns_meanwhile_has_its_labels() {
    let world = world("reshaped-writers");
    let canaries = Canaries::of(&world);
    let check = |table: &str, writes: &str, change: &str| {
        fresh(&world, table);
        make(&world, &format!("CREATE OR REPLACE TABLE staging.to_{table} (a STRING)"));
        let job = begin(&world, PIPELINE, table, "", writes);
        ran(&query(&world, PIPELINE, &change.replace("{t}", table)), change);
        go_on(&world, table);
        results(&world, PIPELINE, &job);
        let clear = world
            .direct_cell(&format!("SELECT TO_JSON_STRING(x) FROM staging.to_{table} AS x WHERE TO_JSON_STRING(x) LIKE '%-%-%' LIMIT 1"));
        assert!(clear.contains("\"9"), "the copy holds what it should not show: {clear}");
        for statement in ["SELECT * FROM staging.to_{t}", "SELECT TO_JSON_STRING(x) AS j FROM staging.to_{t} AS x"] {
            let answer = query(&world, READER, &statement.replace("{t}", table));
            ran(&answer, statement);
            assert_eq!(canaries.find_in(&answer), None, "{statement} after {writes}");
        }
        assert_eq!(canaries.find_in(&data(&world, &format!("to_{table}"))), None, "{writes}");
    };
    check("made", "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT * FROM staging.{t}", WITH_SSN);
    check("filled", "INSERT INTO staging.to_{t} SELECT * FROM staging.{t}", TO_SSN);
    check("told", "CREATE OR REPLACE TABLE staging.to_{t} AS SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x", WITH_SSN);
    copied_by_a_job(&world, &canaries);
    // Whoever reads the copy while the script that made it still runs.
    fresh(&world, "partly");
    make(&world, "CREATE OR REPLACE TABLE staging.to_partly (a STRING)");
    make(&world, "CREATE OR REPLACE TABLE staging.go_first (a STRING)");
    let first = "WHILE (SELECT COUNT(*) FROM staging.go_first) < 1 DO SET i = i + 1; END WHILE;";
    let made = "CREATE OR REPLACE TABLE staging.to_partly AS SELECT * FROM staging.partly;";
    let job = begin(&world, PIPELINE, "partly", &format!("{first} {made}"), "SELECT 1");
    ran(&query(&world, PIPELINE, &WITH_SSN.replace("{t}", "partly")), "replaced");
    make(&world, "INSERT INTO staging.go_first (a) VALUES ('now')");
    wait_for(&world, "to_partly", "\"b\"");
    for statement in ["SELECT * FROM staging.to_partly", "SELECT TO_JSON_STRING(x) AS j FROM staging.to_partly AS x"] {
        let answer = query(&world, READER, statement);
        ran(&answer, statement);
        assert_eq!(canaries.find_in(&answer), None, "{statement}");
    }
    assert_eq!(canaries.find_in(&data(&world, "to_partly")), None);
    go_on(&world, "partly");
    assert_eq!(results(&world, PIPELINE, &job).status, 403, "its own rows are of what nobody looked at");
    world.finish();
}

/// What the source was while it was copied nobody can say any more, or nobody can look at the copy: it has every label that it may need.
#[test]
fn a_copy_of_what_nobody_can_look_at_has_every_label_that_its_source_may_have_had() {
    let world = world("reshaped-unseen");
    let canaries = Canaries::of(&world);
    let own = "CREATE OR REPLACE TABLE staging.{t} AS SELECT 'own-number-77' AS ssn";
    let check = |table: &str, change: &str, value: &str, then: &dyn Fn()| {
        fresh(&world, table);
        make(&world, &format!("CREATE OR REPLACE TABLE staging.first_{table} (a STRING)"));
        let first = format!("WHILE (SELECT COUNT(*) FROM staging.first_{table}) < 1 DO SET i = i + 1; END WHILE;");
        let copy = format!("CREATE TABLE staging.to_{table} AS SELECT TO_JSON_STRING(x) AS j, * FROM staging.{table} AS x;");
        let job = begin(&world, PIPELINE, table, &format!("{first} {copy}"), "SELECT 1");
        ran(&query(&world, PIPELINE, &change.replace("{t}", table)), change);
        make(&world, &format!("INSERT INTO staging.first_{table} (a) VALUES ('now')"));
        wait_for(&world, &format!("to_{table}"), "\"j\"");
        then();
        go_on(&world, table);
        end_of(&world, &job);
        world.clear_faults();
        let clear = world.direct_cell(&format!("SELECT MIN(j) FROM staging.to_{table}"));
        assert!(clear.contains(value), "the copy holds what it should not show: {clear}");
        for statement in ["SELECT * FROM staging.to_{t}", "SELECT UPPER(j) AS k FROM staging.to_{t}"] {
            let answer = query(&world, READER, &statement.replace("{t}", table));
            ran(&answer, statement);
            assert_eq!(canaries.find_in(&answer), None, "{statement}: {}", answer.text());
            assert!(!answer.text().to_lowercase().contains("own-number-77"), "{statement}: {}", answer.text());
        }
    };
    let away = json!({ "verb": "GET", "path": "/datasets/staging/tables", "count": 10_000,
        "act": { "kind": "answer", "status": 503, "reason": "backendError", "message": "later" } });
    check("unseen", WITH_SSN, "\"9", &|| world.fault(&away));
    check("unseen_own", own, "own-number-77", &|| world.fault(&away));
    check("gone", own, "own-number-77", &|| ran(&query(&world, PIPELINE, "DROP TABLE staging.gone"), "dropped"));
    check("back", own, "own-number-77", &|| ran(&query(&world, PIPELINE, &SAME.replace("{t}", "back")), "back"));
    world.finish();
}

/// A view that is made another while somebody writes what it shows.
#[test]
fn a_copy_of_what_a_view_shows_that_becomes_another_has_its_labels() {
    let world = world("reshaped-views");
    let canaries = Canaries::of(&world);
    let check = |table: &str, before: &[&str], copied: &str, change: &str| {
        fresh(&world, table);
        before.iter().for_each(|statement| make(&world, &statement.replace("{t}", table)));
        let copy = format!("CREATE OR REPLACE TABLE staging.to_{table} AS {copied}");
        let job = begin(&world, PIPELINE, table, "", &copy);
        ran(&query(&world, PIPELINE, &change.replace("{t}", table)), change);
        go_on(&world, table);
        let ended = results(&world, PIPELINE, &job);
        let whole = format!("SELECT * FROM staging.to_{table}");
        let clear = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": whole, "useLegacySql": false })));
        assert_ne!(canaries.find_in(&clear), None, "the copy holds what it should not show: {} {}", clear.text(), ended.text());
        for statement in ["SELECT * FROM staging.to_{t}", "SELECT TO_JSON_STRING(x) AS j FROM staging.to_{t} AS x"] {
            let answer = query(&world, READER, &statement.replace("{t}", table));
            assert_eq!(answer.status, 200, "{statement} of {copied} after {change}: {}", answer.text());
            assert_eq!(canaries.find_in(&answer), None, "{statement} of {copied} after {change}");
        }
    };
    let view = "CREATE OR REPLACE VIEW staging.v_{t} AS SELECT a FROM staging.{t}";
    let other = "CREATE OR REPLACE VIEW staging.v_{t} AS SELECT diagnosis AS a FROM clinic.visits";
    check("viewed", &[view], "SELECT * FROM staging.v_{t}", other);
    let over = "CREATE OR REPLACE VIEW staging.w_{t} AS SELECT a FROM staging.v_{t}";
    check("viewed_over", &[view, over], "SELECT a AS c FROM staging.w_{t}", other);
    world.finish();
}

/// A copy job that BigQuery takes its time for.
fn copied_by_a_job(world: &World, canaries: &Canaries) {
    fresh(world, "plain");
    world.fault(&json!({ "verb": "POST", "path": "/jobs", "skip": 0, "count": 1, "act": { "kind": "job", "milliseconds": 3_000 } }));
    let copy = json!({ "sourceTable": table("plain"), "destinationTable": table("to_plain") });
    let begun = world.call(PIPELINE, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": { "copy": copy } })));
    ran(&begun, "copy");
    ran(&query(world, PIPELINE, &WITH_SSN.replace("{t}", "plain")), "replaced");
    let job = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    end_of(world, &job);
    let answer = query(world, READER, "SELECT * FROM staging.to_plain");
    ran(&answer, "the copy");
    assert_eq!(canaries.find_in(&answer), None);
    assert_eq!(canaries.find_in(&data(world, "to_plain")), None);
}

/// What was looked up a moment ago is no longer true from the first statement of somebody's script on, and not only at its end.
#[test]
fn a_table_that_a_script_has_made_anew_is_looked_up_anew_while_the_script_runs() {
    let world = world("reshaped-running");
    let canaries = Canaries::of(&world);
    let statements = [
        "SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x",
        "SELECT 'q' AS a UNION ALL SELECT * FROM staging.{t}",
        "SELECT FORMAT('%T', x) AS j FROM staging.{t} AS x",
        "SELECT TO_JSON_STRING(x) AS j FROM staging.over_{t} AS x",
        "SELECT TO_JSON_STRING(x) AS j FROM `staging.{t}*` AS x",
        "SELECT * FROM staging.{t}",
    ];
    let check = |table: &str, before: &str| {
        fresh(&world, table);
        make(&world, &format!("CREATE OR REPLACE VIEW staging.over_{table} AS SELECT * FROM staging.{table}"));
        let statements: Vec<String> = statements.iter().map(|statement| statement.replace("{t}", table)).collect();
        // Known, as it is before.
        statements.iter().for_each(|statement| ran(&query(&world, READER, statement), statement));
        ran(&data(&world, table), table);
        let job = begin(&world, PIPELINE, table, before, "SELECT 1");
        wait_for(&world, table, "\"b\"");
        let until = Instant::now() + WITHIN;
        while world.direct_cell(&format!("SELECT IFNULL(MAX(b), '') FROM staging.{table}")).is_empty() {
            assert!(Instant::now() < until, "{before} does nothing");
            pause(Duration::from_millis(50));
        }
        for statement in &statements {
            let answer = query(&world, READER, statement);
            assert_eq!(canaries.find_in(&answer), None, "{statement} beside {before}: {}", answer.text());
        }
        assert_eq!(canaries.find_in(&data(&world, table)), None, "{before}");
        // A copy that somebody makes of it now has its labels, too.
        let copied = format!("CREATE OR REPLACE TABLE staging.of_{table} AS SELECT TO_JSON_STRING(x) AS j FROM staging.{table} AS x");
        ran(&query(&world, PIPELINE, &copied), &copied);
        let answer = query(&world, READER, &format!("SELECT * FROM staging.of_{table}"));
        assert_eq!(canaries.find_in(&answer), None, "{copied}: {}", answer.text());
        go_on(&world, table);
        ran(&results(&world, PIPELINE, &job), before);
        let answer = query(&world, READER, &statements[0]);
        assert_eq!(canaries.find_in(&answer), None, "after {before}");
    };
    check("anew", &format!("{TO_SSN};"));
    let added = "ALTER TABLE staging.{t} ADD COLUMN b STRING; UPDATE staging.{t} SET b = (SELECT ssn FROM clinic.patients WHERE id = 1) WHERE TRUE;";
    check("longer", added);
    make(&world, "CREATE OR REPLACE TABLE staging.source (a STRING)");
    ran(&query(&world, PIPELINE, "CREATE OR REPLACE TABLE staging.source AS SELECT ssn AS b FROM clinic.patients"), "source");
    check("renamed", "DROP TABLE staging.{t}; ALTER TABLE staging.source RENAME TO {t};");
    fresh(&world, "shard_1");
    let sharded = "SELECT TO_JSON_STRING(x) AS j FROM `staging.shard_*` AS x";
    ran(&query(&world, READER, sharded), sharded);
    let job = begin(&world, PIPELINE, "shard_1", "CREATE TABLE staging.shard_2 AS SELECT ssn AS b FROM clinic.patients;", "SELECT 1");
    wait_for(&world, "shard_2", "\"b\"");
    assert_eq!(canaries.find_in(&query(&world, READER, sharded)), None);
    go_on(&world, "shard_1");
    ran(&results(&world, PIPELINE, &job), "shards");
    world.finish();
}

/// A field of a record that nobody knew of when the session was opened.
#[test]
fn streams_show_no_field_that_came_with_another_table() {
    let world = world("reshaped-streams");
    let canaries = Canaries::of(&world);
    fresh(&world, "inner");
    make(&world, "CREATE OR REPLACE TABLE staging.inner AS SELECT STRUCT('x' AS p) AS a");
    let read = |form: Form, fields: &[&str]| {
        let mut look = Look::new(Storage::of(&world, READER), &canaries);
        let mut request = session("staging", "inner", form);
        options(&mut request).selected_fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let read = look.whole(&request);
        assert_eq!(look.leaks, Vec::<String>::new(), "{form:?} {fields:?}");
        read.map(|rows| rows.len())
    };
    let all = |expect: usize| {
        for form in FORMS {
            for fields in [&[][..], &["a"]] {
                let read = read(form, fields);
                assert_eq!(read.as_ref().ok(), Some(&expect), "{form:?} {fields:?}: {read:?}");
            }
        }
    };
    all(1);
    let anew = "CREATE OR REPLACE TABLE staging.inner AS SELECT STRUCT(name AS p, ssn AS k) AS a FROM clinic.patients;";
    let job = begin(&world, PIPELINE, "inner", anew, "SELECT 1");
    wait_for(&world, "inner", "\"k\"");
    all(40);
    go_on(&world, "inner");
    ran(&results(&world, PIPELINE, &job), anew);
    // Beside the gateway, where nobody hears of it: what was known is a second old at most, and rows of another shape are none.
    make(&world, "CREATE OR REPLACE TABLE staging.inner AS SELECT STRUCT('x' AS p) AS a");
    let path = format!("{API}/datasets/staging/tables/inner");
    ran(&world.call(READER, "GET", &path, None), "described");
    let _ = read(FORMS[3], &[]);
    make(&world, "CREATE OR REPLACE TABLE staging.inner AS SELECT STRUCT(name AS p, ssn AS k) AS a FROM clinic.patients");
    FORMS.iter().for_each(|form| drop(read(*form, &[])));
    world.finish();
}

/// A copy job, too, is over for its readers when it is over.
#[test]
fn a_table_that_a_copy_job_has_replaced_is_looked_up_anew() {
    let world = world("reshaped-copied");
    let canaries = Canaries::of(&world);
    fresh(&world, "target");
    ran(&query(&world, PIPELINE, "CREATE OR REPLACE TABLE staging.source AS SELECT ssn AS b FROM clinic.patients"), "source");
    let read = "SELECT TO_JSON_STRING(x) AS j FROM staging.target AS x";
    let copy = json!({ "sourceTable": table("source"), "destinationTable": table("target"), "writeDisposition": "WRITE_TRUNCATE" });
    ran(&query(&world, READER, read), read);
    let begun = world.call(PIPELINE, "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": { "copy": copy } })));
    ran(&begun, "copy");
    let job = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let until = Instant::now() + WITHIN;
    loop {
        let state = world.call(PIPELINE, "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
        assert_eq!(state["status"].get("errorResult"), None, "{state}");
        for answer in [query(&world, READER, read), data(&world, "target")] {
            assert_eq!(canaries.find_in(&answer), None, "{}", answer.text());
        }
        if state["status"]["state"] == "DONE" {
            break;
        }
        assert!(Instant::now() < until, "{state}");
    }
    assert!(world.direct_cell(read).contains("\"b\""), "it was replaced");
    for answer in [query(&world, READER, read), data(&world, "target")] {
        assert_eq!(canaries.find_in(&answer), None, "{}", answer.text());
    }
    world.finish();
}

/// Between the decision and the rows of `tabledata.list` anything can happen.
#[test]
fn rows_of_a_table_are_held_to_what_is_known_when_they_come() {
    let world = world("reshaped-listed");
    let canaries = Canaries::of(&world);
    let slow = json!({ "verb": "GET", "path": "/data", "skip": 0, "count": 1, "act": { "kind": "delay", "milliseconds": 3_000 } });
    let check = |table: &str, change: &str, expect: (u16, &str)| {
        fresh(&world, table);
        ran(&data(&world, table), table);
        world.fault(&slow);
        let answer = std::thread::scope(|scope| {
            let reading = scope.spawn(|| data(&world, table));
            pause(Duration::from_millis(800));
            ran(&query(&world, PIPELINE, &change.replace("{t}", table)), change);
            reading.join().unwrap()
        });
        assert_eq!(canaries.find_in(&answer), None, "{change}: {}", answer.text());
        assert_eq!(answer.status, expect.0, "{change}: {}", answer.text());
        assert!(answer.text().contains(expect.1), "{change}: {}", answer.text());
        assert_eq!(world.clear_faults(), 0, "{change}");
        let again = data(&world, table);
        ran(&again, change);
        assert_eq!(canaries.find_in(&again), None, "{change}");
    };
    check("labelled", "INSERT INTO staging.{t} SELECT ssn FROM clinic.patients", (403, "rows are withheld"));
    check("replaced", TO_SSN, (403, "rows are withheld"));
    check("same", SAME, (200, "rows"));
    check("more", "INSERT INTO staging.{t} (a) VALUES ('more')", (200, "plain"));
    world.finish();
}
