//! Tables as they were: columns that have gone since are there again, and no label is on what nobody knows of. It is for those who see all labels of the
//! table as it is; before anybody else nothing is sent. The warehouse here has no past: what reaches it is seen in its log.

use crate::policies::{Change, WITHOUT_APPROVAL, starter_with};
use crate::storage_wire::{Form, Storage, session};
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::json;
use tonic::Code;

const PIPELINE: &str = "etl-nightly";
/// Who sees every label here.
const SEEING: &str = "analyst";
const HIDDEN_FROM: [&str; 3] = ["report-job", "support-agent", PIPELINE];
const THEN: &str = "FOR SYSTEM_TIME AS OF TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 SECOND)";

/// No pattern means the tables of `staging`, and clinical analysts see everything.
const NARROW: [Change; 3] = [
    ("\"*.*.*.email\"", "\"acme-prod.clinic.*.email\""),
    ("\"*.*.*.ssn\", \"*.*.*.national_id\"", "\"acme-prod.clinic.*.ssn\", \"acme-prod.clinic.*.national_id\""),
    (
        "permit (\n    principal is Person in Group::\"clinical-analysts\",\n    action in [Action::\"see\", Action::\"decide_by\"],\n    resource in Label::\"health\"\n);",
        "permit (principal is Person in Group::\"clinical-analysts\", action in [Action::\"see\", Action::\"decide_by\"], resource);",
    ),
];
/// Pipelines see everything.
const SEEING_PIPELINE: Change = (
    "         Action::\"decide_by\",\n         Action::\"metadata\",",
    "         Action::\"decide_by\",\n         Action::\"see\",\n         Action::\"metadata\",",
);

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    ask(world, caller, statement, false)
}

fn ask(world: &World, caller: &str, statement: &str, dry_run: bool) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000, "dryRun": dry_run });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

fn ran(world: &World, caller: &str, statement: &str) {
    let answer = query(world, caller, statement);
    assert_eq!(answer.status, 200, "{caller} {statement}: {}", answer.text());
}

/// Whether the warehouse was asked anything about this statement.
fn reached(world: &World, statement: &str) -> bool {
    world.warehouse_log().iter().any(|asked| asked["body"].as_str().is_some_and(|body| body.contains(statement)))
}

/// `staging.tj` with a labelled column that has gone since, and a view of its past.
fn with_past(world: &World) {
    ran(world, PIPELINE, "CREATE TABLE staging.tj AS SELECT id, ssn AS k FROM clinic.patients");
    ran(world, PIPELINE, "ALTER TABLE staging.tj DROP COLUMN k");
    ran(world, PIPELINE, "CREATE TABLE staging.plain AS SELECT id, name FROM clinic.patients");
    let view = json!({
        "tableReference": { "projectId": "acme-prod", "datasetId": "staging", "tableId": "past" },
        "view": { "query": format!("SELECT TO_JSON_STRING(was) AS j FROM staging.tj AS was {THEN}"), "useLegacySql": false },
    });
    let made = world.direct("POST", &format!("{API}/datasets/staging/tables"), Some(&view));
    assert_eq!(made.status, 200, "{}", made.text());
}

