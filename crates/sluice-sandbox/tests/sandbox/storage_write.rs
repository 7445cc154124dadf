//! The Storage Write API: streams of each kind, offsets, rows that do not fit, and when rows are seen.

use super::http::Client;
use super::storage_client::Storage;
use super::storage_rows::{Kind, PLAIN, more, outcome, path, request, row, rows, schema};
use super::warehouse::engine;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use prost_types::field_descriptor_proto::Type;
use serde_json::{Value, json};
use sluice_sandbox::{Running, Sandbox, Settings, Token};
use tonic::{Code, Status};

const OFFSET_EXISTS: i32 = Code::AlreadyExists as i32;
const OUT_OF_RANGE: i32 = Code::OutOfRange as i32;
const INVALID: i32 = Code::InvalidArgument as i32;

struct World {
    _running: Running,
    client: Client,
    storage: Storage,
}

impl World {
    fn start(columns: &str) -> World {
        let running = Sandbox::start(engine(), Settings::default()).unwrap();
        let client = Client { address: running.address, token: None };
        let storage = Storage::connect(&running);
        let world = World { _running: running, client, storage };
        world.ask(&format!("CREATE TABLE staging.appended ({columns})"));
        world
    }

    fn ask(&self, sql: &str) -> Value {
        let answer = self.client.post("/bigquery/v2/projects/acme-prod/queries", json!({ "query": sql, "useLegacySql": false })).json();
        assert_eq!(answer["jobComplete"], true, "{answer}");
        answer
    }

    fn count(&self) -> String {
        self.ask("SELECT COUNT(*) FROM staging.appended")["rows"][0]["f"][0]["v"].as_str().unwrap().to_owned()
    }

