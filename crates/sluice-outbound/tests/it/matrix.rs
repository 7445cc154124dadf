//! What a warehouse can do wrong, as a table: what was asked, what came back in which order, what is said of it, and what the warehouse has seen.

use crate::double::{Double, Turn, error, error_body, said};
use crate::ground::{PROJECT, bigquery, insert, job, registrar, request, shown};
use serde_json::{Value, json};
use sluice_app::{JobRows, RowsAsk, Upstream};
use sluice_outbound::BigQuery;
use sluice_policy::Verb;
use sluice_testkit::recorded::caller;
use std::io::Write;
use std::time::Duration;
use tokio::task::JoinSet;

/// A call of the port.
#[derive(Clone, Copy, Debug)]
enum Op {
    Delete,
    Dispatch,
    Estimate,
    Get,
    InsertAll,
    Job,
    Patch,
    Rows,
    RowsAsSent,
}

/// Which call, what it meets, `ok` or the fault, and the verbs that the warehouse saw.
type Case = (Op, Vec<Turn>, &'static str, &'static str);

const SQL: &str = "INSERT clinic.visits (id) VALUES (1)";

async fn run(bigquery: &BigQuery, op: Op) -> String {
    let caller = caller("etl");
    let table = format!("projects/{PROJECT}/datasets/clinic/tables/visits");
    let sent = match op {
        Op::Dispatch | Op::Estimate | Op::Job | Op::Rows => insert("j-1", SQL),
        Op::Delete => request(Verb::Delete, &table, None),
        Op::Get => request(Verb::Get, &table, None),
        Op::InsertAll => request(Verb::Post, &format!("{table}/insertAll"), Some("{\"rows\":[]}".to_owned())),
        Op::Patch => request(Verb::Patch, &table, Some("{}".to_owned())),
        Op::RowsAsSent => request(Verb::Get, &format!("{table}/data"), None),
    };
    if let Op::Estimate = op {
        let estimate = registrar().estimate(&caller, sent).await;
        return bigquery.estimate(&estimate).await.map_or_else(|fault| shown(&fault), |_| "ok".to_owned());
    }
    let permit = registrar().permit(&caller, sent).await;
    let rows = |job_rows| RowsAsk::OfJob(JobRows { job: job("j-1"), ..job_rows });
    let fault = match op {
        Op::Dispatch => bigquery.dispatch(&permit, None).await.err(),
        Op::Job => bigquery.job(&permit, &job("j-1"), Duration::ZERO).await.err(),
        Op::Rows => bigquery.rows(&permit, &rows(JobRows::default())).await.err(),
        Op::RowsAsSent => bigquery.rows(&permit, &RowsAsk::AsSent).await.err(),
        _ => bigquery.send(&permit).await.err(),
    };
    fault.map_or_else(|| "ok".to_owned(), |fault| shown(&fault))
}

/// A job as BigQuery answers it, of our statement.
fn resource(state: &str) -> Value {
    json!({
        "jobReference": { "projectId": PROJECT, "jobId": "j-1", "location": "US" },
        "configuration": { "query": { "query": SQL }, "labels": { "sluice_request": "1" } },
        "status": { "state": state },
        "statistics": {},
    })
}

fn ok_job() -> Vec<u8> {
    said("200 OK", &resource("RUNNING").to_string())
}

