//! Wildcard tables: all tables whose names begin alike, as one, with `_TABLE_SUFFIX`.

use crate::problem::Problem;
use crate::store::state::dataset_of;
use crate::store::{Row, Rows, State, Table, TableKind};
use crate::values::{Column, Datum};
use sluice_model::{TableName, Type};
use std::sync::Arc;

pub const SUFFIX_COLUMN: &str = "_TABLE_SUFFIX";

/// The columns are those of the newest table; what another table lacks is null.
pub fn union(state: &State, prefix: &TableName) -> Result<(Vec<Column>, Arc<Rows>), Problem> {
    let missing = || {
        let TableName { project, dataset, table } = prefix;
        Problem::not_found(format!("Not found: Table {project}:{dataset}.{table}* does not match any table"))
    };
    let dataset = state.dataset(&dataset_of(prefix))?;
    let matching: Vec<&Arc<Table>> =
        dataset.tables.values().filter(|table| table.kind == TableKind::Table && table.name.table.starts_with(&prefix.table)).collect();
    let newest = matching.iter().max_by_key(|table| (table.created_milliseconds, &table.name.table)).ok_or_else(missing)?;
    let mut columns = newest.columns.clone();
    let mut rows = Vec::new();
    for table in &matching {
        let suffix = table.name.table.strip_prefix(&prefix.table).unwrap_or_default();
        rows.extend(table.rows.as_held().unwrap_or_default().iter().map(|row| projected(&columns, table, row, suffix)));
    }
    columns.push(Column::of(SUFFIX_COLUMN, &Type::String));
    Ok((columns, Arc::new(Rows::held(rows))))
}

fn projected(columns: &[Column], table: &Table, row: &Row, suffix: &str) -> Row {
    let cell = |column: &Column| {
        let position = table.columns.iter().position(|other| other.name.eq_ignore_ascii_case(&column.name));
        position.and_then(|position| row.get(position)).cloned().unwrap_or(Datum::Null)
    };
    columns.iter().map(cell).chain([Datum::String(suffix.to_owned())]).collect()
}
