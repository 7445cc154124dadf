//! Files that come with their load jobs: in one request, or piece by piece.

use super::http::{Answer, Client};
use super::warehouse::engine;
use serde_json::{Value, json};
use sluice_sandbox::problem::Reason;
use sluice_sandbox::server::{CHUNK_STEP_BYTES, UPLOAD_BYTES_MAX};
use sluice_sandbox::{Act, Fault, Running, Sandbox, Settings, Token};

const UPLOAD: &str = "/upload/bigquery/v2/projects/acme-prod/jobs";
const JOBS: &str = "/bigquery/v2/projects/acme-prod/jobs";
const TABLES: &str = "/bigquery/v2/projects/acme-prod/datasets/shop/tables";

fn start() -> (Running, Client) {
    let running = Sandbox::start(engine(), Settings::default()).unwrap();
    let client = Client { address: running.address, token: None };
    (running, client)
}

/// A job that loads CSV of one number and one text into a table of that name.
fn load(id: &str, table: &str) -> Value {
    let fields = json!([{ "name": "id", "type": "INTEGER" }, { "name": "v", "type": "STRING" }]);
    let destination = json!({ "projectId": "acme-prod", "datasetId": "shop", "tableId": table });
    let load = json!({ "destinationTable": destination, "sourceFormat": "CSV", "schema": { "fields": fields } });
    json!({ "jobReference": { "projectId": "acme-prod", "jobId": id }, "configuration": { "load": load } })
}

fn multipart(job: &Value, file: &[u8]) -> Vec<u8> {
    let head = format!("--b\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{job}\r\n--b\r\ncontent-type: */*\r\n\r\n");
    [head.as_bytes(), file, b"\r\n--b--"].concat()
}

fn send_multipart(client: &Client, path: &str, job: &Value, file: &[u8]) -> Answer {
    let path = format!("{path}?uploadType=multipart");
    client.send_bytes("POST", &path, &multipart(job, file), &["content-type: multipart/related; boundary=\"b\""])
}

fn begin(client: &Client, job: &Value, headers: &[&str]) -> Answer {
    client.send("POST", &format!("{UPLOAD}?uploadType=resumable"), &job.to_string(), headers)
}

fn location(client: &Client, answer: &Answer) -> String {
    let location = answer.header("location").unwrap();
    location.strip_prefix(&format!("http://{}", client.address)).unwrap().to_owned()
}

fn put(client: &Client, location: &str, range: &str, bytes: &[u8]) -> Answer {
    client.send_bytes("PUT", location, bytes, &[&format!("Content-Range: {range}")])
}

/// `308 bytes=0-1`, `200 job`.
fn told(answer: &Answer) -> String {
    match answer.status {
        308 => format!("308 {}", answer.header("range").unwrap_or("-")),
        _ => answer.verdict(),
    }
}

/// The job when it is done.
fn done(client: &Client, id: &str) -> Value {
    loop {
        let job = client.get(&format!("{JOBS}/{id}")).json();
        if job["status"]["state"] == "DONE" {
            return job;
        }
        std::thread::yield_now();
    }
}

fn count(client: &Client, table: &str) -> Value {
    client.get(&format!("{TABLES}/{table}")).json()["numRows"].clone()
}

#[test]
fn a_file_comes_with_its_job() {
    let (running, client) = start();
    let paths = [UPLOAD, "/upload/projects/acme-prod/jobs", "/resumable/upload/bigquery/v2/projects/acme-prod/jobs"];
    for (number, path) in paths.into_iter().enumerate() {
        let id = format!("m-{number}");
        let answer = send_multipart(&client, path, &load(&id, "m"), b"1,a\r\n2,\n");
        assert_eq!(answer.verdict(), "200 ", "{path}");
        assert_eq!(answer.json()["configuration"]["jobType"], "LOAD");
        let job = done(&client, &id);
        let expect = json!({ "inputFiles": "1", "inputFileBytes": "8", "badRecords": "0", "outputRows": "2", "outputBytes": "19" });
        assert_eq!((&job["statistics"]["load"], &job["status"]), (&expect, &json!({ "state": "DONE" })));
    }
    assert_eq!(count(&client, "m"), "6");
    let logged = &running.requests()[0];
    assert_eq!((logged.method, logged.status), (Some("bigquery.jobs.insert"), 200));
    assert!(logged.body.contains("1,a\r\n2,\n") && logged.body_bytes == multipart(&load("m-0", "m"), b"1,a\r\n2,\n").len() as u64);
    assert_eq!(send_multipart(&client, UPLOAD, &load("m-0", "m"), b"3,c\n").verdict(), "409 duplicate");
    assert_eq!(count(&client, "m"), "6");
}

