//! Messages that are cut and joined anew: the same ones wherever they were cut, and whatever is hidden.

use super::rows::{Chance, field};
use super::{MASKS, arrow, avro, cases, columns, compression, counted, masks, writer};
use crate::MaskedBatch;
use crate::columnar::group::Group;
use crate::columnar::stream::{StreamMasking, StreamSchema};
use crate::write::Writer;
use crate::write::tests::{Masks, naive_row};
use proptest::prelude::*;
use serde_json::{Value, json};
use sluice_policy::Mask;

type Left = Vec<(u64, Vec<u8>, Vec<(String, u64, u64)>)>;

fn left(masking: &StreamMasking, messages: &[(Vec<u8>, u64)], mut group: Group) -> Left {
    let mut found: Vec<MaskedBatch> = Vec::new();
    for (message, rows) in messages {
        found.extend(masking.regroup(&mut group, message, *rows).unwrap());
    }
    found.extend(masking.rest(&mut group).unwrap());
    assert!(!group.is_begun() && masking.rest(&mut group).unwrap().is_none());
    found.iter().map(|batch| (batch.count(), batch.bytes().to_vec(), counted(batch))).collect()
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
