use super::*;
use crate::values::ColumnMode;
use crate::values::schema::columns_of;
use crate::values::write::Format;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;

fn options(format: FileFormat) -> ReadOptions {
    ReadOptions { format, ignore_unknown: false, bad_records_max: 0 }
}

fn csv(change: impl FnOnce(&mut CsvOptions)) -> ReadOptions {
    let mut csv = CsvOptions::default();
    change(&mut csv);
    options(FileFormat::Csv(csv))
}

fn lines() -> ReadOptions {
    options(FileFormat::JsonLines)
}

/// `["1", "a"]` for each row.
fn values(file: &File) -> Value {
    let row = |row: &Row| -> Value {
        let cells = Format::default().row(row);
        cells["f"].as_array().unwrap().iter().map(|cell| cell["v"].clone()).collect()
    };
    file.rows.iter().map(row).collect()
}

fn read_with(options: &ReadOptions, schema: Schema<'_>, text: &str) -> Result<File, Failure> {
    read(text.as_bytes(), options, schema, &AtomicBool::default())
}

/// Rows, or a part of the last error that is listed.
fn check(options: &ReadOptions, columns: &str, text: &str, expect: Result<Value, &str>) {
    let columns = columns_of(columns).unwrap();
    match (read_with(options, Schema::Given(&columns), text), expect) {
        (Ok(file), Ok(expect)) => assert_eq!(values(&file), expect, "{text:?}"),
        (Err(failure), Err(part)) => assert!(failure.notes.last().unwrap().message.contains(part), "{text:?}: {:?}", failure.notes),
        (found, _) => panic!("{text:?}: {found:?}"),
    }
}

#[test]
fn csv_is_cut_into_fields() {
    let plain = csv(|_| {});
    check(&plain, "a INT64, b STRING", "1,x\n2,y\r\n3,z\r4,", Ok(json!([["1", "x"], ["2", "y"], ["3", "z"], ["4", null]])));
    check(&plain, "a STRING, b STRING", "\"x,\"\"y\"\"\",\"\"\n\n\"\",q\"r\n", Ok(json!([["x,\"y\"", ""], ["", "q\"r"]])));
    check(
        &plain,
        "a INT64, b STRING",
        "1,\"x\ny\"\n",
        Err("Missing close quote character.; line_number: 1 byte_offset_to_start_of_line: 0"),
    );
    check(&plain, "a INT64, b STRING", "1,\"x", Err("Missing close quote"));
    check(
        &plain,
        "a INT64, b STRING",
        "1,x\n2,\"x\" \n",
        Err("Data between close quote character and field separator.; line_number: 2 byte_offset_to_start_of_line: 4"),
    );
    check(&plain, "a STRING", "x\0y\n", Err("ASCII 0"));
    check(&plain, "a INT64, b STRING", "1\n", Err("references column position 1, but line contains only 1 columns.; line_number: 1"));
    check(&plain, "a INT64, b STRING", "1,x,y\n", Err("Found 3 column(s) while expected 2."));
    check(&plain, "a INT64, b ARRAY<STRING>", "1,x\n", Err("repeated field. Field: b"));
    check(&plain, "a INT64, b STRUCT<c STRING>", "1,x\n", Err("nested schema. Field: b"));
    let newlines = csv(|csv| csv.quoted_newlines = true);
    check(
        &newlines,
        "a INT64, b STRING",
        "1,\"x\r\ny\"\nz,q\n",
        Err("line_number: 3 byte_offset_to_start_of_line: 9 column_index: 0 column_name: \"a\" column_type: INT64 value: \"z\""),
    );
    check(&newlines, "a INT64, b STRING", "1,\"x\r\ny\"\n", Ok(json!([["1", "x\r\ny"]])));
    let jagged = csv(|csv| csv.jagged_rows = true);
    check(&jagged, "a INT64, b STRING", "1\n", Ok(json!([["1", null]])));
    let lenient = ReadOptions { ignore_unknown: true, ..csv(|_| {}) };
    check(&lenient, "a INT64", "1,x\n", Ok(json!([["1"]])));
    let tabs = csv(|csv| (csv.delimiter, csv.quote, csv.skipped_rows) = (b'\t', None, Some(2)));
    check(&tabs, "a STRING, b STRING", "h\n\nx\"\t\"y,\"\n", Ok(json!([["x\"", "\"y,\""]])));
}

