//! Jobs that take data out of the warehouse themselves: nobody masks what they write, so nothing of what they read becomes another thing, or gets a label by what
//! others write, before they are over. Whoever comes second asks again.

use crate::policies::{Change, WITHOUT_APPROVAL, WITHOUT_LIMITS, starter_with};
use crate::reshaped::{PIPELINE, begin, end_of, fresh, go_on, make, query, ran};
use crate::world::{API, World};
use serde_json::json;

const EXPORTS: Change = (
    "@id(\"ci-copies-labelled\")",
    "@id(\"ci-exports\")\n@reason(\"tests\")\npermit (principal is Pipeline in Group::\"ci-analytics\", action in [Action::\"export\", Action::\"jobs.extract\", Action::\"open\"], resource);\n\n@id(\"ci-copies-labelled\")",
);
const OUT: &str = "EXPORT DATA OPTIONS(uri='gs://bucket/x-*.csv', format='CSV') AS ";
const SSN: &str = "SELECT ssn AS a FROM clinic.patients";

#[test]
fn what_is_taken_out_stays_what_it_is_until_it_is_out() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL, EXPORTS], &WITHOUT_LIMITS[..]].concat());
    let world = World::start_unpaced("leaving", policy.path());
    let check = |table: &str, made: &str, reads: &str, change: &str, expect: u16| {
        fresh(&world, table);
        make(&world, &made.replace("{t}", table));
        let job = begin(&world, PIPELINE, table, "", &format!("{OUT}{reads}"));
        let change = change.replace("{t}", table);
        let answer = query(&world, PIPELINE, &change);
        assert_eq!(answer.status, expect, "{reads} beside {change}: {}", answer.text());
        if expect == 503 {
            assert!(answer.text().contains("read by one that takes data out"), "{}", answer.text());
        }
        go_on(&world, table);
        end_of(&world, &job);
        // When it is out everybody goes on.
        if expect == 503 {
            ran(&query(&world, PIPELINE, &change), &change);
            let again = query(&world, PIPELINE, &format!("{OUT}{reads}").replace("{t}", table));
            assert_eq!(again.status, 403, "{}", again.text());
        }
    };
    let (whole, view) =
        ("SELECT TO_JSON_STRING(x) AS j FROM staging.{t} AS x", "CREATE OR REPLACE VIEW staging.v_{t} AS SELECT a FROM staging.{t}");
    let filled = format!("INSERT INTO staging.{{t}} {SSN}");
    check("filled", "SELECT 1", "SELECT a FROM staging.{t}", &filled, 503);
    check("through_a_view", view, "SELECT a FROM staging.v_{t}", &filled, 503);
    check("replaced", "SELECT 1", whole, "CREATE OR REPLACE TABLE staging.{t} AS SELECT ssn AS other FROM clinic.patients", 503);
    check("viewed", view, "SELECT a FROM staging.v_{t}", &format!("CREATE OR REPLACE VIEW staging.v_{{t}} AS {SSN}"), 503);
    check("more", "SELECT 1", whole, "INSERT INTO staging.{t} (a) VALUES ('more')", 200);
    // By what another job that runs makes of it.
    fresh(&world, "chained");
    fresh(&world, "source");
    let copies = begin(&world, PIPELINE, "source", "", "INSERT INTO staging.chained SELECT a FROM staging.source");
    let job = begin(&world, PIPELINE, "chained", "", &format!("{OUT}SELECT a FROM staging.{{t}}"));
    let answer = query(&world, PIPELINE, &format!("INSERT INTO staging.source {SSN}"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    for (table, job) in [("source", copies), ("chained", job)] {
        go_on(&world, table);
        end_of(&world, &job);
    }
    // A job of another kind.
    fresh(&world, "extracted");
    let slow = json!({ "verb": "POST", "path": "/jobs", "skip": 0, "count": 1, "act": { "kind": "job", "milliseconds": 2_500 } });
    world.fault(&slow);
    let source = json!({ "projectId": "acme-prod", "datasetId": "staging", "tableId": "extracted" });
    let extract = json!({ "configuration": { "extract": { "sourceTable": source, "destinationUris": ["gs://bucket/x-*.csv"] } } });
    let begun = world.call(PIPELINE, "POST", &format!("{API}/jobs"), Some(&extract));
    ran(&begun, "extract");
    let answer = query(&world, PIPELINE, &format!("INSERT INTO staging.extracted {SSN}"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    end_of(&world, begun.json()["jobReference"]["jobId"].as_str().unwrap());
    ran(&query(&world, PIPELINE, &format!("INSERT INTO staging.extracted {SSN}")), "when it is over");
    world.clear_faults();
    world.finish();
}

/// A name that had labels once has them still: whatever is made under it brings none that is new.
#[test]
fn nothing_is_made_where_somebody_takes_data_out() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL, EXPORTS], &WITHOUT_LIMITS[..]].concat());
    let world = World::start_unpaced("leaving-made", policy.path());
    let check = |table: &str, read: &str, made: &str, prepare: &dyn Fn()| {
        let fill = format!("CREATE TABLE staging.{made} AS SELECT ssn AS once FROM clinic.patients");
        ran(&query(&world, PIPELINE, &fill), &fill);
        ran(&query(&world, PIPELINE, &format!("DROP TABLE staging.{made}")), "drop");
        fresh(&world, table);
        let job = begin(&world, PIPELINE, table, "", &format!("{OUT}SELECT TO_JSON_STRING(x) AS j FROM `staging.{read}` AS x"));
        prepare();
        let load = json!({ "configuration": { "query": { "query": "SELECT ssn AS once FROM clinic.patients", "useLegacySql": false, "writeDisposition": "WRITE_APPEND",
            "destinationTable": { "projectId": "acme-prod", "datasetId": "staging", "tableId": made } } } });
        let answers = [query(&world, PIPELINE, &fill), world.call(PIPELINE, "POST", &format!("{API}/jobs"), Some(&load))];
        for answer in answers {
            assert_eq!(answer.status, 503, "{table}: {}", answer.text());
            assert!(answer.text().contains("read by one that takes data out"), "{}", answer.text());
        }
        go_on(&world, table);
        end_of(&world, &job);
        ran(&query(&world, PIPELINE, &fill), &fill);
    };
    check("days_1", "days_*", "days_2", &|| {});
    // A table goes by itself when its time is over.
    let gone = || assert!(world.direct("DELETE", &format!("{API}/datasets/staging/tables/gone"), None).status < 300);
    check("gone", "gone", "gone", &gone);
    world.finish();
}

