//! Messages of the Storage Read API under permits that policy gave to a proven caller.

use crate::permit::{method, output, page, page_of, permit, statement};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::{DictionaryTracker, IpcDataGenerator, IpcWriteContext, IpcWriteOptions, write_message};
use serde_json::{Value, json};
use sluice_mask::{
    ARRAY_ROWS_MAX, MASK_SECRET_BYTES, MaskFault, MaskKeys, MaskedBatch, Masker, STREAM_MESSAGE_BYTES_MAX, StreamMasking, StreamSchema,
};
use sluice_policy::{Permit, Purpose, Request, Work};
use std::sync::Arc;

const LABEL: &str = "[labels.id]\nmask = \"last_four\"\nreason = \"r\"\ncolumns = [\"p.d.t.a\", \"p.d.t.c0\"]\n";

fn masker(permit: &Permit) -> Masker {
    Masker::new(permit, &MaskKeys::new(&[7; MASK_SECRET_BYTES]))
}

/// Columns of text, by name.
fn avro(names: &[&str]) -> String {
    let fields: Vec<Value> = names.iter().map(|name| json!({ "name": name, "type": ["null", "string"] })).collect();
    json!({ "type": "record", "name": "__root__", "fields": fields }).to_string()
}

fn begin(request: Request, labels: &str, schema: StreamSchema<'_>) -> Result<StreamMasking, MaskFault> {
    masker(&permit(request, labels)).begin_stream(schema)
}

pub fn arrow(batch: &RecordBatch) -> (Vec<u8>, Vec<u8>) {
    let options = IpcWriteOptions::default();
    let mut tracker = DictionaryTracker::new(true);
    let schema = IpcDataGenerator::default().schema_to_bytes_with_dictionary_tracker(&batch.schema(), &mut tracker, &options);
    let (_, rows) = IpcDataGenerator::default().encode(batch, &mut tracker, &options, &mut IpcWriteContext::default()).unwrap();
    [schema, rows]
        .map(|encoded| {
            let mut message = Vec::new();
            write_message(&mut message, encoded, &options).unwrap();
            message
        })
        .into()
}

pub fn batch(columns: &[(&str, ArrayRef)]) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.iter().map(|(name, array)| (*name, array.clone(), true))).unwrap()
}

pub fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn counts(batch: &MaskedBatch) -> Vec<(String, String, u64, u64)> {
    let count =
        |masked: sluice_mask::MaskedCells<'_>| (masked.covered.path.clone(), masked.covered.mask.clone(), masked.cells, masked.nulls);
    batch.masked().map(count).collect()
}

/// One row, `x` in each of so many columns.
fn row(columns: usize) -> Vec<u8> {
    [2, 18].iter().chain(b"4711-0815").copied().collect::<Vec<u8>>().repeat(columns)
}

#[test]
fn a_stream_is_masked_as_its_permit_says() {
    let (schema, message) = arrow(&batch(&[("a", texts(&["4711-0815", "995-76-0013"]))]));
    for request in [page("job_1"), method("tabledata.list", &[Some("STRING")])] {
        let is_table = matches!(request.work, Work::Method(_));
        let name = if is_table { "c0" } else { "a" };
        let stream = begin(request, LABEL, StreamSchema::Avro(&avro(&[name]))).unwrap();
        assert_eq!(stream.schema(), avro(&[name]).as_bytes());
        let found = stream.mask(&row(1), 1).unwrap();
        assert_eq!(found.bytes(), [&[2, 18][..], b"XXXXX0815"].concat());
        assert_eq!((found.count(), counts(&found)), (1, vec![(name.to_owned(), "last_four".to_owned(), 1, 0)]));
        let nulls = stream.mask(&[0, 0, 0], 3).unwrap();
        assert_eq!((nulls.bytes(), counts(&nulls)), (vec![0, 0, 0], vec![(name.to_owned(), "last_four".to_owned(), 3, 3)]));
    }
    let stream = begin(page("job_1"), LABEL, StreamSchema::Arrow(&schema)).unwrap();
    assert_eq!(stream.schema(), schema);
    let found = stream.mask(&message, 2).unwrap();
    let holds = |text: &[u8]| found.bytes().windows(text.len()).any(|bytes| bytes == text);
    assert!(holds(b"XXXXX0815XXXXX0013") && !holds(b"4711") && !holds(b"995-"));
    assert_eq!(counts(&found), [("a".to_owned(), "last_four".to_owned(), 2, 0)]);
    assert!(!format!("{found:?} {stream:?}").contains("0815"));
    // Without a label everything passes as it came.
    let stream = begin(page("job_1"), "", StreamSchema::Arrow(&schema)).unwrap();
    let found = stream.mask(&message, 2).unwrap();
    assert_eq!((found.bytes(), found.count(), counts(&found)), (message, 2, Vec::new()));
}

