//! Rows of every type as cells of JSON, the one form that all others are made from.

use crate::write::tests::KINDS;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Text, and days since 1970.
pub const DATES: [(&str, i32); 5] =
    [("2023-05-17", 19_494), ("1999-12-31", 10_956), ("2023-01-01", 19_358), ("1999-01-01", 10_592), ("1970-01-01", 0)];
/// Text, and microseconds since 1970.
pub const DATETIMES: [(&str, i64); 3] =
    [("2023-05-17T10:11:12", 1_684_318_272_000_000), ("2023-01-01T00:00:00", 1_672_531_200_000_000), ("1970-01-01T00:00:00", 0)];
/// Text, and microseconds since midnight.
pub const TIMES: [(&str, i64); 2] = [("10:11:12.500000", 36_672_500_000), ("00:00:00", 0)];
/// Text, months, days, microseconds.
pub const INTERVALS: [(&str, i32, i32, i64); 2] = [("4-7 1 1:0:0", 55, 1, 3_600_000_000), ("0-0 0 0:0:0", 0, 0, 0)];
/// Text, and its ends.
pub const RANGES: [(&str, Option<&str>, Option<&str>); 3] = [
    ("[2023-05-17, 1999-12-31)", Some("2023-05-17"), Some("1999-12-31")),
    ("[UNBOUNDED, 2023-05-17)", None, Some("2023-05-17")),
    ("[UNBOUNDED, UNBOUNDED)", None, None),
];

/// What follows from a seed, number by number.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Chance {
        Chance(seed | 1)
    }

    pub fn below(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % below
    }
}

pub fn field() -> impl Strategy<Value = Value> {
    let mode = || prop::sample::select(vec!["NULLABLE", "NULLABLE", "REPEATED", "REQUIRED"]);
    let scalar = ("[a-z]{1,3}", prop::sample::select(KINDS.to_vec()), mode()).prop_map(
        |(name, kind, mode)| json!({ "name": name, "type": kind, "mode": mode, "rangeElementType": { "type": "DATE" }, "form": "int64" }),
    );
    scalar.prop_recursive(3, 12, 3, move |inside| {
        ("[a-z]{1,3}", prop::collection::vec(inside, 1..4), mode())
            .prop_map(|(name, fields, mode)| json!({ "name": name, "type": "RECORD", "mode": mode, "fields": numbered(fields) }))
    })
}

/// No two of the same name: a path that could mean either is refused.
fn numbered(mut fields: Vec<Value>) -> Vec<Value> {
    for (number, field) in fields.iter_mut().enumerate() {
        field["name"] = json!(format!("{}{number}", field["name"].as_str().unwrap()));
    }
    fields
}

pub fn row(fields: &[Value], chance: &mut Chance) -> Value {
    let cells = fields.iter().map(|field| json!({ "v": cell(field, field["mode"] == "REPEATED", chance) }));
    json!({ "f": cells.collect::<Vec<_>>() })
}

/// An element of many is never null: BigQuery has no such arrays.
fn cell(field: &Value, repeated: bool, chance: &mut Chance) -> Value {
    if repeated {
        return Value::Array((0..chance.below(4)).map(|_| json!({ "v": cell(field, false, chance) })).collect());
    }
    match field.get("fields") {
        _ if field["mode"] == "NULLABLE" && chance.below(4) == 0 => Value::Null,
        Some(fields) => row(fields.as_array().unwrap(), chance),
        None => scalar(field["type"].as_str().unwrap(), chance),
    }
}

fn scalar(kind: &str, chance: &mut Chance) -> Value {
    let number = chance.below(100_000);
    json!(match kind {
        "STRING" => ["CANARY", "CANARY größer 😀", "\"CAN\\ARY\u{1}\n", "abcd", "", "CANARY@x.example"][chance.below(6)].to_owned(),
        // Three bytes each: base64 without an end of its own.
        "BYTES" => ["Q0FOQVJZ", "Q0FOQVJZQ0FOQVJZ", "", "/wD/"][chance.below(4)].to_owned(),
        "INTEGER" => format!("{}4711{number}", ["", "-"][chance.below(2)]),
        "FLOAT" => format!("4711{number}.5"),
        "NUMERIC" | "BIGNUMERIC" => ["0", "4711.5", "-0.000000001", "-129", "12800000"][chance.below(5)].to_owned(),
        "BOOLEAN" => ["true", "false"][chance.below(2)].to_owned(),
        "DATE" => DATES[chance.below(2)].0.to_owned(),
        "TIME" => TIMES[chance.below(2)].0.to_owned(),
        "DATETIME" => DATETIMES[0].0.to_owned(),
        "TIMESTAMP" => "1700000000000000".to_owned(),
        "INTERVAL" => INTERVALS[chance.below(2)].0.to_owned(),
        "RANGE" => RANGES[chance.below(3)].0.to_owned(),
        "GEOGRAPHY" | "JSON" => format!("CANARY{number}"),
        other => panic!("{other}"),
    })
}

/// As many digits behind the point as there have to be.
pub fn unscaled(text: &str, scale: usize) -> String {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part}{}", "0".repeat(scale - part.len()))
}

pub fn decimal(unscaled: &str, scale: usize) -> String {
    let (sign, digits) = unscaled.strip_prefix('-').map_or(("", unscaled), |digits| ("-", digits));
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    match part.trim_end_matches('0') {
        "" => format!("{sign}{whole}"),
        part => format!("{sign}{whole}.{part}"),
    }
}
