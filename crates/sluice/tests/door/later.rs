//! Ways on which a value could leave later, or by somebody else's hand.

use crate::world::{API, World};
use serde_json::json;
use std::time::Instant;

const LITERAL: &str = "a literal of the analyst's";

fn query(world: &World, caller: &str, statement: &str) -> (u16, String) {
    let body = json!({ "query": statement, "useLegacySql": false });
    let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body));
    (answer.status, answer.text())
}

/// A text that another caller sent holds values of labelled columns.
#[test]
fn what_others_asked_is_shown_to_nobody() {
    let world = World::start("asked-by-others");
    assert_eq!(query(&world, "analyst", &format!("SELECT id FROM clinic.visits WHERE diagnosis = \"{LITERAL}\"")).0, 200);
    let etl = |statement: &str| query(&world, "etl-nightly", statement);
    for view in [
        "`region-us`.INFORMATION_SCHEMA.JOBS",
        "`region-us`.information_schema.jobs_by_project",
        "`acme-prod.region-us`.INFORMATION_SCHEMA.JOBS_TIMELINE",
        "`region-us`.INFORMATION_SCHEMA.SESSIONS",
        "clinic.INFORMATION_SCHEMA.PARTITIONS",
    ] {
        for statement in [
            format!("SELECT * FROM {view}"),
            format!("SELECT COUNT(*) FROM {view} AS j"),
            format!("CREATE OR REPLACE VIEW staging.others AS SELECT * FROM {view}"),
            format!("DECLARE n INT64; SET n = (SELECT COUNT(*) FROM {view}); SELECT n"),
        ] {
            let (status, text) = etl(&statement);
            let expect = match view.rsplit('.').next() {
                Some("PARTITIONS") => "values as names of partitions",
                Some("SESSIONS") => "what others do",
                _ => "what others asked",
            };
            assert!(status == 400 && text.contains(expect) && !text.contains(LITERAL), "{statement}: {status} {text}");
        }
    }
    assert_eq!(etl("SELECT table_name FROM clinic.INFORMATION_SCHEMA.TABLES").0, 200, "what a dataset holds is no secret");
}

/// A script is decided as a whole; its parts are read later, by names of their own.
#[test]
fn parts_of_a_script_show_no_more_than_the_script() {
    let world = World::start("parts");
    let run = |caller: &str, statement: &str| {
        let (status, text) = query(&world, caller, statement);
        assert_eq!(status, 200, "{statement}: {text}");
        let job = serde_json::from_str::<serde_json::Value>(&text).unwrap()["jobReference"]["jobId"].as_str().unwrap().to_owned();
        let list = world.call(caller, "GET", &format!("{API}/jobs?parentJobId={job}&projection=full"), None).json();
        let parts: Vec<String> =
            list["jobs"].as_array().unwrap().iter().map(|part| part["jobReference"]["jobId"].as_str().unwrap().to_owned()).collect();
        assert!(!parts.is_empty(), "{statement}");
        parts.iter().map(|part| world.call(caller, "GET", &format!("{API}/queries/{part}?location=US"), None).status).collect::<Vec<u16>>()
    };
    let plain = run("report-job", "DECLARE n INT64 DEFAULT (SELECT COUNT(*) FROM clinic.visits); SELECT n; SELECT n + 1;");
    assert_eq!(plain.iter().filter(|status| **status == 200).count(), 2, "{plain:?}");
    assert!(plain.contains(&400), "the value of a variable is not shown: {plain:?}");
    for statement in [
        "DECLARE x STRING; SET x = (SELECT MAX(ssn) FROM clinic.patients); SELECT 1",
        "FOR r IN (SELECT ssn FROM clinic.patients WHERE id < 3) DO SELECT 1; END FOR",
    ] {
        let statuses = run("etl-nightly", statement);
        assert!(statuses.iter().all(|status| *status == 400), "{statement}: {statuses:?}");
    }
}

