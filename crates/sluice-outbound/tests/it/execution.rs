//! The embedded warehouse, failing as planned: what it executed, counted in its tables and in its own request log.

use crate::ground::{PROJECT, bigquery, connected, insert, job, registrar, request, sandbox, settings, shown};
use serde_json::json;
use sluice_app::{JobRows, JobState, RawRows, RowsAsk, UPLOAD_IDLE_SECONDS_MAX, Upload, Upstream, UpstreamFault};
use sluice_mask::RawPage;
use sluice_outbound::{BigQuery, Timing, UPLOAD_CHUNK_BYTES};
use sluice_policy::Verb;
use sluice_sandbox::problem::Reason;
use sluice_sandbox::{Act, Fault, Running};
use sluice_testkit::recorded::caller;
use std::time::Duration;

/// Rows of a table, by the warehouse's own count.
fn rows_in(running: &Running, dataset: &str, table: &str) -> u64 {
    let state = running.warehouse().snapshot();
    let name = sluice_model::TableName::new(PROJECT, dataset, table);
    state.table(&name).unwrap().rows.count()
}

async fn dispatch(bigquery: &BigQuery, id: &str, sql: &str) -> Result<JobState, UpstreamFault> {
    bigquery.dispatch(&registrar().permit(&caller("etl"), insert(id, sql)).await, None).await
}

async fn wait(bigquery: &BigQuery, id: &str, patience_seconds: u64) -> Result<JobState, UpstreamFault> {
    let permit = registrar().permit(&caller("etl"), insert(id, "SELECT 1")).await;
    bigquery.job(&permit, &job(id), Duration::from_secs(patience_seconds)).await
}

/// Inserts that were seen, whatever became of their answers.
fn inserts(running: &Running) -> usize {
    running.requests().iter().filter(|request| request.method == Some("bigquery.jobs.insert")).count()
}

fn whole(rows: RawRows) -> RawPage {
    match rows {
        RawRows::Whole(page) => *page,
        RawRows::Begun(..) => panic!("a short page is there at once"),
    }
}

#[tokio::test]
async fn a_job_is_sent_followed_and_read() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let sent = dispatch(&bigquery, "read", "SELECT id, name FROM clinic.patients ORDER BY id LIMIT 3").await.unwrap();
    assert_eq!((sent.name.id.as_str(), sent.name.location.as_deref(), sent.done), ("read", Some("us"), false));
    let state = wait(&bigquery, "read", 20).await.unwrap();
    assert!(state.done && state.error.is_none());
    assert_eq!(state.statement_type.as_deref(), Some("SELECT"));
    assert_eq!(state.referenced_tables.iter().map(|name| name.table.as_str()).collect::<Vec<_>>(), ["patients"]);
    let columns: Vec<String> = state.schema.iter().flatten().map(|field| format!("{} {}", field.name, field.kind)).collect();
    assert_eq!(columns, ["id INT64", "name STRING"]);
    assert_eq!(state.head.as_ref().and_then(|head| head.total_rows), Some(3));
    assert!(state.destination.is_some() && state.statistics.contains_key("totalBytesProcessed"));
    let permit = registrar().permit(&caller("etl"), insert("read", "SELECT 1")).await;
    let page = |token: Option<String>| {
        RowsAsk::OfJob(JobRows { job: state.name.clone(), rows_max: Some(2), page_token: token, ..JobRows::default() })
    };
    let first = whole(bigquery.rows(&permit, &page(None)).await.unwrap());
    assert_eq!((first.fits_schema().unwrap(), first.head.complete), (2, true));
    let second = whole(bigquery.rows(&permit, &page(first.head.page_token.clone())).await.unwrap());
    assert_eq!((second.fits_schema().unwrap(), second.head.page_token), (1, None));
    let listed = request(Verb::Get, &format!("projects/{PROJECT}/datasets/clinic/tables/patients/data"), None);
    let all = whole(bigquery.rows(&registrar().permit(&caller("etl"), listed).await, &RowsAsk::AsSent).await.unwrap());
    assert_eq!(all.head.total_rows, Some(rows_in(&running, "clinic", "patients")));
}

#[tokio::test]
async fn a_dry_run_executes_nothing() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let before = rows_in(&running, "clinic", "visits");
    let estimate = registrar().estimate(&caller("etl"), insert("dry", "INSERT clinic.visits (id) SELECT id FROM clinic.patients")).await;
    let said = bigquery.estimate(&estimate).await.unwrap();
    assert_eq!(said.statement_type.as_deref(), Some("INSERT"));
    assert!(said.bytes.is_some_and(|bytes| bytes > 0));
    let mut tables: Vec<&str> = said.referenced_tables.iter().map(|name| name.table.as_str()).collect();
    tables.sort_unstable();
    assert!(tables.contains(&"patients"), "{tables:?}");
    assert_eq!(rows_in(&running, "clinic", "visits"), before);
    let sent = running.requests();
    assert!(sent.iter().all(|request| request.body.contains("\"dryRun\":true") && !request.body.contains("jobId")), "{sent:?}");
    let wrong = registrar().estimate(&caller("etl"), insert("dry", "SELECT nothing FROM clinic.visits")).await;
    assert_eq!(bigquery.estimate(&wrong).await.map_err(|fault| shown(&fault)).map(|_| ()), Err("Refused 400 invalidQuery".to_owned()));
}

