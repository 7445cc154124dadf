//! The Storage Read API through the gateway: rows in streams, as Arrow and Avro, by gRPC.

use crate::beside;
use crate::masks::{check, masked, on_record};
use crate::policies::starter_with;
use crate::storage_wire::{CompressionCodec, FORMS, Form, Storage, bytes, options, rows, session};
use crate::world::{API, World};
use serde_json::{Value, json};
use tonic::Code;

const COLUMNS: [&str; 7] = ["id", "ssn", "email", "address", "phones", "contacts", "notes"];
const PLAIN: Form = Form::Arrow(CompressionCodec::CompressionUnspecified);

fn direct_rows(world: &World, table: &str, fields: &str) -> Vec<Value> {
    let path = format!("{API}/datasets/clinic/tables/{table}/data?formatOptions.useInt64Timestamp=true&maxResults=100000{fields}");
    world.direct("GET", &path, None).json()["rows"].as_array().unwrap().clone()
}

/// The result table of a query of this caller's.
fn result_of(world: &World, caller: &str, id: &str, statement: &str) -> (String, String) {
    let body = json!({
        "jobReference": { "projectId": "acme-prod", "jobId": id },
        "configuration": { "query": { "query": statement, "useLegacySql": false } },
    });
    assert_eq!(world.call(caller, "POST", &format!("{API}/jobs"), Some(&body)).status, 200);
    // Each look waits for ten seconds; a busy machine takes longer.
    let is_done = |_: &i32| world.call(caller, "GET", &format!("{API}/queries/{id}?maxResults=0"), None).json()["jobComplete"] == true;
    assert!((0..12).any(|look| is_done(&look)), "{id} is not done");
    let job = world.call(caller, "GET", &format!("{API}/jobs/{id}"), None).json();
    let table = &job["configuration"]["query"]["destinationTable"];
    (table["datasetId"].as_str().unwrap().to_owned(), table["tableId"].as_str().unwrap().to_owned())
}

#[test]
fn clear_rows_arrive_as_the_warehouse_wrote_them() {
    let world = World::start("storage-clear");
    let (through, direct) = (Storage::of(&world, "report-job"), Storage::direct(&world));
    let expect = direct_rows(&world, "logins", "");
    for form in FORMS {
        let (asked, real) =
            (through.create(session("clinic", "logins", form)).unwrap(), direct.create(session("clinic", "logins", form)).unwrap());
        assert_eq!(asked.schema, real.schema, "{form:?}");
        assert_eq!(asked.estimated_row_count, real.estimated_row_count);
        let (came, sent) = (through.messages(&asked.streams[0].name, 0).unwrap(), direct.messages(&real.streams[0].name, 0).unwrap());
        assert_eq!(came.len(), sent.len(), "{form:?}");
        for (came, sent) in came.iter().zip(&sent) {
            assert_eq!((bytes(came), came.row_count, &came.schema), (bytes(sent), sent.row_count, &sent.schema), "{form:?}");
        }
        check(&rows(&asked, &came), &expect, "rows");
        // Names of the gateway's, not of the warehouse's.
        assert!(!asked.name.contains(real.name.rsplit('/').next().unwrap()) && asked.streams[0].name.starts_with(&asked.name));
    }
    world.finish();
}

#[test]
fn masked_rows_are_those_of_rest_in_every_form() {
    let world = World::start("storage-masked");
    let direct = direct_rows(&world, "patients", &format!("&selectedFields={}", COLUMNS.join(",")));
    let expect: Vec<Value> = direct.iter().map(masked).collect();
    let mut marks = Vec::new();
    for form in FORMS {
        for caller in ["report-job", "support-agent"] {
            let storage = Storage::of(&world, caller);
            let mut request = session("clinic", "patients", form);
            options(&mut request).selected_fields = COLUMNS.map(str::to_owned).to_vec();
            let (opened, found) = storage.open(request);
            check(&found, &expect, &format!("{form:?} {caller}"));
            assert_eq!(opened.estimated_total_bytes_scanned, 0, "how long masked values are is not told");
            marks.push(storage.mark.clone());
        }
    }
    let evidence = world.finish();
    let count = u64::try_from(expect.len()).unwrap();
    for mark in marks {
        assert_eq!(on_record(&evidence, &mark, "ssn"), (count, count));
        assert_eq!(on_record(&evidence, &mark, "address.street"), (count, count));
        assert_eq!(on_record(&evidence, &mark, "id"), (0, 0));
        assert_eq!(evidence.ends(&mark), ["completed", "completed"]);
    }
}

