//! Messages that are cut and joined anew: the same ones wherever they were cut, and whatever is hidden.

use super::rows::{Chance, field};
use super::{MASKS, arrow, avro, cases, columns, compression, counted, masks, writer};
use crate::MaskedBatch;
use crate::columnar::group::Group;
use crate::columnar::stream::{StreamMasking, StreamSchema};
use crate::write::Writer;
use crate::write::tests::{Masks, naive_row};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_policy::Mask;

type Left = Vec<(u64, Vec<u8>, Vec<(String, u64, u64)>)>;

fn left(masking: &StreamMasking, messages: &[(Vec<u8>, u64)], mut group: Group) -> Left {
    let mut found: Vec<MaskedBatch> = Vec::new();
    for (message, rows) in messages {
        found.extend(masking.regroup(&mut group, &Bytes::from(message.clone()), *rows).unwrap());
    }
    found.extend(masking.rest(&mut group).unwrap());
    assert!(!group.is_begun() && masking.rest(&mut group).unwrap().is_none());
    found.iter().map(|batch| (batch.count(), batch.bytes(), counted(batch))).collect()
}

/// Rows in as many messages as chance wants, some of them empty.
fn parts<'a>(rows: &'a [Value], chance: &mut Chance) -> Vec<&'a [Value]> {
    let mut ends: Vec<usize> = (0..chance.below(5)).map(|_| chance.below(rows.len() + 1)).chain([0, rows.len()]).collect();
    ends.sort_unstable();
    ends.windows(2).filter_map(|ends| rows.get(ends[0]..ends[1])).collect()
}

/// The same rows, with other values in the first column, which is hidden.
fn varied(rows: &[Value], chance: &mut Chance) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        row["f"][0]["v"] = json!("hidden ".repeat(chance.below(40)));
    }
    rows
}

fn arrow_left(fields: &[Value], rows: &[Value], writer: &Writer, group: Group, form: usize, chance: &mut Chance) -> (Left, Vec<Value>) {
    let schema = arrow::schema(fields);
    let message = |rows: &&[Value]| (arrow::message(&schema, fields, rows, compression(form)), rows.len() as u64);
    let messages: Vec<_> = parts(rows, chance).iter().map(message).collect();
    let schema_message = arrow::schema_message(&schema);
    let masking = StreamMasking::with(StreamSchema::Arrow(&schema_message), columns(fields), Some(writer.clone()));
    let left = left(&masking, &messages, group);
    let cells = left.iter().flat_map(|(_, bytes, _)| arrow::read(masking.schema(), bytes, fields)).collect();
    (left, cells)
}

fn avro_left(fields: &[Value], rows: &[Value], writer: &Writer, group: Group, chance: &mut Chance) -> (Left, Vec<Value>) {
    let messages: Vec<_> = parts(rows, chance).iter().map(|rows| (avro::message(fields, rows, 1), rows.len() as u64)).collect();
    let schema = avro::schema(fields).to_string();
    let masking = StreamMasking::with(StreamSchema::Avro(&schema), columns(fields), Some(writer.clone()));
    let left = left(&masking, &messages, group);
    let cells = left.iter().flat_map(|(count, bytes, _)| avro::read(bytes, fields, usize::try_from(*count).unwrap())).collect();
    (left, cells)
}

proptest! {
    #[test]
    fn neither_cuts_nor_hidden_values_decide_what_a_message_has(
        more in prop::collection::vec(field(), 1..4),
        (count, many) in (1_usize..30, 0_usize..4),
        (rows_max, bytes_max) in (1_usize..12, 1_usize..900),
        seed: u64,
    ) {
        let hidden = json!({ "name": "hidden", "type": "STRING", "mode": "REQUIRED" });
        let fields: Vec<Value> = [hidden].into_iter().chain(more).collect();
        let (mut chance, rows) = cases(seed, &fields, count);
        let other = masks(&fields[1..], &MASKS, many, &mut chance).into_iter().map(|(output, at, mask)| (output + 1, at, mask));
        let masks: Masks = [(0, Vec::new(), Mask::parse("default_value").unwrap())].into_iter().chain(other).collect();
        let writer = writer(&columns(&fields), &masks);
        let expect: Vec<Value> = rows.iter().map(|row| naive_row(&fields, row, &masks)).collect();
        let (variant, form) = (varied(&rows, &mut chance), chance.below(3));
        let group = || Group::within(rows_max, bytes_max);
        let (first, cells) = arrow_left(&fields, &rows, &writer, group(), form, &mut chance);
        prop_assert_eq!(&cells, &expect);
        prop_assert!(first.iter().all(|(count, ..)| (1..=rows_max as u64).contains(count)));
        prop_assert!(arrow_left(&fields, &variant, &writer, group(), form, &mut chance).0 == first, "Arrow tells");
        let (second, cells) = avro_left(&fields, &rows, &writer, group(), &mut chance);
        prop_assert_eq!(&cells, &expect);
        prop_assert!(avro_left(&fields, &variant, &writer, group(), &mut chance).0 == second, "Avro tells");
        // All that is masked is counted, each cell once.
        let sums = |left: &Left| {
            let mut sums = left[0].2.clone();
            for (.., counts) in &left[1..] {
                sums.iter_mut().zip(counts).for_each(|(sum, count)| (sum.1, sum.2) = (sum.1 + count.1, sum.2 + count.2));
            }
            sums
        };
        prop_assert_eq!(sums(&first), sums(&second));
        prop_assert_eq!(sums(&first)[0].1, count as u64);
    }
}

