//! Rows under permits that policy gave to a proven caller.

use crate::permit::{method, page, permit, statement};
use serde_json::json;
use sluice_mask::{MaskFault, MaskedRows, Masker, ROWS_BYTES_MAX, RawPage};
use sluice_policy::{Purpose, Resource};

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

fn row(cell: &str) -> String {
    format!(r#"{{"f":[{{"v":"{cell}"}}]}}"#)
}

fn counts(found: Result<Vec<MaskedRows>, MaskFault>) -> Result<Vec<u64>, MaskFault> {
    found.map(|pieces| pieces.iter().map(MaskedRows::count).collect())
}

#[test]
fn a_masker_is_for_its_own_job() {
    let masker = Masker::new(&permit(page("job_1"), "")).unwrap();
    assert_eq!(counts(masker.mask(of_job("p", "job_1", &[row("x"), row("y")]))), Ok(vec![2]));
    assert_eq!(counts(masker.mask(of_job("p", "job_1", &[]))), Ok(vec![]));
    for foreign in [of_job("p", "job_2", &[row("x")]), of_job("q", "job_1", &[row("x")]), of_table(&row("x")), of_job("p", "JOB_1", &[])] {
        assert_eq!(counts(masker.mask(foreign)), Err(MaskFault::Foreign));
    }
}

#[test]
fn a_masker_is_for_its_own_table() {
    let table = |columns: &[Option<&str>]| Masker::new(&permit(method("tabledata.list", columns), "")).unwrap();
    let one = table(&[Some("STRING")]);
    assert_eq!(counts(one.mask(of_table(&row("x")))), Ok(vec![1]));
    assert_eq!(counts(one.mask(of_job("p", "job_1", &[row("x")]))), Err(MaskFault::Foreign));
    // A job's own result is a table too: its rows are what the dry run said they would be.
    let mut result = page("job_1");
    result.sends.path = "projects/p/datasets/_d/tables/anon1/data".to_owned();
    let result = Masker::new(&permit(result, "")).unwrap();
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
        let masker = Masker::new(&permit(request, "")).unwrap();
        for page in [of_table(&row("x")), of_job("p", "job_1", &[row("x")]), of_table("")] {
            assert_eq!(counts(masker.mask(page)), Err(MaskFault::Foreign));
        }
    }
}

#[test]
fn a_permit_that_wants_masks_lets_no_row_pass() {
    let labels = "[labels.contact]\nmask = \"email\"\nreason = \"r\"\ncolumns = [\"p.d.t.a\"]\n";
    assert_eq!(Masker::new(&permit(page("job_1"), labels)).unwrap_err(), MaskFault::NotYet);
}

#[test]
fn a_row_of_another_shape_ends_the_page() {
    let masker = Masker::new(&permit(page("job_1"), "")).unwrap();
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
    let masker = Masker::new(&permit(page("job_1"), "")).unwrap();
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
