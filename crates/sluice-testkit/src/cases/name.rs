//! The short names of expectations, read and written.

use sluice_model::{ColumnPath, TableName};

pub const PROJECT: &str = "acme-prod";
pub const DEFAULT_DATASET: &str = "clinic";
pub const DATASETS: [&str; 3] = ["clinic", "shop", "staging"];

/// `patients.address.street` or `shop.orders.id`. Nothing where there is no column.
pub fn column(text: &str) -> Option<ColumnPath> {
    let (table, path) = split(text)?;
    let whole = !path.is_empty() && path.iter().all(|part| !part.is_empty());
    whole.then(|| ColumnPath { table, path: path.into_iter().map(str::to_owned).collect() })
}

/// `patients` or `shop.orders`.
pub fn table(text: &str) -> Option<TableName> {
    let (table, path) = split(text)?;
    path.is_empty().then_some(table)
}

/// The shortest name that reads back as the same table.
pub fn table_text(table: &TableName) -> String {
    if table.project != PROJECT {
        return table.to_string();
    }
    if table.dataset == DEFAULT_DATASET && !DATASETS.contains(&table.table.as_str()) {
        return table.table.clone();
    }
    format!("{}.{}", table.dataset, table.table)
}

pub fn column_text(column: &ColumnPath) -> String {
    let mut text = table_text(&column.table);
    for part in &column.path {
        text.push('.');
        text.push_str(part);
    }
    text
}

fn split(text: &str) -> Option<(TableName, Vec<&str>)> {
    let mut parts = text.split('.');
    let first = parts.next().filter(|part| !part.is_empty() && !part.contains(char::is_whitespace))?;
    if !DATASETS.contains(&first) {
        return Some((TableName::new(PROJECT, DEFAULT_DATASET, first), parts.collect()));
    }
    let table = parts.next().filter(|part| !part.is_empty())?;
    Some((TableName::new(PROJECT, first, table), parts.collect()))
}