fn page() -> String {
    json!({
        "jobComplete": true,
        "totalRows": "1",
        "schema": { "fields": [{ "name": "id", "type": "INTEGER" }] },
        "rows": [{ "f": [{ "v": "1" }] }],
    })
    .to_string()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn web(status: &str) -> Turn {
    let html = "<html><body>Error 502 (Server Error)!!1</body></html>";
    Turn::Say(format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{html}", html.len()).into_bytes())
}

fn elsewhere(status: &str) -> Turn {
    raw(&format!("HTTP/1.1 {status}\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"))
}

fn raw(text: &str) -> Turn {
    Turn::Close(text.as_bytes().to_vec())
}

/// Answers that are whole and say no.
fn refusals() -> Vec<Case> {
    let say = |status, reason| vec![Turn::Say(error(status, reason))];
    vec![
        (Op::Dispatch, vec![Turn::Say(ok_job())], "ok", "POST"),
        (Op::Dispatch, say(400, "invalidQuery"), "Refused 400 invalidQuery", "POST"),
        (Op::Dispatch, say(401, "authError"), "Credential 401 authError", "POST"),
        (Op::Dispatch, say(403, "accessDenied"), "Refused 403 accessDenied", "POST"),
        (Op::Dispatch, say(403, "quotaExceeded"), "Refused 403 quotaExceeded", "POST"),
        (Op::Dispatch, say(404, "notFound"), "Refused 404 notFound", "POST"),
        (Op::Dispatch, say(409, "duplicate"), "Refused 409 duplicate", "POST"),
        (Op::Dispatch, say(403, "rateLimitExceeded"), "Unavailable 403 rateLimitExceeded", "POST POST POST"),
        (Op::Dispatch, say(429, "rateLimitExceeded"), "Unavailable 429 rateLimitExceeded", "POST POST POST"),
        (Op::Dispatch, say(500, "internalError"), "Unavailable 500 internalError ?", "POST POST POST"),
        (Op::Dispatch, say(502, "badGateway"), "Unavailable 502 badGateway ?", "POST POST POST"),
        (Op::Dispatch, say(503, "backendError"), "Unavailable 503 backendError ?", "POST POST POST"),
        (Op::Dispatch, say(501, "notImplemented"), "Refused 501 notImplemented", "POST"),
        (Op::Dispatch, vec![Turn::Say(error(503, "backendError")), Turn::Say(ok_job())], "ok", "POST POST"),
        (
            Op::Dispatch,
            vec![Turn::Say(error(429, "rateLimitExceeded")), Turn::Say(error(409, "duplicate"))],
            "Refused 409 duplicate",
            "POST POST",
        ),
        (Op::Estimate, say(400, "invalidQuery"), "Refused 400 invalidQuery", "POST"),
        (Op::Estimate, say(503, "backendError"), "Unavailable 503 backendError", "POST POST POST"),
        (Op::Get, say(404, "notFound"), "Refused 404 notFound", "GET"),
        (Op::Get, say(503, "backendError"), "Unavailable 503 backendError", "GET GET GET"),
        (Op::InsertAll, say(503, "backendError"), "Unavailable 503 backendError ?", "POST"),
        (Op::InsertAll, say(429, "rateLimitExceeded"), "Unavailable 429 rateLimitExceeded", "POST"),
        (Op::InsertAll, say(401, "authError"), "Credential 401 authError", "POST"),
        (Op::Patch, say(412, "conditionNotMet"), "Refused 412 conditionNotMet", "PATCH"),
        (Op::Patch, say(500, "internalError"), "Unavailable 500 internalError ?", "PATCH"),
        (Op::Delete, say(503, "backendError"), "Unavailable 503 backendError ?", "DELETE"),
        (Op::Delete, vec![Turn::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())], "ok", "DELETE"),
        (Op::Job, say(404, "notFound"), "Refused 404 notFound", "GET"),
        (Op::Rows, say(400, "invalidQuery"), "Refused 400 invalidQuery", "GET"),
        (Op::Rows, say(403, "responseTooLarge"), "Refused 403 responseTooLarge", "GET"),
        (Op::RowsAsSent, say(400, "invalid"), "Refused 400 invalid", "GET"),
    ]
}

/// Nobody knows whether the job was taken; its id does.
fn doubts() -> Vec<Case> {
    let taken = || Turn::Say(error(409, "duplicate"));
    let found = |resource: Value| Turn::Say(said("200 OK", &resource.to_string()));
    let other = |pointer: &str, value: Value| {
        let mut other = resource("DONE");
        *other.pointer_mut(pointer).unwrap() = value;
        other
    };
    let lost = || Turn::Reset(Vec::new());
    vec![
        (Op::Dispatch, vec![lost(), taken(), found(resource("DONE"))], "ok", "POST POST GET"),
        (Op::Dispatch, vec![Turn::Close(Vec::new()), taken(), found(resource("PENDING"))], "ok", "POST POST GET"),
        (Op::Dispatch, vec![Turn::Stall(Vec::new()), taken(), found(resource("RUNNING"))], "ok", "POST POST GET"),
        (Op::Dispatch, vec![Turn::Say(error(503, "backendError")), taken(), found(resource("RUNNING"))], "ok", "POST POST GET"),
        (Op::Dispatch, vec![lost(), lost(), taken(), found(resource("RUNNING"))], "ok", "POST POST POST GET"),
        (Op::Dispatch, vec![lost(), taken(), lost(), found(resource("RUNNING"))], "ok", "POST POST GET GET"),
        (Op::Dispatch, vec![lost()], "Unavailable ?", "POST POST POST"),
        (Op::Dispatch, vec![Turn::Stall(Vec::new())], "Deadline ?", "POST POST POST"),
        (
            Op::Dispatch,
            vec![lost(), taken(), found(other("/configuration/query/query", json!("SELECT 2")))],
            "Refused 409 duplicate",
            "POST POST GET",
        ),
        (
            Op::Dispatch,
            vec![lost(), taken(), found(other("/configuration/labels", json!({ "sluice_request": "2" })))],
            "Refused 409 duplicate",
            "POST POST GET",
        ),
        (Op::Dispatch, vec![lost(), taken(), Turn::Say(error(404, "notFound"))], "Unavailable 404 notFound ?", "POST POST GET"),
        (Op::Dispatch, vec![lost(), taken(), found(other("/jobReference/jobId", json!("j-2")))], "Unavailable 200 ?", "POST POST GET"),
        (Op::Dispatch, vec![lost(), Turn::Say(error(400, "invalidQuery"))], "Refused 400 invalidQuery ?", "POST POST"),
        (Op::InsertAll, vec![lost()], "Unavailable ?", "POST"),
        (Op::InsertAll, vec![Turn::Stall(Vec::new())], "Deadline ?", "POST"),
        (Op::InsertAll, vec![Turn::Stall(said("200 OK", "{}")[..20].to_vec())], "Deadline ?", "POST"),
        (Op::Patch, vec![lost()], "Unavailable ?", "PATCH"),
        (Op::Delete, vec![Turn::Close(Vec::new())], "Unavailable ?", "DELETE"),
        (Op::Estimate, vec![lost()], "Unavailable", "POST POST POST"),
        (Op::Get, vec![lost(), Turn::Say(said("200 OK", "{}"))], "ok", "GET GET"),
        (Op::Rows, vec![Turn::Stall(Vec::new()), Turn::Say(said("200 OK", &page()))], "ok", "GET GET"),
    ]
}

/// What no server should say.
fn broken_http() -> Vec<Case> {
    let whole = gzip(&page());
    let mut corrupt = whole.clone();
    let last = corrupt.len() - 6;
    corrupt[last] ^= 0xff;
    let trailing = [whole.as_slice(), b"more"].concat();
    let many: String = (0..400).map(|number| format!("x-{number}: y\r\n")).collect();
    let headed =
        |bytes: usize| format!("HTTP/1.1 200 OK\r\nx: {}\r\nContent-Length: {}\r\n\r\n{}", "y".repeat(bytes), page().len(), page());
    vec![
        (Op::Rows, vec![Turn::Say(packed(&whole))], "ok", "GET"),
        (Op::Rows, vec![Turn::Say(packed(&whole[..whole.len() / 2]))], "Malformed", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(packed(&whole[..whole.len() - 1]))], "Malformed", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(packed(&corrupt))], "Malformed", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(packed(&trailing))], "Malformed", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(packed(page().as_bytes()))], "Malformed", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(packed(&whole[..4])), Turn::Say(packed(&whole))], "ok", "GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\n{}")], "Malformed", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"jobComplete\":")], "Unavailable", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{\"jobComplete\":true}")], "Malformed 200", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}")], "Malformed", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}")], "Malformed", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")], "Unavailable", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{}")], "Unavailable", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 200 OK\r\n")], "Unavailable", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/9.9 200 OK\r\n\r\n")], "Malformed", "GET GET GET"),
        (Op::Rows, vec![raw("SSH-2.0-OpenSSH\r\n\r\n")], "Malformed", "GET GET GET"),
        (Op::Rows, vec![raw("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n")], "Malformed 999", "GET"),
        (Op::Rows, vec![raw(&format!("HTTP/1.1 200 OK\r\n{many}\r\n{{}}"))], "TooLarge", "GET"),
        (Op::Rows, vec![raw(&headed(60_000))], "ok", "GET"),
        (Op::Rows, vec![raw(&headed(66_000))], "TooLarge", "GET"),
        (Op::Rows, vec![raw(&headed(200_000))], "TooLarge", "GET"),
        (Op::Rows, vec![raw(&headed(300_000))], "TooLarge", "GET"),
        (Op::Rows, vec![Turn::Drip(said("200 OK", &page()))], "Deadline", "GET GET GET"),
        (Op::Rows, vec![Turn::Stall(said("200 OK", &page())[..150].to_vec())], "Deadline", "GET GET GET"),
        (Op::InsertAll, vec![Turn::Say(packed(&whole[..9]))], "Malformed ?", "POST"),
        (
            Op::Dispatch,
            vec![raw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")],
            "Malformed 200 ?",
            "POST POST POST",
        ),
    ]
}