#[test]
fn a_file_comes_in_pieces() {
    let (running, client) = start();
    let file = "1,0123456789\n".repeat(80_000).into_bytes();
    let total = file.len();
    let begun = begin(&client, &load("r", "r"), &["X-Upload-Content-Type: */*", &format!("X-Upload-Content-Length: {total}")]);
    assert_eq!((begun.status, begun.body.len()), (200, 0));
    let location = location(&client, &begun);
    assert!(location.contains(begun.header("x-guploader-uploadid").unwrap()));
    let step = CHUNK_STEP_BYTES;
    let part = |first: usize, end: usize| put(&client, &location, &format!("bytes {first}-{}/{total}", end - 1), &file[first..end]);
    let asked = || told(&put(&client, &location, "bytes */*", b""));
    assert_eq!(asked(), "308 -");
    assert_eq!(told(&part(0, step)), "308 bytes=0-262143");
    assert_eq!(client.get(&format!("{JOBS}/r")).verdict(), "404 notFound");
    // The answer was lost, and the piece comes again.
    assert_eq!(told(&part(0, step)), "308 bytes=0-262143");
    assert_eq!(told(&part(2 * step, 3 * step)), "503 backendError");
    running.faults().add(Fault { verb: Some("PUT".to_owned()), ..Fault::once("/upload/", Act::KeepBytes { bytes: 10 }) });
    assert_eq!(told(&part(step, 2 * step)), "308 bytes=0-262143");
    running.faults().add(Fault::once("/upload/", Act::Answer { status: 503, reason: Reason::BackendError, message: "no".to_owned() }));
    assert_eq!(told(&part(step, 2 * step)), "503 backendError");
    assert_eq!(asked(), "308 bytes=0-262143");
    let follows = client.send_bytes(
        "PUT",
        &location,
        &file[step..2 * step],
        &[&format!("Content-Range: bytes {step}-{}/{total}", 2 * step - 1), "X-GUploader-No-308: yes"],
    );
    let overridden = follows.header("x-http-status-code-override");
    assert_eq!((follows.status, overridden, follows.header("range")), (200, Some("308"), Some("bytes=0-524287")));
    running.faults().add(Fault::once("/upload/", Act::Reset { after_bytes: 5 }));
    assert!(part(2 * step, total).broken);
    // What became of it is told again.
    let ended = put(&client, &location, &format!("bytes */{total}"), b"");
    assert_eq!((ended.status, &ended.json()["jobReference"]["jobId"]), (200, &json!("r")));
    let job = done(&client, "r");
    let load = &job["statistics"]["load"];
    assert_eq!((&load["outputRows"], &load["inputFileBytes"]), (&json!("80000"), &json!(total.to_string())));
    assert_eq!(client.send("DELETE", &location, "", &[]).verdict(), "400 invalid");
    assert!(
        running.requests().iter().filter(|request| request.verb == "PUT").all(|request| request.method == Some("bigquery.jobs.insert"))
    );
}

#[test]
fn uploads_are_given_up() {
    let (_running, client) = start();
    let location = location(&client, &begin(&client, &load("g", "g"), &[]));
    assert_eq!(put(&client, &location, "bytes 0-262143/*", &vec![b'1'; CHUNK_STEP_BYTES]).status, 308);
    let cancelled = client.send("DELETE", &location, "", &[]);
    assert_eq!((cancelled.status, cancelled.body.len()), (499, 0));
    assert_eq!(put(&client, &location, "bytes */*", b"").verdict(), "404 notFound");
    assert_eq!(client.get(&format!("{JOBS}/g")).verdict(), "404 notFound");
}