    fn create(&mut self, kind: Kind) -> api::WriteStream {
        let write_stream = Some(api::WriteStream { r#type: kind.into(), ..Default::default() });
        let asked = api::CreateWriteStreamRequest { parent: path("staging", "appended"), write_stream };
        self.storage.write(asked, async |client, asked| client.create_write_stream(asked).await).unwrap()
    }

    fn append(&mut self, requests: Vec<api::AppendRowsRequest>) -> (Vec<api::AppendRowsResponse>, Result<(), Status>) {
        self.storage.append(requests)
    }

    /// What each request came to, all taken.
    fn outcomes(&mut self, requests: Vec<api::AppendRowsRequest>) -> Vec<Result<Option<i64>, i32>> {
        let (answers, end) = self.append(requests);
        assert!(end.is_ok(), "{end:?}");
        answers.iter().map(outcome).collect()
    }

    fn refused(&mut self, request: api::AppendRowsRequest, code: Code, part: &str) {
        let (answers, end) = self.append(vec![request]);
        let status = end.unwrap_err();
        assert!(answers.is_empty() && status.code() == code && status.message().contains(part), "{status}");
    }

    fn finalize(&mut self, name: &str) -> Result<i64, Status> {
        let asked = api::FinalizeWriteStreamRequest { name: name.to_owned() };
        self.storage.write(asked, async |client, asked| client.finalize_write_stream(asked).await).map(|answer| answer.row_count)
    }

    fn commit(&mut self, streams: &[&str]) -> api::BatchCommitWriteStreamsResponse {
        let write_streams = streams.iter().map(|name| (*name).to_owned()).collect();
        let asked = api::BatchCommitWriteStreamsRequest { parent: path("staging", "appended"), write_streams };
        self.storage.write(asked, async |client, asked| client.batch_commit_write_streams(asked).await).unwrap()
    }

    fn flush(&mut self, name: &str, offset: i64) -> Result<i64, Status> {
        let asked = api::FlushRowsRequest { write_stream: name.to_owned(), offset: Some(offset) };
        self.storage.write(asked, async |client, asked| client.flush_rows(asked).await).map(|answer| answer.offset)
    }
}

#[test]
fn committed_rows_are_seen_at_once_and_offsets_are_kept() {
    let mut world = World::start("id INT64, name STRING");
    let made = world.create(Kind::Committed);
    assert_eq!(made.table_schema.unwrap().fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>(), ["id", "name"]);
    let (name, finalized) = (made.name.as_str(), Err(INVALID));
    let found =
        world.outcomes(vec![rows(name, Some(0), 0..3), more(Some(3), 3..5), more(None, 5..6), more(Some(2), 0..1), more(Some(9), 9..10)]);
    assert_eq!(found, [Ok(Some(0)), Ok(Some(3)), Ok(Some(5)), Err(OFFSET_EXISTS), Err(OUT_OF_RANGE)]);
    assert_eq!(world.count(), "6");
    // Another connection goes on where the stream is.
    assert_eq!(world.outcomes(vec![rows(name, Some(5), 5..6), more(Some(6), 6..7)]), [Err(OFFSET_EXISTS), Ok(Some(6))]);
    assert_eq!(world.ask("SELECT STRING_AGG(name, ' ' ORDER BY id) FROM staging.appended")["rows"][0]["f"][0]["v"], "n0 n1 n2 n3 n4 n5 n6");
    assert_eq!(world.finalize(name).unwrap(), 7);
    assert_eq!(world.outcomes(vec![rows(name, Some(7), 7..8)]), [finalized]);
    assert_eq!((world.finalize(name).unwrap(), world.count().as_str()), (7, "7"));
}

#[test]
fn pending_rows_are_seen_when_all_streams_are_committed() {
    let mut world = World::start("id INT64, name STRING");
    let names = [world.create(Kind::Pending).name, world.create(Kind::Pending).name];
    for (name, ids) in names.iter().zip([0..3, 3..4]) {
        assert_eq!(world.outcomes(vec![rows(name, Some(0), ids)]), [Ok(Some(0))]);
    }
    let [first, second] = [names[0].as_str(), names[1].as_str()];
    assert_eq!(world.finalize(first).unwrap(), 3);
    let faults = |answer: &api::BatchCommitWriteStreamsResponse| {
        answer.stream_errors.iter().map(|error| error.code().as_str_name()).collect::<Vec<_>>()
    };
    let answer = world.commit(&[first, second, "projects/acme-prod/datasets/staging/tables/appended/streams/none"]);
    assert_eq!((faults(&answer), answer.commit_time), (vec!["STREAM_NOT_FOUND", "INVALID_STREAM_STATE"], None));
    assert_eq!(world.count(), "0");
    assert_eq!(world.finalize(second).unwrap(), 1);
    let answer = world.commit(&[first, second]);
    assert!(answer.stream_errors.is_empty() && answer.commit_time.is_some(), "{answer:?}");
    assert_eq!(world.count(), "4");
    assert_eq!(faults(&world.commit(&[first])), ["STREAM_ALREADY_COMMITTED"]);
    let committed = world.create(Kind::Committed).name;
    assert_eq!(faults(&world.commit(&[&committed])), ["INVALID_STREAM_TYPE"]);
    assert_eq!(world.count(), "4");
}

#[test]
fn buffered_rows_are_seen_as_far_as_they_are_flushed() {
    let mut world = World::start("id INT64, name STRING");
    let name = world.create(Kind::Buffered).name;
    assert_eq!(world.outcomes(vec![rows(&name, Some(0), 0..5)]), [Ok(Some(0))]);
    let flushed = |world: &mut World, offset: i64| world.flush(&name, offset).map_err(|status| status.code());
    assert_eq!((world.count().as_str(), flushed(&mut world, 1)), ("0", Ok(1)));
    assert_eq!((world.count().as_str(), flushed(&mut world, 0)), ("2", Ok(1)));
    assert_eq!((world.count().as_str(), flushed(&mut world, 4)), ("2", Ok(4)));
    assert_eq!((world.count().as_str(), flushed(&mut world, 5)), ("5", Err(Code::OutOfRange)));
    let committed = world.create(Kind::Committed).name;
    assert_eq!(world.flush(&committed, 0).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn every_table_has_a_stream_of_its_own() {
    let mut world = World::start("id INT64, name STRING");
    for name in ["_default", "streams/_default"] {
        let name = format!("{}/{name}", path("staging", "appended"));
        assert_eq!(
            world.outcomes(vec![rows(&name, None, 0..2), more(None, 2..3), more(Some(3), 3..4)]),
            [Ok(None), Ok(None), Err(INVALID)]
        );
        let asked = api::GetWriteStreamRequest { name: name.clone(), view: api::WriteStreamView::Full.into() };
        let found = world.storage.write(asked, async |client, asked| client.get_write_stream(asked).await).unwrap();
        assert_eq!((found.r#type(), found.table_schema.unwrap().fields.len()), (Kind::Committed, 2));
        assert_eq!(world.finalize(&name).unwrap_err().code(), Code::InvalidArgument);
    }
    assert_eq!(world.count(), "6");
}

#[test]
fn rows_that_do_not_fit_are_named_and_none_is_taken() {
    let mut world = World::start("id INT64 NOT NULL, name STRING(3), day DATE");
    let name = format!("{}/_default", path("staging", "appended"));
    let without_id = bytes::Bytes::from_static(&[18, 1, b'a']);
    let (answers, end) = world.append(vec![request(&name, None, Some(schema(&PLAIN)), vec![row(1, "a"), row(2, "long"), without_id])]);
    assert!(end.is_ok());
    assert_eq!(outcome(&answers[0]), Err(INVALID));
    let errors: Vec<(i64, &str)> = answers[0].row_errors.iter().map(|error| (error.index, error.message.as_str())).collect();
    assert_eq!(errors[1], (2, "Missing required field: id."));
    assert!(errors[0].0 == 1 && errors[0].1.contains("maximum length 3"), "{errors:?}");
    assert_eq!(world.count(), "0");
    let of = |fields: &[(&'static str, Type)]| request(&name, None, Some(schema(fields)), vec![row(1, "a")]);
    world.refused(of(&[("id", Type::Int64), ("other", Type::String)]), Code::InvalidArgument, "field other is not found");
    world.refused(of(&[("id", Type::Int64), ("day", Type::Bool)]), Code::InvalidArgument, "field day");
    world.refused(of(&[("name", Type::String)]), Code::InvalidArgument, "required field id");
    world.refused(of(&[("id", Type::Int64), ("_CHANGE_TYPE", Type::String)]), Code::Unimplemented, "_CHANGE_TYPE");
    world.refused(request(&name, None, None, vec![row(1, "a")]), Code::InvalidArgument, "writer_schema");
    world.refused(request("", None, Some(schema(&PLAIN)), vec![row(1, "a")]), Code::InvalidArgument, "write_stream");
    world.refused(rows(&format!("{}/streams/none", path("staging", "appended")), None, 0..1), Code::NotFound, "not found");
    world.refused(rows(&format!("{}/_default", path("clinic", "v_badges")), None, 0..1), Code::InvalidArgument, "VIEW");
}

#[test]
fn a_table_that_gets_columns_is_told_and_takes_on() {
    let mut world = World::start("id INT64, name STRING");
    let name = world.create(Kind::Pending).name;
    assert_eq!(world.outcomes(vec![rows(&name, None, 0..2)]), [Ok(Some(0))]);
    world.ask("ALTER TABLE staging.appended ADD COLUMN extra INT64");
    assert_eq!(world.finalize(&name).unwrap(), 2);
    assert!(world.commit(&[&name]).commit_time.is_some());
    assert_eq!(world.ask("SELECT COUNT(*) FROM staging.appended WHERE extra IS NULL")["rows"][0]["f"][0]["v"], "2");
}

#[test]
fn strangers_are_refused_and_every_call_is_written_down() {
    let token = Token { bearer: "good".to_owned(), user_email: "ana@acme.example".to_owned() };
    let running = Sandbox::start(engine(), Settings { tokens: vec![token], ..Settings::default() }).unwrap();
    let mut storage = Storage::connect(&running);
    let name = format!("{}/_default", path("staging", "raw_visits"));
    let of = || request(&name, None, Some(schema(&[("id", Type::Int64), ("diagnosis", Type::String)])), vec![row(1, "a")]);
    let (_, end) = storage.append(vec![of()]);
    assert_eq!(end.unwrap_err().code(), Code::Unauthenticated);
    storage.token = Some("good");
    let (answers, end) = storage.append(vec![of(), request("", None, None, vec![row(2, "b"), row(3, "c")])]);
    assert!(end.is_ok() && answers.len() == 2);
    let entries = running.log().entries();
    let last = entries.last().unwrap();
    assert_eq!(last.method, Some("google.cloud.bigquery.storage.v1.BigQueryWrite.AppendRows"));
    let said: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(said, json!({ "writeStream": name, "traceId": "a-trace", "requests": 2, "rowsTaken": 3 }));
}
