//! Pages that are longer than what is held of one: what has come when they are given, what follows, and what goes wrong on the way.

use crate::double::{Double, Turn, said};
use crate::ground::{connected, insert, job, registrar, settings, shown};
use serde_json::{Value, json};
use sluice_app::{JobRows, RawRows, RowsAsk, Upstream, UpstreamFault};
use sluice_testkit::recorded::caller;
use std::io::Write;
use std::time::Duration;

const MIB: usize = 1 << 20;
/// Much more than a busy machine needs for the next bytes, and for the first two mebibytes.
const SILENCE: Duration = Duration::from_secs(4);
const BEGUN_WITHIN: Duration = Duration::from_secs(30);

/// What is answered, what is said of it, and what the warehouse has seen.
type Case = (&'static str, Vec<Turn>, &'static str, &'static str);

/// So many rows of a mebibyte; in BigQuery's order, or with the rows before all else.
fn page(rows: usize, rows_first: bool) -> String {
    let row = json!({ "f": [{ "v": "x".repeat(MIB) }] });
    let rows = ("rows", Value::Array(vec![row; rows]));
    let before = [
        ("kind", json!("bigquery#getQueryResultsResponse")),
        ("schema", json!({ "fields": [{ "name": "a", "type": "STRING" }] })),
        ("jobReference", json!({ "projectId": "acme-prod", "jobId": "j-1" })),
    ];
    let behind = ("jobComplete", json!(true));
    let members: Vec<(&str, Value)> = match rows_first {
        true => [rows].into_iter().chain(before).chain([behind]).collect(),
        false => before.into_iter().chain([rows, behind]).collect(),
    };
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

fn chunked(body: &str, ended: bool) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.as_bytes().chunks(100_000) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes.extend_from_slice(if ended { b"0\r\n\r\n" } else { b"" });
    bytes
}

fn packed(body: &str, spoiled: bool) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).unwrap();
    let mut packed = encoder.finish().unwrap();
    if spoiled {
        let sum = packed.len() - 8;
        packed[sum] ^= 0xff;
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    [head.as_bytes(), &packed].concat()
}

/// `whole`; or `begun`, and how it ended. Much of it comes behind what had come by then.
async fn run(url: &str) -> String {
    let mut patient = settings(url);
    (patient.timing.answer, patient.timing.bulk) = (SILENCE, BEGUN_WITHIN);
    let bigquery = connected(patient);
    let permit = registrar().permit(&caller("etl"), insert("j-1", "SELECT 1")).await;
    let ask = RowsAsk::OfJob(JobRows { job: job("j-1"), ..JobRows::default() });
    let failed = |fault: &UpstreamFault| shown(fault);
    match bigquery.rows(&permit, &ask).await {
        Err(fault) => failed(&fault),
        Ok(RawRows::Whole(page)) => format!("whole, {} rows", page.fits_schema().unwrap()),
        Ok(RawRows::Begun(start, mut rest)) => {
            assert!(start.head().schema.is_some());
            let mut more = 0;
            loop {
                match rest.next().await {
                    Ok(Some(bytes)) => {
                        assert!(!bytes.is_empty() && bytes.len() < 8 * MIB);
                        more += bytes.len();
                    }
                    Ok(None) => {
                        assert!(more > MIB, "{more}");
                        return "begun, ended".to_owned();
                    }
                    Err(fault) => return format!("begun, {}", failed(&fault)),
                }
            }
        }
    }
}

fn cases() -> Vec<Case> {
    let long = page(6, false);
    let plain = said("200 OK", &long);
    let cut = plain[..plain.len() - MIB].to_vec();
    let early = plain[..MIB].to_vec();
    let short = said("200 OK", &page(1, false));
    vec![
        ("short", vec![Turn::Say(short.clone())], "whole, 1 rows", "GET"),
        ("long", vec![Turn::Say(plain.clone())], "begun, ended", "GET"),
        ("long, in chunks", vec![Turn::Say(chunked(&long, true))], "begun, ended", "GET"),
        ("long, packed", vec![Turn::Say(packed(&long, false))], "begun, ended", "GET"),
        ("rows first", vec![Turn::Say(said("200 OK", &page(6, true)))], "whole, 6 rows", "GET"),
        ("too long to be read whole", vec![Turn::Say(said("200 OK", &page(66, true)))], "TooLarge", "GET"),
        ("longer than that, and begun", vec![Turn::Say(said("200 OK", &page(66, false)))], "begun, ended", "GET"),
        // What has begun is not asked for again; what has not is.
        ("reset late", vec![Turn::Reset(cut.clone())], "begun, Unavailable", "GET"),
        ("closed late", vec![Turn::Close(cut.clone())], "begun, Unavailable", "GET"),
        ("stalled late", vec![Turn::Stall(cut)], "begun, Deadline", "GET"),
        ("the last chunk is missing", vec![Turn::Close(chunked(&long, false))], "begun, Unavailable", "GET"),
        ("packed and spoiled", vec![Turn::Say(packed(&long, true))], "begun, Malformed", "GET"),
        ("closed early", vec![Turn::Close(early.clone()), Turn::Say(plain.clone())], "begun, ended", "GET GET"),
        ("closed early, always", vec![Turn::Close(early)], "Unavailable", "GET GET GET"),
        ("rows first, closed late", vec![Turn::Close(said("200 OK", &page(6, true))[..4 * MIB].to_vec())], "Unavailable", "GET"),
    ]
}

#[tokio::test]
async fn long_pages_are_given_while_they_come() {
    // One after the other: all at once they would wait for each other, and not for the warehouse.
    for (name, turns, expect, verbs) in cases() {
        let double = Double::start(turns).await;
        let found = run(&double.url).await;
        assert_eq!((found.as_str(), double.verbs().as_str()), (expect, verbs), "{name}");
    }
}