#[test]
fn the_past_of_a_labelled_table_is_for_those_who_see_all_of_it() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL], &NARROW[..]].concat());
    let world = World::start_with("historical", &["--policy", policy.path().to_str().unwrap()]);
    with_past(&world);
    let reads = [
        format!("SELECT TO_JSON_STRING(x) AS j FROM staging.tj AS x {THEN}"),
        format!("SELECT * FROM staging.tj {THEN}"),
        format!("SELECT 1 AS id UNION ALL SELECT * FROM staging.tj {THEN}"),
        format!("SELECT id FROM staging.tj {THEN}"),
        format!("DECLARE n INT64; SET n = (SELECT COUNT(*) FROM staging.tj {THEN}); SELECT n"),
        "SELECT j FROM staging.past".to_owned(),
    ];
    let writes = [
        format!("CREATE TABLE staging.to1 AS SELECT * FROM staging.tj {THEN}"),
        format!("CREATE TABLE staging.to2 CLONE staging.tj {THEN}"),
        format!("CREATE SNAPSHOT TABLE staging.to3 CLONE staging.tj {THEN}"),
        format!("INSERT INTO staging.plain (name) SELECT TO_JSON_STRING(x) FROM staging.tj AS x {THEN}"),
        format!("CREATE VIEW staging.to4 AS SELECT TO_JSON_STRING(x) AS j FROM staging.tj AS x {THEN}"),
    ];
    let refused = |caller: &str, statement: &str| {
        for dry_run in [true, false] {
            let answer = ask(&world, caller, statement, dry_run);
            let text = answer.text();
            assert_eq!(answer.status, 403, "{caller} {statement}: {text}");
            let accepted = "accepted: the same without `FOR SYSTEM_TIME AS OF`";
            assert!(text.contains("as it was (`FOR SYSTEM_TIME AS OF`)") && text.contains(accepted), "{caller} {statement}: {text}");
            assert!(text.contains("labelled ") && text.contains("national_id"), "{caller} {statement}: {text}");
        }
        assert!(!reached(&world, statement), "{caller}: {statement}");
    };
    let mut marks = Vec::new();
    for statement in &reads {
        HIDDEN_FROM.iter().for_each(|caller| refused(caller, statement));
        let answer = query(&world, SEEING, statement);
        assert!(reached(&world, statement) && answer.status != 403, "{statement}: {}", answer.text());
        marks.push(answer.mark);
    }
    writes.iter().for_each(|statement| refused(PIPELINE, statement));
    // The table as it is, and the past of one that no label can be on.
    let caller = HIDDEN_FROM[0];
    ran(&world, caller, "SELECT TO_JSON_STRING(x) AS j FROM staging.tj AS x");
    let plain = format!("SELECT TO_JSON_STRING(x) AS j FROM staging.plain AS x {THEN}");
    let answer = query(&world, caller, &plain);
    assert!(reached(&world, &plain) && answer.status != 403, "{}", answer.text());
    // By a pattern alone, whatever columns there are.
    refused(caller, &format!("SELECT id FROM clinic.patients {THEN}"));
    sessions(&world);
    let mark = query(&world, caller, &reads[0]).mark;
    let evidence = world.finish();
    assert_eq!(evidence.ends(&mark), ["refused policy"]);
    assert!(marks.iter().all(|mark| evidence.ends(mark) != ["refused policy"]));
}

/// A read session at a moment is decided in the same way.
fn sessions(world: &World) {
    let open = |caller: &str, name: &str| {
        let mut request = session("staging", name, Form::Avro);
        let earlier = request.read_session.as_mut().unwrap().table_modifiers.get_or_insert_default();
        earlier.snapshot_time.get_or_insert_default().seconds = 1_700_000_000;
        Storage::of(world, caller).create(request).unwrap_err()
    };
    let hidden = open(HIDDEN_FROM[0], "tj");
    assert!(hidden.code() == Code::PermissionDenied && hidden.message().contains("as it was (`snapshot_time`)"), "{hidden}");
    // The warehouse has no past.
    for (caller, name) in [(SEEING, "tj"), (HIDDEN_FROM[0], "plain")] {
        let served = open(caller, name);
        assert!(served.code() != Code::PermissionDenied && !served.message().contains("as it was"), "{caller} {name}: {served}");
    }
}

/// Who sees all of it writes it elsewhere, with the labels that it had.
#[test]
fn what_is_made_of_the_past_keeps_its_labels() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL, SEEING_PIPELINE], &NARROW[..]].concat());
    let world = World::start_with("historical-writes", &["--policy", policy.path().to_str().unwrap()]);
    with_past(&world);
    for statement in [
        format!("CREATE TABLE staging.cloned CLONE staging.tj {THEN}"),
        format!("CREATE TABLE staging.made AS SELECT * FROM staging.tj {THEN}"),
    ] {
        let answer = query(&world, PIPELINE, &statement);
        assert!(reached(&world, &statement) && answer.status != 403, "{statement}: {}", answer.text());
    }
    // As BigQuery would have made them.
    let make = |name: &str| {
        let text = format!("CREATE OR REPLACE TABLE staging.{name} AS SELECT id, ssn AS k FROM clinic.patients");
        let answer = world.direct("POST", &format!("{API}/queries"), Some(&json!({ "query": text, "useLegacySql": false })));
        assert_eq!(answer.status, 200, "{}", answer.text());
    };
    ["cloned", "made"].into_iter().for_each(make);
    let clear = world.direct_cell("SELECT k FROM staging.cloned WHERE id = 1");
    for name in ["cloned", "made"] {
        let answer = query(&world, "report-job", &format!("SELECT k, TO_JSON_STRING(x) AS j FROM staging.{name} AS x WHERE TRUE"));
        assert!(answer.status == 200 && !answer.text().contains(&clear), "{name}: {}", answer.text());
    }
    let open = query(&world, "report-job", "SELECT id FROM staging.cloned ORDER BY id LIMIT 1");
    assert_eq!(open.json()["rows"][0]["f"][0]["v"], json!("1"), "{}", open.text());
    world.finish();
}
