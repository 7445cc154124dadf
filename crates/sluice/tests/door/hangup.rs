//! Clients that hang up, at every stage of a query: what was begun is ended on record, and nothing is done twice.

use crate::program::pause;
use crate::talk::{self, Answer, Link};
use crate::world::{API, World};
use serde_json::json;
use std::time::Duration;

const FIRST_ROW: usize = 700_000;
/// Longer than any hold below.
const ALL_IS_OVER: Duration = Duration::from_secs(6);
const HELD_MS: u64 = 1_500;

/// When a client goes, and how often its INSERT is there afterwards.
struct Stage {
    name: &'static str,
    /// Of the request, so many bytes are sent; none: all.
    head_only: bool,
    body_bytes: Option<usize>,
    fault: Option<&'static str>,
    waits_ms: u64,
    reads_bytes: bool,
    rows: &'static str,
}

const STAGES: [Stage; 8] = [
    Stage { name: "after the head", head_only: true, body_bytes: None, fault: None, waits_ms: 100, reads_bytes: false, rows: "0" },
    Stage {
        name: "within the head's last line",
        head_only: false,
        body_bytes: Some(0),
        fault: None,
        waits_ms: 100,
        reads_bytes: false,
        rows: "0",
    },
    Stage { name: "within the body", head_only: false, body_bytes: Some(20), fault: None, waits_ms: 100, reads_bytes: false, rows: "0" },
    Stage { name: "after the body, at once", head_only: false, body_bytes: None, fault: None, waits_ms: 0, reads_bytes: false, rows: "01" },
    Stage {
        name: "while the dry run is held",
        head_only: false,
        body_bytes: None,
        fault: Some("dry run"),
        waits_ms: 300,
        reads_bytes: false,
        rows: "1",
    },
    Stage {
        name: "while the job is sent",
        head_only: false,
        body_bytes: None,
        fault: Some("insert"),
        waits_ms: 300,
        reads_bytes: false,
        rows: "1",
    },
    Stage {
        name: "while the job runs",
        head_only: false,
        body_bytes: None,
        fault: Some("job"),
        waits_ms: 600,
        reads_bytes: false,
        rows: "1",
    },
    Stage { name: "while rows come", head_only: false, body_bytes: None, fault: None, waits_ms: 0, reads_bytes: true, rows: "1" },
];

fn plan(stage: &Stage) -> Option<serde_json::Value> {
    let (skip, act) = match stage.fault? {
        "dry run" => (0, json!({ "kind": "delay", "milliseconds": HELD_MS })),
        "insert" => (1, json!({ "kind": "delay", "milliseconds": HELD_MS })),
        "job" => (1, json!({ "kind": "job", "milliseconds": HELD_MS })),
        other => panic!("{other}"),
    };
    Some(json!({ "verb": "POST", "path": "/jobs", "skip": skip, "act": act }))
}

/// Asks and goes; gives the mark of the request.
fn ask_and_go(world: &World, stage: &Stage, way: &str, caller: &str, statement: &str) -> String {
    let (mark, bearer) = (world.mark(), format!("Bearer {}", world.token(caller)));
    let body = json!({ "query": statement, "useLegacySql": false }).to_string();
    let headers = [("Authorization", bearer.as_str()), ("User-Agent", mark.as_str()), ("Content-Type", "application/json")];
    let bytes = talk::request("POST", &format!("{API}/queries"), &headers, Some(body.as_bytes()));
    let head = bytes.len() - body.len();
    let sent = match (stage.head_only, stage.body_bytes) {
        (true, _) => head,
        // The empty line is not whole: there is no request yet.
        (false, Some(0)) => head - 1,
        (false, Some(count)) => head + count,
        (false, None) => bytes.len(),
    };
    let mut link = if way == "plain" { Link::plain(world.plain) } else { world.encrypted_link(b"http/1.1") };
    assert!(link.send(&bytes[..sent]));
    pause(Duration::from_millis(stage.waits_ms));
    if stage.reads_bytes {
        let part = link.receive_some(talk::PATIENCE).unwrap();
        world.tell(caller, &Answer { body: part, ..Answer::default() });
    }
    mark
}

#[test]
fn who_hangs_up_stops_nothing_that_was_begun() {
    let world = World::start("hangup");
    let rows = "SELECT a.device, REPEAT('x', 200) AS filler FROM clinic.logins AS a, clinic.logins AS b";
    let mut made = Vec::new();
    for (number, (stage, way)) in STAGES.iter().flat_map(|stage| [(stage, "plain"), (stage, "encrypted")]).enumerate() {
        let row = FIRST_ROW + number;
        for (caller, statement) in
            [("analyst", rows.to_owned()), ("etl-nightly", format!("INSERT INTO staging.raw_visits (id) VALUES ({row})"))]
        {
            if let Some(fault) = plan(stage) {
                world.fault(&fault);
            }
            made.push((stage, way, caller, ask_and_go(&world, stage, way, caller, &statement)));
            // The next fault is for the next request.
            if stage.fault.is_some() {
                pause(Duration::from_millis(2 * HELD_MS));
            }
            world.clear_faults();
        }
    }
    pause(ALL_IS_OVER);
    let mut wrong = Vec::new();
    for (number, (stage, way)) in STAGES.iter().flat_map(|stage| [(stage, "plain"), (stage, "encrypted")]).enumerate() {
        let count = world.direct_cell(&format!("SELECT COUNT(*) FROM staging.raw_visits WHERE id = {}", FIRST_ROW + number));
        if !stage.rows.contains(&count) {
            wrong.push(format!("{}, {way}: inserted {count} times", stage.name));
        }
    }
    let evidence = world.finish();
    for (stage, way, caller, mark) in &made {
        let ends = evidence.ends(mark);
        let is_fine = match stage.name {
            "within the head's last line" => ends.is_empty(),
            "after the head" | "within the body" => ends == ["refused invalid"],
            "after the body, at once" => ends.iter().all(|end| end == "completed"),
            // Of rows that follow, those that it did not take have not left.
            "while rows come" => !ends.is_empty() && ends.iter().all(|end| end == "completed" || end == "abandoned"),
            _ => !ends.is_empty() && ends.iter().all(|end| end == "completed"),
        };
        if !is_fine {
            wrong.push(format!("{}, {way}, {caller}: {ends:?}", stage.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), made.len(), wrong.join("\n"));
}
