//! Bodies that say what cannot be, one by one.

use super::array::{Array, Held};
use super::gathered::Gathered;
use super::message::Batch;
use crate::columnar::tests::{arrow, columns, writer};
use crate::masker::MaskFault;
use crate::schema::Columns;
use crate::write::{Count, Writer};
use arrow_ipc::CompressionType;
use bytes::Bytes;
use serde_json::{Value, json};
use sluice_policy::Mask;

/// A text, a list of whole numbers, a record where NULL may not stand.
fn fields() -> Vec<Value> {
    let named = |name: &str, kind: &str, mode: &str| json!({ "name": name, "type": kind, "mode": mode });
    vec![
        named("a", "STRING", "NULLABLE"),
        named("b", "INTEGER", "REPEATED"),
        json!({ "name": "c", "type": "RECORD", "mode": "REQUIRED", "fields": [named("d", "BOOLEAN", "NULLABLE")] }),
    ]
}

fn rows() -> Vec<Value> {
    let row = |a: Value, b: &[&str], d: Value| json!({ "f": [{ "v": a }, { "v": b.iter().map(|b| json!({ "v": b })).collect::<Vec<_>>() }, { "v": { "f": [{ "v": d }] } }] });
    vec![row(json!("CANARY-1"), &["1"], json!("true")), row(Value::Null, &[], Value::Null), row(json!("x"), &["2", "3"], json!("false"))]
}

fn offsets(offsets: &[i32]) -> Bytes {
    offsets.iter().flat_map(|offset| offset.to_le_bytes()).collect()
}

fn mask(columns: &Columns, writer: &Writer, message: &[u8], rows: usize, counts: &mut [Count]) -> Result<Vec<u8>, MaskFault> {
    super::mask(columns, writer, &Bytes::copy_from_slice(message), rows, counts).map(|parts| parts.concat())
}

fn check(columns: &Columns, message: &[u8], rows: usize) -> Result<(), MaskFault> {
    super::check(columns, &Bytes::copy_from_slice(message), rows)
}

fn array(rows: usize, validity: Option<u8>, held: Held) -> Array {
    Array { rows, validity: validity.map(|bits| vec![bits]), seen: None, held }
}

/// Three rows, as they should be.
struct Parts {
    text_offsets: Vec<i32>,
    text: &'static [u8],
    text_rows: usize,
    list_validity: Option<u8>,
    list_offsets: Vec<i32>,
    items: usize,
    item_bytes: usize,
    record_validity: Option<u8>,
    bits: Vec<u8>,
}

fn good() -> Parts {
    Parts {
        text_offsets: vec![0, 8, 8, 9],
        text: b"CANARY-1xCANARY-2",
        text_rows: 3,
        list_validity: None,
        list_offsets: vec![1, 2, 2, 4],
        items: 5,
        item_bytes: 40,
        record_validity: None,
        bits: vec![0b1111_1101],
    }
}

fn message(parts: Parts) -> Vec<u8> {
    let items = array(parts.items, None, Held::Fixed(Bytes::from(vec![7; parts.item_bytes])));
    let arrays = [
        array(parts.text_rows, Some(0b101), Held::Text { offsets: offsets(&parts.text_offsets), bytes: Bytes::from_static(parts.text) }),
        array(3, parts.list_validity, Held::Many { offsets: offsets(&parts.list_offsets), items: Box::new(items) }),
        array(3, parts.record_validity, Held::Record(vec![array(3, Some(0b101), Held::Bits(parts.bits))])),
    ];
    let fields = fields();
    let whole = arrow::message(&arrow::schema(&fields), &fields, &rows(), None);
    Batch::read(&Bytes::from(whole), 3).unwrap().form.written(arrays.map(Gathered::of).into(), 3).unwrap().concat()
}

fn masked(message: &[u8], rows: usize) -> Result<Vec<u8>, MaskFault> {
    let columns = columns(&fields());
    let masks = vec![(1, Vec::new(), Mask::parse("default_value").unwrap())];
    mask(&columns, &writer(&columns, &masks), message, rows, &mut [Count::default()])
}

#[test]
fn what_no_row_holds_does_not_leave() {
    // Behind the last text, in front of the first element and behind the last one, above the last bit.
    let message = message(good());
    assert!(message.windows(8).any(|bytes| bytes == b"CANARY-2"));
    let found = masked(&message, 3).unwrap();
    assert!(found.windows(8).any(|bytes| bytes == b"CANARY-1"), "a clear column stays");
    assert!(!found.windows(8).any(|bytes| bytes == b"CANARY-2"));
    assert!(!found.contains(&7) && !found.contains(&0b1111_1101));
    let fields = fields();
    let rows = arrow::read(&arrow::schema_message(&arrow::schema(&fields)), &found, &fields);
    assert_eq!(rows[0], json!({ "f": [{ "v": "CANARY-1" }, { "v": [] }, { "v": { "f": [{ "v": "true" }] } }] }));
    assert_eq!(rows[1]["f"][0]["v"], Value::Null);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |parts: Parts, why: &str| assert_eq!(masked(&message(parts), 3), Err(MaskFault::Shape), "{why}");
    assert!(masked(&message(good()), 3).is_ok());
    refused(Parts { text_offsets: vec![0, 8, 7, 9], ..good() }, "offsets that fall");
    refused(Parts { text_offsets: vec![-1, 8, 8, 9], ..good() }, "an offset below zero");
    refused(Parts { text_offsets: vec![0, 8, 8, 18], ..good() }, "a text that goes on behind its bytes");
    refused(Parts { text_offsets: vec![0, 8], ..good() }, "fewer offsets than rows");
    refused(Parts { text_rows: 2, ..good() }, "a column of fewer rows");
    refused(Parts { text_rows: 4, text_offsets: vec![0; 5], ..good() }, "a column of more rows");
    refused(Parts { list_offsets: vec![1, 2, 2, 6], ..good() }, "a list that goes on behind its elements");
    refused(Parts { list_offsets: vec![0, 2, 1, 4], ..good() }, "lists that fall");
    refused(Parts { list_validity: Some(0b011), ..good() }, "a list that is null");
    refused(Parts { item_bytes: 24, ..good() }, "fewer bytes than elements");
    refused(Parts { items: 1 << 40, ..good() }, "more elements than there may be");
    refused(Parts { record_validity: Some(0b011), ..good() }, "a record that may not be null");
    refused(Parts { bits: Vec::new(), ..good() }, "no bits for three rows");
    let whole = message(good());
    assert_eq!(masked(&whole, 2), Err(MaskFault::Shape));
    assert_eq!(masked(&whole[..whole.len() - 8], 3), Err(MaskFault::Shape));
    assert_eq!(masked(&[&whole[..], &[0; 8]].concat(), 3), Err(MaskFault::Shape));
}

