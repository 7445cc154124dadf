//! What comes while somebody waits for an answer is in the answer: it is decided when it is told, and not when it was asked for. By whichever connection.

use crate::apart::Apart;
use crate::canaries::Canaries;
use crate::program::pause;
use crate::restarted::{PIPELINE, READER, SSN_IN, Stop, WITH_SSN, begin, call, fresh, go_on, make, results, run, scene, stop};
use crate::talk::Answer;
use serde_json::json;
use std::time::Duration;

const FAILS: &str = "SELECT CAST(a AS INT64) AS n FROM staging.{t}";
const SAYS: &str = "SELECT ERROR(a) AS n FROM staging.{t}";
const SAYS_ALL: &str = "SELECT ERROR(TO_JSON_STRING(x)) AS n FROM staging.{t} AS x";
const SHOWS: &str = "SELECT a FROM staging.{t}";

/// Somebody waits for the job, and meanwhile this is done.
fn waits(apart: &Apart, caller: &str, job: &str, more: &str, meanwhile: impl FnOnce()) -> Answer {
    std::thread::scope(|scope| {
        let path = format!("queries/{job}?location=US&timeoutMs=10000{more}");
        let waiting = scope.spawn(move || call(apart, caller, "GET", &path, None));
        pause(Duration::from_millis(400));
        meanwhile();
        waiting.join().unwrap()
    })
}

/// In all that is told of a job.
fn check_nothing_told(apart: &Apart, canaries: &Canaries, caller: &str, job: &str, answers: &[Answer], what: &str) {
    for answer in answers {
        assert_eq!(canaries.find_in(answer), None, "{what}, waited for: {}", answer.text());
    }
    for (path, name) in [(format!("jobs/{job}?location=US"), "jobs.get"), ("jobs?maxResults=10".to_owned(), "jobs.list")] {
        let answer = call(apart, caller, "GET", &path, None);
        assert_eq!(canaries.find_in(&answer), None, "{what}, {name}: {}", answer.text());
    }
    let again = results(apart, caller, job);
    assert_eq!(canaries.find_in(&again), None, "{what}, again: {}", again.text());
}

#[test]
fn what_comes_while_somebody_waits_for_a_job_is_held_against_what_is_told() {
    let (apart, canaries) = (scene("waited"), Canaries::declared(|_| true));
    let check = |table: &str, caller: &str, reads: &str, change: &str, more: &str| {
        fresh(&apart, table);
        let job = begin(&apart, caller, table, reads);
        let answer = waits(&apart, caller, &job, more, || {
            run(&apart, &change.replace("{t}", table));
            go_on(&apart, table);
        });
        let bytes = answer.text().contains("\"totalBytesProcessed\": \"0\"");
        assert!(more.is_empty() || !bytes, "exact bytes of what is hidden: {}", answer.text());
        check_nothing_told(&apart, &canaries, caller, &job, &[answer], reads);
    };
    for (number, caller) in [READER, PIPELINE].into_iter().enumerate() {
        check(&format!("cast_{number}"), caller, FAILS, SSN_IN, "");
        check(&format!("said_{number}"), caller, SAYS, SSN_IN, "");
        check(&format!("shown_{number}"), caller, SHOWS, SSN_IN, "");
        check(&format!("counted_{number}"), caller, SHOWS, SSN_IN, "&maxResults=0");
        // Another table by then: nobody knows what its texts hold.
        check(&format!("other_{number}"), caller, SAYS_ALL, WITH_SSN, "");
    }
    apart.finish();
}

#[test]
fn the_same_of_a_job_that_ran_over_a_start() {
    for how in [Stop::Kill, Stop::Term] {
        let (mut apart, canaries) = (scene("waited-restarted"), Canaries::declared(|_| true));
        let tables = [("shown", SHOWS, SSN_IN), ("cast", FAILS, SSN_IN), ("said", SAYS, SSN_IN), ("other", SAYS_ALL, WITH_SSN)];
        let jobs = tables.map(|(table, reads, change)| {
            fresh(&apart, table);
            (table, begin(&apart, READER, table, reads), change)
        });
        stop(&mut apart, how);
        apart.serve();
        for (table, job, change) in &jobs {
            let answer = waits(&apart, READER, job, "", || {
                run(&apart, &change.replace("{t}", table));
                go_on(&apart, table);
            });
            check_nothing_told(&apart, &canaries, READER, job, &[answer], table);
        }
        apart.finish();
    }
}

