//! What a refused predicate would have answered is not answered another way: by sizes, by bytes that are billed, by filters of others. And whoever
//! keeps trying is told of.

use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(30);
const COARSE_BYTES: u64 = 10 << 20;

fn query(world: &World, caller: &str, text: &str) -> Answer {
    world.call(caller, "POST", &format!("{API}/queries"), Some(&json!({ "query": text, "useLegacySql": false })))
}

/// Every count of bytes in an answer, wherever it stands.
fn counts(value: &Value, found: &mut Vec<(String, u64)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let count = value.as_str().and_then(|text| text.parse().ok()).or_else(|| value.as_u64());
                // What the client or policy set is theirs.
                let is_count = name.to_lowercase().contains("bytes") && !name.starts_with("maximum");
                found.extend(count.filter(|_| is_count).map(|count| (name.clone(), count)));
                counts(value, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| counts(element, found)),
        _ => {}
    }
}

fn all_counts(answer: &Answer) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    counts(&answer.json(), &mut found);
    found
}

#[test]
fn counts_of_bytes_do_not_say_how_long_masked_values_are() {
    let world = World::start("probing-bytes");
    let check = |caller: &str, what: &str, answer: &Answer, is_coarse: bool| {
        let found = all_counts(answer);
        assert!(answer.status == 200 && !found.is_empty(), "{caller} {what}: {}", answer.text());
        let coarse = found.iter().all(|(_, count)| *count > 0 && count % COARSE_BYTES == 0);
        assert_eq!(coarse, is_coarse, "{caller} {what}: {found:?}");
    };
    let masked = "SELECT ssn FROM clinic.patients";
    for caller in ["report-job", "support-agent"] {
        let answer = query(&world, caller, masked);
        check(caller, "jobs.query", &answer, true);
        let id = answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
        check(caller, "jobs.get", &world.call(caller, "GET", &format!("{API}/jobs/{id}"), None), true);
        check(caller, "results", &world.call(caller, "GET", &format!("{API}/queries/{id}"), None), true);
        let dry = json!({ "query": masked, "useLegacySql": false, "dryRun": true });
        check(caller, "dry run", &world.call(caller, "POST", &format!("{API}/queries"), Some(&dry)), true);
        let job = json!({ "configuration": { "dryRun": true, "query": { "query": masked, "useLegacySql": false } } });
        check(caller, "dry run of a job", &world.call(caller, "POST", &format!("{API}/jobs"), Some(&job)), true);
        check(caller, "tables.get", &world.call(caller, "GET", &format!("{API}/datasets/clinic/tables/patients"), None), true);
        let result = &answer.json()["jobReference"];
        let job = world.direct("GET", &format!("{API}/jobs/{}", result["jobId"].as_str().unwrap()), None).json();
        let (table, path) = (&job["configuration"]["query"]["destinationTable"], ["datasetId", "tableId"]);
        let [dataset, name] = path.map(|part| table[part].as_str().unwrap());
        let described = world.call(caller, "GET", &format!("{API}/datasets/{dataset}/tables/{name}"), None);
        check(caller, "one's own result", &described, true);
        check(caller, "an open column", &query(&world, caller, "SELECT id FROM clinic.patients"), false);
        check(caller, "an open table", &world.call(caller, "GET", &format!("{API}/datasets/shop/tables/products"), None), false);
    }
    // Whoever may see a column may know how long it is, and reads what BigQuery says of it.
    check("analyst", "a seen column", &query(&world, "analyst", "SELECT diagnosis FROM clinic.visits"), false);
    check("analyst", "another's", &query(&world, "analyst", masked), true);
    let sizes = "SELECT table_id, size_bytes, row_count FROM clinic.__TABLES__ WHERE table_id = 'patients'";
    let row = |caller: &str, text: &str| query(&world, caller, text).json()["rows"][0]["f"].clone();
    let told = row("report-job", sizes);
    assert_eq!((&told[0]["v"], &told[1]["v"]), (&json!("patients"), &json!("0")), "{told}");
    assert_ne!(told[2]["v"], json!("0"));
    // Of a dataset in which nothing is labelled it is what it is.
    let plain = json!({ "datasetReference": { "projectId": PROJECT, "datasetId": "plain" } });
    assert_eq!(world.direct("POST", &format!("{API}/datasets"), Some(&plain)).status, 200);
    let made = json!({ "query": "CREATE TABLE plain.t AS SELECT 7 AS n", "useLegacySql": false });
    assert_eq!(world.direct("POST", &format!("{API}/queries"), Some(&made)).status, 200);
    assert_eq!(row("report-job", "SELECT size_bytes FROM plain.__TABLES__")[0]["v"], json!("8"));
    let used = query(&world, "report-job", "SELECT table_id FROM clinic.__TABLES__ WHERE size_bytes > 1000");
    assert_eq!(used.status, 403, "{}", used.text());
    assert!(used.text().contains("size_bytes") && used.text().contains("filter"), "{}", used.text());
}

