//! Which of a script's statements ran tells what decided that. So nothing of its way is told once what it read is another thing, or has labels that it was
//! not decided by.

use crate::policies::{WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::program::pause;
use crate::reshaped::{PIPELINE, begin, fresh, go_on, query, ran};
use crate::world::{API, World};
use serde_json::Value;
use std::time::{Duration, Instant};

const READER: &str = "report-job";
const WITHIN: Duration = Duration::from_secs(60);
const LOOKS: &str =
    "SET x = (SELECT a FROM staging.{t} LIMIT 1);\nIF STARTS_WITH(x, 'p') THEN\nSELECT 1;\nELSE\nSELECT 2;\nSELECT 3;\nEND IF";

fn get(world: &World, path: &str) -> (u16, Value) {
    let answer = world.call(READER, "GET", &format!("{API}/{path}"), None);
    (answer.status, answer.json())
}

#[test]
fn the_way_of_a_script_is_told_as_long_as_it_may_be_known() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &WITHOUT_LIMITS[..]].concat());
    let world = World::start_unpaced("way", policy.path());
    let check = |table: &str, change: Option<&str>| {
        fresh(&world, table);
        let job = begin(&world, READER, table, "DECLARE x STRING;", LOOKS);
        if let Some(change) = change {
            let change = change.replace("{t}", table);
            ran(&query(&world, PIPELINE, &change), &change);
        }
        go_on(&world, table);
        let until = Instant::now() + WITHIN;
        let ended = loop {
            let (status, state) = get(&world, &format!("jobs/{job}?location=US"));
            assert_eq!(status, 200, "{state}");
            if state["status"]["state"] == "DONE" {
                break state;
            }
            assert!(change.is_none() || state["statistics"].get("numChildJobs").is_none(), "{state}");
            assert!(Instant::now() < until, "{state}");
            pause(Duration::from_millis(100));
        };
        let (status, parts) = get(&world, &format!("jobs?parentJobId={job}&projection=full"));
        let statistics = ended["statistics"].as_object().unwrap();
        let is_told = change.is_none();
        assert_eq!(statistics.contains_key("numChildJobs"), is_told, "{table}: {ended}");
        assert_eq!(statistics.contains_key("query"), is_told, "{table}: {ended}");
        assert!(statistics.contains_key("endTime"), "{table}: {ended}");
        assert_eq!(status, if is_told { 200 } else { 403 }, "{table}: {parts}");
        assert!(is_told || parts["error"]["message"].as_str().unwrap().contains("Send the statement again"), "{table}: {parts}");
    };
    check("way_same", None);
    check("way_rebuilt", Some("CREATE OR REPLACE TABLE staging.{t} AS SELECT ssn AS a FROM clinic.patients"));
    check("way_moved", Some("CREATE OR REPLACE TABLE staging.{t} AS SELECT id, name AS a FROM clinic.patients"));
    check("way_filled", Some("INSERT INTO staging.{t} (a) SELECT ssn FROM clinic.patients"));
    world.finish();
}
