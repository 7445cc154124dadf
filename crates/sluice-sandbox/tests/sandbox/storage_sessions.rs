//! The Storage Read API: what a session is, who may have one, what is refused, and what is written down.

use super::http::Client;
use super::storage_client::{Form, OutputFormatSerializationOptions, PLAIN, Storage, options, session};
use super::warehouse::engine;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use serde_json::{Value, json};
use sluice_sandbox::problem::Reason;
use sluice_sandbox::{Act, Fault, Running, Sandbox, Settings, Token};
use std::time::{Duration, Instant};
use tonic::Code;

const QUERIES: &str = "/bigquery/v2/projects/acme-prod/queries";
const READ_ROWS: &str = "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows";

fn start() -> (Running, Client, Storage) {
    let running = Sandbox::start(engine(), Settings::default()).unwrap();
    let client = Client { address: running.address, token: None };
    let storage = Storage::connect(&running);
    (running, client, storage)
}

fn query(sql: &str) -> Value {
    json!({ "query": sql, "useLegacySql": false, "formatOptions": { "useInt64Timestamp": true } })
}

fn answer(client: &Client, sql: &str) -> Vec<Value> {
    client.post(QUERIES, query(sql)).json()["rows"].as_array().cloned().unwrap_or_default()
}

#[test]
fn rows_are_restricted_by_googlesql_itself() {
    let (_running, client, mut storage) = start();
    let restricted = |restriction: &str| {
        let mut request = session("shop.orders", PLAIN);
        options(&mut request).row_restriction = restriction.to_owned();
        request
    };
    for restriction in
        ["id > 70", "id BETWEEN 3 AND 5 OR id IN (9)", "MOD(id, 7) = 0 -- sevenths", "id IS NULL", "  ", "LENGTH(CAST(id AS STRING)) = 1"]
    {
        let (made, rows) = storage.open(restricted(restriction));
        let condition = if restriction.trim().is_empty() { "TRUE" } else { restriction };
        let expect = answer(&client, &format!("SELECT * FROM shop.orders WHERE {condition}"));
        assert_eq!(rows, expect, "{restriction}");
        assert_eq!((made.estimated_row_count, made.streams.is_empty()), (rows.len() as i64, rows.is_empty()), "{restriction}");
    }
    let refused = [
        "nope > 1",
        "id >",
        "id",
        "COUNT(*) > 1",
        "id > 1; DROP TABLE shop.orders",
        "TRUE UNION ALL SELECT * FROM shop.orders",
        "TRUE ORDER BY id LIMIT 1",
        "TRUE LIMIT 1",
        "TRUE GROUP BY id",
        "TRUE QUALIFY ROW_NUMBER() OVER () = 1",
        "TRUE |> LIMIT 1",
        "id = (SELECT MAX(id) FROM shop.orders)",
        "EXISTS (SELECT 1 FROM clinic.patients WHERE name LIKE 'A%')",
        "id IN (SELECT id FROM clinic.patients)",
        "id = @id",
    ];
    for restriction in refused {
        let status = storage.create(restricted(restriction)).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{restriction}: {status}");
        assert!(status.message().starts_with("request failed: Row filter for table acme-prod:shop.orders is invalid"), "{status}");
    }
    let long = storage.create(restricted(&format!("TRUE {}", " ".repeat(1024 * 1024)))).unwrap_err();
    assert!(long.code() == Code::InvalidArgument && long.message().contains("1048576"), "{long}");
    let mut generated = session("bench.events", PLAIN);
    options(&mut generated).row_restriction = "id = 1".to_owned();
    assert_eq!(storage.create(generated).unwrap_err().code(), Code::Unimplemented);
    // A condition and a selection: what decides does not have to be read.
    let mut both = restricted("id < 3");
    options(&mut both).selected_fields = vec!["status".to_owned()];
    assert_eq!(storage.open(both).1, answer(&client, "SELECT status FROM shop.orders WHERE id < 3"));
}