/// Good HTTP, and yet not what was asked for.
fn strange_answers() -> Vec<Case> {
    let empty_with_error =
        json!({ "jobComplete": true, "rows": [], "totalRows": "0", "errors": [{ "reason": "invalidQuery", "message": "no" }] });
    let warned =
        json!({ "jobComplete": true, "totalRows": "0", "schema": { "fields": [] }, "errors": [{ "reason": "invalid", "message": "w" }] });
    let job_of = |id: &str, state: &str| {
        let job = json!({ "jobReference": { "projectId": PROJECT, "jobId": id }, "status": { "state": state } });
        vec![Turn::Say(said("200 OK", &job.to_string()))]
    };
    vec![
        (Op::Rows, vec![Turn::Say(said("200 OK", ""))], "Malformed 200", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(said("200 OK", "[]"))], "Malformed 200", "GET GET GET"),
        (Op::Rows, vec![Turn::Say(said("200 OK", &error_body(400, "invalidQuery")))], "Refused 200 invalidQuery", "GET"),
        (Op::Rows, vec![Turn::Say(said("200 OK", &empty_with_error.to_string()))], "Refused 200 invalidQuery", "GET"),
        (Op::Rows, vec![Turn::Say(said("200 OK", &warned.to_string()))], "ok", "GET"),
        (Op::Rows, vec![web("200 OK")], "Malformed 200", "GET GET GET"),
        (Op::Rows, vec![web("502 Bad Gateway")], "Unavailable 502", "GET GET GET"),
        (Op::Rows, vec![web("403 Forbidden")], "Refused 403", "GET"),
        (Op::Get, vec![elsewhere("301 Moved")], "Malformed 301", "GET"),
        (Op::Get, vec![elsewhere("302 Found")], "Malformed 302", "GET"),
        (Op::Get, vec![elsewhere("307 Temporary")], "Malformed 307", "GET"),
        (Op::Get, vec![elsewhere("308 Permanent")], "Malformed 308", "GET"),
        (Op::Get, vec![raw("HTTP/1.1 304 Not Modified\r\n\r\n")], "Malformed 304", "GET"),
        (Op::Dispatch, vec![elsewhere("307 Temporary")], "Malformed 307 ?", "POST"),
        (Op::Dispatch, vec![web("200 OK")], "Malformed 200 ?", "POST POST POST"),
        (Op::Dispatch, vec![web("503 Unavailable"), Turn::Say(ok_job())], "ok", "POST POST"),
        (Op::Dispatch, vec![Turn::Say(said("200 OK", "{\"jobReference\":{}}"))], "Malformed 200 ?", "POST"),
        (Op::Dispatch, vec![Turn::Say(said("200 OK", &error_body(403, "accessDenied")))], "Refused 200 accessDenied ?", "POST"),
        (Op::Job, job_of("j-2", "DONE"), "Malformed 200", "GET"),
        (Op::Job, job_of("j-1", "ALIEN"), "Malformed 200", "GET"),
        (Op::Estimate, vec![Turn::Say(said("200 OK", "{}"))], "Malformed 200", "POST"),
        (Op::InsertAll, vec![web("200 OK")], "Malformed 200 ?", "POST"),
        (Op::Patch, vec![elsewhere("308 Permanent")], "Malformed 308 ?", "PATCH"),
        (Op::Get, vec![Turn::Say(said("200 OK", &format!("{}1{}", "[".repeat(1_000), "]".repeat(1_000))))], "Malformed 200", "GET GET GET"),
    ]
}