#[test]
fn fields_inside_of_records_are_picked_and_masked() {
    let world = World::start("storage-fields");
    let storage = Storage::of(&world, "report-job");
    let mut request = session("clinic", "patients", PLAIN);
    options(&mut request).selected_fields = vec!["address.street".to_owned(), "id".to_owned()];
    let (_, found) = storage.open(request);
    assert!(found.len() > 10);
    for row in found {
        assert_eq!(row["f"][1]["v"], json!({ "f": [{ "v": "" }] }), "{row}");
        assert_eq!(row["f"].as_array().unwrap().len(), 2);
    }
    world.finish();
}

#[test]
fn who_may_not_is_refused_and_what_is_anothers_is_not_there() {
    let world = World::start("storage-owners");
    let storage = Storage::of(&world, "report-job");
    let opened = storage.create(session("clinic", "patients", PLAIN)).unwrap();
    let stream = &opened.streams[0].name;
    let refused = Storage::of(&world, "stranger");
    let status = refused.create(session("clinic", "patients", PLAIN)).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("Quote `"), "{status}");
    let others = Storage::of(&world, "analyst");
    assert_eq!(others.messages(stream, 0).unwrap_err().code(), Code::NotFound);
    assert_eq!(others.split(stream, 0.5).unwrap_err().code(), Code::NotFound);
    let (mine, none) = (others.messages(stream, 0).unwrap_err(), others.messages(&format!("{stream}9"), 0).unwrap_err());
    let without_ids = |status: &tonic::Status, name: &str| status.message().replace(name, "").split(". Quote").next().unwrap().to_owned();
    assert_eq!(without_ids(&mine, stream), without_ids(&none, &format!("{stream}9")));
    let nobody = Storage::with_token(&world, "nonsense");
    assert_eq!(nobody.create(session("clinic", "patients", PLAIN)).unwrap_err().code(), Code::Unauthenticated);
    // A refused column refuses the whole; without it the table is read.
    let status = storage.create(session("clinic", "cards", PLAIN)).unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    let status = storage.create(session("clinic", "v_patients", PLAIN)).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(storage.create(session("clinic", "none", PLAIN)).unwrap_err().code(), Code::NotFound);
    let mut request = session("clinic", "patients", PLAIN);
    let earlier = request.read_session.as_mut().unwrap().table_modifiers.get_or_insert_default();
    earlier.snapshot_time.get_or_insert_default().seconds = 1_700_000_000;
    let status = storage.create(request).unwrap_err();
    assert!(status.code() == Code::PermissionDenied && status.message().contains("as it was (`snapshot_time`)"), "{status}");
    assert!(storage.messages(stream, 0).is_ok());
    let (refused, others) = (refused.mark.clone(), others.mark.clone());
    let evidence = world.finish();
    assert_eq!(evidence.ends(&refused), ["refused policy"]);
    assert!(evidence.ends(&others).iter().all(|end| end == "refused not_found"), "{:?}", evidence.ends(&others));
}

#[test]
fn a_restriction_is_a_predicate() {
    let world = World::start("storage-restricted");
    let storage = Storage::of(&world, "report-job");
    let create = |restriction: &str| {
        let mut request = session("clinic", "patients", PLAIN);
        options(&mut request).selected_fields = vec!["id".to_owned()];
        options(&mut request).row_restriction = restriction.to_owned();
        storage.create(request)
    };
    let opened = create("id <= 7 -- the first").unwrap();
    assert_eq!(storage.rows(&opened, &opened.streams[0].name, 0).unwrap().len(), 7);
    for restriction in ["ssn LIKE '9%'", "id < 9 AND SUBSTR(ssn, 1, 1) = '9'", "notes.text IS NULL", "(address.street) = 'x'"] {
        let status = create(restriction).unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{restriction}: {status}");
        assert!(status.message().contains("decid"), "{restriction}: {status}");
    }
    for restriction in [
        "TRUE) UNION ALL SELECT 1 FROM clinic.cards WHERE (TRUE",
        "TRUE) UNION ALL SELECT 1 FROM clinic.patients WHERE (ssn = '1'",
        "TRUE) OR (TRUE",
        "TRUE][OFFSET(0)] OR [TRUE",
        "TRUE) -- ",
        "TRUE) # ",
        "TRUE /*",
        "'''",
        "TRUE; SELECT 1",
        "id IN (SELECT id FROM clinic.cards)",
        "TRUE, FALSE",
        "TRUE AS x",
        "SELECT TRUE",
        "id",
        "nothing = 1",
        "@a = 1",
        "COUNT(*) > 1",
    ] {
        let status = create(restriction).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{restriction}: {status}");
    }
    let status = create("SESSION_USER() = 'x'").unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let mark = storage.mark.clone();
    let evidence = world.finish();
    let ends = evidence.ends(&mark);
    assert_eq!(ends.iter().filter(|end| *end == "completed").count(), 2, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| *end == "refused policy").count(), 4, "{ends:?}");
    let texts = evidence.of_mark(&mark).iter().filter_map(|record| record.text("request/statement")).count();
    assert!(texts >= 6, "{texts}");
}