#[test]
fn texts_become_values() {
    let plain = csv(|_| {});
    let value = |kind: &str, text: &str, expect: Option<&str>| match expect {
        Some(expect) => check(&plain, &format!("a {kind}, b INT64"), &format!("{text},1\n"), Ok(json!([[expect, "1"]]))),
        None => check(
            &plain,
            &format!("a {kind}, b INT64"),
            &format!("{text},1\n"),
            Err(&format!(
                "Unable to parse; line_number: 1 byte_offset_to_start_of_line: 0 column_index: 0 column_name: \"a\" column_type: {kind} value: \"{text}\""
            )),
        ),
    };
    value("INT64", " 7 ", Some("7"));
    value("INT64", "7.5", None);
    value("FLOAT64", "1e3", Some("1000.0"));
    value("FLOAT64", "-inf", Some("-Infinity"));
    value("BOOL", "Y", Some("true"));
    value("BOOL", "f", Some("false"));
    value("BOOL", "maybe", None);
    value("NUMERIC", "001.50", Some("1.5"));
    value("BYTES", "YWI=", Some("YWI="));
    value("DATE", "2026-01-31", Some("2026-01-31"));
    value("DATE", "2026/01/31", None);
    value("DATETIME", "2026-01-31 01:02:03", Some("2026-01-31T01:02:03"));
    value("TIME", "01:02:03.5", Some("01:02:03.500000"));
    value("TIMESTAMP", "2026/01/31 01:02", Some("1.76982132E9"));
    value("TIMESTAMP", "2026-01-31T01:02:00Z", Some("1.76982132E9"));
    value("TIMESTAMP", "1769821320", Some("1.76982132E9"));
    value("TIMESTAMP", "1.5", Some("1.5"));
    value("TIMESTAMP", "soon", None);
    value("JSON", "[1]", Some("[1]"));
    value("JSON", "{", None);
    value("GEOGRAPHY", "POINT(1 2)", Some("POINT(1 2)"));
}

#[test]
fn nothing_is_told_from_empty() {
    let plain = csv(|_| {});
    check(&plain, "a STRING, b INT64", ",\n\"\",\"\"\n", Ok(json!([[null, null], ["", null]])));
    let marked = csv(|csv| csv.null_markers = vec!["\\N".to_owned(), "-".to_owned()]);
    check(&marked, "a STRING, b INT64", "\\N,-\n,1\n\"-\",2\n", Ok(json!([[null, null], ["", "1"], ["-", "2"]])));
    check(&marked, "a STRING, b INT64", "a,\n", Err("Unable to parse"));
    let mut columns = columns_of("a INT64, b STRING").unwrap();
    columns[0].mode = ColumnMode::Required;
    columns[1].extra.insert("maxLength".to_owned(), json!("2"));
    let refused = |text: &str, part: &str| {
        let failure = read_with(&plain, Schema::Given(&columns), text).unwrap_err();
        assert!(failure.notes.last().unwrap().message.contains(part), "{text}: {:?}", failure.notes);
    };
    refused(",x\n", "Required column value is missing");
    refused("1,xyz\n", "maximum length 2");
}

#[test]
fn lines_of_json_become_rows() {
    let nested = "id INT64, tags ARRAY<STRING>, place STRUCT<city STRING, code INT64>, doc JSON";
    let text = "{\"id\": \"1\", \"tags\": [\"x\"], \"place\": {\"city\": \"Bern\"}, \"doc\": {\"b\": 1, \"a\": 2}}\r\n\n  {\"ID\": 2, \"doc\": \"[1]\"}";
    let place = json!({ "f": [{ "v": "Bern" }, { "v": null }] });
    let rows = json!([["1", [{ "v": "x" }], place, "{\"a\":2,\"b\":1}"], ["2", [], null, "\"[1]\""]]);
    check(&lines(), nested, text, Ok(rows));
    let position = "JSON parsing error in row starting at position";
    let refused = |text: &str, part: &str| check(&lines(), nested, text, Err(part));
    refused("{\"id\": 1}\n{\"id\": \"x\"}\n", &format!("{position} 10: Could not convert value to INT64. Field: id; Value: x"));
    refused("{\"place\": {\"code\": \"y\"}}", &format!("{position} 0: Could not convert value to INT64. Field: place.code; Value: y"));
    refused("{\"none\": 1}", &format!("{position} 0: No such field: none."));
    refused("{\"id\": 1", &format!("{position} 0: Parser terminated before end of string"));
    refused("[{\"id\": 1}]", "Start of array encountered without start of object.");
    refused("7", "Value encountered without start of object.");
    refused("{\"tags\": \"x\"}", "tags");
    refused(&"[".repeat(100_000), "Parser terminated");
    check(&ReadOptions { ignore_unknown: true, ..lines() }, "id INT64", "{\"id\": 1, \"none\": 1}", Ok(json!([["1"]])));
    check(&lines(), "id INT64", "", Ok(json!([])));
}

