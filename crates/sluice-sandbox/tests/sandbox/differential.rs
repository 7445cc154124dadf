//! Two warehouses that differ in one column: what a statement gives differs exactly when it lets the column through.

use super::warehouse::{answer, with_data};
use sluice_model::TableName;
use sluice_sandbox::data::clinic::ClinicSettings;
use sluice_sandbox::data::{DataSettings, PROJECT};
use sluice_sandbox::values::Datum;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn clinic(patients: u64, canary_seeds: BTreeMap<String, u64>) -> DataSettings {
    let clinic = ClinicSettings { patients, canary_seeds, ..ClinicSettings::default() };
    DataSettings { clinic, others: false, ..DataSettings::default() }
}

#[test]
fn only_statements_that_let_the_column_through_differ() {
    let plain = with_data(&clinic(12, BTreeMap::new()));
    let other = with_data(&clinic(12, BTreeMap::from([("patients.ssn".to_owned(), 99)])));
    let check = |sql: &str, differs: bool| {
        let answers = (answer(&plain, sql), answer(&other, sql));
        assert!(!answers.0.contains("invalid"), "{sql}: {}", answers.0);
        assert_eq!(answers.0 != answers.1, differs, "{sql}");
    };
    check("SELECT ssn FROM clinic.patients", true);
    check("SELECT national_id FROM clinic.v_patients ORDER BY 1 LIMIT 1", true);
    check("SELECT TO_JSON_STRING(p) FROM clinic.patients p", true);
    check("SELECT * EXCEPT (ssn) FROM clinic.patients", false);
    check("SELECT COUNT(*), COUNT(ssn) FROM clinic.patients", false);
    check("SELECT * FROM clinic.visits", false);
    check("DECLARE s STRING DEFAULT (SELECT MAX(ssn) FROM clinic.patients); SELECT s", true);
}

#[test]
fn single_values_are_replaced() {
    let warehouse = with_data(&clinic(3, BTreeMap::new()));
    let patients = TableName::new(PROJECT, "clinic", "patients");
    let value = |row: u64, _: &Datum| Datum::String(format!("phone {row}"));
    warehouse.replace_values(&patients, &["contacts", "phone"], &value).unwrap();
    let sql = "SELECT c.phone FROM clinic.patients p, p.contacts c ORDER BY p.id";
    assert_eq!(answer(&warehouse, sql), "phone 0|phone 1|phone 1");
}

/// Thousands of statements are run this way, so a statement must cost milliseconds. The bound is loose: the machine may be busy.
#[test]
fn small_statements_are_fast() {
    let warehouse = with_data(&clinic(12, BTreeMap::new()));
    let run = |number: usize| answer(&warehouse, &format!("SELECT UPPER(name), {number} FROM clinic.patients WHERE id < 5"));
    run(0);
    let started = Instant::now();
    const COUNT: usize = 100;
    (1..=COUNT).for_each(|number| drop(run(number)));
    let each = started.elapsed() / u32::try_from(COUNT).unwrap();
    println!("{each:?} for each statement");
    assert!(each < Duration::from_millis(200), "{each:?}");
}
