//! Raw input of an ETL run: rows that arrived and are not cleaned yet, some with gaps.

use super::seed::Dice;
use super::{TableData, timestamp};
use serde_json::{Value, json};

pub const RAW_PATIENTS: &str = "id INT64, name STRING, ssn STRING, email STRING, ward STRING, loaded_at TIMESTAMP";
pub const RAW_VISITS: &str = "id INT64, patient_id INT64, diagnosis STRING, cost NUMERIC, loaded_at TIMESTAMP";

const ROW_COUNT: u64 = 25;
const FIRST_ID: u64 = 1_001;
const LOADED_AT_SECONDS: i64 = 1_760_000_000;

pub fn tables(seed: u64) -> Vec<TableData> {
    let rows = |row: &dyn Fn(u64) -> Value| (0..ROW_COUNT).map(row).collect();
    vec![
        TableData::new("raw_patients", RAW_PATIENTS, &[], rows(&|row| patient(seed, row))),
        TableData::new("raw_visits", RAW_VISITS, &[], rows(&|row| visit(seed, row))),
    ]
}

fn patient(seed: u64, row: u64) -> Value {
    let mut dice = Dice::new(seed, "raw_patients", row);
    json!({
        "id": FIRST_ID + row,
        "name": format!("  Raw Patient {row} "),
        "ssn": if row % 9 == 4 { Value::Null } else { json!(format!("9{:02}-{:02}-{:04}", dice.below(100), dice.below(100), dice.below(10_000))) },
        "email": format!("{}@staging.example", dice.tag()),
        "ward": dice.pick(&["a", "B", " c", "D"]),
        "loaded_at": timestamp(LOADED_AT_SECONDS),
    })
}

fn visit(seed: u64, row: u64) -> Value {
    let mut dice = Dice::new(seed, "raw_visits", row);
    json!({
        "id": FIRST_ID + row,
        "patient_id": FIRST_ID + dice.below(ROW_COUNT),
        "diagnosis": format!("{}{:02} raw-{}", dice.pick(&["E", "F", "I"]), dice.below(100), dice.tag()),
        "cost": if row % 8 == 3 { Value::Null } else { json!(format!("{}.{:02}", dice.below(900), dice.below(100))) },
        "loaded_at": timestamp(LOADED_AT_SECONDS),
    })
}