#[test]
fn bad_records_are_counted_and_listed() {
    let columns = columns_of("a INT64").unwrap();
    let text = "1\nx\n2\ny\n";
    let tolerant = ReadOptions { bad_records_max: 2, ..csv(|_| {}) };
    let file = read_with(&tolerant, Schema::Given(&columns), text).unwrap();
    assert_eq!((values(&file), file.bad_records, file.notes.len()), (json!([["1"], ["2"]]), 2, 2));
    assert!(file.notes.iter().all(|note| note.location.as_deref() == Some("file-00000000")));
    let strict = ReadOptions { bad_records_max: 1, ..csv(|_| {}) };
    let failure = read_with(&strict, Schema::Given(&columns), text).unwrap_err();
    assert!(failure.problem.message.contains("CSV table encountered too many errors, giving up. Rows: 4; errors: 2."), "{failure:?}");
    assert_eq!((failure.notes.len(), failure.notes.first(), failure.bad_records), (4, Some(&failure.problem), 2));
    let many = ReadOptions { bad_records_max: 100, ..csv(|_| {}) };
    assert_eq!(read_with(&many, Schema::Given(&columns), &"x\n".repeat(20)).unwrap().notes.len(), NOTES_MAX);
    let stopped = AtomicBool::new(true);
    assert_eq!(read(b"1\n", &strict, Schema::Given(&columns), &stopped).unwrap_err().problem.reason.word(), "stopped");
}

#[test]
fn there_is_a_bound_for_values() {
    let elements = vec!["1"; LOAD_CELLS_MAX / 10].join(",");
    let line = format!("{{\"a\": [{elements}]}}\n");
    let columns = columns_of("a ARRAY<BOOL>").unwrap();
    let failure = read_with(&lines(), Schema::Given(&columns), &line.repeat(10)).unwrap_err();
    assert_eq!(failure.problem.reason.word(), "resourcesExceeded");
}

#[test]
fn types_are_found_out() {
    let check = |options: &ReadOptions, text: &str, expect: Result<(&str, usize), &str>| match (
        read_with(options, Schema::Detected(None), text),
        expect,
    ) {
        (Ok(file), Ok((columns, rows))) => {
            let found: Vec<String> = file.columns.iter().map(|column| format!("{} {}", column.name, column.full_type())).collect();
            assert_eq!((found.join(", ").as_str(), file.rows.len()), (columns, rows), "{text:?}");
        }
        (Err(failure), Err(part)) => assert!(failure.notes.last().unwrap().message.contains(part), "{text:?}: {failure:?}"),
        (found, _) => panic!("{text:?}: {found:?}"),
    };
    let plain = csv(|_| {});
    check(&plain, "id,first name,1st\n1,a,2.5\n2,,3\n", Ok(("id INT64, first_name STRING, _1st FLOAT64", 2)));
    check(&plain, "a,b\nc,d\n", Ok(("string_field_0 STRING, string_field_1 STRING", 2)));
    check(
        &plain,
        "1,true,2026-01-01,2026-01-01 00:00:00,01:02:03,x\n",
        Ok((
            "int64_field_0 INT64, bool_field_1 BOOL, date_field_2 DATE, timestamp_field_3 TIMESTAMP, time_field_4 TIME, string_field_5 STRING",
            1,
        )),
    );
    check(&csv(|csv| csv.skipped_rows = Some(0)), "a,b\n1,2\n", Ok(("string_field_0 STRING, string_field_1 STRING", 2)));
    check(&csv(|csv| csv.skipped_rows = Some(2)), "junk\na,a\n1,2\n", Ok(("a INT64, a_1 INT64", 1)));
    check(&csv(|csv| csv.skipped_rows = Some(1)), "a,b\nc,d\n", Ok(("string_field_0 STRING, string_field_1 STRING", 1)));
    check(&plain, "", Err("Schema has no fields"));
    let text = "{\"a\": 1, \"b\": [\"x\"], \"c\": {\"d\": null}}\n{\"a\": 1.5, \"b\": [], \"c\": {\"d\": true, \"e\": \"2026-01-01\"}, \"f\": \"7\"}\n";
    check(&lines(), text, Ok(("a FLOAT64, b ARRAY<STRING>, c STRUCT<d BOOL, e DATE>, f INT64", 2)));
    check(&lines(), "{\"a\": 1}\n{\"a\": \"x\"}\n{\"A\": \"y\"}\n", Ok(("a STRING", 3)));
    check(&lines(), "{\"a\": \"2026-01-01\"}\n{\"a\": \"2026-01-01T00:00:00Z\"}\n", Ok(("a TIMESTAMP", 2)));
    check(&lines(), "{\"a-b\": 1}\n", Err("Invalid field name \"a-b\""));
    check(&lines(), &format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40)), Err("nested deeper"));
    let known = columns_of("x STRING, y INT64").unwrap();
    let file = read_with(&plain, Schema::Detected(Some(&known)), "a,b\n1,2\n").unwrap();
    assert_eq!((file.columns, file.rows.len()), (known, 1));
}

#[test]
fn files_may_be_packed() {
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let check = |bytes: &[u8], expect: Option<&[u8]>| assert_eq!(unpacked(bytes).ok().as_deref(), expect, "{bytes:?}");
    check(b"1,2", Some(b"1,2"));
    check(&packed(b"1,2"), Some(b"1,2"));
    check(b"\xef\xbb\xbf1,2", Some(b"1,2"));
    check(&packed(b"\xef\xbb\xbf1,2"), Some(b"1,2"));
    check(&packed(b"1,2")[..10], None);
    check(b"", Some(b""));
}
