//! Ways on which a value could leave later, or by somebody else's hand.

use crate::world::{API, World};
use serde_json::json;

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
            assert!(status == 400 && text.contains("what others asked") && !text.contains(LITERAL), "{statement}: {status} {text}");
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
