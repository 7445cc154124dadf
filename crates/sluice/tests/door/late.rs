//! Labels that a person, a policy tag or a policy brings while somebody copies. Whoever reads the copy a moment later meets them, whether or not the job that
//! writes it is over; and so does whoever copies the copy.

use crate::apart::Apart;
use crate::canaries::Canaries;
use crate::policies::{Change, WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::program::pause;
use crate::restarted::{PIPELINE, READER, call, make, results, scene};
use crate::talk::Answer;
use serde_json::json;
use std::time::{Duration, Instant};

const BY_POLICY: Change = (
    "columns = [\"*.*.*.ssn\", \"*.*.*.national_id\"]",
    "columns = [\"*.*.*.ssn\", \"*.*.*.national_id\", \"acme-prod.staging.by_policy.pub\"]",
);
const WITHIN: Duration = Duration::from_secs(30);

fn gate(apart: &Apart, name: &str) -> String {
    make(apart, &format!("CREATE OR REPLACE TABLE staging.{name} (a STRING)"));
    format!("WHILE (SELECT COUNT(*) FROM staging.{name}) < 1 DO SET i = i + 1; END WHILE;")
}

fn open(apart: &Apart, gate: &str) {
    make(apart, &format!("INSERT INTO staging.{gate} (a) VALUES ('now')"));
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + WITHIN;
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        pause(Duration::from_millis(100));
    }
}

fn is_there(apart: &Apart, table: &str) -> bool {
    apart.query_direct(&format!("SELECT COUNT(*) FROM staging.{table} HAVING COUNT(*) > 0")).text().contains("\"totalRows\":\"1\"")
}

fn check_hidden(canaries: &Canaries, answer: &Answer, what: &str) {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    assert_eq!(canaries.find_in(answer), None, "{what}: {}", answer.text());
}

/// `writes` is done while it is labelled what it reads, and the job goes on behind that.
fn check(apart: &Apart, canaries: &Canaries, name: &str, writes: &str, labels: impl FnOnce(&str)) {
    // Nobody knows yet what these are.
    make(apart, &format!("CREATE OR REPLACE TABLE staging.{name} AS SELECT ssn AS pub FROM clinic.patients"));
    make(apart, &format!("CREATE OR REPLACE TABLE staging.{name}_made (x STRING)"));
    let (first, second) = (gate(apart, &format!("{name}_first")), gate(apart, &format!("{name}_second")));
    let script = format!("DECLARE i INT64 DEFAULT 0; {first} {writes}; {second} SELECT 1").replace("{t}", &format!("staging.{name}"));
    let configuration = json!({ "configuration": { "query": { "query": script, "useLegacySql": false } } });
    let begun = call(apart, PIPELINE, "POST", "jobs", Some(&configuration));
    assert_eq!(begun.status, 200, "{}", begun.text());
    let job = begun.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let source = format!("SELECT pub FROM staging.{name}");
    assert!(canaries.find_in(&apart.query(READER, &source)).is_some(), "{source} is not labelled before");
    labels(name);
    until("the label does not come into force", || canaries.find_in(&apart.query(READER, &source)).is_none());
    open(apart, &format!("{name}_first"));
    let copy = format!("{name}_made");
    until("nothing is copied", || is_there(apart, &copy));
    let data = call(apart, READER, "GET", &format!("datasets/staging/tables/{copy}/data?maxResults=3"), None);
    check_hidden(canaries, &data, &copy);
    check_hidden(canaries, &apart.query(READER, &format!("SELECT x FROM staging.{copy}")), &copy);
    // What is made of it now keeps them.
    let further = apart.query(PIPELINE, &format!("CREATE OR REPLACE TABLE staging.{name}_further AS SELECT x AS y FROM staging.{copy}"));
    assert_eq!(further.status, 200, "{}", further.text());
    open(apart, &format!("{name}_second"));
    results(apart, PIPELINE, &job);
    check_hidden(canaries, &apart.query(READER, &format!("SELECT y FROM staging.{name}_further")), "the copy of the copy");
    check_hidden(canaries, &apart.query(READER, &format!("SELECT x FROM staging.{copy}")), "the copy, in the end");
}

const MAKES: &str = "CREATE OR REPLACE TABLE {t}_made AS SELECT pub AS x FROM {t}";
const FILLS: &str = "INSERT INTO {t}_made SELECT pub FROM {t}";

#[test]
fn what_is_labelled_while_it_is_copied_is_labelled_in_the_copy_at_once() {
    let (apart, canaries) = (scene("late"), Canaries::declared(|_| true));
    let by_hand = |name: &str| {
        let column = format!("acme-prod.staging.{name}.pub");
        apart.run(&["labels", "set", "--label", "national_id", "--by", "ana", "--reason", "seen in a review", &column]);
    };
    check(&apart, &canaries, "made_by_hand", MAKES, by_hand);
    check(&apart, &canaries, "filled_by_hand", FILLS, by_hand);
    let further =
        "CREATE OR REPLACE TABLE {t}_other AS SELECT pub AS x FROM {t}; CREATE OR REPLACE TABLE {t}_made AS SELECT x FROM {t}_other";
    check(&apart, &canaries, "made_twice", further, by_hand);
    let by_policy = |_: &str| apart.activate(starter_with(&[&[WITHOUT_APPROVAL, BY_POLICY], &WITHOUT_LIMITS[..]].concat()).path());
    check(&apart, &canaries, "by_policy", MAKES, by_policy);
    apart.finish();
}
