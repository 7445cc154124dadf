//! Rows under permits that policy gave to a proven caller.

use crate::permit::{method, output, page, page_of, permit, statement};
use serde_json::json;
use sluice_mask::{MASK_SECRET_BYTES, MaskFault, MaskKeys, MaskedRows, Masker, ROWS_BYTES_MAX, RawPage};
use sluice_policy::{Permit, Purpose, Resource, Work};

fn of_job(project: &str, job: &str, rows: &[String]) -> RawPage {
    in_order(project, job, rows, false)
}

/// What a page says stands in any order; what it has said of its columns before the rows is used while they are read.
fn in_order(project: &str, job: &str, rows: &[String], schema_first: bool) -> RawPage {
    let reference = json!({ "projectId": project, "jobId": job });
    let schema = format!(r#""schema":{}"#, json!({ "fields": [{ "name": "a", "type": "STRING" }] }));
    let rows = format!(r#""rows":[{}]"#, rows.join(","));
    let (first, second) = if schema_first { (schema, rows) } else { (rows, schema) };
    RawPage::read(format!(r#"{{"jobComplete":true,"jobReference":{reference},{first},{second}}}"#).as_bytes()).unwrap()
}

fn of_table(rows: &str) -> RawPage {
    RawPage::read(format!(r#"{{"kind":"bigquery#tableDataList","totalRows":"1","rows":[{rows}]}}"#).as_bytes()).unwrap()
}

fn masker(permit: &Permit) -> Masker {
    Masker::new(permit, &MaskKeys::new(&[7; MASK_SECRET_BYTES]))
}

fn row(cell: &str) -> String {
    format!(r#"{{"f":[{{"v":"{cell}"}}]}}"#)
}

fn counts(found: Result<Vec<MaskedRows>, MaskFault>) -> Result<Vec<u64>, MaskFault> {
    found.map(|pieces| pieces.iter().map(MaskedRows::count).collect())
}

#[test]
fn a_masker_is_for_its_own_job() {
    let masker = self::masker(&permit(page("job_1"), ""));
    assert_eq!(counts(masker.mask(of_job("p", "job_1", &[row("x"), row("y")]))), Ok(vec![2]));
    assert_eq!(counts(masker.mask(of_job("p", "job_1", &[]))), Ok(vec![]));
    for foreign in [of_job("p", "job_2", &[row("x")]), of_job("q", "job_1", &[row("x")]), of_table(&row("x")), of_job("p", "JOB_1", &[])] {
        assert_eq!(counts(masker.mask(foreign)), Err(MaskFault::Foreign));
    }
}

/// The dry run said `a`, and policy decided on that.
#[test]
fn a_page_of_other_columns_is_not_what_was_decided_on() {
    let masker = masker(&permit(page("job_1"), ""));
    let check = |columns: &[(&str, &str)], cells: &str, expect: Result<Vec<u64>, MaskFault>| {
        assert_eq!(counts(masker.mask(of_columns("job_1", columns, &[cells]))), expect, "{columns:?}");
    };
    check(&[("A", "STRING")], r#"{"f":[{"v":"x"}]}"#, Ok(vec![1]));
    check(&[("ssn", "STRING")], r#"{"f":[{"v":"x"}]}"#, Err(MaskFault::Shape));
    check(&[("a", "STRING"), ("ssn", "STRING")], r#"{"f":[{"v":"x"},{"v":"y"}]}"#, Err(MaskFault::Shape));
    check(&[], r#"{"f":[]}"#, Err(MaskFault::Shape));
}

#[test]
fn a_masker_is_for_its_own_table() {
    let table = |columns: &[Option<&str>]| masker(&permit(method("tabledata.list", columns), ""));
    let one = table(&[Some("STRING")]);
    assert_eq!(counts(one.mask(of_table(&row("x")))), Ok(vec![1]));
    assert_eq!(counts(one.mask(of_job("p", "job_1", &[row("x")]))), Err(MaskFault::Foreign));
    // A job's own result is a table too: its rows are what the dry run said they would be.
    let mut result = page("job_1");
    result.sends.path = "projects/p/datasets/_d/tables/anon1/data".to_owned();
    let result = masker(&permit(result, ""));
    assert_eq!(counts(result.mask(of_table(&row("x")))), Ok(vec![1]));
    assert_eq!(counts(result.mask(of_table(r#"{"f":[{"v":"x"},{"v":"y"}]}"#))), Err(MaskFault::Shape));
    assert_eq!(counts(result.mask(of_job("p", "job_1", &[row("x")]))), Err(MaskFault::Foreign));
    // What the catalog knows of the columns is what a row has to be.
    for (columns, expect) in [
        (vec![Some("STRING"), Some("STRING")], Err(MaskFault::Shape)),
        (vec![Some("ARRAY<STRING>")], Err(MaskFault::Shape)),
        (vec![Some("STRUCT<a STRING>")], Err(MaskFault::Shape)),
        (vec![None], Err(MaskFault::Shape)),
        (vec![Some("TIMESTAMP")], Ok(vec![1])),
    ] {
        assert_eq!(counts(table(&columns).mask(of_table(&row("x")))), expect, "{columns:?}");
    }
}

#[test]
fn a_permit_that_is_not_for_rows_lets_none_pass() {
    let mut dataset = method("datasets.get", &[]);
    if let sluice_policy::Work::Method(method) = &mut dataset.work {
        method.resource = Resource::Dataset { project: "p".to_owned(), dataset: "d".to_owned() };
    }
    for request in [statement(Purpose::Dispatch), dataset] {
        let masker = self::masker(&permit(request, ""));
        for page in [of_table(&row("x")), of_job("p", "job_1", &[row("x")]), of_table("")] {
            assert_eq!(counts(masker.mask(page)), Err(MaskFault::Foreign));
        }
    }
}

fn label(name: &str, mask: &str, columns: &[&str]) -> String {
    let columns: Vec<String> = columns.iter().map(|column| format!("\"p.d.t.{column}\"")).collect();
    format!("[labels.{name}]\nmask = \"{mask}\"\nreason = \"r\"\ncolumns = [{}]\n", columns.join(", "))
}

fn texts(found: Result<Vec<MaskedRows>, MaskFault>) -> Result<String, MaskFault> {
    found.map(|pieces| pieces.iter().map(MaskedRows::text).collect::<Vec<_>>().join(","))
}

/// A page of a job with these columns of text.
fn of_columns(job: &str, columns: &[(&str, &str)], rows: &[&str]) -> RawPage {
    let fields: Vec<_> = columns.iter().map(|(name, kind)| json!({ "name": name, "type": kind })).collect();
    let reference = json!({ "projectId": "p", "jobId": job });
    let schema = json!({ "fields": fields });
    let text = format!(r#"{{"jobComplete":true,"jobReference":{reference},"schema":{schema},"rows":[{}]}}"#, rows.join(","));
    RawPage::read(text.as_bytes()).unwrap()
}

#[test]
fn a_permit_that_wants_masks_lets_masked_rows_pass() {
    let masker = self::masker(&permit(page("job_1"), &label("contact", "email", &["a"])));
    let masked = masker.mask(of_job("p", "job_1", &[row("ana@acme.example"), r#"{"f":[{"v":null}]}"#.to_owned()])).unwrap();
    assert_eq!(masked[0].text(), [&row("XXXXX@acme.example"), r#"{"f":[{"v":null}]}"#].join(","));
    let cells: Vec<_> =
        masked[0].masked().map(|masked| (masked.covered.path.clone(), masked.covered.mask.clone(), masked.cells, masked.nulls)).collect();
    assert_eq!(cells, [("a".to_owned(), "email".to_owned(), 2, 1)]);
    assert_eq!(counts(masker.mask(of_job("p", "job_2", &[row("x")]))), Err(MaskFault::Foreign));
    // A table of which policy says nothing but its columns.
    let table =
        self::masker(&permit(method("tabledata.list", &[Some("STRING"), Some("INT64")]), &label("id", "constant(gone)", &["c0", "c1"])));
    let found = table.mask(of_table(r#"{"f":[{"v":"x"},{"v":"4711"}]}"#));
    assert_eq!(texts(found).as_deref(), Ok(r#"{"f":[{"v":"gone"},{"v":"0"}]}"#));
}

#[test]
fn the_mask_of_a_label_is_the_one_that_is_applied() {
    for (mask, expect) in [
        ("always_null", None),
        ("default_value", Some("")),
        ("constant(gone)", Some("gone")),
        ("partial(first, 3, #)", Some("995########")),
        ("partial(last, 8, *)", Some("***-76-0013")),
        ("last_four", Some("XXXXX0013")),
        ("first_four", Some("995-XXXXX")),
    ] {
        let masker = self::masker(&permit(page("job_1"), &label("id", mask, &["a"])));
        let expect = expect.map_or_else(|| r#"{"f":[{"v":null}]}"#.to_owned(), row);
        assert_eq!(texts(masker.mask(of_job("p", "job_1", &[row("995-76-0013")]))), Ok(expect), "{mask}");
    }
    // Of two labels the stricter one; and neither end, where each of them hides the other's.
    for (other, expect) in
        [("partial(first, 8, *)", "995-XXXXX"), ("partial(last, 8, *)", ""), ("last_four", ""), ("constant(gone)", "gone")]
    {
        let labels = [label("id", other, &["a"]), label("name", "first_four", &["a"])].concat();
        let masker = self::masker(&permit(page("job_1"), &labels));
        assert_eq!(texts(masker.mask(of_job("p", "job_1", &[row("995-76-0013")]))), Ok(row(expect)), "{other}");
    }
}

/// Where NULL may not stand the default does; of what is inside of a table's records nobody knows.
#[test]
fn tables_keep_null_out_of_where_it_may_not_stand() {
    let mut read = method("tabledata.list", &[Some("STRING"), Some("STRING"), Some("STRUCT<a STRING>")]);
    let Work::Method(method) = &mut read.work else { panic!() };
    method.required.insert("c1".to_owned());
    method.columns[2] = output("c2", Some("STRUCT<a STRING>"), &[("a", "c2.a")]);
    let masker = self::masker(&permit(read, &label("id", "always_null", &["c0", "c1", "c2.a"])));
    let found = masker.mask(of_table(r#"{"f":[{"v":"x"},{"v":"y"},{"v":{"f":[{"v":"z"}]}}]}"#));
    assert_eq!(texts(found).as_deref(), Ok(r#"{"f":[{"v":null},{"v":""},{"v":{"f":[{"v":""}]}}]}"#));
}

#[test]
fn columns_that_were_not_planned_for_are_withheld() {
    let labels = label("id", "last_four", &["a"]);
    let plan = || vec![vec![output("a", Some("STRING"), &[("", "a")]), output("", Some("INT64"), &[("", "b")])]];
    let masker = self::masker(&permit(page_of("job_1", plan()), &labels));
    let check = |columns: &[(&str, &str)], expect: Result<&str, MaskFault>| {
        let cells: Vec<String> = columns.iter().map(|_| r#"{"v":"4711-0815"}"#.to_owned()).collect();
        let page = of_columns("job_1", columns, &[&format!(r#"{{"f":[{}]}}"#, cells.join(","))]);
        assert_eq!(texts(masker.mask(page)), expect.map(str::to_owned), "{columns:?}");
        // Without rows there is nothing to withhold.
        assert_eq!(counts(masker.mask(of_columns("job_1", columns, &[]))), Ok(vec![]));
    };
    check(&[("a", "STRING"), ("f0_", "INTEGER")], Ok(r#"{"f":[{"v":"XXXXX0815"},{"v":"4711-0815"}]}"#));
    check(&[("A", "STRING"), ("f0_", "INT64")], Ok(r#"{"f":[{"v":"XXXXX0815"},{"v":"4711-0815"}]}"#));
    for columns in [
        &[("a", "STRING")][..],
        &[("f0_", "INTEGER"), ("a", "STRING")],
        &[("b", "STRING"), ("f0_", "INTEGER")],
        &[("a", "BYTES"), ("f0_", "INTEGER")],
        &[("a", "STRING"), ("b", "INTEGER")],
        &[("a", "STRING"), ("f0_", "INTEGER"), ("c", "STRING")],
    ] {
        check(columns, Err(MaskFault::Unfit));
    }
}

/// A caller chooses the names of fields, leaves them out, or uses one twice: what is masked is a place.
#[test]
fn fields_are_masked_by_their_places_whatever_they_are_called() {
    let labels = label("id", "default_value", &["ssn"]);
    let check = |kind: &str, at: &str, called: &[&str], expect: Result<&[&str], MaskFault>| {
        let cells = |texts: &[&str]| texts.iter().map(|text| format!(r#"{{"v":"{text}"}}"#)).collect::<Vec<_>>().join(",");
        for many in [false, true] {
            let one = |texts: &[&str]| {
                let record = format!(r#"{{"f":[{}]}}"#, cells(texts));
                if many { format!(r#"{{"f":[{{"v":[{{"v":{record}}}]}}]}}"#) } else { format!(r#"{{"f":[{{"v":{record}}}]}}"#) }
            };
            let whole = if many { format!("ARRAY<{kind}>") } else { kind.to_owned() };
            let request = page_of("job_1", vec![vec![output("s", Some(&whole), &[(at, "ssn")])]]);
            let fields: Vec<_> = called.iter().map(|name| json!({ "name": name, "type": "STRING" })).collect();
            let mode = if many { "REPEATED" } else { "NULLABLE" };
            let schema = json!({ "fields": [{ "name": "s", "type": "RECORD", "mode": mode, "fields": fields }] });
            let reference = json!({ "projectId": "p", "jobId": "job_1" });
            let row = one(&vec!["4711-0815"; called.len()]);
            let page = format!(r#"{{"jobComplete":true,"jobReference":{reference},"schema":{schema},"rows":[{row}]}}"#);
            let found = masker(&permit(request, &labels)).mask(RawPage::read(page.as_bytes()).unwrap());
            assert_eq!(texts(found), expect.clone().map(one), "{whole} {at} {called:?}");
        }
    };
    let (first, second) = (["", "4711-0815"], ["4711-0815", ""]);
    check("STRUCT<name STRING, STRING>", "[2]", &["name", "_field_2"], Ok(&second));
    check("STRUCT<STRING, STRING>", "[1]", &["_field_1", "_field_2"], Ok(&first));
    check("STRUCT<_1 STRING, STRING>", "[2]", &["_1", "_field_2"], Ok(&second));
    check("STRUCT<_1 STRING, STRING>", "_1", &["_1", "_field_2"], Ok(&first));
    check("STRUCT<_field_2 STRING, STRING>", "[2]", &["_field_2", "_field_2"], Ok(&second));
    check("STRUCT<_field_2 STRING, STRING>", "_field_2", &["_field_2", "_field_2"], Ok(&first));
    check("STRUCT<a STRING, A STRING>", "[2]", &["a", "A"], Ok(&second));
    // No place that the page has, or none that the plan can mean.
    for (kind, at, called) in [
        ("STRUCT<a STRING, STRING>", "[2]", &["a"][..]),
        ("STRUCT<a STRING, STRING>", "[2]", &["a", "_field_2", "_field_3"]),
        ("STRUCT<a STRING, STRING>", "[2]", &["_field_2", "a"]),
        ("STRUCT<a STRING, STRING>", "[3]", &["a", "_field_2"]),
        ("STRUCT<a STRING, STRING>", "_1", &["a", "_field_2"]),
        ("STRUCT<a STRING, A STRING>", "a", &["a", "A"]),
    ] {
        check(kind, at, called, Err(MaskFault::Unfit));
    }
}

#[test]
fn statements_of_a_script_are_told_apart_by_their_columns() {
    let labels = label("id", "last_four", &["a"]);
    let shows = |name: &str, source: &str| vec![output(name, Some("STRING"), &[("", source)])];
    let check = |statements: Vec<Vec<sluice_model::Output>>, column: &str, expect: Result<&str, MaskFault>| {
        let masker = self::masker(&permit(page_of("job_1", statements), &labels));
        let found = masker.mask(of_columns("job_1", &[(column, "STRING")], &[&row("4711-0815")]));
        assert_eq!(texts(found), expect.map(row), "{column}");
    };
    check(vec![shows("x", "a"), shows("y", "b")], "x", Ok("XXXXX0815"));
    check(vec![shows("x", "a"), shows("y", "b")], "y", Ok("4711-0815"));
    check(vec![shows("x", "a"), shows("x", "b")], "x", Ok("XXXXX0815"));
    check(vec![shows("x", "b"), shows("x", "a")], "x", Ok("XXXXX0815"));
    check(vec![shows("x", "a"), shows("y", "b")], "z", Err(MaskFault::Unfit));
    // A table does not say which of them its rows are of.
    let mut result = page_of("job_1", vec![shows("x", "a"), shows("y", "b")]);
    result.sends.path = "projects/p/datasets/_d/tables/anon1/data".to_owned();
    assert_eq!(counts(masker(&permit(result, &labels)).mask(of_table(&row("x")))), Err(MaskFault::Unfit));
    let mut result = page_of("job_1", vec![shows("x", "a")]);
    result.sends.path = "projects/p/datasets/_d/tables/anon1/data".to_owned();
    assert_eq!(texts(masker(&permit(result, &labels)).mask(of_table(&row("4711-0815")))), Ok(row("XXXXX0815")));
}

/// All pages of one job agree, and no other job or deployment does; a key of the deployment joins them all.
#[test]
fn hashes_join_what_they_should() {
    let hash = |mask: &str, secret: u8, request: sluice_policy::Request, page: RawPage| {
        let masker = Masker::new(&permit(request, &label("id", mask, &["a", "c0"])), &MaskKeys::new(&[secret; MASK_SECRET_BYTES]));
        texts(masker.mask(page)).unwrap()
    };
    let of = |mask: &str, secret: u8, job: &str| hash(mask, secret, page(job), of_job("p", job, &[row("x")]));
    let table = |mask: &str| hash(mask, 1, method("tabledata.list", &[Some("STRING")]), of_table(&row("x")));
    for mask in ["random_hash", "keyed_hash", "sha256"] {
        assert_eq!(of(mask, 1, "job_1"), of(mask, 1, "job_1"), "{mask}");
        assert_eq!(of(mask, 1, "job_1") == of(mask, 1, "job_2"), mask != "random_hash", "{mask}");
        assert_eq!(of(mask, 1, "job_1") == of(mask, 2, "job_1"), mask == "sha256", "{mask}");
        assert_eq!(of(mask, 1, "job_1") == table(mask), mask != "random_hash", "{mask}");
        assert_eq!(table(mask), table(mask), "{mask}");
    }
}

/// A form that was asked for stands where there is no value to take it from.
#[test]
fn moments_are_written_as_they_were_asked_for() {
    let labels = label("id", "default_value", &["t"]);
    for (asked, expect) in [
        (None, "0.0"),
        (Some(("useInt64Timestamp", "true")), "0"),
        (Some(("timestampOutputFormat", "ISO8601_STRING")), "1970-01-01T00:00:00Z"),
    ] {
        let mut request = page_of("job_1", vec![vec![output("t", Some("TIMESTAMP"), &[("", "t")])]]);
        request.sends.query.extend(asked.map(|(name, value)| (format!("formatOptions.{name}"), value.to_owned())));
        let found = masker(&permit(request, &labels)).mask(of_columns("job_1", &[("t", "TIMESTAMP")], &[r#"{"f":[{"v":null}]}"#]));
        assert_eq!(texts(found), Ok(row(expect)));
    }
}

#[test]
fn a_row_of_another_shape_ends_the_page() {
    let masker = self::masker(&permit(page("job_1"), ""));
    for (cells, expect) in [
        (r#"{"f":[{"v":"x"}]}"#, Ok(vec![1])),
        (r#" { "f" : [ { "v" : "x" } ] } "#, Ok(vec![1])),
        (r#"{"f":[{"v":"\"}"}]}"#, Ok(vec![1])),
        (r#"{"f":[{"v":null}]}"#, Ok(vec![1])),
        (r#"{"f":[{"v":"x"},{"v":"y"}]}"#, Err(MaskFault::Shape)),
        (r#"{"f":[{"v":"x","w":"y"}]}"#, Err(MaskFault::Shape)),
        (r#"{"f":[{"v":["x"]}]}"#, Err(MaskFault::Shape)),
        (r#"{"f":[{"v":1}]}"#, Err(MaskFault::Shape)),
        (r#"{"f":[]}"#, Err(MaskFault::Shape)),
        (r#""x""#, Err(MaskFault::Shape)),
    ] {
        for schema_first in [false, true] {
            assert_eq!(counts(masker.mask(in_order("p", "job_1", &[cells.to_owned()], schema_first))), expect, "{cells} {schema_first}");
        }
    }
}

#[test]
fn rows_leave_in_pieces() {
    let masker = self::masker(&permit(page("job_1"), ""));
    let mib = 1 << 20;
    let around = row("").len();
    for (cells, expect) in [
        (vec![mib - around], vec![1]),
        (vec![mib - around + 1], vec![1]),
        (vec![3 * mib], vec![1]),
        (vec![1, 3 * mib, 1, 1], vec![1, 1, 2]),
        // With the comma between them two rows fill a piece to its last byte, or are one too many.
        (vec![mib / 2 - around, mib / 2 - around - 1], vec![2]),
        (vec![mib / 2 - around, mib / 2 - around], vec![1, 1]),
        (vec![1000; 5000], vec![1031, 1031, 1031, 1031, 876]),
    ] {
        let rows: Vec<String> = cells.iter().map(|bytes| row(&"x".repeat(*bytes))).collect();
        for schema_first in [false, true] {
            let pieces = masker.mask(in_order("p", "job_1", &rows, schema_first)).unwrap();
            assert_eq!(pieces.iter().map(MaskedRows::count).collect::<Vec<_>>(), expect, "{:?}", &cells[..1]);
            assert!(pieces.iter().all(|piece| piece.count() == 1 || piece.text().len() <= ROWS_BYTES_MAX));
            assert_eq!(pieces.iter().map(MaskedRows::text).collect::<Vec<_>>().join(","), rows.join(","));
            assert!(pieces.iter().all(|piece| !format!("{piece:?}").contains('x')));
        }
    }
}
