//! Records whose fields have no names, the same name, or names that a caller chose: what is hidden of them is hidden by its place, in every form that rows
//! have, and all forms say the same.

use crate::policies::{WITHOUT_APPROVAL, starter_with};
use crate::storage_wire::{FORMS, Form, Storage, options, rows, session};
use crate::streamed::table_of;
use crate::talk::Answer;
use crate::world::{API, World};
use serde_json::{Value, json};

const CALLER: &str = "support-agent";
const NAME: &str = "{name}";
const LAST_FOUR: &str = "{last four}";
/// A statement, the first row's cells of it by place, and whether Avro has names for it.
type Case = (&'static str, fn() -> Value, bool);
const CASES: [Case; 20] = [
    ("SELECT STRUCT(name, CONCAT(ssn, '')) AS s", || json!([[NAME, ""]]), true),
    ("SELECT STRUCT(name AS _1, CONCAT(ssn, '')) AS s", || json!([[NAME, ""]]), true),
    ("SELECT STRUCT(name AS _2, CONCAT(ssn, '')) AS s", || json!([[NAME, ""]]), true),
    ("SELECT STRUCT(name AS _field_1, CONCAT(ssn, '') AS _field_3, ssn) AS s", || json!([[NAME, "", LAST_FOUR]]), true),
    ("SELECT STRUCT(name AS `[1]`, ssn || '') AS s", || json!([[NAME, ""]]), false),
    ("SELECT STRUCT(ssn, name AS _0) AS s", || json!([[LAST_FOUR, NAME]]), true),
    ("SELECT STRUCT(ssn AS _1, name) AS s", || json!([[LAST_FOUR, NAME]]), true),
    ("SELECT STRUCT(0 AS _1, TO_JSON_STRING(p)) AS s", || json!([["0", null]]), true),
    ("SELECT (name, ssn, ssn || '', id) AS s", || json!([[NAME, LAST_FOUR, "", "1"]]), true),
    ("SELECT STRUCT(STRUCT(name AS _1, ssn || '') AS _1, ssn || '') AS s", || json!([[[NAME, ""], ""]]), true),
    (
        "SELECT STRUCT(name AS a, STRUCT(ssn || '', name AS _0, (ssn, name)) AS b) AS s",
        || json!([[NAME, ["", NAME, [LAST_FOUR, NAME]]]]),
        true,
    ),
    ("SELECT [STRUCT(name AS _1, ssn || '')] AS s", || json!([[[NAME, ""]]]), true),
    ("SELECT [STRUCT(name AS x, [STRUCT(ssn || '', name AS _0)] AS y)] AS s", || json!([[[NAME, [["", NAME]]]]]), true),
    ("SELECT ARRAY(SELECT AS STRUCT name AS _1, ssn || '') AS s", || json!([[[NAME, ""]]]), false),
    ("SELECT ARRAY_AGG(STRUCT(name AS _1, ssn || '')) OVER (PARTITION BY id) AS s", || json!([[[NAME, ""]]]), true),
    ("SELECT STRUCT((ssn, ssn) AS _1, [name]) AS s", || json!([[[LAST_FOUR, LAST_FOUR], [NAME]]]), true),
    ("SELECT ssn || '', name AS f1_, ssn", || json!(["", NAME, LAST_FOUR]), true),
    ("SELECT name AS _1, ssn || '' AS _0", || json!([NAME, ""]), true),
    ("SELECT STRUCT(name AS a, ssn || '' AS a) AS s", || json!([[NAME, ""]]), false),
    ("SELECT STRUCT(name AS a, ssn || '' AS A) AS s", || json!([[NAME, ""]]), false),
];

fn query(world: &World, caller: &str, statement: &str) -> Answer {
    let body = json!({ "query": statement, "useLegacySql": false, "timeoutMs": 20_000, "formatOptions": { "useInt64Timestamp": true } });
    world.call(caller, "POST", &format!("{API}/queries"), Some(&body))
}

/// Values by place: `{"f":[{"v":1}]}` -> `[1]`.
fn places(value: &Value) -> Value {
    match value {
        Value::Object(_) if value.get("f").is_some() => value["f"].as_array().unwrap().iter().map(|cell| places(&cell["v"])).collect(),
        Value::Array(values) => values.iter().map(|value| places(&value["v"])).collect(),
        value => value.clone(),
    }
}

fn filled(expect: &Value, name: &str, last_four: &str) -> Value {
    match expect {
        Value::Array(values) => values.iter().map(|value| filled(value, name, last_four)).collect(),
        Value::String(text) if text == NAME => json!(name),
        Value::String(text) if text == LAST_FOUR => json!(last_four),
        value => value.clone(),
    }
}

/// The rows of a table in every form; where Avro has no words for its fields, in the others.
fn by_streams(storage: &Storage<'_>, dataset: &str, table: &str, fields: &[&str], has_avro: bool) -> Vec<(Form, Vec<Value>)> {
    let mut all = Vec::new();
    for form in FORMS.into_iter().filter(|form| has_avro || !matches!(form, Form::Avro)) {
        let mut request = session(dataset, table, form);
        options(&mut request).selected_fields = fields.iter().map(|field| (*field).to_owned()).collect();
        let opened = storage.create(request).unwrap_or_else(|status| panic!("{form:?} {table} {fields:?}: {status}"));
        let messages: Vec<_> = opened.streams.iter().flat_map(|stream| storage.messages(&stream.name, 0).unwrap()).collect();
        let found = rows(&opened, &messages);
        storage.told(json!(found).to_string());
        all.push((form, found));
    }
    all
}

#[test]
fn fields_are_hidden_by_their_place_in_every_form() {
    let world = World::start("places-results");
    let name = world.direct_cell("SELECT name FROM clinic.patients WHERE id = 1");
    let ssn = world.direct_cell("SELECT ssn FROM clinic.patients WHERE id = 1");
    let last_four = format!("XXXXX{}", ssn.split_at(ssn.len() - 4).1);
    let storage = Storage::of(&world, CALLER);
    let (mut wrong, mut read) = (Vec::new(), 0);
    for (statement, expect, has_avro) in CASES {
        let answer = query(&world, CALLER, &format!("{statement} FROM clinic.patients AS p WHERE id < 4 ORDER BY id"));
        if answer.status != 200 {
            wrong.push(format!("{statement}: {}", answer.text()));
            continue;
        }
        let answer = answer.json();
        let rest = answer["rows"].as_array().unwrap().clone();
        let (first, expect) = (places(&rest[0]), filled(&expect(), &name, &last_four));
        if first != expect || rest.len() != 3 {
            wrong.push(format!("{statement}: {first} is not {expect}"));
        }
        let job = answer["jobReference"]["jobId"].as_str().unwrap();
        let (dataset, table) = table_of(&world.call(CALLER, "GET", &format!("{API}/jobs/{job}?location=US"), None).json()).unwrap();
        for (form, found) in by_streams(&storage, &dataset, &table, &[], has_avro) {
            read += 1;
            if found != rest {
                wrong.push(format!("{statement}: {form:?} says {} and not {}", json!(found), json!(rest)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 3 * CASES.len(), "{read}");
    world.finish();
}

/// The same in tables that a pipeline wrote, whole and field by field.
#[test]
fn fields_of_tables_are_hidden_by_their_place_in_every_form() {
    let policy = starter_with(&[WITHOUT_APPROVAL]);
    let world = World::start_with("places-tables", &["--policy", policy.path().to_str().unwrap()]);
    let storage = Storage::of(&world, CALLER);
    let name = world.direct_cell("SELECT name FROM clinic.patients WHERE id = 1");
    let tables: [(&str, &[&str], Value); 4] = [
        ("STRUCT(name, ssn || '') AS s", &["s", "s._field_2", "s._field_1,s._field_2", "s.name"], json!([[NAME, ""]])),
        ("STRUCT('x' AS _1, ssn || '') AS s", &["s", "s._1", "s._field_2"], json!([["x", ""]])),
        ("[STRUCT(name AS _1, ssn || '')] AS s", &["s", "s._1", "s._field_2"], json!([[[NAME, ""]]])),
        (
            "STRUCT(STRUCT(ssn || '', name AS _0) AS i, name AS _2) AS s",
            &["s", "s.i", "s.i._field_1", "s._2", "s.i._0"],
            json!([[["", NAME], NAME]]),
        ),
    ];
    let mut read = 0;
    for (number, (columns, choices, expect)) in tables.iter().enumerate() {
        let table = format!("placed_{number}");
        let made =
            query(&world, "etl-nightly", &format!("CREATE TABLE staging.{table} AS SELECT {columns} FROM clinic.patients WHERE id = 1"));
        assert_eq!(made.status, 200, "{columns}: {}", made.text());
        for choice in choices.iter().map(|choice| choice.split(',').collect::<Vec<&str>>()) {
            let path = format!("{API}/datasets/staging/tables/{table}/data?selectedFields={}", choice.join(","));
            let rest = world.call(CALLER, "GET", &path, None);
            // A name that the table does not have is refused by both.
            if rest.status != 200 {
                assert!(world.direct("GET", &path, None).status != 200, "{table} {choice:?}: {}", rest.text());
                let mut request = session("staging", &table, FORMS[0]);
                options(&mut request).selected_fields = choice.iter().map(|field| (*field).to_owned()).collect();
                assert!(storage.create(request).is_err(), "{table} {choice:?}");
                continue;
            }
            let rest = rest.json()["rows"].as_array().unwrap().clone();
            if choice == ["s"] {
                assert_eq!(places(&rest[0]), filled(expect, &name, ""), "{columns}");
            }
            for (form, found) in by_streams(&storage, "staging", &table, &choice, true) {
                read += 1;
                assert_eq!(json!(found), json!(rest), "{form:?} {columns} {choice:?}");
            }
        }
    }
    assert!(read >= 4 * 8, "{read}");
    world.finish();
}