/// An error holds values of what was read: it is told to whoever may see all of that.
#[test]
fn an_error_is_told_to_whoever_may_see_what_it_read() {
    let world = World::start("probing-errors");
    let failing = |column: &str, from: &str| format!("SELECT CAST({column} AS INT64) AS n FROM {from}");
    let told = |caller: &str, text: &str| query(&world, caller, text).json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    // Whether it fails is a use of the column, which a rule may permit.
    for (caller, column, from, part) in
        [("report-job", "diagnosis", "clinic.visits", "diagnosis (error)"), ("analyst", "ssn", "clinic.patients", "withheld")]
    {
        let said = told(caller, &failing(column, from));
        assert!(said.contains(part) && !said.contains("Bad int64"), "{said}");
    }
    let clear = told("analyst", &failing("diagnosis", "clinic.visits"));
    assert!(clear.contains("Bad int64 value") && !clear.contains("withheld"), "{clear}");
}

#[test]
fn whoever_keeps_asking_by_a_labelled_column_is_on_record() {
    let world = World::start("probing-events");
    let ask =
        |caller: &str, digit: usize| query(&world, caller, &format!("SELECT COUNT(*) AS n FROM clinic.patients WHERE ssn LIKE '{digit}%'"));
    for digit in 0..9 {
        assert_eq!(ask("support-agent", digit).status, 403);
    }
    // Another's are counted apart, and what decides by nothing labelled is not counted.
    assert_eq!(ask("report-job", 0).status, 403);
    assert_eq!(query(&world, "support-agent", "SELECT COUNT(*) AS n FROM clinic.patients WHERE id > 3").status, 200);
    assert_eq!(ask("support-agent", 9).status, 403);
    // One that a rule lets through is marked.
    let seen = query(&world, "analyst", "SELECT COUNT(*) AS n FROM clinic.visits WHERE diagnosis LIKE 'a%'");
    assert_eq!(seen.status, 200, "{}", seen.text());
    let mark = seen.mark;
    let evidence = world.finish();
    let events: Vec<_> = evidence.records.iter().filter(|record| record.kind.word() == "caller.probing").collect();
    assert_eq!(events.len(), 1);
    let (meta, identity) = (&events[0].sections["meta"], &events[0].sections["identity"]);
    assert_eq!((&meta["reason"], &meta["counts"]["requests"]), (&json!("refused"), &json!(10)), "{meta}");
    assert_eq!(meta["resources"], json!(["acme-prod.clinic.patients.ssn"]));
    assert!(identity.to_string().contains("support-agent"), "{identity}");
    let permitted: Vec<&Value> = evidence.of_mark(&mark).iter().filter_map(|record| record.sections.get("policy")).collect();
    let marked = permitted.iter().find_map(|policy| policy["decided_by"].as_array()).unwrap_or_else(|| panic!("{permitted:?}"));
    assert_eq!((&marked[0]["column"], &marked[0]["how"]), (&json!("acme-prod.clinic.visits.diagnosis"), &json!("filter")));
    assert_eq!(marked[0]["rules"], json!(["clinical-analysts-see-health"]));
}

