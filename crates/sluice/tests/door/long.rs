//! Pages that are too long to be held: what leaves is the page, each piece of it is on record before, and what breaks off is seen to.

use crate::beside;
use crate::evidence::Evidence;
use crate::program::pause;
use crate::talk::{self, Link};
use crate::world::{API, World};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

/// Some seven megabytes, in one page.
const LONG: &str = "SELECT a.device, b.device AS other, REPEAT('größer ', 30) AS filler FROM clinic.logins AS a, clinic.logins AS b, \
                    (SELECT number FROM UNNEST([1, 2, 3, 4]) AS number) ORDER BY a.device, b.device, number";
const BYTES_MIN: usize = 5 << 20;
const ALL_IS_OVER: Duration = Duration::from_secs(3);

/// A job of this statement's, done; the path of its rows.
fn job(world: &World, caller: &str) -> String {
    let body = json!({ "query": LONG, "useLegacySql": false, "maxResults": 0 });
    let answer = world.call(caller, "POST", &format!("{API}/queries"), Some(&body)).json();
    assert_eq!(answer["jobComplete"], true, "{answer}");
    format!("{API}/queries/{}?location=US", answer["jobReference"]["jobId"].as_str().unwrap())
}

/// Rows and bytes of the pieces that one call left on record, which are numbered as they left, and how many there are.
fn pieces(evidence: &Evidence, mark: &str) -> (u64, u64, usize) {
    let subjects: Vec<&Option<String>> = evidence.of_mark(mark).iter().map(|record| &record.subject).collect();
    let records = evidence.records.iter().filter(|record| record.kind.word() == "result.page" && subjects.contains(&&record.subject));
    let pages: Vec<&Value> = records.filter_map(|record| record.sections.get("result")).collect();
    for (number, page) in pages.iter().enumerate() {
        assert_eq!(page["number"].as_u64(), Some(number as u64), "{page}");
    }
    let sum = |name: &str| pages.iter().map(|page| page[name].as_u64().unwrap()).sum();
    (sum("rows"), sum("bytes"), pages.len())
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn a_long_page_arrives_as_it_is() {
    let world = World::start("long");
    let path = job(&world, "analyst");
    let direct = world.direct("GET", &path, None);
    assert!(direct.body.len() > BYTES_MIN, "{}", direct.body.len());
    let direct = direct.json();
    let plain = world.call("analyst", "GET", &path, None);
    assert_eq!((plain.status, plain.header("transfer-encoding"), plain.header("content-length")), (200, Some("chunked"), None));
    let told = plain.json();
    assert!(rows(&told) == rows(&direct), "the rows differ");
    for name in ["schema", "totalRows", "pageToken", "jobComplete", "cacheHit", "kind", "totalBytesProcessed"] {
        assert_eq!(told[name], direct[name], "{name}");
    }
    let packed = world.call_with("analyst", "GET", &path, &[("Accept-Encoding", "gzip"), ("User-Agent", "x gzip")], None);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&*packed.body).read_to_string(&mut text).unwrap();
    assert!(serde_json::from_str::<Value>(&text).unwrap() == told, "packed, it is another");
    let some = world.call("analyst", "GET", &format!("{path}&fields=totalRows,pageToken"), None).json();
    assert_eq!(some["totalRows"], direct["totalRows"]);
    assert!(some.get("rows").is_none() && some["pageToken"] == direct["pageToken"]);
    let reduced = world.call("analyst", "GET", &format!("{path}&fields=totalRows,rows/f/v"), None);
    assert!(rows(&reduced.json()) == rows(&direct), "cut down to all that they have, the rows differ");
    let unwanted = world.call("analyst", "GET", &format!("{path}&fields=totalRows,schema"), None);
    assert_eq!(unwanted.json(), json!({ "totalRows": direct["totalRows"], "schema": direct["schema"] }));
    pause(ALL_IS_OVER);
    let evidence = world.finish();
    // No record says that rows left, where nobody wanted any.
    assert_eq!((pieces(&evidence, &unwanted.mark), evidence.ends(&unwanted.mark)), ((0, 0, 0), vec!["completed".to_owned()]));
    assert_eq!(pieces(&evidence, &reduced.mark).0, rows(&direct).len() as u64);
    let records = evidence.of_mark(&plain.mark);
    let (count, bytes, number) = pieces(&evidence, &plain.mark);
    let sent = rows(&direct).len() as u64;
    assert_eq!((count, evidence.ends(&plain.mark)), (sent, vec!["completed".to_owned()]));
    assert!(number > 4 && bytes > BYTES_MIN as u64, "{number} pieces of {bytes} bytes");
    let end = records.iter().find(|record| record.kind.is_terminal()).unwrap();
    assert_eq!(end.sections["result"]["rows"].as_u64(), Some(sent));
}

