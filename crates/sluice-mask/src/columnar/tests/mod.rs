//! The same rows as JSON, as Arrow and as Avro: each masked in its own way, read back by somebody else, and compared cell by cell.

pub(super) mod arrow;
mod avro;
mod group;
mod hostile;
mod rows;

use super::stream::{StreamMasking, StreamSchema};
use crate::MaskedBatch;
use crate::cover::{Cover, Laid};
use crate::keys::{MASK_SECRET_BYTES, MaskKeys};
use crate::masker::written;
use crate::moment::TimestampForm;
use crate::page::RawPage;
use crate::schema::Columns;
use crate::value::Values;
use crate::write::Writer;
use crate::write::tests::{MASKS, Masks, naive_row, path};
use arrow_ipc::CompressionType;
use proptest::prelude::*;
use rows::{Chance, field, row};
use serde_json::{Value, json};
use sluice_policy::Mask;
use std::collections::BTreeSet;
use std::sync::Arc as Shared;

/// A naive reader has no keys: these agree with each other alone.
const KEYED: [&str; 4] = ["keyed_hash", "random_hash", "email", "refuse"];

pub(super) fn columns(fields: &[Value]) -> Columns {
    Columns::of_schema(&json!({ "fields": fields })).unwrap()
}

pub(super) fn writer(columns: &Columns, masks: &Masks) -> Writer {
    static NONE: BTreeSet<String> = BTreeSet::new();
    let laid = masks.iter().map(|(output, at, mask)| Laid { output: *output, kind: None, at, mask, labels: &NONE, columns: &NONE });
    let keys = MaskKeys::new(&[7; MASK_SECRET_BYTES]).of_result(&["x"]);
    Writer { cover: Shared::new(Cover::of(columns, laid).unwrap()), values: Values { keys, form: TimestampForm::Int64Microseconds } }
}

/// Masks that hit what is there.
fn masks(fields: &[Value], words: &[&str], count: usize, chance: &mut Chance) -> Masks {
    let tree = Value::Array(fields.to_vec());
    let one = |_| {
        let (output, at) = path(&tree, &mut |below| chance.below(below));
        (output, at, Mask::parse(words[chance.below(words.len())]).unwrap())
    };
    (0..count).map(one).collect()
}

type Counted = Vec<(String, u64, u64)>;

fn counted(batch: &MaskedBatch) -> Counted {
    batch.masked().map(|masked| (masked.covered.path.clone(), masked.cells, masked.nulls)).collect()
}

/// By the masks of pages.
fn as_json(fields: &[Value], rows: &[Value], writer: &Writer) -> (Vec<Value>, Counted) {
    let job = r#""jobComplete":true,"jobReference":{"projectId":"p","jobId":"j"}"#;
    let page = format!(r#"{{{job},"schema":{},"rows":{}}}"#, json!({ "fields": fields }), json!(rows));
    let pieces = written(&RawPage::read(page.as_bytes()).unwrap(), Some(&columns(fields)), writer.clone()).unwrap();
    let text = pieces.iter().map(crate::MaskedRows::text).collect::<Vec<_>>().join(",");
    let counts = pieces.iter().flat_map(crate::MaskedRows::masked);
    let counts = counts.map(|masked| (masked.covered.path.clone(), masked.cells, masked.nulls)).collect();
    (serde_json::from_str(&format!("[{text}]")).unwrap(), counts)
}

fn as_arrow(fields: &[Value], rows: &[Value], writer: &Writer, compression: Option<CompressionType>) -> (Vec<Value>, Counted) {
    let schema = arrow::schema(fields);
    let (schema_message, message) = (arrow::schema_message(&schema), arrow::message(&schema, fields, rows, compression));
    let found = super::arrow::columns(&schema_message).unwrap();
    assert_eq!(found, columns(fields));
    let masking = StreamMasking::with(StreamSchema::Arrow(&schema_message), found, Some(writer.clone()));
    let batch = masking.mask(&message, rows.len() as u64).unwrap();
    assert_eq!(arrow::compression_of(&batch.bytes()), compression);
    // The same types and the same number of rows, to a reader that checks all of it.
    (arrow::read(masking.schema(), &batch.bytes(), fields), counted(&batch))
}

fn as_avro(fields: &[Value], rows: &[Value], writer: &Writer, blocks: usize) -> (Vec<Value>, Counted) {
    let schema = avro::schema(fields).to_string();
    let found = super::avro::columns(&schema).unwrap();
    assert_eq!(found, columns(fields));
    let masking = StreamMasking::with(StreamSchema::Avro(&schema), found, Some(writer.clone()));
    let batch = masking.mask(&avro::message(fields, rows, blocks), rows.len() as u64).unwrap();
    (avro::read(&batch.bytes(), fields, rows.len()), counted(&batch))
}

fn cases(seed: u64, fields: &[Value], rows: usize) -> (Chance, Vec<Value>) {
    let mut chance = Chance::new(seed);
    let rows = (0..rows).map(|_| row(fields, &mut chance)).collect();
    (chance, rows)
}

fn compression(which: usize) -> Option<CompressionType> {
    [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)][which % 3]
}

