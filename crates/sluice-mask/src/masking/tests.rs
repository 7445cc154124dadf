//! Pages on their way against the same pages read whole.

use super::*;
use crate::masker::pieces;
use crate::page::RawPage;
use crate::tests::{field, row};
use proptest::prelude::*;
use serde_json::{Value, json};

const JOB: &str = r#""jobReference":{"projectId":"p","jobId":"j"}"#;
const TABLE: &str = r#""kind":"bigquery#tableDataList""#;
const SCHEMA: &str = r#""schema":{"fields":[{"name":"a","type":"STRING"}]}"#;
const SMALL: Sizes = Sizes { piece: 64, look: 16 };

type Read = Result<(Vec<(u64, String)>, Head), MaskFault>;

fn columns_of(head: &Head) -> Option<Columns> {
    head.schema.as_ref().and_then(Columns::of_schema)
}

/// As it comes, so many bytes at a time. Nothing where it would be read whole.
fn on_its_way(bytes: &[u8], first: usize, step: usize, sizes: Sizes) -> Option<Read> {
    let (first, rest) = bytes.split_at_checked(first)?;
    let start = PageStart::open(first.to_vec()).ok()?;
    let columns = columns_of(&start.head())?;
    let mut masking = Masking::with(start, columns, None, sizes);
    let mut found = Vec::new();
    let read = || -> Read {
        for bytes in rest.chunks(step.max(1)) {
            found.extend(masking.take(bytes)?);
        }
        let (rows, head) = masking.end()?;
        found.extend(rows);
        Ok((found.iter().map(|rows| (rows.count(), rows.text().to_owned())).collect(), head))
    };
    Some(read())
}

fn whole(bytes: &[u8]) -> Read {
    let page = RawPage::read(bytes).map_err(|_| MaskFault::Shape)?;
    let rows = pieces(&page, columns_of(&page.head).as_ref())?;
    Ok((rows.iter().map(|rows| (rows.count(), rows.text().to_owned())).collect(), page.head))
}

fn joined(rows: &[(u64, String)]) -> (u64, String) {
    (rows.iter().map(|(count, _)| count).sum(), rows.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(","))
}

