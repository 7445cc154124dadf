//! One engine for all tests, and a warehouse for each test.

use sluice_googlesql::artefact::{Artefact, Place, Sources, install_if_missing};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_sandbox::data::{DataSettings, PROJECT};
use sluice_sandbox::execute::{Outcome, RunSettings, Warehouse};
use sluice_sandbox::store::Rows;
use sluice_sandbox::values::Format;
use std::sync::{Arc, OnceLock};

pub fn engine() -> Arc<GoogleSql> {
    static ENGINE: OnceLock<Arc<GoogleSql>> = OnceLock::new();
    let start = || {
        let place = Place::from_environment();
        install_if_missing(&Sources::from_environment(), &place).unwrap_or_else(|fault| panic!("{fault}"));
        let artefact = Artefact::load(&place).unwrap_or_else(|fault| panic!("{fault}"));
        Arc::new(GoogleSql::start(&artefact, Settings::default()).unwrap_or_else(|fault| panic!("{fault}")))
    };
    ENGINE.get_or_init(start).clone()
}

pub fn warehouse() -> Warehouse {
    with_data(&DataSettings::default())
}

pub fn with_data(data: &DataSettings) -> Warehouse {
    Warehouse::new(engine(), PROJECT, "US", data.state("US").unwrap(), None)
}

pub fn run(warehouse: &Warehouse, sql: &str) -> Outcome {
    warehouse.run(sql, &RunSettings::new(PROJECT, "ada@acme.example"))
}

/// The last result as text: cells by commas, rows by bars; or the error.
pub fn answer(warehouse: &Warehouse, sql: &str) -> String {
    let outcome = run(warehouse, sql);
    match (&outcome.error, outcome.last()) {
        (Some(problem), _) => format!("{problem}"),
        (None, Some(statement)) => rows_text(&statement.rows),
        (None, None) => String::new(),
    }
}

pub fn rows_text(rows: &Rows) -> String {
    let row = |position| {
        let row = rows.row(position).map(|row| Format::default().row(&row)).unwrap_or_default();
        row["f"].as_array().unwrap().iter().map(|cell| plain(&cell["v"])).collect::<Vec<_>>().join(",")
    };
    (0..rows.count()).map(row).collect::<Vec<_>>().join("|")
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(elements) => {
            format!("[{}]", elements.iter().map(|element| plain(&element["v"])).collect::<Vec<_>>().join(";"))
        }
        other => {
            let cells =
                other["f"].as_array().map(|cells| cells.iter().map(|cell| plain(&cell["v"])).collect::<Vec<_>>()).unwrap_or_default();
            format!("({})", cells.join(";"))
        }
    }
}
