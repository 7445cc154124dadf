//! Files: in one request of two parts, and piece by piece.

use crate::fake::Door;
use crate::talk::{Answer, GOOD, ask, exchange};
use serde_json::json;
use sluice_proxy::rest::UPLOADS_OF_ONE_MAX;
use std::sync::atomic::Ordering;

const PATH: &str = "/upload/bigquery/v2/projects/p/jobs";
const JSON: &str = "Content-Type: application/json\r\n";
const OTHER: &str = "Authorization: Bearer other\r\n";

fn load() -> String {
    let table = json!({ "projectId": "p", "datasetId": "d", "tableId": "t" });
    json!({ "configuration": { "load": { "destinationTable": table, "sourceFormat": "CSV", "schema": { "fields": [{ "name": "a", "type": "STRING" }] } } } }).to_string()
}

fn parts(job: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{job}\r\n--b\r\ncontent-type: */*\r\n\r\n");
    [head.as_bytes(), data, b"\r\n--b--"].concat()
}

fn message(answer: &Answer) -> String {
    answer.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

const MULTIPART: &str = "Content-Type: multipart/related; boundary=\"b\"\r\n";

#[tokio::test]
async fn a_file_in_one_request() {
    let door = Door::open().await;
    let path = format!("{PATH}?uploadType=multipart");
    for data in [b"a,b\n".to_vec(), Vec::new(), vec![b'\r'; 100_000], b"\r\n--c--\r\n".repeat(100_000)] {
        let answer = ask(door.address, "POST", &path, &format!("{GOOD}{MULTIPART}"), &parts(&load(), &data)).await;
        assert_eq!((answer.status, &answer.json()["kind"]), (200, &json!("bigquery#job")));
        assert!(door.fake.uploaded() == data, "{} bytes", data.len());
        assert_eq!(door.fake.take(), ["bigquery.jobs.insert good jobs.load on table p.d.t"]);
    }
    for path in ["/resumable/upload/bigquery/v2/projects/p/jobs?uploadType=multipart", "/upload/projects/p/jobs?upload_protocol=multipart"]
    {
        assert_eq!(ask(door.address, "POST", path, &format!("{GOOD}{MULTIPART}"), &parts(&load(), b"x")).await.status, 200, "{path}");
    }
    door.fake.take();
    assert_eq!(door.fake.uploaded(), b"x");
    let check = async |headers: &str, body: &[u8], code: u16, part: &str| {
        let answer = ask(door.address, "POST", &path, &format!("{GOOD}{headers}"), body).await;
        assert_eq!(answer.status, code, "{part}");
        assert!(message(&answer).contains(part), "{}", message(&answer));
        assert!(door.fake.uploaded().is_empty(), "{part}");
    };
    check("Content-Type: application/json\r\n", b"{}", 400, "with a boundary").await;
    check(MULTIPART, b"", 400, "breaks off").await;
    check(MULTIPART, &parts("[]", b"x"), 400, "no JSON object").await;
    check(MULTIPART, &parts("{\"a\":1,\"a\":1}", b"x"), 400, "twice in one object").await;
    check(MULTIPART, &parts(&json!({ "configuration": { "query": { "query": "SELECT 1" } } }).to_string(), b"x"), 400, "").await;
    let table = json!({ "projectId": "p", "datasetId": "d", "tableId": "t" });
    check(
        MULTIPART,
        &parts(&json!({ "configuration": { "load": { "destinationTable": table, "sourceUris": ["gs://x"] } } }).to_string(), b"x"),
        400,
        "sourceUris",
    )
    .await;
    check(&format!("{MULTIPART}Content-Encoding: gzip\r\n"), &parts(&load(), b"x"), 400, "no `Content-Encoding`").await;
    check(MULTIPART, &parts(&load(), b"REFUSE this"), 404, "leave to load").await;
    let whole = parts(&load(), b"x");
    check(MULTIPART, &whole[..whole.len() - 2], 404, "the end of the upload").await;
    check(MULTIPART, &[&whole[..], b"\r\n--b\r\n"].concat(), 404, "the end of the upload").await;
}

#[tokio::test]
async fn a_client_that_hangs_up_loads_nothing() {
    let door = Door::open().await;
    let body = parts(&load(), b"a,b\n");
    let head =
        format!("POST {PATH}?uploadType=multipart HTTP/1.1\r\nHost: gw\r\n{GOOD}{MULTIPART}Content-Length: {}\r\n\r\n", body.len() + 10);
    let stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
    let mut stream = stream;
    tokio::io::AsyncWriteExt::write_all(&mut stream, &[head.as_bytes(), &body[..body.len() - 8]].concat()).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    drop(stream);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(door.fake.uploaded().is_empty());
}

async fn begin(door: &Door) -> String {
    let answer = ask(
        door.address,
        "POST",
        &format!("{PATH}?uploadType=resumable"),
        &format!("{GOOD}X-Upload-Content-Type: */*\r\nContent-Type: application/json; charset=UTF-8\r\n"),
        load().as_bytes(),
    )
    .await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    let location = answer.header("location").unwrap().strip_prefix("https://gateway.example").unwrap().to_owned();
    assert!(location.starts_with(&format!("{PATH}?uploadType=resumable&upload_id=")), "{location}");
    location
}