#[test]
fn whoever_keeps_failing_over_masked_values_is_on_record() {
    let world = World::start("probing-failures");
    let tall = "CONCAT(RPAD('', 1000, 'b'), RPAD('', 1000, 'b'))";
    let ask = |caller: &str, hidden: &str| {
        let text = format!("SELECT REPLACE(RPAD('', 1000, 'a'), 'a', CONCAT({hidden}, {tall})) AS x FROM clinic.patients");
        let answer = query(&world, caller, &text);
        assert_eq!(answer.status, 400, "{}", answer.text());
        answer.text().contains("withheld")
    };
    for _ in 0..9 {
        assert!(ask("support-agent", "ssn"));
    }
    // Neither another's failures nor those that no hidden value makes.
    assert!(ask("report-job", "ssn"));
    assert!(!ask("support-agent", "name"));
    assert!(ask("support-agent", "email"));
    let evidence = world.finish();
    let events: Vec<_> = evidence.records.iter().filter(|record| record.kind.word() == "caller.probing").collect();
    assert_eq!(events.len(), 1);
    let (meta, identity) = (&events[0].sections["meta"], &events[0].sections["identity"]);
    assert_eq!((&meta["reason"], &meta["counts"]["requests"]), (&json!("failed"), &json!(10)), "{meta}");
    assert_eq!(meta["resources"], json!(["acme-prod.clinic.patients.email", "acme-prod.clinic.patients.ssn"]));
    assert!(identity.to_string().contains("support-agent"), "{identity}");
}

/// How long a statement takes can be made to depend on a hidden value, and a limit makes an error of that. Whoever cancels a job has learned nothing by its end.
#[test]
fn whoever_keeps_running_out_of_time_over_masked_values_is_on_record() {
    let world = World::start("probing-times");
    let begin = |timeout: Option<&str>| {
        let statement = json!({ "query": "SELECT IF(STARTS_WITH(ssn, '9'), 1, 0) AS x FROM clinic.patients", "useLegacySql": false });
        let mut configuration = json!({ "query": statement });
        if let Some(timeout) = timeout {
            configuration["jobTimeoutMs"] = json!(timeout);
        }
        // The dry run passes first.
        let hold = json!({ "verb": "POST", "path": "/jobs", "skip": 1, "count": 1, "act": { "kind": "job", "milliseconds": 5_000 } });
        world.fault(&hold);
        let answer = world.call("report-job", "POST", &format!("{API}/jobs"), Some(&json!({ "configuration": configuration })));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["jobReference"]["jobId"].as_str().unwrap().to_owned()
    };
    let ended = |job: &str| {
        let until = Instant::now() + WITHIN;
        loop {
            let state = world.call("report-job", "GET", &format!("{API}/jobs/{job}?location=US"), None).json();
            if state["status"]["state"] == "DONE" {
                assert_eq!(state["status"]["errorResult"]["reason"], json!("stopped"), "{state}");
                return;
            }
            assert!(Instant::now() < until, "{state}");
        }
    };
    for _ in 0..10 {
        let job = begin(None);
        let cancelled = world.call("report-job", "POST", &format!("{API}/jobs/{job}/cancel?location=US"), Some(&json!({})));
        assert_eq!(cancelled.status, 200, "{}", cancelled.text());
        ended(&job);
    }
    for _ in 0..10 {
        ended(&begin(Some("100")));
    }
    let evidence = world.finish();
    let events: Vec<_> = evidence.records.iter().filter(|record| record.kind.word() == "caller.probing").collect();
    assert_eq!(events.len(), 1);
    let meta = &events[0].sections["meta"];
    assert_eq!((&meta["reason"], &meta["counts"]["requests"]), (&json!("failed"), &json!(10)), "{meta}");
    assert_eq!(meta["resources"], json!(["acme-prod.clinic.patients.ssn"]));
}
