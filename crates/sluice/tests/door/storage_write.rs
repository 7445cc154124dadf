//! The Storage Write API through the gateway: what is appended, by whom, what is on record of it, and what ends it.

use crate::beside;
use crate::evidence::Evidence;
use crate::program::pause;
use crate::storage_rows::{Kind, more, outcome, path, request, row, rows, schema};
use crate::storage_wire::Storage;
use crate::world::World;
use googleapis_tonic_google_cloud_bigquery_storage_v1::google::cloud::bigquery::storage::v1 as api;
use prost_types::field_descriptor_proto::Type;
use serde_json::json;
use sluice_ledger::record::Kind as RecordKind;
use std::time::Duration;
use tonic::Code;

const APPEND: &str = "google.cloud.bigquery.storage.v1.BigQueryWrite.AppendRows";
/// A value that is nowhere else.
const SENT: &str = "sent-canary-7f3a";

fn start(name: &str) -> World {
    let world = World::start(name);
    table(&world);
    world
}

pub fn table(world: &World) {
    let body = json!({ "query": "CREATE TABLE staging.appended (id INT64, name STRING)", "useLegacySql": false });
    let answer = world.direct("POST", &format!("{}/queries", crate::world::API), Some(&body));
    assert_eq!(answer.status, 200, "{}", answer.text());
}

pub fn count(world: &World) -> String {
    world.direct_cell("SELECT COUNT(*) FROM staging.appended")
}

pub fn default_of(table: &str) -> String {
    format!("{}/streams/_default", path("staging", table))
}

/// Rows and digests of each message that is on record, and the end.
pub fn on_record(evidence: &Evidence, mark: &str) -> (Vec<u64>, Vec<String>) {
    let records = evidence.of_mark(mark);
    let admitted = records.iter().filter(|record| record.api() == APPEND && record.kind == RecordKind::RequestAdmitted);
    let subjects: Vec<&str> = admitted.filter_map(|record| record.subject.as_deref()).collect();
    let of_subject = |record: &&crate::evidence::Record| record.subject.as_deref().is_some_and(|subject| subjects.contains(&subject));
    let pages = evidence.records.iter().filter(|record| record.kind == RecordKind::ResultPage).filter(of_subject);
    let rows = pages.map(|record| {
        assert!(record.text("result/digest").unwrap().starts_with("sha256:"));
        record.sections["result"]["rows"].as_u64().unwrap()
    });
    let ends = evidence.records.iter().filter(|record| record.kind.is_terminal()).filter(of_subject).map(|record| record.end());
    (rows.collect(), ends.collect())
}