#[test]
fn a_job_that_cannot_be_made_ends_its_upload() {
    let (_running, client) = start();
    let first = location(&client, &begin(&client, &load("twice", "t"), &[]));
    let second = location(&client, &begin(&client, &load("twice", "t"), &[]));
    let file = b"1,a\n";
    assert_eq!(put(&client, &first, "bytes 0-3/4", file).verdict(), "200 ");
    assert_eq!(put(&client, &second, "bytes 0-3/4", file).verdict(), "409 duplicate");
    assert_eq!(put(&client, &second, "bytes */4", b"").verdict(), "409 duplicate");
    done(&client, "twice");
    assert_eq!(count(&client, "t"), "1");
}

#[test]
fn uploads_belong_to_those_who_began_them() {
    let token = |bearer: &str| Token { bearer: bearer.to_owned(), user_email: format!("{bearer}@acme.example") };
    let settings = Settings { tokens: vec![token("ada"), token("bob")], ..Settings::default() };
    let running = Sandbox::start(engine(), settings).unwrap();
    let of = |token: &'static str| Client { address: running.address, token: Some(token) };
    let begun = location(&of("ada"), &begin(&of("ada"), &load("own", "own"), &[]));
    assert_eq!(put(&of("bob"), &begun, "bytes 0-3/4", b"1,a\n").verdict(), "404 notFound");
    assert_eq!(of("bob").send("DELETE", &begun, "", &[]).verdict(), "404 notFound");
    assert_eq!(put(&of("nobody"), &begun, "bytes 0-3/4", b"1,a\n").verdict(), "401 authError");
    let elsewhere = begun.replace("acme-prod", "other");
    assert_eq!(put(&of("ada"), &elsewhere, "bytes 0-3/4", b"1,a\n").verdict(), "404 notFound");
    let job = put(&of("ada"), &begun, "bytes 0-3/4", b"1,a\n").json();
    assert_eq!(job["user_email"], "ada@acme.example");
}

#[test]
fn what_is_no_upload_is_refused() {
    let (_running, client) = start();
    let check = |verb: &str, query: &str, body: &str, headers: &[&str], expect: &str| {
        assert_eq!(client.send(verb, &format!("{UPLOAD}{query}"), body, headers).verdict(), expect, "{verb} {query} {body}");
    };
    let job = load("n", "n");
    let text = job.to_string();
    check("POST", "", &text, &[], "400 invalid");
    check("POST", "?uploadType=media", "1,a", &[], "400 invalid");
    check("POST", "?uploadType=multipart", &text, &[], "400 invalid");
    check("POST", "?uploadType=resumable", "", &[], "400 invalid");
    check("POST", "?uploadType=resumable", "{broken", &[], "400 invalid");
    check("POST", "?uploadType=resumable", &text, &["X-Goog-Upload-Protocol: resumable"], "501 notImplemented");
    check("POST", "?uploadType=resumable", &text, &["X-Upload-Content-Length: many"], "400 invalid");
    check("POST", "?uploadType=resumable", &text, &[&format!("X-Upload-Content-Length: {}", UPLOAD_BYTES_MAX + 1)], "400 invalid");
    check("GET", "?uploadType=resumable", "", &[], "400 invalid");
    check("PUT", "?uploadType=resumable&upload_id=none", "", &["Content-Range: bytes */*"], "404 notFound");
    check("PUT", "?uploadType=resumable", "", &["Content-Range: bytes */*"], "400 invalid");
    let query = json!({ "configuration": { "query": { "query": "SELECT 1", "useLegacySql": false } } });
    check("POST", "?uploadType=resumable", &query.to_string(), &[], "400 invalid");
    assert_eq!(send_multipart(&client, UPLOAD, &query, b"1").verdict(), "400 invalid");
    assert_eq!(client.send("POST", "/upload/bigquery/v2/projects/acme-prod/queries", "", &[]).verdict(), "404 notFound");
    let begun = location(&client, &begin(&client, &job, &[]));
    assert_eq!(client.send("PUT", &begun, "1,a\n", &["Content-Range: bytes 0-4/5"]).verdict(), "400 invalid");
    assert_eq!(client.send("PUT", &begun, "1,a\n", &["Content-Range: 0-3/4"]).verdict(), "400 invalid");
    assert_eq!(client.send("PUT", &begun, "", &["Content-Encoding: gzip"]).verdict(), "400 invalid");
}