proptest! {
    /// Whatever is masked by whatever: every format has the cells that a naive mask leaves, and counts the same.
    #[test]
    fn formats_agree_with_a_naive_mask(fields in prop::collection::vec(field(), 1..5), count in 0_usize..9, seed: u64, many in 1_usize..5) {
        let (mut chance, rows) = cases(seed, &fields, count);
        let masks = masks(&fields, &MASKS, many, &mut chance);
        let writer = writer(&columns(&fields), &masks);
        let expect: Vec<Value> = rows.iter().map(|row| naive_row(&fields, row, &masks)).collect();
        let arrow = as_arrow(&fields, &rows, &writer, compression(chance.below(3)));
        prop_assert_eq!(&arrow.0, &expect, "{:?}", masks);
        let avro = as_avro(&fields, &rows, &writer, 1 + chance.below(3));
        prop_assert_eq!(&avro.0, &expect, "{:?}", masks);
        if count > 0 {
            let json = as_json(&fields, &rows, &writer);
            prop_assert_eq!(&json.0, &expect);
            prop_assert_eq!(&json.1, &arrow.1);
            prop_assert_eq!(&json.1, &avro.1);
        }
    }

    #[test]
    fn formats_agree_on_keys(fields in prop::collection::vec(field(), 1..4), count in 1_usize..9, seed: u64) {
        let (mut chance, rows) = cases(seed, &fields, count);
        let writer = writer(&columns(&fields), &masks(&fields, &KEYED, 3, &mut chance));
        let json = as_json(&fields, &rows, &writer);
        prop_assert_eq!(&as_arrow(&fields, &rows, &writer, compression(chance.below(3))), &json);
        prop_assert_eq!(&as_avro(&fields, &rows, &writer, 1 + chance.below(3)), &json);
    }

    /// What is not masked passes, every byte of it.
    #[test]
    fn what_is_clear_passes_as_it_came(fields in prop::collection::vec(field(), 1..5), count in 0_usize..9, seed: u64) {
        let (mut chance, rows) = cases(seed, &fields, count);
        let schema = arrow::schema(&fields);
        let message = arrow::message(&schema, &fields, &rows, compression(chance.below(3)));
        let schema = arrow::schema_message(&schema);
        let masking = StreamMasking::with(StreamSchema::Arrow(&schema), columns(&fields), None);
        let batch = masking.mask(&message, count as u64).unwrap();
        prop_assert_eq!((batch.bytes(), batch.count(), batch.masked().count()), (message.clone(), count as u64, 0));
        prop_assert!(masking.mask(&message, count as u64 + 1).is_err());
        let (schema, message) = (avro::schema(&fields).to_string(), avro::message(&fields, &rows, 1 + chance.below(3)));
        let masking = StreamMasking::with(StreamSchema::Avro(&schema), columns(&fields), None);
        let batch = masking.mask(&message, count as u64).unwrap();
        prop_assert_eq!(batch.bytes(), message.clone());
        prop_assert_eq!(masking.schema(), schema.as_bytes());
        prop_assert!(masking.mask(&message, count as u64 + 1).is_err());
    }

    /// No byte of a hidden value is in what leaves, also none that no row has: under nulls, in front of offsets, behind the last value.
    #[test]
    fn nothing_hidden_leaves(seed: u64, position in 0_usize..7, count in 1_usize..9) {
        let mask = ["always_null", "default_value", "constant(masked)", "sha256", "keyed_hash", "random_hash", "date_year"][position];
        let named = |name: &str, kind: &str, mode: &str| json!({ "name": name, "type": kind, "mode": mode });
        let inside = json!([named("i", "STRING", "NULLABLE"), named("j", "JSON", "NULLABLE"), named("b", "BYTES", "REPEATED")]);
        let fields = [
            named("s", "STRING", "NULLABLE"),
            named("r", "STRING", "REPEATED"),
            named("q", "BYTES", "REQUIRED"),
            named("g", "GEOGRAPHY", "NULLABLE"),
            json!({ "name": "o", "type": "RECORD", "mode": "REPEATED", "fields": inside }),
            json!({ "name": "u", "type": "RECORD", "mode": "NULLABLE", "fields": inside }),
        ];
        let (_, rows) = cases(seed, &fields, count);
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let paths = (0..4).map(|output| (output, path(&[]))).chain([4, 5].iter().flat_map(|output| ["i", "j", "b"].map(|name| (*output, path(&[name])))));
        let masks: Masks = paths.map(|(output, at)| (output, at, Mask::parse(mask).unwrap())).collect();
        let writer = writer(&columns(&fields), &masks);
        let schema = arrow::schema(&fields);
        let canaries = |bytes: &[u8]| bytes.windows(6).any(|window| window == b"CANARY");
        let message = arrow::message(&schema, &fields, &rows, None);
        // What lies under nulls is one, whatever the rows hold.
        prop_assert!(canaries(&message));
        let schema = arrow::schema_message(&schema);
        let masking = StreamMasking::with(StreamSchema::Arrow(&schema), columns(&fields), Some(writer.clone()));
        prop_assert!(!canaries(&masking.mask(&message, count as u64).unwrap().bytes()), "{mask}");
        let schema = avro::schema(&fields).to_string();
        let masking = StreamMasking::with(StreamSchema::Avro(&schema), columns(&fields), Some(writer));
        prop_assert!(!canaries(&masking.mask(&avro::message(&fields, &rows, 2), count as u64).unwrap().bytes()), "{mask}");
    }
}