async fn put(door: &Door, location: &str, who: &str, range: &str, data: &[u8]) -> Answer {
    let range = if range.is_empty() { String::new() } else { format!("Content-Range: {range}\r\n") };
    ask(door.address, "PUT", location, &format!("{who}{range}Content-Type: */*\r\n"), data).await
}

#[tokio::test]
async fn a_file_that_is_put_at_once() {
    let door = Door::open().await;
    for (range, data) in [("bytes 0-3/4", &b"a,b\n"[..]), ("", b"a,b\n"), ("bytes */0", b""), ("bytes 0-0/1", b"x")] {
        let location = begin(&door).await;
        let answer = put(&door, &location, GOOD, range, data).await;
        assert_eq!((answer.status, &answer.json()["kind"]), (200, &json!("bigquery#job")), "{range}");
        assert_eq!(door.fake.uploaded(), data, "{range}");
        assert_eq!(put(&door, &location, GOOD, range, data).await.status, 404, "it is over");
    }
}

#[tokio::test]
async fn a_file_that_is_put_in_pieces() {
    let door = Door::open().await;
    let location = begin(&door).await;
    let check = async |range: &str, data: &[u8], code: u16, expect: Option<&str>| {
        let answer = put(&door, &location, GOOD, range, data).await;
        assert_eq!((answer.status, answer.header("range")), (code, expect), "{range}");
    };
    check("bytes */*", b"", 308, None).await;
    check("bytes 4-7/*", b"late", 308, None).await;
    check("bytes 0-3/*", b"one,", 308, Some("bytes=0-3")).await;
    check("bytes 0-3/*", b"one,", 308, Some("bytes=0-3")).await;
    check("bytes */10", b"", 308, Some("bytes=0-3")).await;
    check("rubbish", b"x", 400, None).await;
    assert!(door.fake.uploaded().is_empty());
    check("bytes 4-7/*", b"two,", 308, Some("bytes=0-7")).await;
    check("bytes 8-9/10", b"3\n", 200, None).await;
    assert_eq!(door.fake.uploaded(), b"one,two,3\n");
}

