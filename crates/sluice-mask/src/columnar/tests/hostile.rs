//! Messages and schemas that nobody at BigQuery wrote.

use super::rows::Chance;
use super::{StreamMasking, StreamSchema, arrow, avro, cases, columns, writer};
use crate::MaskFault;
use crate::columnar;
use crate::write::tests::Masks;
use arrow_ipc::CompressionType;
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode};
use serde_json::{Value, json};
use sluice_policy::Mask;
use std::sync::Arc;

fn fields() -> Vec<Value> {
    let named =
        |name: &str, kind: &str, mode: &str| json!({ "name": name, "type": kind, "mode": mode, "rangeElementType": { "type": "DATE" } });
    let inside = json!([named("x", "STRING", "NULLABLE"), named("y", "INTEGER", "REPEATED")]);
    vec![
        named("a", "STRING", "NULLABLE"),
        named("b", "BYTES", "REQUIRED"),
        named("c", "BOOLEAN", "NULLABLE"),
        named("d", "RANGE", "NULLABLE"),
        named("e", "DATE", "NULLABLE"),
        json!({ "name": "f", "type": "RECORD", "mode": "REPEATED", "fields": inside }),
        json!({ "name": "g", "type": "RECORD", "mode": "NULLABLE", "fields": inside }),
    ]
}

fn masks() -> Masks {
    let mask =
        |output: usize, at: &[&str], word: &str| (output, at.iter().map(|name| (*name).to_owned()).collect(), Mask::parse(word).unwrap());
    vec![
        mask(0, &[], "last_four"),
        mask(1, &[], "sha256"),
        mask(4, &[], "date_year"),
        mask(5, &["x"], "email"),
        mask(6, &["y"], "always_null"),
    ]
}

/// Bytes changed, left out, put in, doubled.
fn spoil(message: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut spoiled = message.to_vec();
    for _ in 0..=chance.below(3) {
        let at = chance.below(spoiled.len().max(1));
        match chance.below(5) {
            _ if spoiled.is_empty() => spoiled.push(0),
            0 => spoiled[at] = u8::try_from(chance.below(256)).unwrap(),
            1 => spoiled[at] ^= 1 << chance.below(8),
            2 => drop(spoiled.drain(at..(at + 8).min(message.len()).min(spoiled.len()).max(at))),
            3 => spoiled.insert(at, [0, 1, 0x7f, 0x80, 0xff][chance.below(5)]),
            _ => {
                let to = (at + 8).min(spoiled.len());
                let with = [0, 0xff][chance.below(2)];
                spoiled[at..to].fill(with);
            }
        }
    }
    spoiled
}

/// Never a panic; and whatever passes is a message that passes again.
#[test]
fn spoiled_messages_are_refused_or_read() {
    let fields = fields();
    let (mut chance, rows) = cases(4711, &fields, 9);
    let columns = columns(&fields);
    let schema = arrow::schema(&fields);
    let compressions = [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)];
    let mut messages: Vec<(bool, Vec<u8>)> =
        compressions.map(|compression| (true, arrow::message(&schema, &fields, &rows, compression))).into();
    messages.push((false, avro::message(&fields, &rows, 2)));
    let (schema, text) = (arrow::schema_message(&schema), avro::schema(&fields).to_string());
    let (mut passed, mut refused) = (0, 0);
    for (is_arrow, message) in &messages {
        let schema = if *is_arrow { StreamSchema::Arrow(&schema) } else { StreamSchema::Avro(&text) };
        let masked = StreamMasking::with(schema, columns.clone(), Some(writer(&columns, &masks())));
        let clear = StreamMasking::with(schema, columns.clone(), None);
        assert!(masked.mask(message, 9).is_ok() && clear.mask(message, 9).is_ok());
        for _ in 0..4_000 {
            let spoiled = spoil(message, &mut chance);
            let _ = clear.mask(&spoiled, 9);
            match masked.mask(&spoiled, 9) {
                Ok(batch) => {
                    passed += 1;
                    assert!(masked.mask(&batch.bytes(), 9).is_ok() && clear.mask(&batch.bytes(), 9).is_ok());
                }
                Err(fault) => {
                    refused += 1;
                    assert_eq!(fault, MaskFault::Shape);
                }
            }
        }
    }
    assert!(passed > 1_000 && refused > 1_000, "{passed} {refused}");
}