/// Somebody else's job, sent to the warehouse past the gateway.
fn begin_direct(world: &World, id: &str, statement: &str) {
    let body = json!({
        "jobReference": { "projectId": "acme-prod", "jobId": id },
        "configuration": { "query": { "query": statement, "useLegacySql": false } },
    });
    let answer = world.direct("POST", &format!("{API}/jobs"), Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Who sends a job under a name that is taken is told so, and of the job that has it nothing: as if there were none.
#[test]
fn a_name_that_is_taken_makes_no_job_ones_own() {
    let world = World::start("taken");
    begin_direct(&world, "nightly_done", "SELECT id, ssn AS name FROM clinic.patients WHERE id = 1001");
    begin_direct(&world, "nightly_failed", "SELECT ERROR(ssn) FROM clinic.patients LIMIT 1");
    let query = json!({ "query": { "query": "SELECT id, name FROM clinic.patients LIMIT 1", "useLegacySql": false } });
    let table = |dataset: &str, table: &str| json!({ "projectId": "acme-prod", "datasetId": dataset, "tableId": table });
    let copy = json!({ "copy": { "sourceTable": table("shop", "products"), "destinationTable": table("staging", "copied") } });
    for (caller, id, configuration) in [
        ("report-job", "nightly_done", &query),
        ("etl-nightly", "nightly_done", &copy),
        ("etl-nightly", "nightly_failed", &copy),
        ("report-job", "nightly_failed", &query),
    ] {
        let body = json!({ "jobReference": { "projectId": "acme-prod", "jobId": id }, "configuration": configuration });
        // Also the second time: the name is not the caller's in between.
        for _ in 0..2 {
            let answer = world.call(caller, "POST", &format!("{API}/jobs"), Some(&body));
            assert_eq!(answer.class(), "409 duplicate", "{caller} {id}: {}", answer.text());
        }
        for (verb, path) in [
            ("GET", format!("jobs/{id}")),
            ("GET", format!("jobs/{id}?location=US")),
            ("GET", format!("queries/{id}")),
            ("GET", format!("queries/{id}?location=US&maxResults=0")),
            ("GET", format!("jobs?parentJobId={id}")),
            ("POST", format!("jobs/{id}/cancel")),
            ("DELETE", format!("jobs/{id}/delete")),
        ] {
            let answer = world.call(caller, verb, &format!("{API}/{path}"), None);
            assert_eq!(answer.class(), "404 notFound", "{caller} {verb} {path}: {}", answer.text());
        }
        let listed = world.call(caller, "GET", &format!("{API}/jobs?projection=full"), None);
        assert!(listed.status == 200 && !listed.text().contains(id), "{caller}: {}", listed.text());
    }
    assert_eq!(world.direct("GET", &format!("{API}/jobs/nightly_done"), None).status, 200, "it is as it was");
}

/// Labels go by name, so a name is not changed by whoever may not copy the column.
#[test]
fn a_rename_takes_no_label_off() {
    let world = World::start("renamed");
    for statement in [
        "ALTER TABLE staging.raw_visits RENAME COLUMN diagnosis TO remark",
        "ALTER TABLE staging.raw_patients RENAME COLUMN ssn TO code",
        "ALTER TABLE staging.raw_patients RENAME COLUMN name TO n, RENAME COLUMN ssn TO name, RENAME COLUMN n TO ssn",
        "ALTER TABLE staging.raw_visits RENAME TO other_visits",
        "ALTER TABLE IF EXISTS staging.raw_patients RENAME TO people",
        "BEGIN ALTER TABLE staging.raw_visits RENAME TO other_visits; END",
        "CREATE PROCEDURE staging.rename() BEGIN ALTER TABLE staging.raw_visits RENAME TO other_visits; END; CALL staging.rename()",
        "EXECUTE IMMEDIATE 'ALTER TABLE staging.raw_visits RENAME COLUMN diagnosis TO remark'",
    ] {
        let (status, text) = query(&world, "etl-nightly", statement);
        assert!(status == 403 || status == 400, "{statement}: {status} {text}");
    }
    for statement in [
        "CREATE TABLE staging.plain AS SELECT 1 AS a, 'x' AS b",
        "ALTER TABLE staging.plain RENAME COLUMN a TO c",
        "ALTER TABLE staging.plain RENAME TO plainer",
    ] {
        let (status, text) = query(&world, "etl-nightly", statement);
        assert_eq!(status, 200, "{statement}: {text}");
    }
    assert_eq!(query(&world, "etl-nightly", "SELECT c, b FROM staging.plainer").0, 200);
}

/// What is refused after policy has let it through holds none of its caller's places; and one request counts as one.
#[test]
fn a_refusal_uses_nothing_up() {
    let world = World::start("places");
    let body = json!({
        "jobReference": { "projectId": "acme-prod", "jobId": "taken_by_itself" },
        "configuration": { "query": { "query": "SELECT 1 AS one", "useLegacySql": false } },
    });
    for expect in ["200", "409 duplicate", "409 duplicate", "409 duplicate", "409 duplicate", "409 duplicate", "409 duplicate"] {
        let answer = world.call("support-agent", "POST", &format!("{API}/jobs"), Some(&body));
        assert_eq!(answer.class(), expect, "{}", answer.text());
    }
    // What was asked until now was asked in another second.
    crate::program::pause(std::time::Duration::from_millis(1_100));
    let body = json!({ "query": "SELECT 1 AS one", "useLegacySql": false });
    let asked: Vec<String> =
        (0..9).map(|_| world.call_at_once("support-agent", "POST", &format!("{API}/queries"), &body).class()).collect();
    assert_eq!(asked, vec!["200"; 9], "an agent may ask ten times in a second");
}

/// A list goes on until the last job, whatever is left out of it on the way.
#[test]
fn a_list_of_jobs_is_whole() {
    let world = World::start("listed");
    for number in 0..4 {
        assert_eq!(query(&world, "analyst", &format!("SELECT {number} AS n")).0, 200);
    }
    let (status, text) = query(&world, "analyst", "SELECT 1 AS a; SELECT 2 AS b; SELECT 3 AS c");
    assert_eq!(status, 200, "{text}");
    let script = serde_json::from_str::<serde_json::Value>(&text).unwrap()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    // From here on its parts are the caller's jobs too.
    let parts = world.call("analyst", "GET", &format!("{API}/jobs?parentJobId={script}&projection=full"), None).json();
    assert_eq!(parts["jobs"].as_array().unwrap().len(), 3, "{parts}");
    for at_once in 1..=3 {
        let (mut listed, mut token) = (Vec::new(), String::new());
        for _ in 0..20 {
            let path = format!("{API}/jobs?maxResults={at_once}{token}");
            let page = world.call("analyst", "GET", &path, None).json();
            let ids = page["jobs"].as_array().unwrap().iter().map(|job| job["jobReference"]["jobId"].as_str().unwrap().to_owned());
            listed.extend(ids);
            let Some(next) = page["nextPageToken"].as_str() else { break };
            token = format!("&pageToken={next}");
        }
        let distinct: std::collections::BTreeSet<&String> = listed.iter().collect();
        assert_eq!((listed.len(), distinct.len()), (5, 5), "{at_once} at once: {listed:?}");
    }
}

/// A part that gives no rows has none, and is no mistake.
#[test]
fn a_part_without_rows_has_an_empty_result() {
    let world = World::start("silent-parts");
    let statement =
        "CREATE TABLE staging.silent (id INT64); INSERT INTO staging.silent (id) VALUES (1), (2); SELECT COUNT(*) AS n FROM staging.silent";
    let (status, text) = query(&world, "etl-nightly", statement);
    assert_eq!(status, 200, "{text}");
    let script = serde_json::from_str::<serde_json::Value>(&text).unwrap()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let parts = world.call("etl-nightly", "GET", &format!("{API}/jobs?parentJobId={script}&projection=full"), None).json();
    let parts = parts["jobs"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    for part in parts {
        let id = part["jobReference"]["jobId"].as_str().unwrap();
        let answer = world.call("etl-nightly", "GET", &format!("{API}/queries/{id}?location=US"), None);
        let rows = answer.json()["rows"].as_array().map_or(0, Vec::len);
        let is_query = part["statistics"]["query"]["statementType"] == "SELECT";
        assert_eq!((answer.status, rows), (200, usize::from(is_query)), "{part}: {}", answer.text());
    }
}

/// What BigQuery says of a statement that uses a labelled column can hold values; what kind of thing went wrong is said all the same.
#[test]
fn what_went_wrong_is_said_in_words_that_hold_no_values() {
    let world = World::start("in-our-words");
    let made = query(&world, "etl-nightly", "CREATE TABLE staging.taken AS SELECT 1 AS id");
    assert_eq!(made.0, 200, "{}", made.1);
    let (status, text) = query(&world, "etl-nightly", "CREATE TABLE staging.taken AS SELECT id FROM clinic.visits WHERE diagnosis = 'x'");
    assert!(status == 409 && text.contains("Already Exists: what the statement makes is there already"), "{status} {text}");
}

/// Repeating a request is asking again: it counts against the limit of requests, which is ten in a second for an agent.
#[test]
fn a_repeated_request_is_counted() {
    const ASKED: usize = 80;
    let world = World::start("repeated");
    world.token("support-agent");
    let body = json!({ "query": "SELECT 7 AS x", "useLegacySql": false, "requestId": "again" });
    let begun = Instant::now();
    let served = (0..ASKED).filter(|_| world.call_at_once("support-agent", "POST", &format!("{API}/queries"), &body).status == 200).count();
    let most = 20 + 10 * usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(served > 0 && served <= most, "{served} in {:?}", begun.elapsed());
}

/// Statements that wait for others are not blamed for it.
#[test]
fn a_crowd_makes_no_statement_too_slow() {
    const CROWD: usize = 30;
    let world = World::start("crowd");
    world.token("analyst");
    let parts: Vec<String> =
        (0..6).map(|number| format!("c{number} AS (SELECT id, name FROM clinic.patients WHERE id > {number})")).collect();
    let unions: Vec<String> = (0..6).map(|number| format!("SELECT id FROM c{number}")).collect();
    let classes: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..CROWD)
            .map(|number| {
                let text = format!("WITH {} SELECT COUNT(*) AS n{number} FROM ({})", parts.join(", "), unions.join(" UNION ALL "));
                let body = json!({ "query": text, "useLegacySql": false, "dryRun": true });
                let world = &world;
                scope.spawn(move || world.call_at_once("analyst", "POST", &format!("{API}/queries"), &body).class())
            })
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(classes, vec!["200"; CROWD]);
}

/// Who proves nothing is refused as often as it asks, and costs the ledger a bounded number of records.
#[test]
fn strangers_do_not_fill_the_ledger() {
    const ASKED: u64 = 150;
    let world = World::start("strangers");
    for number in 0..ASKED {
        let (verb, path) = [("GET", format!("{API}/datasets")), ("POST", format!("{API}/nothing")), ("GET", "/a//b".to_owned())]
            [number as usize % 3]
            .clone();
        let answer = crate::world::ask(world.plain, &crate::talk::request(verb, &path, &[], None));
        assert!((400..500).contains(&answer.status), "{verb} {path}: {}", answer.class());
    }
    let evidence = world.finish();
    let of_strangers: Vec<_> = evidence.records.iter().filter(|record| record.kind.word() == "authn.fail").collect();
    let counts: Vec<u64> = of_strangers.iter().filter_map(|record| record.sections["meta"]["refusals"].as_u64()).collect();
    let single = (of_strangers.len() - counts.len()) as u64;
    // A window lasts a minute; on a machine that is busy there may be a few of them.
    assert!((1..ASKED / 2).contains(&single), "{single} records of {ASKED} refusals");
    assert_eq!(single + counts.iter().sum::<u64>(), ASKED, "{of_strangers:?}");
}

/// Two judges that both know what they read: names of tables with whatever columns BigQuery shows of them, and tables by a wildcard.
#[test]
fn what_describes_and_what_a_star_names_is_read() {
    let world = World::start("described");
    for caller in ["analyst", "etl-nightly"] {
        for statement in [
            "SELECT * FROM clinic.INFORMATION_SCHEMA.TABLES",
            "SELECT * FROM clinic.INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'patients'",
            "SELECT * FROM INFORMATION_SCHEMA.SCHEMATA",
            "SELECT COUNT(*) AS n FROM `clinic.events_*`",
            "SELECT COUNT(*) AS n FROM `acme-prod.clinic.events_*` WHERE _TABLE_SUFFIX = '20240102'",
        ] {
            let (status, text) = query(&world, caller, statement);
            assert_eq!(status, 200, "{caller}: {statement}: {text}");
        }
    }
}