async fn check(cases: Vec<Case>) {
    let mut running = JoinSet::new();
    for (op, turns, expect, verbs) in cases {
        running.spawn(async move {
            let double = Double::start(turns.clone()).await;
            let found = run(&bigquery(&double.url), op).await;
            (format!("{op:?} {turns:.200?}"), (found, double.verbs()), (expect.to_owned(), verbs.to_owned()))
        });
    }
    let mut wrong = Vec::new();
    while let Some(done) = running.join_next().await {
        let (what, found, expect) = done.unwrap();
        if found != expect {
            wrong.push(format!("{}\n  found {found:?}\n  not   {expect:?}", what.chars().take(300).collect::<String>()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn what_is_refused_is_asked_once() {
    check(refusals()).await;
}

#[tokio::test]
async fn what_is_in_doubt_is_done_once() {
    check(doubts()).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_no_answer() {
    check(broken_http()).await;
    check(strange_answers()).await;
}

/// A bomb of a page: small on the wire, larger than any page.
#[tokio::test]
async fn pages_are_unpacked_up_to_their_limit() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let block = vec![b' '; 1 << 20];
    for _ in 0..(sluice_mask::PAGE_BYTES_MAX >> 20) + 2 {
        encoder.write_all(&block).unwrap();
    }
    let double = Double::start(vec![Turn::Say(packed(&encoder.finish().unwrap()))]).await;
    let mut settings = crate::ground::settings(&double.url);
    settings.timing.bulk = Duration::from_secs(60);
    assert_eq!(run(&crate::ground::connected(settings), Op::Rows).await, "TooLarge");
    assert_eq!(double.verbs(), "GET");
}

/// Who shows another's certificate sees no request; who shows the right one is asked for gzip.
#[tokio::test]
async fn certificates_come_first() {
    let server = crate::https::serve("localhost", said("200 OK", "{}")).await;
    let mut settings = crate::ground::settings(&format!("https://localhost:{}", server.port));
    settings.certificates_file = Some(server.certificates_file.clone());
    assert_eq!(run(&crate::ground::connected(settings.clone()), Op::Get).await, "ok");
    let stranger = crate::https::serve("localhost", said("200 OK", "{}")).await;
    settings.endpoint = format!("https://localhost:{}", stranger.port);
    for op in [Op::Get, Op::Dispatch, Op::InsertAll] {
        assert_eq!(run(&crate::ground::connected(settings.clone()), op).await, "Unavailable", "{op:?}");
    }
    settings.certificates_file = Some("/nowhere.pem".to_owned());
    assert!(BigQuery::new(&std::collections::BTreeMap::from([("w".to_owned(), settings)])).is_err());
}

/// Nobody listens there: nothing was seen, nothing was done, and everything may be tried again.
#[tokio::test]
async fn what_is_not_reached_has_not_acted() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let bigquery = bigquery(&format!("http://127.0.0.1:{port}"));
    for op in [Op::Dispatch, Op::Delete, Op::InsertAll, Op::Get, Op::Rows, Op::Estimate] {
        assert_eq!(run(&bigquery, op).await, "Unavailable", "{op:?}");
    }
}

/// A server that closes connections which it had promised to keep.
#[tokio::test]
async fn a_connection_that_was_kept_and_closed_is_no_fault() {
    let double =
        Double::start(vec![Turn::Close(said("200 OK", "{}")), Turn::Close(said("200 OK", "{}")), Turn::Close(said("200 OK", "{}"))]).await;
    let bigquery = bigquery(&double.url);
    for op in [Op::Get, Op::Patch, Op::InsertAll] {
        assert_eq!(run(&bigquery, op).await, "ok", "{op:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(double.verbs(), "GET PATCH POST");
}

#[tokio::test]
async fn what_is_sent_is_what_was_permitted() {
    let double = Double::start(vec![Turn::Say(said("200 OK", "{}"))]).await;
    let mut settings = crate::ground::settings(&double.url);
    settings.user_project = Some("payer".to_owned());
    settings.credentials = sluice_outbound::CredentialsSettings::Token(sluice_outbound::Secret::new("t0ken"));
    let bigquery = crate::ground::connected(settings);
    let caller = caller("etl");
    let mut sent = request(Verb::Patch, "projects/p/datasets/d/tables/t%2F1", Some("{\"a\":1}".to_owned()));
    sent.sends.query = vec![("autodetect_schema".to_owned(), "a b&c".to_owned())];
    sent.sends.if_match = Some("\"etag\"".to_owned());
    bigquery.send(&registrar().permit(&caller, sent).await).await.unwrap();
    let seen = &double.seen()[0];
    assert_eq!(seen.target, "/bigquery/v2/projects/p/datasets/d/tables/t%2F1?autodetect_schema=a%20b%26c");
    assert_eq!(seen.body, b"{\"a\":1}");
    let head = seen.head.to_ascii_lowercase();
    for line in ["authorization: bearer t0ken", "x-goog-user-project: payer", "if-match: \"etag\"", "user-agent: sluice/"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    for path in ["/projects/p", "projects/../x", "projects/p?x=1", "projects//p", "http://evil/", ""] {
        let permit = registrar().permit(&caller, request(Verb::Get, path, None)).await;
        assert_eq!(bigquery.send(&permit).await.map_err(|fault| shown(&fault)).map(|_| ()), Err("Refused".to_owned()), "{path}");
    }
    assert_eq!(double.seen().len(), 1);
}