/// Who does not know how long a file is says it behind the last byte.
#[tokio::test]
async fn a_file_of_unknown_length_ends_when_its_length_is_said() {
    let door = Door::open().await;
    let location = begin(&door).await;
    assert_eq!(put(&door, &location, GOOD, "bytes 0-3/*", b"one,").await.status, 308);
    assert_eq!(put(&door, &location, GOOD, "bytes */8", b"").await.status, 308, "half of it");
    assert_eq!(put(&door, &location, GOOD, "bytes 4-7/*", b"two\n").await.status, 308);
    assert!(door.fake.uploaded().is_empty());
    let answer = put(&door, &location, GOOD, "bytes */8", b"").await;
    assert_eq!((answer.status, &answer.json()["kind"]), (200, &json!("bigquery#job")));
    assert_eq!(door.fake.uploaded(), b"one,two\n");
    assert_eq!(put(&door, &location, GOOD, "bytes */8", b"").await.status, 404, "it is over");
    // What was said before is not taken back: half of a file is none.
    let location = begin(&door).await;
    assert_eq!(put(&door, &location, GOOD, "bytes 0-3/8", b"one,").await.status, 308);
    for (range, data) in [("bytes */4", &b""[..]), ("bytes 4-5/6", b"t\n")] {
        assert_eq!(put(&door, &location, GOOD, range, data).await.status, 400, "{range}");
    }
    assert!(door.fake.uploaded().is_empty());
    assert_eq!(put(&door, &location, GOOD, "bytes 4-7/8", b"two\n").await.status, 200);
    assert_eq!(door.fake.uploaded(), b"one,two\n");
}

#[tokio::test]
async fn every_request_on_an_upload_is_decided() {
    let door = Door::open().await;
    let begun = "bigquery.jobs.insert good goes on with jobs.load on table p.d.t";
    let location = begin(&door).await;
    assert_eq!(door.fake.take(), [begun]);
    assert_eq!(put(&door, &location, GOOD, "bytes 0-3/*", b"one,").await.status, 308);
    assert_eq!(door.fake.take(), ["bigquery.jobs.insert good jobs.load on table p.d.t"]);
    for (range, data) in [("bytes */*", &b""[..]), ("bytes 4-7/*", b"two,")] {
        assert_eq!(put(&door, &location, GOOD, range, data).await.status, 308);
        assert_eq!(door.fake.take(), [begun], "{range}");
    }
    door.fake.stops.store(true, Ordering::Relaxed);
    let abandoned = ask(door.address, "POST", &format!("{PATH}?uploadType=resumable"), &format!("{GOOD}{JSON}"), load().as_bytes()).await;
    assert_eq!((abandoned.status, abandoned.header("location")), (403, None));
    let last = put(&door, &location, GOOD, "bytes 8-9/10", b"3\n").await;
    assert_eq!(last.status, 403);
    assert!(message(&last).contains("the caller is halted"), "{}", message(&last));
    door.fake.stops.store(false, Ordering::Relaxed);
    assert_eq!(put(&door, &location, GOOD, "bytes 8-9/10", b"3\n").await.status, 404, "it was cut off");
    assert!(door.fake.uploaded().is_empty());
    for verb in ["PUT", "DELETE"] {
        let location = begin(&door).await;
        door.fake.stops.store(true, Ordering::Relaxed);
        let answer = ask(door.address, verb, &location, &format!("{GOOD}Content-Range: bytes */*\r\n"), b"").await;
        assert_eq!(answer.status, 403, "{verb}");
        door.fake.stops.store(false, Ordering::Relaxed);
    }
}