/// Rows of which one value is hidden, one is a text, and one a number.
fn long_fields() -> [Value; 3] {
    [("hidden", "STRING", "REQUIRED"), ("note", "STRING", "NULLABLE"), ("number", "INTEGER", "NULLABLE")]
        .map(|(name, kind, mode)| json!({ "name": name, "type": kind, "mode": mode }))
}

fn long_masking(fields: &[Value], word: &str) -> (StreamMasking, Masks) {
    let masks: Masks = vec![(0, Vec::new(), Mask::parse(word).unwrap())];
    let schema = arrow::schema_message(&arrow::schema(fields));
    let writer = writer(&columns(fields), &masks);
    (StreamMasking::with(StreamSchema::Arrow(&schema), columns(fields), Some(writer)), masks)
}

/// Columns that are long enough leave in parts of what came, of one message and of several: all of them together are what a reader checks.
#[test]
fn long_columns_leave_where_they_lie() {
    let fields = long_fields();
    let schema = arrow::schema(&fields);
    for (seed, form) in (1..13).flat_map(|seed| (0..3).map(move |form| (seed, form))) {
        let mut chance = Chance::new(seed * 7_919);
        let row = |chance: &mut Chance| {
            let note = if chance.below(9) == 0 { Value::Null } else { json!("x".repeat(chance.below(60))) };
            let number = if chance.below(9) == 0 { Value::Null } else { json!(chance.below(1_000).to_string()) };
            json!({ "f": [{ "v": format!("HIDDEN{}", chance.below(9)) }, { "v": note }, { "v": number }] })
        };
        let rows: Vec<Value> = (0..2_000).map(|_| row(&mut chance)).collect();
        let word = ["sha256", "last_four", "default_value"][chance.below(3)];
        let (masking, masks) = long_masking(&fields, word);
        let expect: Vec<Value> = rows.iter().map(|row| naive_row(&fields, row, &masks)).collect();
        let (mut group, mut found) = (Group::within(1 + chance.below(1_500), 1 + chance.below(120_000)), Vec::new());
        for part in parts(&rows, &mut chance) {
            let message = Bytes::from(arrow::message(&schema, &fields, part, compression(form)));
            found.extend(masking.regroup(&mut group, &message, part.len() as u64).unwrap());
        }
        found.extend(masking.rest(&mut group).unwrap());
        let cells: Vec<Value> = found.iter().flat_map(|batch| arrow::read(masking.schema(), &batch.bytes(), &fields)).collect();
        assert!(cells == expect, "{seed} {form} {word}");
        assert!(found.iter().flat_map(MaskedBatch::parts).all(|part| !part.is_empty()));
        let whole = arrow::message(&schema, &fields, &rows, compression(form));
        let alone = masking.mask(&whole, rows.len() as u64).unwrap();
        assert!(form > 0 || alone.parts().len() > 3, "{} parts", alone.parts().len());
        assert!(arrow::read(masking.schema(), &alone.bytes(), &fields) == expect);
        for batch in found.iter().chain([&alone]) {
            assert!(!batch.bytes().windows(6).any(|bytes| bytes == b"HIDDEN"), "{word}");
        }
    }
}

/// Rows that wait for others keep the message that they came with, unless most of it is hidden.
#[test]
fn what_is_hidden_does_not_stay_in_memory() {
    let fields = long_fields();
    let check = |hidden: usize, rows: usize, is_kept: bool| {
        let row =
            |number: usize| json!({ "f": [{ "v": "h".repeat(hidden) }, { "v": format!("note {number}") }, { "v": number.to_string() }] });
        let rows: Vec<Value> = (0..rows).map(row).collect();
        let message = Bytes::from(arrow::message(&arrow::schema(&fields), &fields, &rows, None));
        let (masking, _) = long_masking(&fields, "default_value");
        let mut group = Group::default();
        assert!(masking.regroup(&mut group, &message, rows.len() as u64).unwrap().is_empty() && group.is_begun());
        assert_eq!(!message.is_unique(), is_kept, "{hidden}");
        drop(masking.rest(&mut group).unwrap().unwrap());
        assert!(message.is_unique());
    };
    check(0, 500, true);
    check(20, 500, true);
    check(500, 500, false);
    check(1_000_000, 1, false);
}