#[test]
fn a_stream_of_other_columns_is_not_what_was_decided_on() {
    let check = |request: Request, names: &[&str], clear: Result<(), MaskFault>, masked: Result<(), MaskFault>| {
        for (labels, expect) in [("", clear), (LABEL, masked)] {
            let again = |request: &Request| match &request.work {
                Work::Method(of) => method(&of.name, &vec![Some("STRING"); of.columns.len()]),
                Work::Statement(_) => page("job_1"),
            };
            let found = begin(again(&request), labels, StreamSchema::Avro(&avro(names)));
            assert_eq!(found.map(|_| ()), expect, "{names:?} {labels}");
        }
    };
    let (shape, unfit) = (|| Err(MaskFault::Shape), || Err(MaskFault::Unfit));
    check(page("job_1"), &["a"], Ok(()), Ok(()));
    check(page("job_1"), &["A"], Ok(()), Ok(()));
    check(page("job_1"), &["ssn"], shape(), unfit());
    check(page("job_1"), &["a", "ssn"], shape(), unfit());
    let table = || method("tabledata.list", &[Some("STRING"), Some("STRING")]);
    check(table(), &["c0", "c1"], Ok(()), Ok(()));
    check(table(), &["c1", "c0"], shape(), unfit());
    check(table(), &["c0"], shape(), unfit());
    check(table(), &["c0", "c1", "c2"], shape(), unfit());
}

#[test]
fn a_permit_that_is_not_for_rows_is_for_no_stream() {
    for request in [statement(Purpose::Dispatch), statement(Purpose::DryRun)] {
        assert_eq!(begin(request, "", StreamSchema::Avro(&avro(&["a"]))).map(|_| ()), Err(MaskFault::Foreign));
    }
}

#[test]
fn types_are_compared_where_something_is_masked() {
    let (schema, message) = arrow(&batch(&[("a", Arc::new(Int64Array::from(vec![4711])))]));
    let clear = begin(page("job_1"), "", StreamSchema::Arrow(&schema)).unwrap();
    assert_eq!(clear.mask(&message, 1).map(|batch| batch.count()), Ok(1));
    assert_eq!(begin(page("job_1"), LABEL, StreamSchema::Arrow(&schema)).map(|_| ()), Err(MaskFault::Unfit));
    assert_eq!(begin(page("job_1"), "", StreamSchema::Arrow(b"no schema")).map(|_| ()), Err(MaskFault::Shape));
    // What a format does not tell apart is what the analysis knows.
    let label = "[labels.id]\nmask = \"default_value\"\nreason = \"r\"\ncolumns = [\"p.d.t.a\"]\n";
    for (kind, expect) in [("STRING", &[2, 0][..]), ("JSON", &[0]), ("GEOGRAPHY", b"\x02\x14POINT(0 0)")] {
        let request = page_of("job_1", vec![vec![output("a", Some(kind), &[("", "a")])]]);
        let stream = begin(request, label, StreamSchema::Avro(&avro(&["a"]))).unwrap();
        assert_eq!(stream.mask(&row(1), 1).map(|batch| batch.bytes()), Ok(expect.to_vec()), "{kind}");
    }
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2 });
    let schema = json!({ "type": "record", "name": "r", "fields": [{ "name": "a", "type": ["null", decimal] }] }).to_string();
    let request = page_of("job_1", vec![vec![output("a", Some("BIGNUMERIC"), &[("", "a")])]]);
    let stream = begin(request, label, StreamSchema::Avro(&schema)).unwrap();
    assert_eq!(stream.mask(&[2, 4, 18, 103], 1).map(|batch| batch.bytes()), Ok(vec![2, 2, 0]));
}

#[test]
fn statements_of_a_script_are_told_apart_by_the_columns_of_a_stream() {
    let shows = |name: &str, source: &str| vec![output(name, Some("STRING"), &[("", source)])];
    let check = |statements: [(&str, &str); 2], column: &str, expect: Result<&[u8], MaskFault>| {
        let request = page_of("job_1", statements.iter().map(|(name, source)| shows(name, source)).collect());
        let found = begin(request, LABEL, StreamSchema::Avro(&avro(&[column]))).and_then(|stream| stream.mask(&row(1), 1));
        let expect = expect.map(|text| [&[2, 18][..], text].concat());
        assert_eq!(found.map(|batch| batch.bytes()), expect, "{column}");
    };
    check([("x", "a"), ("y", "b")], "x", Ok(b"XXXXX0815"));
    check([("x", "a"), ("y", "b")], "y", Ok(b"4711-0815"));
    check([("x", "b"), ("x", "a")], "x", Ok(b"XXXXX0815"));
    check([("x", "a"), ("y", "b")], "z", Err(MaskFault::Unfit));
}

#[test]
fn messages_have_an_end() {
    let stream = begin(page("job_1"), "", StreamSchema::Avro(&avro(&["a"]))).unwrap();
    let mask = |bytes: usize, rows: usize| stream.mask(&vec![0; bytes], rows as u64).map(|batch| batch.count());
    assert_eq!(mask(ARRAY_ROWS_MAX, ARRAY_ROWS_MAX), Ok(ARRAY_ROWS_MAX as u64));
    assert_eq!(mask(ARRAY_ROWS_MAX + 1, ARRAY_ROWS_MAX + 1), Err(MaskFault::Shape));
    assert_eq!(mask(STREAM_MESSAGE_BYTES_MAX + 1, 1), Err(MaskFault::Shape));
    // A mask makes of two bytes forty-six: that has an end as well.
    let label = LABEL.replace("last_four", "sha256");
    let stream = begin(page("job_1"), &label, StreamSchema::Avro(&avro(&["a"]))).unwrap();
    let rows = 8 << 20;
    assert_eq!(stream.mask(&[2, 0].repeat(rows), rows as u64).map(|batch| batch.count()), Err(MaskFault::Shape));
}