/// They count while a request works on them, too.
#[tokio::test]
async fn open_uploads_of_one_caller_are_bounded() {
    let door = Door::open().await;
    let mut hanging = Vec::new();
    for _ in 0..UPLOADS_OF_ONE_MAX {
        let location = begin(&door).await;
        let head = format!("PUT {location} HTTP/1.1\r\nHost: gw\r\n{GOOD}Content-Length: 1000\r\n\r\na\n");
        let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.unwrap();
        hanging.push(stream);
    }
    while door.fake.asks.lock().unwrap().len() < UPLOADS_OF_ONE_MAX {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let path = format!("{PATH}?uploadType=resumable");
    let more = ask(door.address, "POST", &path, &format!("{GOOD}{JSON}"), load().as_bytes()).await;
    assert_eq!(more.status, 413, "{more:?}");
    assert!(message(&more).contains("32 open uploads already"), "{}", message(&more));
    let others = ask(door.address, "POST", &path, &format!("{OTHER}{JSON}"), load().as_bytes()).await;
    assert_eq!(others.status, 200, "{others:?}");
}

/// Of whom nothing is wanted, nothing is read.
#[tokio::test]
async fn who_is_halted_is_told_so_before_a_body_comes() {
    let door = Door::open().await;
    for path in ["/bigquery/v2/projects/p/jobs".to_owned(), format!("{PATH}?uploadType=multipart"), format!("{PATH}?uploadType=resumable")]
    {
        let head = format!("POST {path} HTTP/1.1\r\nHost: gw\r\nAuthorization: Bearer halted\r\n{JSON}Content-Length: 100000\r\n\r\n{{");
        let (back, _) = exchange(door.address, head.as_bytes()).await;
        assert!(back.starts_with(b"HTTP/1.1 403"), "{path}: {}", String::from_utf8_lossy(&back));
        assert_eq!(door.fake.take(), ["bigquery.jobs.insert halted is halted"], "{path}");
    }
}

#[tokio::test]
async fn an_upload_is_its_callers_own() {
    let door = Door::open().await;
    let location = begin(&door).await;
    assert_eq!(put(&door, &location, OTHER, "bytes 0-0/1", b"x").await.status, 404);
    assert_eq!(put(&door, &location, "", "bytes 0-0/1", b"x").await.status, 401);
    assert_eq!(put(&door, &location.replace("projects/p/", "projects/q/"), GOOD, "bytes 0-0/1", b"x").await.status, 404);
    assert_eq!(put(&door, &format!("{PATH}?uploadType=resumable&upload_id=guessed"), GOOD, "bytes 0-0/1", b"x").await.status, 404);
    assert_eq!(ask(door.address, "DELETE", &location, OTHER, b"").await.status, 404);
    assert_eq!(put(&door, &location, GOOD, "bytes 0-0/1", b"x").await.status, 200);
    let abandoned = begin(&door).await;
    assert_eq!(ask(door.address, "DELETE", &abandoned, GOOD, b"").await.status, 204);
    assert_eq!(put(&door, &abandoned, GOOD, "bytes 0-0/1", b"x").await.status, 404);
}

#[tokio::test]
async fn a_piece_that_breaks_off_is_gone_on_with() {
    let door = Door::open().await;
    let location = begin(&door).await;
    let head = format!("PUT {location} HTTP/1.1\r\nHost: gw\r\n{GOOD}Content-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n");
    {
        let mut stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &[head.as_bytes(), b"0123"].concat()).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let answer = put(&door, &location, GOOD, "bytes */10", b"").await;
    assert_eq!((answer.status, answer.header("range")), (308, Some("bytes=0-3")));
    assert_eq!(put(&door, &location, GOOD, "bytes 4-9/10", b"456789").await.status, 200);
    assert_eq!(door.fake.uploaded(), b"0123456789");
}

#[tokio::test]
async fn refusals_of_uploads_come_at_once() {
    let door = Door::open().await;
    let location = begin(&door).await;
    let mut answer = put(&door, &location, GOOD, "bytes 0-9/20", b"REFUSE thi").await;
    if answer.status == 308 {
        // The piece had been taken before it was refused: then the next one is.
        answer = put(&door, &location, GOOD, "bytes 10-19/20", b"s and more").await;
    }
    assert_eq!(answer.status, 404, "{answer:?}");
    for path in [PATH.to_owned(), format!("{PATH}?uploadType=media"), format!("{PATH}?uploadType=resumable&uploadType=resumable")] {
        let answer = ask(door.address, "POST", &path, GOOD, b"{}").await;
        assert_eq!(answer.status, 400, "{path}");
    }
    let (back, _) = exchange(door.address, format!("GET {PATH}?uploadType=resumable HTTP/1.1\r\nHost: gw\r\n{GOOD}\r\n").as_bytes()).await;
    assert!(back.starts_with(b"HTTP/1.1 404"), "{}", String::from_utf8_lossy(&back));
}