/// BigQuery takes its time to say what became of a job, and the job goes on meanwhile.
#[test]
fn what_a_job_read_while_bigquery_was_asked_about_it_is_held_against_what_is_told() {
    let (mut apart, canaries) = (scene("waited-asked"), Canaries::declared(|_| true));
    let jobs = ["soon", "later"].map(|table| {
        fresh(&apart, table);
        (table, begin(&apart, READER, table, SHOWS))
    });
    stop(&mut apart, Stop::Kill);
    apart.serve();
    for ((table, job), milliseconds) in jobs.iter().zip([300, 800]) {
        let later = json!({ "verb": "GET", "path": job, "count": 1_000,
            "act": { "kind": "answer", "status": 503, "reason": "backendError", "message": "later" } });
        assert!(apart.administer("POST", "/sandbox/faults", Some(&later)).status < 300);
        let answer = waits(&apart, READER, job, "", || {
            run(&apart, &SSN_IN.replace("{t}", table));
            go_on(&apart, table);
            pause(Duration::from_millis(milliseconds));
            assert!(apart.administer("DELETE", "/sandbox/faults", None).status < 300);
        });
        check_nothing_told(&apart, &canaries, READER, job, &[answer], table);
    }
    apart.finish();
}

fn by_other(apart: &Apart, caller: &str, statement: &str) -> Answer {
    let bearer = format!("Bearer {}", apart.token(caller));
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000 }).to_string();
    let path = "/bigquery/v2/projects/acme-other/queries";
    crate::world::ask(apart.plain, &crate::talk::request("POST", path, &headers, Some(body.as_bytes())))
}

/// One project is billed for each team, and the data is the same.
#[test]
fn what_goes_through_one_connection_is_seen_by_those_of_another() {
    let mut apart = Apart::prepare("waited-connections", &[READER, PIPELINE]);
    let policy = crate::policies::starter_with(&[&[crate::policies::WITHOUT_APPROVAL], &crate::policies::WITHOUT_LIMITS[..]].concat());
    apart.activate(policy.path());
    let (rest, storage) = (apart.warehouse_rest, apart.warehouse_storage);
    let other = format!(
        "[connections.other]\nprojects = [\"acme-other\"]\nendpoint = \"http://{rest}\"\nstorage_endpoint = \"http://{storage}\"\n\
         credential = {{ kind = \"token_file\", file = \"warehouse.token\" }}\n\n[policy]\n"
    );
    apart.configure("[policy]\n", &other);
    apart.serve();
    let canaries = Canaries::declared(|_| true);
    let ran = |answer: &Answer, what: &str| {
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(canaries.find_in(answer), None, "{what}: {}", answer.text());
    };
    let (plain, leaks) = ("SELECT name AS a FROM clinic.patients", "SELECT ssn AS a FROM clinic.patients");
    let view = |name: &str, shows: &str| format!("CREATE OR REPLACE VIEW staging.{name} AS {shows}");
    // Looked at through the other, changed through the one, looked at again.
    run(&apart, &view("seen", plain));
    let reads = "SELECT a FROM `acme-prod`.staging.seen";
    ran(&by_other(&apart, READER, reads), reads);
    run(&apart, &view("seen", leaks));
    ran(&by_other(&apart, READER, reads), reads);
    fresh(&apart, "whole");
    let whole = "SELECT TO_JSON_STRING(x) AS j FROM `acme-prod`.staging.whole AS x";
    ran(&by_other(&apart, READER, whole), whole);
    run(&apart, &WITH_SSN.replace("{t}", "whole"));
    ran(&by_other(&apart, READER, whole), whole);
    // A copy through the other.
    let copies = "CREATE OR REPLACE TABLE `acme-prod`.staging.copied AS SELECT a FROM `acme-prod`.staging.seen";
    ran(&by_other(&apart, PIPELINE, copies), copies);
    ran(&apart.query(READER, "SELECT a FROM staging.copied"), "the copy");
    // While it runs.
    run(&apart, &view("racing", plain));
    make(&apart, "CREATE OR REPLACE TABLE staging.go_racing (a STRING)");
    let script = "DECLARE i INT64 DEFAULT 0; WHILE (SELECT COUNT(*) FROM `acme-prod`.staging.go_racing) < 1 DO SET i = i + 1; END WHILE; \
                  SELECT a FROM `acme-prod`.staging.racing";
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| by_other(&apart, READER, script));
        pause(Duration::from_millis(800));
        run(&apart, &view("racing", leaks));
        go_on(&apart, "racing");
        waiting.join().unwrap()
    });
    assert_eq!(answer.status, 403, "{}", answer.text());
    assert_eq!(canaries.find_in(&answer), None, "{}", answer.text());
    apart.finish();
}