/// What a writer that runs puts into what leaves comes from elsewhere.
#[test]
fn what_is_written_into_it_meanwhile_stays_what_it_is_too() {
    let policy = starter_with(&[&[WITHOUT_APPROVAL, EXPORTS], &WITHOUT_LIMITS[..]].concat());
    let world = World::start_unpaced("leaving-through", policy.path());
    let rebuild = |table: &str| {
        let rebuild = format!("CREATE OR REPLACE TABLE staging.{table} AS SELECT ssn AS other FROM clinic.patients");
        (query(&world, PIPELINE, &rebuild), rebuild)
    };
    let fill = |from: &str, into: &str| {
        let fill = format!("INSERT INTO staging.{into} (a) SELECT TO_JSON_STRING(x) FROM staging.{from} AS x");
        begin(&world, PIPELINE, from, "", &fill)
    };
    let out = format!("{OUT}SELECT a FROM staging.{{t}}");
    ["first", "between", "last", "late", "end"].iter().for_each(|table| fresh(&world, table));
    let writers = [fill("first", "between"), fill("between", "last")];
    let export = begin(&world, PIPELINE, "last", "", &out);
    for table in ["first", "between"] {
        let (answer, _) = rebuild(table);
        assert_eq!(answer.status, 503, "{table}: {}", answer.text());
    }
    ["first", "between", "last"].iter().for_each(|table| go_on(&world, table));
    writers.iter().chain([&export]).for_each(|job| drop(end_of(&world, job)));
    let (answer, rebuild_first) = rebuild("first");
    ran(&answer, &rebuild_first);
    // The other way around: what it came to has labels already, or nobody knows yet.
    let writer = fill("late", "end");
    let (answer, rebuild_late) = rebuild("late");
    ran(&answer, &rebuild_late);
    let export = || query(&world, PIPELINE, &format!("{OUT}SELECT a FROM staging.end"));
    assert_eq!(export().status, 403, "{}", export().text());
    go_on(&world, "late");
    end_of(&world, &writer);
    assert_eq!(export().status, 403, "{}", export().text());
    // Or the writer comes last: it would bring out what nobody has looked at. What nobody changes it may bring.
    ["rebuilt", "same", "out"].iter().for_each(|table| fresh(&world, table));
    let export = begin(&world, PIPELINE, "out", "", &out);
    let rebuilds =
        begin(&world, PIPELINE, "rebuilt", "", "CREATE OR REPLACE TABLE staging.{t} AS SELECT ssn AS other FROM clinic.patients");
    let bring = |from: &str| format!("INSERT INTO staging.out (a) SELECT TO_JSON_STRING(x) FROM staging.{from} AS x");
    let answer = query(&world, PIPELINE, &bring("rebuilt"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    ran(&query(&world, PIPELINE, &bring("same")), "what is as it was");
    // By way of a third one, whose own sources are as they were.
    fresh(&world, "far");
    let writer = fill("rebuilt", "far");
    let answer = query(&world, PIPELINE, &bring("far"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    ["rebuilt", "out"].iter().for_each(|table| go_on(&world, table));
    [rebuilds, writer, export].iter().for_each(|job| drop(end_of(&world, job)));
    ran(&query(&world, PIPELINE, &bring("rebuilt")), "when it is out");
    world.finish();
}