#[test]
fn spoiled_schemas_do_not_panic() {
    let fields = fields();
    let mut chance = Chance::new(815);
    let (message, text) = (arrow::schema_message(&arrow::schema(&fields)), avro::schema(&fields).to_string());
    let mut refused = 0;
    for _ in 0..4_000 {
        refused += usize::from(columnar::arrow::columns(&spoil(&message, &mut chance)).is_err());
        refused += usize::from(columnar::avro::columns(&String::from_utf8_lossy(&spoil(text.as_bytes(), &mut chance))).is_err());
    }
    assert!(refused > 1_000, "{refused}");
}

#[test]
fn types_that_bigquery_does_not_write_are_refused() {
    let list = |kind: DataType| DataType::List(Arc::new(Field::new("item", kind, true)));
    let record = |kind: DataType| DataType::Struct(vec![Field::new("x", kind, true)].into());
    let mut deep = DataType::Int64;
    (0..20).for_each(|_| deep = record(deep.clone()));
    let union = UnionFields::try_new([0], [Field::new("x", DataType::Int64, true)]).unwrap();
    let refused = [
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        list(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        record(DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))),
        DataType::Union(union, UnionMode::Dense),
        DataType::Utf8View,
        DataType::BinaryView,
        DataType::LargeUtf8,
        DataType::FixedSizeBinary(4),
        DataType::Int32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Null,
        DataType::Date64,
        DataType::Time32(arrow_schema::TimeUnit::Second),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
        DataType::Interval(IntervalUnit::YearMonth),
        DataType::Decimal32(9, 2),
        DataType::LargeList(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::ListView(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::FixedSizeList(Arc::new(Field::new("item", DataType::Int64, true)), 2),
        list(list(DataType::Int64)),
        DataType::RunEndEncoded(
            Arc::new(Field::new("run_ends", DataType::Int32, false)),
            Arc::new(Field::new("values", DataType::Utf8, true)),
        ),
        deep,
    ];
    for kind in refused {
        let message = arrow::schema_message(&Schema::new(vec![Field::new("a", kind.clone(), true)]));
        assert_eq!(columnar::arrow::columns(&message), Err(MaskFault::Unfit), "{kind}");
    }
    let message = arrow::schema_message(&Schema::new(vec![Field::new("a", list(record(DataType::Int64)), true)]));
    assert!(columnar::arrow::columns(&message).is_ok());
    for message in [&message[..message.len() - 1], &[&message[..], &[0]].concat(), &[], &[0xff; 4], &[0xff; 8], &[0; 8]] {
        assert_eq!(columnar::arrow::columns(message), Err(MaskFault::Shape), "{}", message.len());
    }
}

#[test]
fn avro_that_bigquery_does_not_write_is_refused() {
    let check = |kind: Value, expect: Result<&str, MaskFault>| {
        let schema = json!({ "type": "record", "name": "__root__", "fields": [{ "name": "a", "type": kind }] });
        let found = columnar::avro::columns(&schema.to_string());
        assert_eq!(found.map(|columns| columns.fields()[0].kind.to_string()), expect.map(str::to_owned), "{kind}");
    };
    check(json!("string"), Ok("STRING"));
    check(json!(["null", { "type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2 }]), Ok("NUMERIC"));
    check(json!({ "type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 2 }), Ok("BIGNUMERIC"));
    check(json!({ "type": "array", "items": { "type": "string" } }), Ok("ARRAY<STRING>"));
    let record = |name: &str, fields: Value| json!({ "type": "record", "name": name, "fields": fields });
    check(record("s", json!([{ "name": "x", "type": "long" }])), Ok("STRUCT<x INT64>"));
    let mut deep = json!("long");
    (0..20).for_each(|level| deep = record(&format!("s{level}"), json!([{ "name": "x", "type": deep }])));
    // Each record twice in the next: a short text for a million columns.
    let mut many = json!("long");
    for level in 0..12 {
        let twice = json!([{ "name": "x", "type": many }, { "name": "y", "type": format!("s{}", level - 1) }, { "name": "z", "type": format!("s{}", level - 1) }]);
        many = record(&format!("s{level}"), if level == 0 { json!([{ "name": "x", "type": "long" }]) } else { twice });
    }
    for kind in [
        json!(["string", "null"]),
        json!(["null", "string", "long"]),
        json!(["string"]),
        json!("null"),
        json!("float"),
        json!("unknown"),
        json!({ "type": "map", "values": "long" }),
        json!({ "type": "enum", "name": "e", "symbols": ["x"] }),
        json!({ "type": "fixed", "name": "e", "size": 4 }),
        json!({ "type": "long", "logicalType": "timestamp-millis" }),
        json!({ "type": "string", "sqlType": "OTHER" }),
        json!({ "type": "array", "items": ["null", "string"] }),
        json!({ "type": "array", "items": { "type": "array", "items": "long" } }),
        record("s", json!([])),
        record("s", json!([{ "name": "x", "type": "s" }])),
        json!({ "type": "record", "namespace": "google.sqlType", "name": "OTHER", "fields": [{ "name": "x", "type": "long" }] }),
        deep,
        many,
    ] {
        check(kind, Err(MaskFault::Unfit));
    }
    for text in ["", "{}", "\"string\"", "[", "{\"type\":\"record\"} x"] {
        assert_eq!(columnar::avro::columns(text), Err(MaskFault::Shape), "{text}");
    }
    assert_eq!(columnar::avro::columns("{\"type\":\"record\",\"fields\":[]}"), Err(MaskFault::Unfit));
    let long = format!("{}{{\"type\":\"record\"}}", " ".repeat(columnar::AVRO_SCHEMA_BYTES_MAX));
    assert_eq!(columnar::avro::columns(&long), Err(MaskFault::Shape));
}

#[test]
fn rows_of_avro_have_the_shape_that_was_said() {
    let named = |name: &str, kind: &str, mode: &str| json!({ "name": name, "type": kind, "mode": mode });
    let fields = [named("a", "STRING", "NULLABLE"), named("b", "BOOLEAN", "REQUIRED"), named("c", "DATE", "REPEATED")];
    let columns = columns(&fields);
    let text = avro::schema(&fields).to_string();
    let laid = [vec![], vec![(0, vec![], Mask::parse("last_four").unwrap()), (2, vec![], Mask::parse("date_year").unwrap())]];
    let check = |bytes: &[u8], rows: u64, expect: Option<()>| {
        for masks in &laid {
            let writer = (!masks.is_empty()).then(|| writer(&columns, masks));
            let masking = StreamMasking::with(StreamSchema::Avro(&text), columns.clone(), writer);
            assert_eq!(masking.mask(bytes, rows).map(|_| ()), expect.ok_or(MaskFault::Shape), "{bytes:?} {rows} {masks:?}");
        }
    };
    let (good, shape) = (Some(()), None);
    check(&[], 0, good);
    check(&[0, 1, 0], 1, good);
    check(&[0, 1, 0, 0, 0, 0], 2, good);
    check(&[2, 4, b'x', b'y', 0, 2, 8, 0], 1, good);
    check(&[0, 1, 1, 2, 8, 0], 1, good);
    check(&[0, 1, 0], 0, shape);
    check(&[0, 1, 0], 2, shape);
    check(&[0, 1, 0], u64::MAX, shape);
    check(&[0, 1, 0, 0], 1, shape);
    check(&[0, 1], 1, shape);
    // A union of two, a truth of two.
    check(&[4, 1, 0], 1, shape);
    check(&[1, 1, 0], 1, shape);
    check(&[0, 2, 0], 1, shape);
    // A text of minus one byte, of more than there are, of more than any number.
    check(&[2, 1, 0, 0], 1, shape);
    check(&[2, 8, b'x', 0, 0], 1, shape);
    check(&[2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0], 1, shape);
    check(&[2, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0], 1, shape);
    // A block of more elements than there are bytes, one whose length is another, one that does not end.
    check(&[0, 1, 0xfe, 0xff, 0xff, 0xff, 0x0f, 8, 0], 1, shape);
    check(&[0, 1, 1, 4, 8, 0], 1, shape);
    check(&[0, 1, 2, 8], 1, shape);
    check(&[0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0], 1, shape);
    // A date beyond 32 bits.
    check(&[0, 1, 2, 0x80, 0x80, 0x80, 0x80, 0x10, 0], 1, shape);
}