#[test]
fn results_of_queries_are_read_as_their_jobs() {
    let world = World::start("storage-results");
    let statement = format!("SELECT {} FROM clinic.patients ORDER BY id", COLUMNS.join(", "));
    let (dataset, table) = result_of(&world, "report-job", "masked", &statement);
    let expect: Vec<Value> =
        direct_rows(&world, "patients", &format!("&selectedFields={}", COLUMNS.join(","))).iter().map(masked).collect();
    let storage = Storage::of(&world, "report-job");
    for form in FORMS {
        let (_, mut found) = storage.open(session(&dataset, &table, form));
        found.sort_by_key(|row| row["f"][0]["v"].as_str().unwrap().parse::<u64>().unwrap());
        check(&found, &expect, &format!("{form:?}"));
    }
    let mut request = session(&dataset, &table, PLAIN);
    options(&mut request).selected_fields = vec!["ssn".to_owned()];
    let (_, found) = storage.open(request);
    assert!(found.len() == expect.len() && found.iter().all(|row| row["f"][0]["v"].as_str().unwrap().starts_with("XXXXX")));
    let mut request = session(&dataset, &table, PLAIN);
    options(&mut request).row_restriction = "ssn LIKE '9%'".to_owned();
    assert_eq!(storage.create(request).unwrap_err().code(), Code::InvalidArgument);
    let other = Storage::of(&world, "analyst");
    assert_eq!(other.create(session(&dataset, &table, PLAIN)).unwrap_err().code(), Code::NotFound);
    world.finish();
}