/// Two nulls are said where there is one: whoever believes the number reads other values.
#[test]
fn nulls_are_counted() {
    let mut message = message(good());
    let node = [3_i64.to_le_bytes(), 1_i64.to_le_bytes()].concat();
    let at = message.windows(16).position(|bytes| bytes == node).unwrap();
    for (nulls, expect) in [(1_i64, true), (0, false), (2, false), (3, false), (4, false), (-1, false)] {
        message[at + 8..at + 16].copy_from_slice(&nulls.to_le_bytes());
        assert_eq!(masked(&message, 3).is_ok(), expect, "{nulls}");
    }
}

/// A value that has to be there lies under a record that is null: no mask shows a part of it, or its hash.
#[test]
fn what_a_null_record_hides_is_not_masked_but_gone() {
    let fields =
        [json!({ "name": "u", "type": "RECORD", "mode": "NULLABLE", "fields": [{ "name": "x", "type": "STRING", "mode": "REQUIRED" }] })];
    let columns = columns(&fields);
    let row = |cell: Value| json!({ "f": [{ "v": cell }] });
    let whole = arrow::message(&arrow::schema(&fields), &fields, &[row(Value::Null), row(json!({ "f": [{ "v": "995-76-0013" }] }))], None);
    assert!(whole.windows(4).any(|bytes| bytes == b"null"));
    for (word, shown) in [("last_four", 9), ("partial(last, 4, *)", 11), ("sha256", 44)] {
        let mut counts = [Count::default()];
        let writer = writer(&columns, &vec![(0, vec!["x".to_owned()], Mask::parse(word).unwrap())]);
        let found = mask(&columns, &writer, &whole, 2, &mut counts).unwrap();
        assert_eq!(counts, [Count { cells: 1, nulls: 0 }]);
        let offsets: Vec<u8> = [0, 0, shown].iter().flat_map(|offset: &i32| offset.to_le_bytes()).collect();
        assert!(found.windows(12).any(|bytes| bytes == offsets) && !found.windows(4).any(|bytes| bytes == b"null"), "{word}");
    }
}

/// The column that is missing, the one too many: told by the head alone.
#[test]
fn other_columns_are_refused_without_masks_too() {
    let fields = fields();
    let message = |fields: &[Value]| {
        let rows: Vec<Value> = rows().iter().map(|row| json!({ "f": row["f"].as_array().unwrap()[..fields.len()] })).collect();
        arrow::message(&arrow::schema(fields), fields, &rows, None)
    };
    assert_eq!(check(&columns(&fields), &message(&fields), 3), Ok(()));
    assert_eq!(check(&columns(&fields), &message(&fields), 4), Err(MaskFault::Shape));
    assert_eq!(check(&columns(&fields), &message(&fields[..2]), 3), Err(MaskFault::Shape));
    assert_eq!(check(&columns(&fields[..2]), &message(&fields), 3), Err(MaskFault::Shape));
    assert_eq!(check(&columns(&fields), &arrow::schema_message(&arrow::schema(&fields)), 3), Err(MaskFault::Shape));
}

/// A few bytes that say they are very many, and some that say they are fewer.
#[test]
fn lengths_of_what_is_compressed_are_not_believed() {
    let fields = [json!({ "name": "a", "type": "STRING", "mode": "REQUIRED" })];
    let row = json!({ "f": [{ "v": "x".repeat(10_000) }] });
    let columns = columns(&fields);
    for codec in [CompressionType::LZ4_FRAME, CompressionType::ZSTD] {
        let whole = arrow::message(&arrow::schema(&fields), &fields, std::slice::from_ref(&row), Some(codec));
        let writer = writer(&columns, &vec![(0, Vec::new(), Mask::parse("sha256").unwrap())]);
        let masked = |message: &[u8]| mask(&columns, &writer, message, 1, &mut [Count::default()]);
        assert!(masked(&whole).is_ok());
        let at = whole.windows(8).position(|bytes| bytes == 10_000_i64.to_le_bytes()).unwrap();
        for length in [0, 1, 9_999, 10_001, 1 << 28, (1 << 28) + 1, i64::MAX, -2, i64::MIN] {
            let mut lying = whole.clone();
            lying[at..at + 8].copy_from_slice(&length.to_le_bytes());
            assert_eq!(masked(&lying), Err(MaskFault::Shape), "{codec:?} {length}");
        }
    }
}
