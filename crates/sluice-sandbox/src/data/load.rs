//! The state that a new warehouse starts with.

use super::clinic::ClinicSettings;
use super::{TableData, clinic_code, events, shop, staging};
use crate::problem::Problem;
use crate::store::{Dataset, DatasetName, Routine, Rows, State, Table, TableKind, Working};
use crate::values::schema::columns_of;
use crate::values::{ColumnMode, read};
use sluice_model::TableName;
use std::sync::Arc;

pub const PROJECT: &str = "acme-prod";
/// Fixed, so that the same settings give the same resources. The second is the first of January 2024.
const CREATED_MILLISECONDS: i64 = 1_704_067_200_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSettings {
    pub clinic: ClinicSettings,
    /// The datasets `shop`, `staging` and `bench` beside the clinic.
    pub others: bool,
    pub event_rows: u64,
}

impl Default for DataSettings {
    fn default() -> DataSettings {
        DataSettings { clinic: ClinicSettings::default(), others: true, event_rows: events::ROW_COUNT }
    }
}

impl DataSettings {
    pub fn state(&self, location: &str) -> Result<State, Problem> {
        let mut working = Working::new(Arc::default());
        self.add_clinic(&mut working, location)?;
        if self.others {
            add_tables(&mut working, "shop", location, shop::tables(self.clinic.seed))?;
            add_tables(&mut working, "staging", location, staging::tables(self.clinic.seed))?;
            add_tables(&mut working, events::DATASET, location, Vec::new())?;
            let name = TableName::new(PROJECT, events::DATASET, events::TABLE);
            let rows = Arc::new(Rows::events(events::ALL.to_vec(), self.event_rows));
            let mut table = Table::new(name, events::columns()?, rows, CREATED_MILLISECONDS);
            table.kind = TableKind::Generated;
            working.put_table(table)?;
        }
        Ok(working.state)
    }

    fn add_clinic(&self, working: &mut Working, location: &str) -> Result<(), Problem> {
        add_tables(working, "clinic", location, self.clinic.tables())?;
        for view in clinic_code::VIEWS {
            let name = TableName::new(PROJECT, "clinic", view.name);
            let mut table = Table::new(name, columns_of(view.columns)?, Arc::new(Rows::held(Vec::new())), CREATED_MILLISECONDS);
            table.kind = TableKind::View { query: view.query.to_owned(), legacy: view.legacy };
            working.put_table(table)?;
        }
        for (name, resource) in clinic_code::routines() {
            let name = TableName::new(PROJECT, "clinic", name);
            working.put_routine(Routine::from_json(name, &resource, CREATED_MILLISECONDS)?)?;
        }
        Ok(())
    }
}

fn add_tables(working: &mut Working, dataset: &str, location: &str, tables: Vec<TableData>) -> Result<(), Problem> {
    working.put_dataset(Dataset::new(DatasetName::new(PROJECT, dataset), location, CREATED_MILLISECONDS));
    for data in tables {
        let mut columns = columns_of(data.columns)?;
        for column in &mut columns {
            if data.required.contains(&column.name.as_str()) {
                column.mode = ColumnMode::Required;
            }
        }
        let object = |row: &serde_json::Value| row.as_object().cloned().unwrap_or_default();
        let row = |row: &serde_json::Value| read::row(&columns, &object(row), false);
        let rows = data.rows.iter().map(row).collect::<Result<Vec<_>, _>>();
        let rows = rows.map_err(|error| Problem::internal(format!("{dataset}.{}: {}", data.name, error.message)))?;
        let name = TableName::new(PROJECT, dataset, &data.name);
        working.put_table(Table::new(name, columns, Arc::new(Rows::held(rows)), CREATED_MILLISECONDS))?;
    }
    Ok(())
}