/// The answer to the insert breaks at each sixteenth of it, and in other ways; the statement is executed once.
#[tokio::test]
async fn an_insert_whose_answer_is_lost_runs_once() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let mut acts: Vec<(String, Act)> = (0..16).map(|part| (format!("reset{part}"), Act::Reset { after_bytes: part * 40 })).collect();
    acts.push(("gzip".to_owned(), Act::TruncatedGzip));
    acts.push(("late".to_owned(), Act::Delay { milliseconds: crate::ground::ANSWER_MILLISECONDS + 500 }));
    acts.push(("busy".to_owned(), Act::Answer { status: 503, reason: Reason::BackendError, message: "planned".to_owned() }));
    acts.push(("slow".to_owned(), Act::Answer { status: 429, reason: Reason::RateLimitExceeded, message: "planned".to_owned() }));
    let mut expect = rows_in(&running, "clinic", "visits");
    for (id, act) in acts {
        assert!(running.faults().add(Fault { verb: Some("POST".to_owned()), ..Fault::once("/jobs", act) }));
        let seen = inserts(&running);
        let sent = dispatch(&bigquery, &id, "INSERT clinic.visits (id) VALUES (7)").await;
        assert_eq!(sent.map_err(|fault| shown(&fault)).map(|state| state.name.id), Ok(id.clone()));
        let state = wait(&bigquery, &id, 20).await.unwrap();
        assert!(state.done && state.error.is_none(), "{id}: {:?}", state.error);
        expect += 1;
        assert_eq!(rows_in(&running, "clinic", "visits"), expect, "{id} ran once");
        assert_eq!(inserts(&running) - seen, 2, "{id} was sent twice");
    }
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    dispatch(&bigquery, "mine", "SELECT 1").await.unwrap();
    let fault = dispatch(&bigquery, "mine", "SELECT 2").await.unwrap_err();
    assert_eq!(shown(&fault), "Refused 409 duplicate");
    // The same again is no repetition of ours: nobody lost an answer.
    let fault = dispatch(&bigquery, "mine", "SELECT 1").await.unwrap_err();
    assert_eq!((shown(&fault).as_str(), fault.attempts), ("Refused 409 duplicate", 1));
}

#[tokio::test]
async fn rows_are_appended_once() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    let path = format!("projects/{PROJECT}/datasets/clinic/tables/visits/insertAll");
    let body = json!({ "rows": [{ "json": { "id": 1 } }] }).to_string();
    let mut rows = rows_in(&running, "clinic", "visits");
    // Whether the warehouse goes on with what nobody waits for is its own affair: at most once it does.
    for (act, expect, added) in [
        (Act::Reset { after_bytes: 3 }, "Unavailable ?", 1..=1),
        (Act::TruncatedGzip, "Malformed ?", 1..=1),
        (Act::Delay { milliseconds: crate::ground::ANSWER_MILLISECONDS + 500 }, "Deadline ?", 0..=1),
        (Act::Answer { status: 503, reason: Reason::BackendError, message: "planned".to_owned() }, "Unavailable 503 backendError ?", 0..=0),
    ] {
        assert!(running.faults().add(Fault::once("insertAll", act.clone())));
        let permit = registrar().permit(&caller("etl"), request(Verb::Post, &path, Some(body.clone()))).await;
        let fault = bigquery.send(&permit).await.unwrap_err();
        assert_eq!((shown(&fault).as_str(), fault.attempts), (expect, 1), "{act:?}");
        tokio::time::sleep(Duration::from_millis(700)).await;
        let now = rows_in(&running, "clinic", "visits");
        assert!(added.contains(&(now - rows)), "{act:?}: {} rows", now - rows);
        rows = now;
    }
}