#[test]
fn streams_of_each_kind_are_written_and_on_record() {
    let world = start("write-kinds");
    let storage = Storage::of(&world, "etl-nightly");
    let made = storage.create_stream("appended", Kind::Committed).unwrap();
    assert!(made.name.starts_with(&format!("{}/streams/", path("staging", "appended"))), "{}", made.name);
    assert_eq!(made.table_schema.as_ref().map(|schema| schema.fields.len()), Some(2), "who may describe it sees its schema");
    let all = vec![rows(&made.name, Some(0), 0..3), more(Some(3), 3..5), more(Some(3), 3..5), more(Some(9), 9..10), more(None, 5..6)];
    let (answers, end) = storage.append_all(all);
    assert!(end.is_ok(), "{end:?}");
    let codes = [Code::AlreadyExists, Code::OutOfRange].map(|code| Err(i32::from(code)));
    let found: Vec<_> = answers.iter().map(outcome).collect();
    assert_eq!(found, [Ok(Some(0)), Ok(Some(3)), codes[0], codes[1], Ok(Some(5))]);
    assert!(answers.iter().all(|answer| answer.write_stream == made.name), "{answers:?}");
    assert_eq!((count(&world).as_str(), storage.finalize(&made.name).unwrap()), ("6", 6));

    let pending =
        [storage.create_stream("appended", Kind::Pending).unwrap().name, storage.create_stream("appended", Kind::Pending).unwrap().name];
    for name in &pending {
        let (answers, end) = storage.append_all(vec![rows(name, Some(0), 10..12)]);
        assert!(end.is_ok() && outcome(&answers[0]) == Ok(Some(0)), "{end:?}");
    }
    let [first, second] = [pending[0].as_str(), pending[1].as_str()];
    storage.finalize(first).unwrap();
    let refused = storage.commit("appended", &[first, second]).unwrap();
    assert_eq!(refused.stream_errors.iter().map(|error| error.entity.as_str()).collect::<Vec<_>>(), [second]);
    storage.finalize(second).unwrap();
    assert_eq!(count(&world), "6");
    assert!(storage.commit("appended", &[first, second]).unwrap().commit_time.is_some());
    assert_eq!(count(&world), "10");

    let buffered = storage.create_stream("appended", Kind::Buffered).unwrap().name;
    storage.append_all(vec![rows(&buffered, None, 20..25)]).1.unwrap();
    assert_eq!((storage.flush(&buffered, 2).unwrap(), count(&world).as_str()), (2, "13"));
    let (answers, end) = storage.append_all(vec![rows(&default_of("appended"), None, 30..32), more(None, 32..33)]);
    assert!(end.is_ok() && answers.iter().all(|answer| outcome(answer) == Ok(None)), "{answers:?}");
    assert_eq!(count(&world), "16");
    let found = storage.stream(&buffered, api::WriteStreamView::Basic).unwrap();
    assert_eq!((found.name.as_str(), found.r#type(), found.table_schema.is_none()), (buffered.as_str(), Kind::Buffered, true));

    let mark = storage.mark.clone();
    let evidence = world.finish();
    let (rows, ends) = on_record(&evidence, &mark);
    assert_eq!(rows, [3, 2, 2, 1, 1, 2, 2, 5, 2, 1]);
    assert_eq!(ends, ["completed"; 5]);
    let totals: Vec<&serde_json::Value> = evidence
        .of_mark(&mark)
        .iter()
        .filter_map(|record| record.sections.get("upstream"))
        .map(|upstream| &upstream["statistics"])
        .filter(|found| found["appendsAccepted"] != serde_json::Value::Null)
        .collect();
    assert_eq!(totals[0], &json!({ "appendsAccepted": 3, "appendsRefused": 2, "appendsUnanswered": 0, "rowsAccepted": 6 }));
    assert!(evidence.ends(&mark).iter().all(|end| end == "completed"), "{:?}", evidence.ends(&mark));
}

#[test]
fn who_may_not_write_is_refused_and_what_is_anothers_is_not_there() {
    let world = start("write-owners");
    let storage = Storage::of(&world, "etl-nightly");
    let name = storage.create_stream("appended", Kind::Committed).unwrap().name;
    for caller in ["analyst", "report-job", "support-agent", "stranger"] {
        let other = Storage::of(&world, caller);
        let status = other.create_stream("appended", Kind::Committed).unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{caller}: {status}");
        assert!(status.message().contains("Quote `"), "{status}");
        let (_, end) = other.append_all(vec![rows(&default_of("appended"), None, 0..1)]);
        assert_eq!(end.unwrap_err().code(), Code::PermissionDenied, "{caller}");
        let (_, end) = other.append_all(vec![rows(&name, None, 0..1)]);
        let mine = end.unwrap_err();
        assert_eq!(mine.code(), Code::NotFound, "{caller}: {mine}");
        let (_, end) = other.append_all(vec![rows(&format!("{name}9"), None, 0..1)]);
        let none = end.unwrap_err();
        let without = |status: &tonic::Status, name: &str| status.message().replace(name, "").split(". Quote").next().unwrap().to_owned();
        assert_eq!(without(&mine, &name), without(&none, &format!("{name}9")));
        for status in [
            other.finalize(&name).unwrap_err(),
            other.flush(&name, 0).unwrap_err(),
            other.stream(&name, api::WriteStreamView::Full).unwrap_err(),
            other.commit("appended", &[&name]).unwrap_err(),
        ] {
            assert_eq!(status.code(), Code::NotFound, "{caller}: {status}");
        }
    }
    // Another table's, another dataset's, and what nobody may write.
    let (_, end) = storage.append_all(vec![rows(&format!("{}/_default", path("shop", "orders")), None, 0..1)]);
    assert_eq!(end.unwrap_err().code(), Code::PermissionDenied);
    let (_, end) = storage.append_all(vec![rows(&format!("{}/_default", path("_hidden", "anon1")), None, 0..1)]);
    assert_eq!(end.unwrap_err().code(), Code::NotFound);
    assert_eq!(storage.commit("raw_visits", &[&name]).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(count(&world), "0");
    let (answers, end) = storage.append_all(vec![rows(&name, None, 0..1)]);
    assert!(end.is_ok() && outcome(&answers[0]) == Ok(Some(0)));
    world.finish();
}

#[test]
fn what_deletes_by_another_name_and_what_nobody_understood_is_refused() {
    let world = start("write-odd");
    let storage = Storage::of(&world, "etl-nightly");
    let name = default_of("appended");
    let check = |request: api::AppendRowsRequest, part: &str| {
        let (answers, end) = storage.append_all(vec![request]);
        let status = end.unwrap_err();
        assert!(answers.is_empty() && status.code() == Code::InvalidArgument && status.message().contains(part), "{status}");
    };
    let change = schema(&[("id", Type::Int64), ("_CHANGE_TYPE", Type::String)]);
    check(request(&name, None, Some(change), vec![row(1, "DELETE")]), "_CHANGE_TYPE");
    check(rows("", None, 0..1), "write_stream");
    check(rows("projects/acme-prod/datasets/staging", None, 0..1), "not named");
    let arrow = api::append_rows_request::Rows::ArrowRows(Default::default());
    check(api::AppendRowsRequest { rows: Some(arrow), ..rows(&name, None, 0..1) }, "arrow_rows");
    // In the midst of a connection as well.
    let (answers, end) = storage.append_all(vec![rows(&name, None, 0..1), rows(&default_of("raw_visits"), None, 0..1)]);
    let status = end.unwrap_err();
    assert!(answers.len() <= 1 && status.message().contains("one connection writes to one stream"), "{status}");
    let frame = [0, 0, 0, 0, 2, 0x78, 1];
    let (code, text) = storage.raw("/google.cloud.bigquery.storage.v1.BigQueryWrite/AppendRows", &[], &frame);
    assert!(code == Some(Code::InvalidArgument) && text.contains("does not know"), "{code:?} {text}");
    let mark = storage.mark.clone();
    let evidence = world.finish();
    assert!(evidence.ends(&mark).iter().filter(|end| end.starts_with("refused")).count() >= 5, "{:?}", evidence.ends(&mark));
}

/// `raw_visits` has a labelled column. What BigQuery says of a row is told to nobody who sees it masked.
#[test]
fn what_is_wrong_with_rows_of_labelled_tables_is_told_by_place_alone() {
    let world = start("write-told");
    let storage = Storage::of(&world, "etl-nightly");
    let fields = [("cost", Type::Int64), ("diagnosis", Type::String), ("loaded_at", Type::Int64)];
    let odd = |fields: &[(&'static str, Type)], table: &str| {
        let mut bytes = row(1, SENT).to_vec();
        // Far out of any time.
        bytes.extend_from_slice(&[24, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
        let (answers, end) = storage.append_all(vec![request(&default_of(table), None, Some(schema(fields)), vec![bytes.into()])]);
        assert!(end.is_ok(), "{end:?}");
        answers[0].clone()
    };
    let answer = odd(&fields, "raw_visits");
    assert_eq!(outcome(&answer), Err(Code::InvalidArgument.into()));
    assert_eq!(
        answer.row_errors.iter().map(|error| (error.index, error.message.as_str())).collect::<Vec<_>>(),
        [(0, "the row does not fit the table")]
    );
    assert!(format!("{answer:?}").contains("withheld"), "{answer:?}");
    // A table without labels has nothing to hide from who may read it.
    let statement = json!({ "query": "ALTER TABLE staging.appended ADD COLUMN day TIMESTAMP", "useLegacySql": false });
    assert_eq!(world.direct("POST", &format!("{}/queries", crate::world::API), Some(&statement)).status, 200);
    let answer = odd(&[("id", Type::Int64), ("name", Type::String), ("day", Type::Int64)], "appended");
    assert!(answer.row_errors[0].message.contains("TIMESTAMP: day"), "{answer:?}");
    world.finish();
}

#[test]
fn a_halt_in_the_midst_ends_the_connection_with_the_next_message() {
    let world = start("write-halted");
    let storage = Storage::of(&world, "etl-nightly");
    let name = default_of("appended");
    let mut append = storage.append(rows(&name, None, 0..2)).unwrap();
    assert_eq!(outcome(&append.answer().unwrap().unwrap()), Ok(None));
    assert_eq!(outcome(&append.then(more(None, 2..3)).unwrap().unwrap()), Ok(None));
    beside::halt(&world, &["--everyone", "--by", "ana", "--reason", "its token leaked"]);
    pause(Duration::from_secs(2));
    let status = append.then(more(None, 3..9)).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("halted"), "{status}");
    assert_eq!(count(&world), "3");
    drop(append);
    let mark = storage.mark.clone();
    let (rows, ends) = on_record(&world.finish(), &mark);
    assert_eq!((rows, ends), (vec![2, 1], vec!["failed policy".to_owned()]));
}

#[test]
fn warehouses_that_break_off_and_clients_that_hang_up_leave_one_end() {
    let world = start("write-broken");
    let name = default_of("appended");
    world.fault(&json!({
        "verb": "POST", "path": "AppendRows",
        "act": { "kind": "breakStream", "afterMessages": 2, "reason": "backendError", "message": "planned failure" },
    }));
    let broken = Storage::of(&world, "etl-nightly");
    let (answers, end) = broken.append_all(vec![rows(&name, None, 0..1), more(None, 1..2), more(None, 2..3)]);
    let status = end.unwrap_err();
    assert_eq!((answers.len(), status.code()), (2, Code::Unavailable), "{status}");
    assert_eq!(count(&world), "2");
    let gone = Storage::of(&world, "etl-nightly");
    let mut append = gone.append(rows(&name, None, 5..6)).unwrap();
    assert_eq!(outcome(&append.answer().unwrap().unwrap()), Ok(None));
    append.hang_up();
    let gone = {
        let mark = gone.mark.clone();
        // Its connection goes with it.
        drop(gone);
        mark
    };
    pause(Duration::from_secs(2));
    assert_eq!(count(&world), "3");
    // Whoever asks once more goes on.
    let again = Storage::of(&world, "etl-nightly");
    assert!(again.append_all(vec![rows(&name, None, 2..3)]).1.is_ok());
    let marks = [broken.mark.clone(), gone, again.mark.clone()];
    let evidence = world.finish();
    let ends = marks.map(|mark| on_record(&evidence, &mark).1);
    assert_eq!(ends.map(|ends| ends.join(" ")), ["failed upstream", "abandoned", "completed"]);
}

#[test]
fn a_gateway_that_stops_ends_what_is_open_on_record() {
    let world = start("write-stopped");
    let storage = Storage::of(&world, "etl-nightly");
    let mark = storage.mark.clone();
    // The connection outlives the gateway.
    let mut append = storage.append(rows(&default_of("appended"), None, 0..4)).unwrap();
    assert_eq!(outcome(&append.answer().unwrap().unwrap()), Ok(None));
    std::mem::forget(append);
    let evidence = world.finish();
    let (rows, ends) = on_record(&evidence, &mark);
    assert_eq!((rows, ends), (vec![4], vec!["completed".to_owned()]));
}
