//! What copies and loads write into a table, and what of it the table does not take.

use super::request::WriteDisposition;
use crate::clock::now_milliseconds;
use crate::problem::{Problem, Reason};
use crate::store::partition::Named;
use crate::store::{Row, Rows, Table, TableKind, Working};
use crate::values::{Column, ColumnMode, Datum, limit};
use serde_json::{Map, Value};
use sluice_model::TableName;
use std::sync::Arc;

#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    pub columns: &'a [Column],
    pub rows: &'a [Row],
    /// What a new table is made with.
    pub table_fields: &'a Map<String, Value>,
}

pub fn write(
    working: &mut Working,
    name: &TableName,
    write: WriteDisposition,
    create_if_needed: bool,
    content: Content<'_>,
) -> Result<(), Problem> {
    let Content { columns, rows, table_fields } = content;
    let now = now_milliseconds();
    let named = Named::of(name)?;
    let name = &named.table;
    let whole = || Arc::new(Rows::held(rows.to_vec()));
    let Some(old) = working.state.find_table(name).cloned() else {
        if named.partition.is_some() {
            return Err(Problem::not_implemented("partitions of a table that is not there"));
        }
        if !create_if_needed {
            return working.state.table(name).map(drop);
        }
        let mut table = Table::new(name.clone(), columns.to_vec(), whole(), now);
        table.extra = table_fields.clone();
        return working.put_table(table);
    };
    if old.kind != TableKind::Table {
        return Err(not_a_table(name));
    }
    let mut table = Table { modified_milliseconds: now.max(old.modified_milliseconds + 1), ..Table::clone(&old) };
    if named.partition.is_some() {
        return into_partition(working, &named, write, content);
    }
    match write {
        WriteDisposition::Empty if old.rows.count() > 0 => {
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {}", shown(name))));
        }
        WriteDisposition::Truncate => {
            table.columns = columns.to_vec();
            table.rows = whole();
            table.extra.extend(table_fields.clone());
        }
        WriteDisposition::Append | WriteDisposition::Empty if old.columns.is_empty() => {
            table.columns = columns.to_vec();
            table.rows = whole();
        }
        WriteDisposition::Append | WriteDisposition::Empty => {
            if let Some(difference) = difference(&old.columns, columns) {
                return Err(mismatch(name, &difference));
            }
            let added = rows.iter().map(|row| arranged(&old.columns, columns, row)).collect::<Result<Vec<Row>, Problem>>()?;
            let all = old.rows.as_held().unwrap_or_default().iter().cloned().chain(added).collect();
            table.rows = Arc::new(Rows::held(all));
        }
    }
    working.put_table(table)
}

/// The other partitions stay as they are.
fn into_partition(working: &mut Working, named: &Named, write: WriteDisposition, content: Content<'_>) -> Result<(), Problem> {
    let old = working.state.table(&named.table)?.clone();
    if let Some(difference) = difference(&old.columns, content.columns) {
        return Err(mismatch(&named.table, &difference));
    }
    let added = content.rows.iter().map(|row| arranged(&old.columns, content.columns, row)).collect::<Result<Vec<Row>, Problem>>()?;
    let others = named.others(&old, &added)?;
    let there = named.narrowed(&old)?;
    let kept = match write {
        WriteDisposition::Empty if there.rows.count() > 0 => {
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {}", shown(&named.table))));
        }
        WriteDisposition::Truncate => Vec::new(),
        WriteDisposition::Append | WriteDisposition::Empty => there.rows.as_held().unwrap_or_default().to_vec(),
    };
    let rows = others.into_iter().chain(kept).chain(added).collect();
    let modified_milliseconds = now_milliseconds().max(old.modified_milliseconds + 1);
    working.put_table(Table { rows: Arc::new(Rows::held(rows)), modified_milliseconds, ..Table::clone(&old) })
}

/// Why rows with the given columns cannot be added to a table. Columns that may be NULL may be missing, and the order may be another.
pub fn difference(table: &[Column], given: &[Column]) -> Option<String> {
    for column in given {
        let name = &column.name;
        let Some(known) = table.iter().find(|known| known.name.eq_ignore_ascii_case(name)) else {
            return Some(format!("Cannot add fields (field: {name})"));
        };
        if (known.mode == ColumnMode::Repeated) != (column.mode == ColumnMode::Repeated)
            || (known.mode == ColumnMode::Required && column.mode != ColumnMode::Required)
        {
            return Some(format!("Field {name} has changed mode from {} to {}", known.mode.word(), column.mode.word()));
        }
        if known.full_type() != column.full_type() {
            return Some(format!("Field {name} has changed type from {} to {}", known.full_type(), column.full_type()));
        }
    }
    let is_given = |known: &&Column| given.iter().any(|column| column.name.eq_ignore_ascii_case(&known.name));
    let missing = table.iter().filter(|known| known.mode == ColumnMode::Required).find(|known| !is_given(known));
    missing.map(|known| format!("Field {} is missing in new schema", known.name))
}

pub fn mismatch(name: &TableName, difference: &str) -> Problem {
    Problem::invalid(format!("Provided Schema does not match Table {}. {difference}", shown(name)))
}

pub fn not_a_table(name: &TableName) -> Problem {
    Problem::invalid(format!(
        "{} is not allowed for this operation because it is not a table that can be written to or copied.",
        shown(name)
    ))
}

/// A row in the order of the table's columns, within their limits.
pub fn arranged(table: &[Column], given: &[Column], row: &Row) -> Result<Row, Problem> {
    let cell = |column: &Column| {
        let place = given.iter().position(|other| other.name.eq_ignore_ascii_case(&column.name));
        let mut cell = match place.and_then(|place| row.get(place)) {
            Some(cell) => cell.clone(),
            None if column.mode == ColumnMode::Repeated => Datum::Array(Vec::new()),
            None => Datum::Null,
        };
        limit::fit(column, &mut cell).map_err(Problem::invalid)?;
        Ok(cell)
    };
    table.iter().map(cell).collect()
}

fn shown(name: &TableName) -> String {
    let TableName { project, dataset, table } = name;
    format!("{project}:{dataset}.{table}")
}