#[tokio::test]
async fn waiting_ends_with_the_job_or_with_patience() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    assert!(running.faults().add(Fault { verb: Some("POST".to_owned()), ..Fault::once("/jobs", Act::Job { milliseconds: 2_500 }) }));
    dispatch(&bigquery, "slow", "SELECT 1").await.unwrap();
    let begun = std::time::Instant::now();
    assert!(!wait(&bigquery, "slow", 0).await.unwrap().done);
    assert!(!wait(&bigquery, "slow", 1).await.unwrap().done);
    assert!(begun.elapsed() < Duration::from_millis(2_400), "{:?}", begun.elapsed());
    let polls = running.requests().len();
    assert!(wait(&bigquery, "slow", 20).await.unwrap().done);
    assert!(running.requests().len() - polls <= 4, "it was held, not asked again and again");
    dispatch(&bigquery, "fails", "SELECT 1 / 0").await.unwrap();
    let failed = wait(&bigquery, "fails", 20).await.unwrap();
    assert!(failed.done && failed.error.is_some() && failed.head.is_none());
    assert_eq!(wait(&bigquery, "never", 1).await.map_err(|fault| shown(&fault)).map(|_| ()), Err("Refused 404 notFound".to_owned()));
}

fn load(id: &str, table: &str) -> sluice_policy::Request {
    let body = json!({
        "jobReference": { "projectId": PROJECT, "jobId": id },
        "configuration": { "load": {
            "sourceFormat": "CSV",
            "destinationTable": { "projectId": PROJECT, "datasetId": "staging", "tableId": table },
            "schema": { "fields": [{ "name": "id", "type": "INTEGER" }, { "name": "text", "type": "STRING" }] },
        } },
    });
    request(Verb::Post, &format!("projects/{PROJECT}/jobs"), Some(body.to_string()))
}

/// A file of so many lines, sent in pieces by a task of its own; without an end where the client hangs up.
fn file(lines: usize, ends: bool) -> Upload {
    let (sender, chunks) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        let text: String = (0..lines).map(|number| format!("{number},{}\n", "x".repeat(90))).collect();
        for piece in text.as_bytes().chunks(100_000) {
            if sender.send(piece.to_vec()).await.is_err() {
                return;
            }
        }
        if ends {
            drop(sender.send(Vec::new()).await);
        }
    });
    Upload { content_type: Some("text/csv".to_owned()), chunks }
}

async fn upload(bigquery: &BigQuery, id: &str, lines: usize, ends: bool) -> Result<JobState, UpstreamFault> {
    bigquery.dispatch(&registrar().permit(&caller("etl"), load(id, id)).await, Some(file(lines, ends))).await
}

#[tokio::test]
async fn files_are_loaded_whole_and_once() {
    let running = sandbox();
    let mut settings = settings(&running.url());
    settings.timing.bulk = Duration::from_secs(30);
    let bigquery = connected(settings);
    let large = 2 * UPLOAD_CHUNK_BYTES / 96;
    let check = async |id: &str, lines: usize, fault: Option<Fault>| {
        running.faults().clear();
        if let Some(fault) = fault {
            assert!(running.faults().add(fault));
        }
        let sent = upload(&bigquery, id, lines, true).await;
        assert_eq!(sent.map_err(|fault| format!("{} {fault}", shown(&fault))).map(|state| state.name.id), Ok(id.to_owned()), "{id}");
        let state = wait(&bigquery, id, 60).await.unwrap();
        assert!(state.done && state.error.is_none(), "{id}: {:?}", state.error);
        assert_eq!(rows_in(&running, "staging", id), lines as u64, "{id}");
    };
    let reset = |skip: u32, verb: &str| Fault {
        verb: Some(verb.to_owned()),
        path: "/upload/".to_owned(),
        skip,
        count: 1,
        act: Act::Reset { after_bytes: 0 },
    };
    check("small", 10, None).await;
    check("small_lost", 10, Some(reset(0, "POST"))).await;
    check("large", large, None).await;
    check("large_begun_twice", large, Some(reset(0, "POST"))).await;
    check("large_first_lost", large, Some(reset(0, "PUT"))).await;
    check("large_second_lost", large, Some(reset(1, "PUT"))).await;
    check("large_last_lost", large, Some(reset(2, "PUT"))).await;
}

#[tokio::test]
async fn half_a_file_is_not_loaded() {
    let running = sandbox();
    let bigquery = bigquery(&running.url());
    for (id, lines) in [("hung_up", 10), ("hung_up_late", 2 * UPLOAD_CHUNK_BYTES / 96)] {
        let fault = upload(&bigquery, id, lines, false).await.unwrap_err();
        assert_eq!(
            (shown(&fault).as_str(), fault.detail.as_str()),
            ("Refused", "the file broke off before it was whole, so nothing of it is loaded")
        );
        assert_eq!(wait(&bigquery, id, 0).await.map_err(|fault| shown(&fault)).map(|_| ()), Err("Refused 404 notFound".to_owned()), "{id}");
    }
}

/// The door says when an upload is gone; until then nobody else ends it.
#[test]
fn an_upload_is_waited_for_as_long_as_the_door_keeps_it() {
    assert!(Timing::default().upload_idle >= Duration::from_secs(UPLOAD_IDLE_SECONDS_MAX));
}