#[test]
fn a_long_page_that_breaks_off_is_never_taken_for_the_whole() {
    let world = World::start("long-broken");
    let path = job(&world, "analyst");
    world.fault(&json!({ "verb": "GET", "path": "/queries/", "skip": 0, "act": { "kind": "reset", "afterBytes": BYTES_MIN } }));
    let answer = world.call("analyst", "GET", &path, None);
    assert_eq!((answer.status, world.clear_faults()), (200, 0));
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err(), "what broke off looks whole");
    pause(ALL_IS_OVER);
    let evidence = world.finish();
    let (count, bytes, _) = pieces(&evidence, &answer.mark);
    assert_eq!(evidence.ends(&answer.mark), ["failed upstream"]);
    // What left is on record, and what is on record is no more than came.
    let left = String::from_utf8_lossy(&answer.body).matches("{\"f\":").count() as u64;
    assert!(count > 0 && left <= count && bytes <= BYTES_MIN as u64, "{left} rows left, {count} rows of {bytes} bytes on record");
}

#[test]
fn a_client_that_goes_stops_what_follows() {
    let world = World::start("long-left");
    let path = job(&world, "analyst");
    let mark = world.mark();
    let bearer = format!("Bearer {}", world.token("analyst"));
    let bytes = talk::request("GET", &path, &[("Authorization", &bearer), ("User-Agent", &mark)], None);
    let mut link = Link::plain(world.plain);
    assert!(link.send(&bytes));
    assert!(link.receive_some(talk::PATIENCE).is_some_and(|part| !part.is_empty()));
    // It takes no more, and then it is gone. What the sockets hold in between is less than the page.
    pause(Duration::from_millis(500));
    drop(link);
    pause(ALL_IS_OVER);
    let evidence = world.finish();
    let (_, left, _) = pieces(&evidence, &mark);
    let ends = evidence.ends(&mark);
    assert!(ends == ["abandoned"] || (ends == ["completed"] && left > BYTES_MIN as u64), "{ends:?} after {left} bytes");
}

/// A client that takes its rows slowly does not keep them coming after a halt.
#[test]
fn a_halt_does_not_wait_for_the_end_of_a_page() {
    let world = World::start("long-halted");
    let path = job(&world, "report-job");
    let mark = world.mark();
    let bearer = format!("Bearer {}", world.token("report-job"));
    let bytes = talk::request("GET", &path, &[("Authorization", &bearer), ("User-Agent", &mark)], None);
    let mut link = Link::plain(world.plain);
    assert!(link.send(&bytes));
    let mut told = link.receive_some(talk::PATIENCE).unwrap();
    beside::halt(&world, &["--caller", beside::REPORT_JOB, "--by", "ana", "--reason", "its token leaked"]);
    told.extend(link.receive_whole(talk::PATIENCE));
    pause(ALL_IS_OVER);
    let evidence = world.finish();
    let (_, left, _) = pieces(&evidence, &mark);
    let ends = evidence.ends(&mark);
    // What the sockets between held at that moment is less than the page, unless they are larger than they use to be.
    assert!(ends == ["failed policy"] || (ends == ["completed"] && left > BYTES_MIN as u64), "{ends:?} after {left} bytes");
    assert_eq!(told.ends_with(b"0\r\n\r\n"), ends == ["completed"], "what broke off looks whole");
}