#[test]
fn a_page_is_open_once_it_is_said_whose_its_rows_are() {
    let check = |text: &str, expect: bool| {
        let opened = PageStart::open(text.as_bytes().to_vec());
        assert_eq!(opened.is_ok(), expect, "{text}");
        // What is not opened is given back as it was.
        assert!(opened.is_ok() || opened.unwrap_err() == text.as_bytes());
    };
    check(&format!(r#"{{{SCHEMA},{JOB},"rows":["#), true);
    check(&format!(r#"{{{JOB},"rows": [{{"f":[{{"v":"x"}}]}},{{"#), true);
    check(&format!(r#"{{"jobComplete":true,{JOB},"\u0072ows":["#), true);
    check(&format!(r#"{{{TABLE},"totalRows":"1","rows":["#), true);
    for text in [
        format!(r#"{{"rows":[],{JOB}"#),
        format!(r#"{{{SCHEMA},"rows":["#),
        format!(r#"{{"jobComplete":false,{JOB},"rows":["#),
        format!(r#"{{{TABLE},{JOB},"rows":["#),
        format!(r#"{{{TABLE},"jobComplete":true,"rows":["#),
        format!(r#"{{{JOB},{JOB},"rows":["#),
        format!(r#"{{{JOB},"rows":null"#),
        format!(r#"{{{JOB},"rows""#),
        format!(r#"{{{JOB}"#),
        String::new(),
    ] {
        check(&text, false);
    }
    assert!(PageStart::open(b"{\"x\":\"\xff\",\"rows\":[".to_vec()).is_err());
}

#[test]
fn what_is_odd_ends_the_page_where_it_stands() {
    let (good, ended) = (r#"{"f":[{"v":"x"}]}"#, r#""jobComplete":true"#);
    let check = |rest: &str, expect: Option<u64>| {
        let text = format!(r#"{{{SCHEMA},{JOB},"rows":[{rest}"#);
        let first = text.len() - rest.len();
        for step in [1, 3, text.len()] {
            let read = on_its_way(text.as_bytes(), first, step, SMALL).unwrap();
            assert_eq!(read.map(|(rows, _)| joined(&rows).0).ok(), expect, "{rest}");
        }
        assert_eq!(whole(text.as_bytes()).is_ok(), expect.is_some(), "{rest}");
    };
    check(&format!("],{ended}}}"), Some(0));
    check(&format!("{good}],{ended}}}"), Some(1));
    check(&format!(" {good} , {good} ] , {ended} }} "), Some(2));
    check(&format!("{}],{ended}}}", vec![good; 40].join(",")), Some(40));
    for rest in [
        String::new(),
        good.to_owned(),
        format!("{good},],{ended}}}"),
        format!(",{good}],{ended}}}"),
        format!("{good}{good}],{ended}}}"),
        format!("{good}]"),
        format!("{good}]}}"),
        format!("{good}],{ended}"),
        format!("{good}],{ended}}}x"),
        format!("{good}],{ended},\"rows\":[]}}"),
        format!("{good}],{ended},{JOB}}}"),
        format!("{good}],\"jobComplete\":false}}"),
        format!("{good}],{ended},{TABLE}}}"),
        format!("{good},{{\"f\":[{{\"v\":1}}]}}],{ended}}}"),
        format!("{good},{{\"f\":[]}},{good}],{ended}}}"),
        format!("{good},null],{ended}}}"),
    ] {
        check(&rest, None);
    }
}

#[test]
fn what_never_ends_is_not_kept() {
    let begun =
        |rest: &str| Masking::new(PageStart::open(format!(r#"{{{SCHEMA},{JOB},"rows":[{rest}"#).into_bytes()).unwrap(), one_column(), None);
    let fill = vec![b'x'; 1 << 20];
    let taken = |mut masking: Masking, mib_max: usize| (0..mib_max).take_while(|_| masking.take(&fill).is_ok()).count() << 20;
    // One row, and what stands behind the last one.
    let row = taken(begun(r#"{"f":[{"v":""#), 128);
    assert!((ROW_BYTES_MAX / 2..=ROW_BYTES_MAX).contains(&row), "{row}");
    let tail = taken(begun(r#"],"x":""#), 128);
    assert!((HEAD_MEMBER_BYTES_MAX / 2..=HEAD_MEMBER_BYTES_MAX).contains(&tail), "{tail}");
    let rows = [r#"{"f":[{"v":""#.as_bytes(), &fill, br#""}]},"#].concat();
    let mut many = begun("");
    let all = (0..2_000).take_while(|_| many.take(&rows).is_ok()).count();
    assert!((1000..1024).contains(&all), "{all}");
    assert!(many.buffer.capacity() < 8 << 20, "{}", many.buffer.capacity());
}

fn one_column() -> Columns {
    Columns::of_schema(&json!({ "fields": [{ "name": "a", "type": "STRING" }] })).unwrap()
}

proptest! {
    /// Cut anywhere, it is the same page: the same rows in the same order, the same around them, and odd where the whole one is odd.
    #[test]
    fn a_page_on_its_way_is_the_page(
        fields in prop::collection::vec(field(), 1..4), rows in 0_usize..12, seed: u64, pretty: bool,
        first in 0_usize..400, step in 1_usize..200, piece in 1_usize..400, spoil in prop::option::weighted(0.2, 0_usize..2_000),
    ) {
        let mut state = seed | 1;
        let mut chance = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % below
        };
        let fields = Value::Array(fields);
        let rows: Vec<Value> = (0..rows).map(|_| row(&fields, &mut chance)).collect();
        let page = json!({ "kind": "bigquery#getQueryResultsResponse", "schema": { "fields": fields },
            "jobReference": { "projectId": "p", "jobId": "j" }, "totalRows": "9", "rows": rows, "pageToken": "größer",
            "totalBytesProcessed": "12", "jobComplete": true, "cacheHit": false });
        let mut bytes = if pretty { serde_json::to_vec_pretty(&page).unwrap() } else { serde_json::to_vec(&page).unwrap() };
        if let Some(byte) = spoil.and_then(|at| bytes.get_mut(at)) {
            *byte = b"\"{}[],:x\xff"[seed as usize % 9];
        }
        let sizes = Sizes { piece, look: 1 + piece / 4 };
        let first = first + bytes.windows(6).position(|bytes| bytes == b"\"rows\"").unwrap_or_default() + 12;
        if let Some(read) = on_its_way(&bytes, first, step, sizes) {
            match (read, whole(&bytes)) {
                (Ok((rows, head)), Ok((expected, expected_head))) => {
                    let ((count, text), (expected_count, expected)) = (joined(&rows), joined(&expected));
                    // White space between two pieces stays behind.
                    let value = |text: &str| serde_json::from_str::<Value>(&format!("[{text}]")).unwrap();
                    prop_assert_eq!(count, expected_count);
                    prop_assert!(value(&text) == value(&expected) && (pretty || text == expected));
                    prop_assert_eq!(head, expected_head);
                    prop_assert!(rows.iter().all(|(count, text)| *count == 1 || text.len() <= piece));
                }
                (Err(_), Err(_)) => {}
                (read, expected) => prop_assert!(false, "on its way: {read:?}, whole: {expected:?}"),
            }
        } else {
            prop_assert!(spoil.is_some() || first > bytes.len(), "not opened");
        }
    }
}
