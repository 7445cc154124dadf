//! Files that come piece by piece, while something else is decided.

use crate::program::pause;
use crate::talk::Answer;
use crate::world::{API, PROJECT, World};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const LOADER: &str = "etl-nightly";
/// More than the gateway keeps back, so that the warehouse has some of it.
const LARGE_BYTES: usize = 12 << 20;
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(60);

fn halt(world: &World, arguments: &[&str]) {
    let who = ["--everyone", "--by", "ana", "--reason", "looked at"];
    let ran = Command::new(env!("CARGO_BIN_EXE_sluice")).arg("halt").arg("--config").arg(&world.folder).args(arguments).args(who).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

fn begin(world: &World, table: &str) -> Answer {
    let load = json!({ "configuration": { "load": {
        "destinationTable": { "projectId": PROJECT, "datasetId": "staging", "tableId": table },
        "sourceFormat": "CSV", "schema": { "fields": [{ "name": "a", "type": "STRING" }] } } } });
    let headers = [("Content-Type", "application/json"), ("X-Upload-Content-Type", "*/*")];
    let start = format!("/upload{API}/jobs?uploadType=resumable");
    world.call_with(LOADER, "POST", &start, &headers, Some(load.to_string().as_bytes()))
}

fn path(begun: &Answer) -> String {
    assert_eq!(begun.status, 200, "{}", begun.text());
    begun.header("location").unwrap().strip_prefix("http://localhost").unwrap().to_owned()
}

fn put(world: &World, path: &str, range: &str, bytes: &[u8]) -> Answer {
    world.call_with(LOADER, "PUT", path, &[("Content-Range", range)], Some(bytes))
}

fn is_there(world: &World, table: &str) -> bool {
    world.direct("GET", &format!("{API}/datasets/staging/tables/{table}"), None).status == 200
}

/// On uploads, at the warehouse.
fn seen(log: &[Value], verb: &str) -> usize {
    let is_on_upload = |entry: &&Value| entry["target"].as_str().unwrap_or_default().contains("upload_id=");
    log.iter().filter(is_on_upload).filter(|entry| entry["verb"] == verb).count()
}

#[test]
fn a_halt_stops_an_upload_before_its_last_byte() {
    let world = World::start("halted-uploads");
    let lines = b"aaaa\n".repeat(LARGE_BYTES / 5);
    let (first, all) = (lines.len(), lines.len() + 5);
    let (small, large, asked) = (path(&begin(&world, "small")), path(&begin(&world, "large")), path(&begin(&world, "asked")));
    let pieces = [put(&world, &small, "bytes 0-4/10", b"aaaa\n"), put(&world, &large, &format!("bytes 0-{}/{all}", first - 1), &lines)];
    for piece in &pieces {
        assert_eq!(piece.status, 308, "{}", piece.text());
    }
    halt(&world, &[]);
    let refused = [
        begin(&world, "more"),
        put(&world, &small, "bytes 5-9/10", b"zzzz\n"),
        put(&world, &large, &format!("bytes {first}-{}/{all}", all - 1), b"zzzz\n"),
        put(&world, &asked, "bytes */10", b""),
    ];
    for refused in &refused {
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert!(refused.text().contains("the caller is halted"), "{}", refused.text());
    }
    halt(&world, &["--release"]);
    for table in ["small", "large"] {
        assert!(!is_there(&world, table), "{table} was loaded in spite of the halt");
    }
    // A halt that is lifted leaves it as it was: nothing of what came meanwhile is in it.
    assert_eq!(put(&world, &small, "bytes 5-9/10", b"bbbb\n").status, 200);
    assert_eq!(world.call(LOADER, "DELETE", &large, None).status, 204);
    let started = Instant::now();
    while seen(&world.warehouse_log(), "DELETE") == 0 {
        assert!(started.elapsed() < GIVEN_UP_WITHIN, "what the warehouse had of the large one is not given up");
        pause(Duration::from_millis(20));
    }
    let whole = path(&begin(&world, "whole"));
    let job = put(&world, &whole, "bytes 0-4/5", b"aaaa\n");
    assert_eq!(job.status, 200, "{}", job.text());
    let job = job.json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    while world.call(LOADER, "GET", &format!("{API}/jobs/{job}"), None).json()["status"]["state"] != "DONE" {
        assert!(started.elapsed() < GIVEN_UP_WITHIN, "the whole one is not loaded");
        pause(Duration::from_millis(20));
    }
    for (table, expect) in [("small", true), ("large", false), ("whole", true)] {
        assert_eq!(is_there(&world, table), expect, "{table}");
    }
    let log = world.warehouse_log();
    assert!(seen(&log, "PUT") > 0, "the warehouse has some of the large one");
    assert_eq!(seen(&log, "DELETE"), 1, "of the large one, and of no other");
    let evidence = world.finish();
    for refused in &refused {
        assert_eq!(evidence.ends(&refused.mark), ["refused halted"]);
    }
    assert_eq!(pieces.each_ref().map(|piece| evidence.ends(&piece.mark)), [["completed"], ["failed upstream"]]);
}

/// One waits for its next piece, one has come whole just now, one has not begun: nobody comes back to them.
#[test]
fn a_gateway_that_stops_ends_what_is_open() {
    let world = World::start("stopped-uploads");
    let lines = b"aaaa\n".repeat(LARGE_BYTES / 5);
    let (large, small) = (path(&begin(&world, "large")), path(&begin(&world, "small")));
    let asked = begin(&world, "asked");
    let piece = put(&world, &large, &format!("bytes 0-{}/{}", lines.len() - 1, lines.len() + 5), &lines);
    assert_eq!(piece.status, 308, "{}", piece.text());
    let whole = put(&world, &small, "bytes 0-4/5", b"aaaa\n");
    assert_eq!((whole.status, asked.status), (200, 200));
    // It looks for lines that say the ledger was in use.
    let evidence = world.finish();
    assert_eq!([&piece, &whole].map(|answer| evidence.ends(&answer.mark)), [["failed upstream"], ["completed"]]);
}

/// Nothing of it went to BigQuery, so BigQuery refused nothing.
#[test]
fn who_sends_half_a_file_is_told_so() {
    let world = World::start("half-uploads");
    let load = json!({ "configuration": { "load": {
        "destinationTable": { "projectId": PROJECT, "datasetId": "staging", "tableId": "half" },
        "sourceFormat": "CSV", "schema": { "fields": [{ "name": "a", "type": "STRING" }] } } } });
    let start = format!("--b\r\nContent-Type: application/json\r\n\r\n{load}\r\n--b\r\nContent-Type: text/csv\r\n\r\nx\n");
    let headers = [("Content-Type", "multipart/related; boundary=b")];
    let path = format!("/upload{API}/jobs?uploadType=multipart");
    for end in ["", "\r\n--b", "\r\n--b-", "\r\n--b\r\nContent-Type: text/csv\r\n\r\nz\n\r\n--b--", "\r\n--b--\r\nmore"] {
        let answer = world.call_with(LOADER, "POST", &path, &headers, Some(format!("{start}{end}").as_bytes()));
        assert_eq!(answer.class(), "400 invalid", "{end:?}");
        assert!(answer.text().contains("broke off before it was whole"), "{end:?}: {}", answer.text());
    }
    assert!(!is_there(&world, "half"));
}
