//! The shape of what is labelled: whether a record is NULL, how many records an array has. Whoever makes one out of a value has written the value down in it.

use crate::canaries::Canaries;
use crate::reshaped::{PIPELINE, READER, query, ran, world};
use crate::storage_wire::{FORMS, Storage, options, session};
use crate::streamed::Look;
use crate::world::{API, World};
use serde_json::Value;
use std::collections::BTreeSet;

const MADE: &str = "CREATE OR REPLACE TABLE staging.shaped AS SELECT id, \
    ARRAY(SELECT AS STRUCT 1 AS k FROM UNNEST(GENERATE_ARRAY(1, SAFE_CAST(SUBSTR(ssn, 2, 1) AS INT64)))) AS digits, \
    ARRAY(SELECT AS STRUCT STRUCT(1 AS z) AS k FROM UNNEST(GENERATE_ARRAY(1, SAFE_CAST(SUBSTR(ssn, 3, 1) AS INT64)))) AS deeper, \
    STRUCT(IF(MOD(SAFE_CAST(SUBSTR(ssn, 2, 1) AS INT64), 2) = 1, STRUCT(1 AS a), NULL) AS inner_one) AS odd FROM clinic.patients";
const COPIED: [&str; 4] = [
    "CREATE OR REPLACE TABLE staging.{c} AS SELECT * FROM staging.shaped",
    "CREATE OR REPLACE TABLE staging.{c} AS SELECT id, digits, deeper, odd FROM (SELECT * FROM staging.shaped)",
    "CREATE OR REPLACE TABLE staging.{c} COPY staging.shaped",
    "CREATE OR REPLACE VIEW staging.{c} AS SELECT * FROM staging.shaped",
];
const ASKED: [&str; 6] = [
    "SELECT digits, deeper, odd FROM staging.{c}",
    "SELECT deeper AS a, digits AS b, odd.inner_one AS c FROM staging.{c}",
    "SELECT x FROM (SELECT AS STRUCT digits, deeper, odd FROM staging.{c}) AS x",
    "SELECT [STRUCT(1 AS other)] AS b FROM clinic.patients WHERE id < 0 UNION ALL SELECT digits FROM staging.{c}",
    "SELECT CAST(odd AS STRUCT<other STRUCT<name INT64>>) AS b FROM staging.{c}",
    "SELECT IF(id > 0, digits, []) AS b, COALESCE(deeper, []) AS c FROM staging.{c}",
];

fn rows(answer: &Value) -> BTreeSet<String> {
    answer["rows"].as_array().into_iter().flatten().map(|row| row["f"].to_string()).collect()
}

/// Rows that differ tell something of what made them.
fn tells(world: &World, table: &str) -> Vec<String> {
    let mut found = Vec::new();
    for statement in ASKED {
        let answer = query(world, READER, &statement.replace("{c}", table));
        ran(&answer, statement);
        let seen = rows(&answer.json());
        if seen.len() != 1 {
            found.push(format!("{statement} of {table}: {seen:?}"));
        }
    }
    found
}

#[test]
fn no_shape_of_what_is_labelled_tells_what_made_it() {
    let world = world("shaped");
    let canaries = Canaries::of(&world);
    ran(&query(&world, PIPELINE, MADE), MADE);
    let direct = world.direct(
        "POST",
        &format!("{API}/queries"),
        Some(&serde_json::json!({ "query": ASKED[0].replace("{c}", "shaped"), "useLegacySql": false })),
    );
    assert!(rows(&direct.json()).len() > 5, "there is something to hide: {}", direct.text());
    let mut found = tells(&world, "shaped");
    for (number, copied) in COPIED.iter().enumerate() {
        let table = format!("shaped_{number}");
        ran(&query(&world, PIPELINE, &copied.replace("{c}", &table)), copied);
        found.extend(tells(&world, &table));
    }
    for table in ["shaped", "shaped_0"] {
        let path = format!("{API}/datasets/staging/tables/{table}/data?selectedFields=digits,deeper,odd");
        let answer = world.call(READER, "GET", &path, None);
        ran(&answer, &path);
        let seen = rows(&answer.json());
        if seen.len() != 1 {
            found.push(format!("{path}: {seen:?}"));
        }
        for form in FORMS {
            let mut look = Look::new(Storage::of(&world, READER), &canaries);
            let mut request = session("staging", table, form);
            options(&mut request).selected_fields = ["digits", "deeper", "odd"].map(str::to_owned).to_vec();
            let read: BTreeSet<String> = look.whole(&request).unwrap().iter().map(|row| format!("{row:?}")).collect();
            if read.len() != 1 {
                found.push(format!("{table} as {form:?}: {read:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    // A label on a field alone says nothing of the record around it.
    let answer = query(&world, READER, "SELECT address FROM clinic.patients ORDER BY id LIMIT 3");
    ran(&answer, "address");
    assert!(rows(&answer.json()).iter().all(|row| row.contains("\"f\"")), "{}", answer.text());
    world.finish();
}
