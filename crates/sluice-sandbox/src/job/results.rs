//! Where results go: a hidden table for each, or the table that the client named.

use super::request::{QueryRequest, WriteDisposition};
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::problem::{Problem, Reason};
use crate::store::state::dataset_of;
use crate::store::{Dataset, DatasetName, Rows, Table, TableKind};
use crate::values::{Column, limit};
use serde_json::json;
use sluice_model::TableName;
use std::collections::hash_map::{DefaultHasher, RandomState};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

const RESULT_LIFETIME_MILLISECONDS: i64 = 24 * 3600 * 1000;

/// Letters and digits that nobody had before.
pub fn unique() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

/// Keeps a result in a hidden table of its own.
pub fn keep_anonymous(
    warehouse: &Warehouse,
    project: &str,
    user: &str,
    columns: &[Column],
    rows: &Arc<Rows>,
) -> Result<TableName, Problem> {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    let dataset = DatasetName::new(project, &format!("_{:016x}", hasher.finish()));
    let name = TableName::new(project, &dataset.dataset, &format!("anon{}", unique()));
    let now = now_milliseconds();
    warehouse.change(|working| {
        if !working.state.datasets.contains_key(&dataset) {
            working.put_dataset(Dataset::new(dataset.clone(), &warehouse.location, now));
        }
        let mut table = Table::new(name.clone(), columns.to_vec(), rows.clone(), now);
        table.extra.insert("expirationTime".to_owned(), json!((now + RESULT_LIFETIME_MILLISECONDS).to_string()));
        working.put_table(table)
    })?;
    Ok(name)
}

/// Removes the hidden table of a job that is forgotten.
pub fn forget(warehouse: &Warehouse, destination: &TableName) {
    if dataset_of(destination).is_hidden() {
        // It may be gone already, by `tables.delete`.
        let _ = warehouse.change(|working| working.drop_table(destination));
    }
}

/// Puts a result into the table that the client named.
pub fn keep_named(
    warehouse: &Warehouse,
    request: &QueryRequest,
    name: &TableName,
    columns: &[Column],
    rows: &Arc<Rows>,
) -> Result<(), Problem> {
    let held = rows.as_held().ok_or_else(|| Problem::not_implemented("a destination table for rows of the generated table"))?;
    let now = now_milliseconds();
    warehouse.change(|working| {
        let old = working.state.find_table(name).cloned();
        let Some(old) = old else {
            if !request.create_if_needed {
                return working.state.table(name).map(drop);
            }
            let mut table = Table::new(name.clone(), columns.to_vec(), rows.clone(), now);
            table.extra = request.table_fields.clone();
            return working.put_table(table);
        };
        if old.kind != TableKind::Table {
            return Err(Problem::invalid(format!("{name} is not a table that can be written to")));
        }
        let table = match request.write {
            WriteDisposition::Empty if old.rows.count() > 0 => {
                let TableName { project, dataset, table } = name;
                return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {project}:{dataset}.{table}")));
            }
            WriteDisposition::Empty | WriteDisposition::Truncate => {
                Table { columns: columns.to_vec(), rows: rows.clone(), modified_milliseconds: now, ..Table::clone(&old) }
            }
            WriteDisposition::Append => {
                let same = old.columns.len() == columns.len()
                    && old.columns.iter().zip(columns).all(|(one, other)| one.name == other.name && one.full_type() == other.full_type());
                if !same {
                    return Err(Problem::invalid("Provided Schema does not match Table"));
                }
                let mut added = held.to_vec();
                for (column, cell) in added.iter_mut().flat_map(|row| old.columns.iter().zip(row)) {
                    limit::fit(column, cell).map_err(Problem::invalid)?;
                }
                let all = old.rows.as_held().unwrap_or_default().iter().cloned().chain(added).collect();
                Table { rows: Arc::new(Rows::held(all)), modified_milliseconds: now, ..Table::clone(&old) }
            }
        };
        working.put_table(table)
    })
}