#[test]
fn streams_go_on_where_they_stopped_and_are_split() {
    let world = World::start("storage-streams");
    let storage = Storage::of(&world, "report-job");
    let mut request = session("clinic", "patients", PLAIN);
    request.max_stream_count = 3;
    let opened = storage.create(request).unwrap();
    assert_eq!(opened.streams.len(), 3);
    let whole = storage.rows(&opened, &opened.streams[0].name, 0).unwrap();
    let rest = storage.rows(&opened, &opened.streams[0].name, 4).unwrap();
    check(&rest, &whole[4..], "from the fifth row");
    assert_eq!(storage.messages(&opened.streams[0].name, 1_000_000).unwrap_err().code(), Code::InvalidArgument);
    let [first, second] = storage.split(&opened.streams[0].name, 0.5).unwrap().unwrap();
    let halves = [storage.rows(&opened, &first, 0).unwrap(), storage.rows(&opened, &second, 0).unwrap()].concat();
    check(&halves, &whole, "two halves");
    assert_eq!(storage.split(&first, 1.5).unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(storage.messages(&first, -1).unwrap_err().code(), Code::InvalidArgument);
    world.finish();
}

/// Some twenty megabytes, of which a client takes the first message and waits.
#[test]
fn a_halt_ends_a_stream_that_is_under_way() {
    let world = World::start("storage-halted");
    let statement = "SELECT a.device, REPEAT('größer ', 30) AS filler FROM clinic.logins AS a, clinic.logins AS b, \
                     UNNEST(GENERATE_ARRAY(1, 12)) AS number";
    let (dataset, table) = result_of(&world, "report-job", "long", statement);
    let storage = Storage::of(&world, "report-job");
    let opened = storage.create(session(&dataset, &table, PLAIN)).unwrap();
    let all: i64 = storage.messages(&opened.streams[0].name, 0).unwrap().iter().map(|message| message.row_count).sum();
    let halted = Storage::of(&world, "report-job");
    let mut coming = halted.begin(&opened.streams[0].name, 0).unwrap();
    let first = halted.next(&mut coming).unwrap().unwrap().row_count;
    beside::halt(&world, &["--caller", beside::REPORT_JOB, "--by", "ana", "--reason", "its token leaked"]);
    crate::program::pause(std::time::Duration::from_secs(2));
    let mut came = first;
    let status = loop {
        match halted.next(&mut coming) {
            Ok(Some(message)) => came += message.row_count,
            Ok(None) => panic!("the stream ended as if nothing had happened"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains("halted") && came < all, "{came} of {all}: {status}");
    let mark = halted.mark.clone();
    let evidence = world.finish();
    assert_eq!(evidence.ends(&mark), ["failed policy"]);
}

#[test]
fn clients_that_hang_up_and_warehouses_that_break_off_leave_one_end() {
    let world = World::start("storage-broken");
    let statement = "SELECT a.device, REPEAT('größer ', 30) AS filler FROM clinic.logins AS a, clinic.logins AS b, \
                     UNNEST(GENERATE_ARRAY(1, 12)) AS number";
    let (dataset, table) = result_of(&world, "report-job", "long", statement);
    let storage = Storage::of(&world, "report-job");
    let opened = storage.create(session(&dataset, &table, PLAIN)).unwrap();
    let gone = Storage::of(&world, "report-job");
    let mut coming = gone.begin(&opened.streams[0].name, 0).unwrap();
    assert!(gone.next(&mut coming).unwrap().is_some());
    drop(coming);
    world.fault(&json!({
        "verb": "POST", "path": "ReadRows",
        "act": { "kind": "breakStream", "afterMessages": 2, "reason": "backendError", "message": "planned failure" },
    }));
    let broken = Storage::of(&world, "report-job");
    let mut coming = broken.begin(&opened.streams[0].name, 0).unwrap();
    let mut messages = 0;
    let status = loop {
        match broken.next(&mut coming) {
            Ok(Some(_)) => messages += 1,
            Ok(None) => panic!("the stream ended as if nothing had happened"),
            Err(status) => break status,
        }
    };
    assert_eq!((messages, status.code()), (2, Code::Unavailable), "{status}");
    let (gone, broken) = (gone.mark.clone(), broken.mark.clone());
    crate::program::pause(std::time::Duration::from_secs(2));
    let evidence = world.finish();
    assert_eq!(evidence.ends(&gone), ["abandoned"]);
    assert_eq!(evidence.ends(&broken), ["failed upstream"]);
}

#[test]
fn everything_else_is_refused_by_its_name() {
    let world = World::start("storage-others");
    let storage = Storage::of(&world, "report-job");
    let read = "/google.cloud.bigquery.storage.v1.BigQueryRead/ReadRows";
    let check = |path: &str, headers: &[(&str, &str)], body: &[u8], expect: Code, part: &str| {
        let (code, message) = storage.raw(path, headers, body);
        assert_eq!(code, Some(expect), "{path} {headers:?}: {message}");
        assert!(message.contains(part), "{path}: {message}");
    };
    check("/google.cloud.bigquery.storage.v1beta2.BigQueryRead/CreateReadSession", &[], b"", Code::Unimplemented, "old");
    check("/google.cloud.bigquery.storage.v1beta2.BigQueryWrite/AppendRows", &[], b"", Code::Unimplemented, "old");
    check("/some.Service/Method", &[], b"", Code::Unimplemented, "no such method");
    check(read, &[], b"", Code::InvalidArgument, "no message");
    check(read, &[], &[1, 0, 0, 0, 1, 7], Code::InvalidArgument, "compressed");
    check(read, &[], &[0, 0, 0, 0, 9, 7], Code::InvalidArgument, "length");
    check(read, &[], &[0, 0, 0, 0, 2, 0xff, 0xff], Code::InvalidArgument, "none of this method's");
    check(read, &[("grpc-encoding", "gzip")], b"", Code::InvalidArgument, "grpc-encoding");
    check(read, &[("grpc-timeout", "soon")], b"", Code::InvalidArgument, "grpc-timeout");
    check(read, &[], &vec![0; 5 << 20], Code::ResourceExhausted, "more than");
    let mark = storage.mark.clone();
    let evidence = world.finish();
    let apis: Vec<&str> = evidence.of_mark(&mark).iter().map(|record| record.api()).collect();
    for expect in [
        "google.cloud.bigquery.storage.v1beta2.BigQueryWrite.AppendRows",
        "google.cloud.bigquery.storage.v1beta2.BigQueryRead.CreateReadSession",
        "grpc:/some.Service/Method",
        "google.cloud.bigquery.storage.v1.BigQueryRead.ReadRows",
    ] {
        assert!(apis.contains(&expect), "{expect} in {apis:?}");
    }
}

/// Clients ask again after this status alone, as they do over REST after `rateLimitExceeded`.
#[test]
fn whoever_asks_too_fast_is_told_to_ask_again() {
    let policy = starter_with(&[("requests_per_second_max = 10\n", "requests_per_second_max = 1\n")]);
    let world = World::start_with("storage-pace", &["--policy", policy.path().to_str().unwrap()]);
    let storage = Storage::of(&world, "support-agent");
    let refused: Vec<_> = (0..20).filter_map(|_| storage.create(session("clinic", "patients", PLAIN)).err()).collect();
    assert!(!refused.is_empty());
    for status in refused {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("more than 1 requests a second"), "{status}");
    }
    world.finish();
}
