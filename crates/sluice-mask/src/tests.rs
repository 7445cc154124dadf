//! Pages against a reader that builds trees and compares them naively.

use crate::masker::MaskFault;
use crate::page::{PageFault, RawPage};
use crate::schema::{self, Columns};
use proptest::prelude::*;
use serde_json::{Value, json};

const JOB: &str = r#""jobComplete":true,"jobReference":{"projectId":"p","jobId":"j","location":"EU"}"#;

fn head(text: &str) -> Result<RawPage, PageFault> {
    RawPage::read(text.as_bytes())
}

#[test]
fn known_members_are_kept_and_others_counted() {
    let text = r#"{"rows":[{"f":[{"v":"1"}]}],"etag":"x","totalRows":"7","pageToken":"t","errors":[{"message":"secret"}],
        "schema":{"fields":[{"name":"a","type":"RECORD","mode":"REPEATED","description":"secret","fields":[
            {"name":"b","type":"STRING","maxLength":"10","policyTags":{"names":["secret"]},"defaultValueExpression":"'secret'"}]}],"x":1},
        "kind":"bigquery#queryResponse","cacheHit":false,"totalBytesProcessed":"12","numDmlAffectedRows":"3",
        "dmlStats":{"insertedRowCount":"3","other":"secret"},"jobComplete":true,"jobReference":{"projectId":"p","jobId":"j","location":"EU","x":"secret"}}"#;
    let page = head(text).unwrap();
    assert_eq!((page.head.complete, page.head.total_rows, page.head.page_token.as_deref()), (true, Some(7), Some("t")));
    assert_eq!(
        page.head.schema,
        Some(json!({ "fields": [{ "name": "a", "type": "RECORD", "mode": "REPEATED",
            "fields": [{ "name": "b", "type": "STRING", "maxLength": "10" }] }] }))
    );
    let rest = json!({ "kind": "bigquery#queryResponse", "cacheHit": false, "totalBytesProcessed": "12", "numDmlAffectedRows": "3",
        "dmlStats": { "insertedRowCount": "3" }, "jobReference": { "projectId": "p", "jobId": "j", "location": "EU" } });
    assert_eq!(Value::Object(page.head.rest.clone()), rest);
    assert_eq!(page.head.dropped, 8);
    assert_eq!(page.rows.as_str(), r#"{"f":[{"v":"1"}]}"#);
    assert!(!format!("{:?}", page.head).contains("secret"));
    assert!(!format!("{page:?}").contains(r#""v":"#));
}

#[test]
fn odd_pages_are_refused() {
    let check = |text: &str, expect: Option<&'static str>| {
        let found = head(text);
        assert_eq!(found.as_ref().err(), expect.map(PageFault::Shape).as_ref(), "{text}");
    };
    check("{}", None);
    check(&format!("{{{JOB}}}"), None);
    check(r#"{"rows":null,"schema":null,"pageToken":null}"#, None);
    for text in [
        "",
        "[]",
        "null",
        "{} {}",
        "{\"rows\":[}",
        "{\"a\":1 \"b\":2}",
        "{\"rows\":[{]}",
        "{\"x\":\"\\ud800\"}",
        "{,\"a\":1}",
        "{\"a\":1,}",
    ] {
        check(text, Some("JSON"));
    }
    check(r#"{"rows":[],"rows":[]}"#, Some("a member stands twice"));
    check(r#"{"rows":[],"\u0072ows":[]}"#, Some("a member stands twice"));
    check(r#"{"unknown":1,"unknown":1}"#, Some("a member stands twice"));
    check(r#"{"schema":{"fields":[],"fields":[]}}"#, Some("JSON"));
    check(r#"{"rows":{}}"#, Some("rows"));
    check(r#"{"rows":"[]"}"#, Some("rows"));
    check(r#"{"totalRows":"-1"}"#, Some("totalRows"));
    check(r#"{"totalRows":"+1"}"#, Some("totalRows"));
    check(r#"{"totalRows":"99999999999999999999"}"#, Some("totalRows"));
    check(r#"{"jobComplete":"true"}"#, Some("jobComplete"));
    check(r#"{"jobReference":{"projectId":"p","jobId":"j"}}"#, Some("jobComplete"));
    check(r#"{"jobComplete":true,"jobReference":{"jobId":"j"}}"#, Some("jobReference"));
    check(r#"{"jobComplete":false,"rows":[{"f":[]}]}"#, Some("rows before the job is complete"));
    check(r#"{"kind":"bigquery#tableDataList","jobComplete":true}"#, Some("rows of a table that name a job"));
    check(r#"{"kind":"bigquery#job"}"#, Some("kind"));
    check(r#"{"cacheHit":"yes"}"#, Some("a known member"));
    check(r#"{"dmlStats":[]}"#, Some("dmlStats"));
    check(r#"{"schema":[]}"#, Some("schema"));
    check(r#"{"schema":{"fields":[{"name":"a","type":"SECRET"}]}}"#, Some("a field of the schema"));
    check(r#"{"schema":{"fields":[{"name":"a"}]}}"#, Some("a field of the schema"));
    check(r#"{"schema":{"fields":[{"type":"STRING"}]}}"#, Some("a field of the schema"));
    check(r#"{"schema":{"fields":[{"name":"a","type":"RECORD"}]}}"#, Some("a field of the schema"));
    check(r#"{"schema":{"fields":[{"name":"a","type":"STRING","fields":[]}]}}"#, Some("a field of the schema"));
    check(r#"{"schema":{"fields":[{"name":"a","type":"STRING","mode":"MANY"}]}}"#, Some("a field of the schema"));
    assert_eq!(RawPage::read(b"{\"a\":\"\xff\"}").unwrap_err(), PageFault::Shape("text"));
}

#[test]
fn pages_have_limits() {
    let whole = |inside: &str| RawPage::read(format!("{{{inside}}}").as_bytes()).map(drop);
    let field = |name: &str| format!(r#"{{"name":"{name}","type":"STRING"}}"#);
    let schema = |fields: String| whole(&format!(r#""schema":{{"fields":[{fields}]}}"#));
    let nested = |levels: usize| (1..levels).fold(field("a"), |inside, _| format!(r#"{{"name":"r","type":"RECORD","fields":[{inside}]}}"#));
    assert_eq!(schema(vec![field("a"); crate::COLUMNS_MAX].join(",")), Ok(()));
    assert_eq!(schema(vec![field("a"); crate::COLUMNS_MAX + 1].join(",")), Err(PageFault::Shape("more columns than there may be")));
    assert_eq!(schema(nested(crate::COLUMN_LEVELS_MAX)), Ok(()));
    assert_eq!(schema(nested(crate::COLUMN_LEVELS_MAX + 1)), Err(PageFault::Shape("records nested too deep")));
    assert_eq!(schema(field(&"n".repeat(crate::COLUMN_NAME_BYTES_MAX))), Ok(()));
    assert_eq!(schema(field(&"n".repeat(crate::COLUMN_NAME_BYTES_MAX + 1))), Err(PageFault::Shape("a field of the schema")));
    let token = |bytes: usize| whole(&format!(r#""pageToken":"{}""#, "t".repeat(bytes)));
    assert_eq!((token(crate::PAGE_TOKEN_BYTES_MAX), token(crate::PAGE_TOKEN_BYTES_MAX + 1)), (Ok(()), Err(PageFault::Shape("pageToken"))));
    let long = whole(&format!(r#""schema":"{}""#, "t".repeat(crate::HEAD_MEMBER_BYTES_MAX)));
    assert_eq!(long, Err(PageFault::TooLarge { bytes_max: crate::HEAD_MEMBER_BYTES_MAX }));
    let members = |count: usize| whole(&(0..count).map(|number| format!("\"m{number}\":0")).collect::<Vec<_>>().join(","));
    assert_eq!(members(crate::HEAD_MEMBERS_MAX), Ok(()));
    assert_eq!(members(crate::HEAD_MEMBERS_MAX + 1), Err(PageFault::Shape("more members than there may be")));
    let large = vec![b' '; crate::PAGE_BYTES_MAX + 1];
    assert_eq!(RawPage::read(&large).unwrap_err(), PageFault::TooLarge { bytes_max: crate::PAGE_BYTES_MAX });
}

fn fits(fields: &Value, rows: &str) -> Result<u64, MaskFault> {
    let text = format!(r#"{{{JOB},"rows":[{rows}],"schema":{}}}"#, json!({ "fields": fields }));
    head(&text).map_or(Err(MaskFault::Shape), |page| page.fits_schema())
}

#[test]
fn rows_of_another_shape_end_the_answer() {
    let fields = json!([
        { "name": "s", "type": "STRING" }, { "name": "q", "type": "INTEGER", "mode": "REQUIRED" },
        { "name": "r", "type": "STRING", "mode": "REPEATED" },
        { "name": "o", "type": "RECORD", "fields": [{ "name": "i", "type": "JSON" }] },
        { "name": "m", "type": "STRUCT", "mode": "REPEATED", "fields": [{ "name": "i", "type": "RANGE" }] },
    ]);
    let row = |cells: [&str; 5]| format!(r#"{{"f":[{}]}}"#, cells.map(|cell| format!(r#"{{"v":{cell}}}"#)).join(","));
    let good = [r#""a""#, r#""1""#, r#"[{"v":"x"},{"v":null}]"#, r#"{"f":[{"v":"{}"}]}"#, r#"[{"v":{"f":[{"v":null}]}}]"#];
    let with = |position: usize, cell: &'static str| {
        let mut cells = good;
        cells[position] = cell;
        row(cells)
    };
    let check = |row: &str, expect: bool| {
        assert_eq!(fits(&fields, row), if expect { Ok(1) } else { Err(MaskFault::Shape) }, "{row}");
    };
    check(&row(good), true);
    for (position, cell) in [(0, "null"), (2, "[]"), (2, " [ ] "), (3, "null"), (4, "[]"), (4, r#"[{"v":null}]"#), (0, r#""\"}]""#)] {
        check(&with(position, cell), true);
    }
    for (position, cell) in [
        (0, "1"),
        (0, "true"),
        (0, "[]"),
        (0, "{}"),
        (0, r#"{"f":[]}"#),
        (0, r#"[{"v":"x"}]"#),
        (0, "nullx"),
        (0, r#""a","w":"b""#),
        (0, r#""a","v":"b""#),
        (1, "null"),
        (2, "null"),
        (2, r#""x""#),
        (2, r#"["x"]"#),
        (2, r#"[{"v":"x"},]"#),
        (2, r#"[{"w":"x"}]"#),
        (2, r#"[{"v":[]}]"#),
        (3, r#""x""#),
        (3, "[]"),
        (3, r#"{"f":[]}"#),
        (3, r#"{"f":[{"v":"x"},{"v":"y"}]}"#),
        (3, r#"{"f":[{"v":"x"}],"f":[{"v":"y"}]}"#),
        (3, r#"{"g":[{"v":"x"}]}"#),
        (3, r#"{"\u0066":[{"v":"x"}]}"#),
        (4, r#"{"f":[{"v":"x"}]}"#),
        (4, r#"[{"f":[{"v":"x"}]}]"#),
        (4, r#"[{"v":{"f":[{"v":1}]}}]"#),
    ] {
        check(&with(position, cell), false);
    }
    for bad in ["null", "[]", "{}", r#"{"f":[]}"#, r#"{"f":null}"#, r#"{"v":"x"}"#] {
        check(bad, false);
    }
    check(&format!(r#"{},{{"v":"more"}}]}}"#, row(good).strip_suffix("]}").unwrap()), false);
    check(&format!("{}]}}", row(good).rsplit_once(",{\"v\":[{\"v\":{\"f\"").unwrap().0), false);
    check(&row(good).replacen("{\"f\"", "{\"x\":1,\"f\"", 1), false);
    check(&format!("{{ \"f\" : [ {{ \"v\" :\n{} }} {}", good[0], row(good).split_once("\"a\"}").unwrap().1), true);
    // One bad row among good ones.
    assert_eq!(fits(&fields, &[row(good), with(0, "1"), row(good)].join(",")), Err(MaskFault::Shape));
    assert_eq!(fits(&fields, &[row(good), row(good)].join(" ,\n")), Ok(2));
    // Without a schema no row can be looked at.
    assert_eq!(head(&format!(r#"{{{JOB},"rows":[{{"f":[]}}]}}"#)).unwrap().fits_schema(), Err(MaskFault::Shape));
    assert_eq!(head(&format!(r#"{{{JOB},"rows":[ ]}}"#)).unwrap().fits_schema(), Ok(0));
}

/// A field and a cell for it; sometimes a cell that does not belong there.
pub(crate) fn field() -> impl Strategy<Value = Value> {
    let scalar = ("[a-z]{1,3}", prop::sample::select(vec!["STRING", "INTEGER", "JSON"]), mode())
        .prop_map(|(name, kind, mode)| json!({ "name": name, "type": kind, "mode": mode }));
    scalar.prop_recursive(3, 12, 3, |inside| {
        ("[a-z]{1,3}", prop::collection::vec(inside, 1..3), mode())
            .prop_map(|(name, fields, mode)| json!({ "name": name, "type": "RECORD", "mode": mode, "fields": fields }))
    })
}

fn mode() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["NULLABLE", "NULLABLE", "REPEATED", "REQUIRED"])
}

/// `chance` says, cell by cell, what stands there.
fn cell(field: &Value, repeated: bool, chance: &mut impl FnMut(usize) -> usize) -> Value {
    if chance(60) == 0 {
        return [json!(1), json!(null), json!([]), json!({}), json!({ "f": [] }), json!("x"), json!([{ "v": "x" }])][chance(7)].clone();
    }
    if repeated {
        return Value::Array((0..chance(3)).map(|_| json!({ "v": cell(field, false, chance) })).collect());
    }
    match field.get("fields") {
        Some(fields) => row(fields, chance),
        None => json!(["", "plain", "\"quo\\ted\u{1}", "größer 😀", "[{\"v\":"][chance(5)]),
    }
}

pub(crate) fn row(fields: &Value, chance: &mut impl FnMut(usize) -> usize) -> Value {
    let cells = fields.as_array().unwrap().iter().map(|field| json!({ "v": cell(field, field["mode"] == "REPEATED", chance) }));
    let mut cells: Vec<Value> = cells.collect();
    match chance(200) {
        0 => drop(cells.pop()),
        1 => cells.push(json!({ "v": null })),
        2 => return json!({ "f": cells, "g": 1 }),
        _ => {}
    }
    json!({ "f": cells })
}

fn naive(fields: &Value, row: &Value) -> bool {
    let (fields, members) = (fields.as_array().unwrap(), row.as_object());
    let Some(cells) = members.filter(|members| members.len() == 1).and_then(|members| members.get("f")?.as_array()) else { return false };
    cells.len() == fields.len()
        && fields.iter().zip(cells).all(|(field, cell)| {
            let one = |cell: &Value| match field.get("fields") {
                _ if cell["v"].is_null() => field["mode"] != "REQUIRED",
                Some(fields) => naive(fields, &cell["v"]),
                None => cell["v"].is_string(),
            };
            let only_v = |cell: &Value| cell.as_object().is_some_and(|members| members.len() == 1 && members.contains_key("v"));
            only_v(cell)
                && match field["mode"].as_str() {
                    Some("REPEATED") => cell["v"].as_array().is_some_and(|cells| cells.iter().all(|cell| only_v(cell) && one(cell))),
                    _ => one(cell),
                }
        })
}

proptest! {
    /// The scanner lets pass exactly what a naive reader of trees lets pass, and what it passes is the same rows, all of them, in order.
    #[test]
    fn a_naive_reader_agrees(fields in prop::collection::vec(field(), 1..4), rows in 0_usize..6, seed: u64, pretty: bool, order in 0_usize..4) {
        let mut state = seed | 1;
        let mut chance = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % below
        };
        let fields = Value::Array(fields);
        let rows: Vec<Value> = (0..rows).map(|_| row(&fields, &mut chance)).collect();
        let mut members = vec![("rows", json!(rows)), ("schema", json!({ "fields": fields })), ("totalRows", json!("9")), ("etag", json!("e"))];
        members.rotate_left(order);
        let page = Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        let text = if pretty { serde_json::to_string_pretty(&page).unwrap() } else { page.to_string() };
        let read = RawPage::read(text.as_bytes()).unwrap();
        prop_assert_eq!(read.head.dropped, 1);
        prop_assert_eq!(read.head.schema.clone(), Some(json!({ "fields": fields })));
        let expect = rows.iter().all(|row| naive(&fields, row));
        let columns = Columns::of_schema(read.head.schema.as_ref().unwrap());
        match crate::masker::pieces(&read, columns.as_ref()) {
            Ok(pieces) => {
                prop_assert!(expect);
                let text = pieces.iter().map(|piece| piece.text()).collect::<Vec<_>>().join(",");
                prop_assert_eq!(serde_json::from_str::<Value>(&format!("[{text}]")).unwrap(), json!(rows));
                prop_assert_eq!(pieces.iter().map(|piece| piece.count()).sum::<u64>(), rows.len() as u64);
            }
            Err(fault) => prop_assert!(!expect && fault == MaskFault::Shape),
        }
    }

    /// Rebuilding what is rebuilt changes nothing, and drops nothing.
    #[test]
    fn a_rebuilt_schema_is_as_it_should_be(fields in prop::collection::vec(field(), 0..4)) {
        let mut dropped = 0;
        let schema = json!({ "fields": fields });
        prop_assert_eq!(schema::rebuild(schema.clone(), &mut dropped), Ok(schema));
        prop_assert_eq!(dropped, 0);
    }
}
