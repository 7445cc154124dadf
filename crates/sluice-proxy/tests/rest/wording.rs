//! How answers are written: packed, reduced, laid out; and what a client reads when it is refused.

use crate::fake::Door;
use crate::talk::{GOOD, answers, ask, exchange};
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sluice_proxy::rest::Settings;
use std::io::{Read as _, Write as _};

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn large_answers_are_packed_for_those_who_take_them_so() {
    let door = Door::open().await;
    let path = "/$discovery/rest?version=v2";
    let plain = ask(door.address, "GET", path, "", b"").await;
    assert_eq!(plain.header("content-encoding"), None);
    let answer = ask(door.address, "GET", path, "Accept-Encoding: gzip\r\n", b"").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (Some("gzip"), Some("Accept-Encoding")));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let mut unpacked = Vec::new();
    GzDecoder::new(&*dechunked(&answer.body)).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let never = Door::open_with(Settings { gzip: false, ..Settings::default() }).await;
    assert_eq!(ask(never.address, "GET", path, "Accept-Encoding: gzip\r\n", b"").await.header("content-encoding"), None);
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&bytes[end + 2..end + 2 + length]);
        bytes = &bytes[end + 4 + length..];
    }
    whole
}

#[tokio::test]
async fn packed_bodies_are_read_within_bounds() {
    let door = Door::open().await;
    let headers = format!("{GOOD}Content-Encoding: gzip\r\nContent-Type: application/json\r\n");
    let body = json!({ "query": "SELECT 1", "useLegacySql": false }).to_string();
    let answer = ask(door.address, "POST", "/projects/p/queries", &headers, &packed(body.as_bytes())).await;
    assert_eq!((answer.status, door.fake.take()), (200, vec!["bigquery.jobs.query good query SELECT 1".to_owned()]));
    let bomb = packed(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    let answer = ask(door.address, "POST", "/projects/p/queries", &headers, &bomb).await;
    assert_eq!((answer.status, &answer.json()["error"]["errors"][0]["reason"]), (413, &json!("requestTooLarge")));
}

#[tokio::test]
async fn a_body_is_asked_for_when_it_is_wanted() {
    let door = Door::open().await;
    let post = |path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: gw\r\n{GOOD}Expect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let (back, _) = exchange(door.address, post("/projects/p/queries", "{\"query\":\"SELECT 1\",\"useLegacySql\":false}").as_bytes()).await;
    assert!(back.starts_with(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200"), "{}", String::from_utf8_lossy(&back));
    let (back, _) = exchange(door.address, post("/projects/p/nothing", "{}").as_bytes()).await;
    assert_eq!(answers(&back)[0].status, 404);
    assert!(!back.starts_with(b"HTTP/1.1 100"));
}

#[tokio::test]
async fn links_lead_to_the_host_that_was_asked_unless_one_is_set() {
    let door = Door::open_with(Settings::default()).await;
    let job = ask(door.address, "GET", "/projects/p/jobs/j", GOOD, b"").await.json();
    assert_eq!(job["selfLink"], "http://gw/bigquery/v2/projects/p/jobs/j?location=US");
}

#[tokio::test]
async fn answers_are_reduced_and_laid_out_as_asked() {
    let door = Door::open().await;
    let get = async |query: &str| ask(door.address, "GET", &format!("/projects/p/jobs/j{query}"), GOOD, b"").await;
    let whole = get("").await;
    assert!(!whole.body.contains(&b'\n'));
    assert_eq!(get("?fields=id,status/state").await.json(), json!({ "id": "p:US.j", "status": { "state": "DONE" } }));
    let pretty = get("?prettyPrint=true&fields=id").await;
    assert_eq!(pretty.body, b"{\n  \"id\": \"p:US.j\"\n}\n");
    assert_eq!(get("?prettyPrint=false&alt=json&key=abc&quotaUser=me&$.xgafv=1").await.json(), whole.json());
    // What a mask leaves of an error is the whole of it.
    let refused = get("?fields=id&surprise=1").await;
    let error: Value = refused.json()["error"].clone();
    assert_eq!((refused.status, &error["status"], &error["errors"][0]["message"]), (400, &json!("INVALID_ARGUMENT"), &error["message"]));
    assert!(error["message"].as_str().unwrap().contains("`surprise`"));
}