#[test]
fn streams_have_all_rows_once() {
    let (_running, client, mut storage) = start();
    let expect = answer(&client, "SELECT * FROM shop.orders");
    let check = |storage: &mut Storage, max: i32, preferred: i32, streams: usize| {
        let mut request = session("shop.orders", Form::Avro);
        (request.max_stream_count, request.preferred_min_stream_count) = (max, preferred);
        let (made, rows) = storage.open(request);
        assert_eq!((made.streams.len(), &rows), (streams, &expect), "{max} {preferred}");
        made
    };
    check(&mut storage, 0, 0, 1);
    check(&mut storage, 3, 0, 3);
    check(&mut storage, 0, 4, 4);
    check(&mut storage, 1_000, 0, expect.len());
    let made = check(&mut storage, 1, 0, 1);
    let whole = &made.streams[0].name;
    let [first, second] = storage.split(whole, 0.25).unwrap().unwrap();
    let (first_rows, second_rows) = (storage.rows(&made, &first, 0), storage.rows(&made, &second, 0));
    assert_eq!(first_rows.len(), expect.len() / 4);
    assert_eq!([first_rows, second_rows].concat(), expect);
    assert_eq!(storage.rows(&made, whole, 0), expect);
    let mut halves = vec![second];
    while let Some([_, rest]) = storage.split(halves.last().unwrap(), 0.5).unwrap() {
        halves.push(rest);
    }
    assert_eq!(storage.rows(&made, halves.last().unwrap(), 0), expect[expect.len() - 1..]);
    for fraction in [0.0, 1.0, -0.5, 2.0, f64::NAN] {
        assert_eq!(storage.split(whole, fraction).unwrap_err().code(), Code::InvalidArgument, "{fraction}");
    }
    let mut request = session("shop.orders", PLAIN);
    (request.max_stream_count, request.preferred_min_stream_count) = (2, 3);
    assert_eq!(storage.create(request).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn a_session_keeps_its_moment() {
    let (_running, client, mut storage) = start();
    let expect = answer(&client, "SELECT * FROM shop.orders");
    let made = storage.create(session("shop.orders", PLAIN)).unwrap();
    client.post(QUERIES, query("DELETE shop.orders WHERE TRUE"));
    assert_eq!(storage.rows(&made, &made.streams[0].name, 0), expect);
    let empty = storage.create(session("shop.orders", PLAIN)).unwrap();
    assert!(empty.streams.is_empty() && empty.schema.is_some() && empty.estimated_row_count == 0);
    let lasts = empty.expire_time.unwrap().seconds - i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((6 * 3600 - 60..=6 * 3600).contains(&lasts), "{lasts}");
    assert!(empty.name.starts_with("projects/acme-prod/locations/us/sessions/"), "{}", empty.name);
}

#[test]
fn results_of_queries_are_read() {
    let (_running, client, mut storage) = start();
    let sql = "SELECT id, ward, [STRUCT(id AS x, CURRENT_DATE() > '2020-01-01' AS later)] AS nested FROM clinic.patients ORDER BY id";
    let job = client.post(QUERIES, query(sql)).json()["jobReference"]["jobId"].as_str().unwrap().to_owned();
    let job = client.get(&format!("/bigquery/v2/projects/acme-prod/jobs/{job}")).json();
    let table = &job["configuration"]["query"]["destinationTable"];
    let name = format!("{}.{}", table["datasetId"].as_str().unwrap(), table["tableId"].as_str().unwrap());
    let (_, rows) = storage.open(session(&name, PLAIN));
    assert_eq!(rows, answer(&client, sql));
    let mut restricted = session(&name, Form::Avro);
    options(&mut restricted).row_restriction = "ward = 'D'".to_owned();
    let (_, rows) = storage.open(restricted);
    assert!(!rows.is_empty() && rows.iter().all(|row| row["f"][1]["v"] == "D"));
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let (_running, _client, mut storage) = start();
    let check = |storage: &mut Storage, change: &dyn Fn(&mut api::CreateReadSessionRequest), expect: (Code, &str)| {
        let mut request = session("shop.orders", PLAIN);
        change(&mut request);
        let status = storage.create(request).unwrap_err();
        assert!(status.code() == expect.0 && status.message().contains(expect.1), "{status}");
    };
    let table = |name: &str| {
        let name = format!("projects/acme-prod/datasets/{}/tables/{}", name.split_once('.').unwrap().0, name.split_once('.').unwrap().1);
        move |request: &mut api::CreateReadSessionRequest| request.read_session.as_mut().unwrap().table.clone_from(&name)
    };
    let wanted = |request: &mut api::CreateReadSessionRequest| request.read_session.clone().unwrap_or_default();
    check(&mut storage, &table("shop.nowhere"), (Code::NotFound, "Not found: Table acme-prod:shop.nowhere"));
    check(&mut storage, &table("nowhere.orders"), (Code::NotFound, "Not found: Dataset"));
    check(&mut storage, &table("clinic.v_badges"), (Code::InvalidArgument, "is a view"));
    check(&mut storage, &table("shop.orders$20260101"), (Code::Unimplemented, "decorators"));
    check(&mut storage, &|request| request.parent = "acme-prod".to_owned(), (Code::InvalidArgument, "parent"));
    check(&mut storage, &|request| request.read_session = None, (Code::InvalidArgument, "read_session"));
    check(&mut storage, &|request| request.max_stream_count = -1, (Code::InvalidArgument, "max_stream_count"));
    check(
        &mut storage,
        &|request| request.read_session = Some(api::ReadSession { data_format: 0, ..wanted(request) }),
        (Code::InvalidArgument, "data_format"),
    );
    check(
        &mut storage,
        &|request| {
            let table_modifiers = Some(api::read_session::TableModifiers { snapshot_time: Some(Default::default()) });
            request.read_session = Some(api::ReadSession { table_modifiers, ..wanted(request) });
        },
        (Code::Unimplemented, "snapshot_time"),
    );
    check(&mut storage, &|request| options(request).sample_percentage = Some(10.0), (Code::Unimplemented, "sample_percentage"));
    check(
        &mut storage,
        &|request| options(request).response_compression_codec = Some(2),
        (Code::Unimplemented, "response_compression_codec"),
    );
    let display = api::AvroSerializationOptions { enable_display_name_attribute: true, ..Default::default() };
    let display = OutputFormatSerializationOptions::AvroSerializationOptions(display);
    check(
        &mut storage,
        &|request| options(request).output_format_serialization_options = Some(display),
        (Code::Unimplemented, "enable_display_name_attribute"),
    );
    let missing = storage.read("projects/acme-prod/locations/us/sessions/none/streams/0", 0).end.unwrap_err();
    assert_eq!(missing.code(), Code::NotFound);
    assert_eq!(storage.split("nothing", 0.5).unwrap_err().code(), Code::NotFound);
}

#[test]
fn a_token_is_demanded_and_everything_is_written_down() {
    let token = Token { bearer: "canary-7f3a".to_owned(), user_email: "ada@acme.example".to_owned() };
    let running = Sandbox::start(engine(), Settings { tokens: vec![token], ..Settings::default() }).unwrap();
    let mut storage = Storage::connect(&running);
    let refused = |storage: &mut Storage| storage.create(session("shop.orders", PLAIN)).unwrap_err().code();
    assert_eq!(refused(&mut storage), Code::Unauthenticated);
    storage.token = Some("wrong");
    assert_eq!(refused(&mut storage), Code::Unauthenticated);
    assert_eq!(storage.read("nothing", 0).end.unwrap_err().code(), Code::Unauthenticated);
    storage.token = Some("canary-7f3a");
    let mut request = session("shop.orders", PLAIN);
    options(&mut request).selected_fields = vec!["id".to_owned()];
    options(&mut request).row_restriction = "id > 3".to_owned();
    let made = storage.create(request).unwrap();
    let stream = made.streams[0].name.clone();
    storage.read(&stream, 2).end.unwrap();
    storage.split(&stream, 0.5).unwrap();
    assert_eq!(storage.read(&stream, 1_000).end.unwrap_err().code(), Code::OutOfRange);
    let entries = running.requests();
    let told: Vec<(&str, Option<&str>, u16)> =
        entries.iter().map(|entry| (entry.method.unwrap().rsplit('.').next().unwrap(), entry.caller.as_deref(), entry.status)).collect();
    let ada = Some("ada@acme.example");
    let expect = [
        ("CreateReadSession", None, 401),
        ("CreateReadSession", None, 401),
        ("ReadRows", None, 401),
        ("CreateReadSession", ada, 200),
        ("ReadRows", ada, 200),
        ("SplitReadStream", ada, 200),
        ("ReadRows", ada, 400),
    ];
    assert_eq!(told, expect);
    assert!(!format!("{entries:?}").contains("canary-7f3a"));
    let body = |place: usize| serde_json::from_str::<Value>(&entries[place].body).unwrap();
    assert_eq!(body(3)["readSession"]["table"], "projects/acme-prod/datasets/shop/tables/orders");
    assert_eq!(body(3)["readSession"]["readOptions"]["rowRestriction"], "id > 3");
    assert_eq!(body(4), json!({ "readStream": stream, "offset": 2 }));
    assert_eq!(body(5), json!({ "name": stream, "fraction": 0.5 }));
    assert!(entries[4].body_bytes > 0 && entries[4].target == READ_ROWS && entries[4].verb == "POST");
}

#[test]
fn faults_are_met_as_planned() {
    let (running, _client, mut storage) = start();
    let mut request = session("bench.events", PLAIN);
    request.max_stream_count = 200;
    let made = storage.create(request).unwrap();
    let stream = made.streams[0].name.clone();
    let whole = storage.rows(&made, &stream, 0);
    let act = Act::Answer { status: 503, reason: Reason::BackendError, message: "try again".to_owned() };
    running.faults().add(Fault::once(READ_ROWS, act));
    let refused = storage.read(&stream, 0).end.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "try again"));
    let act = Act::BreakStream { after_messages: 2, reason: Reason::BackendError, message: "gone".to_owned() };
    running.faults().add(Fault::once(READ_ROWS, act));
    let broken = storage.read(&stream, 0);
    assert_eq!((broken.messages.len(), broken.end.unwrap_err().code()), (2, Code::Unavailable));
    let rows = super::storage_client::rows(&made, &broken.messages);
    let rest = storage.rows(&made, &stream, i64::try_from(rows.len()).unwrap());
    assert_eq!([rows, rest].concat(), whole);
    running.faults().add(Fault::once(READ_ROWS, Act::Reset { after_bytes: 5_000 }));
    let reset = storage.read(&stream, 0);
    assert!(reset.messages.is_empty() && reset.end.is_err());
    running.faults().add(Fault::once("CreateReadSession", Act::Delay { milliseconds: 200 }));
    let started = Instant::now();
    storage.create(session("shop.orders", PLAIN)).unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(running.faults().waiting(), 0);
    let statuses: Vec<u16> = running.requests().iter().filter(|entry| entry.target == READ_ROWS).map(|entry| entry.status).collect();
    assert_eq!(statuses[..4], [200, 503, 503, 200]);
}

#[test]
fn whoever_goes_away_is_written_down() {
    let (running, _client, mut storage) = start();
    let made = storage.create(session("bench.events", PLAIN)).unwrap();
    let read = storage.read_some(&made.streams[0].name, 0, 1);
    assert_eq!(read.messages.len(), 1);
    drop(storage);
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = || running.requests().last().map(|entry| entry.status);
    while status() != Some(499) && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert_eq!(status(), Some(499));
}
