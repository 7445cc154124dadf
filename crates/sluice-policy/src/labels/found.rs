//! The labels of every column of one request, looked up once.

use super::{Extent, Known, Label, Labels, Pattern, canonical_table};
use sluice_model::{ColumnPath, TableName};
use std::collections::{HashMap, HashSet};

#[derive(Debug)]
pub struct Found<'a> {
    labels: &'a Labels,
    known: &'a Known,
    columns: HashMap<ColumnPath, Vec<&'a Label>>,
}

/// Patterns of one table, each with its label.
type Patterns<'a> = Vec<(&'a Pattern, &'a str)>;

impl<'a> Found<'a> {
    /// Of `shapes` nothing but the shape is looked at: a label on a part of them says nothing of that.
    pub fn of_all<'b>(
        labels: &'a Labels,
        known: &'a Known,
        columns: impl Iterator<Item = &'b ColumnPath>,
        shapes: &HashSet<&ColumnPath>,
    ) -> Found<'a> {
        let mut tables: HashMap<&TableName, (TableName, Patterns<'a>)> = HashMap::new();
        let mut found: HashMap<ColumnPath, Vec<&'a Label>> = HashMap::new();
        for column in columns {
            if found.contains_key(column) {
                continue;
            }
            let (table, patterns) = tables.entry(&column.table).or_insert_with(|| {
                let table = canonical_table(&column.table);
                let patterns = labels.touching(&table);
                (table, patterns)
            });
            let extent = if shapes.contains(column) { Extent::Shape } else { Extent::Whole };
            found.insert(column.clone(), labels.among(table, patterns, column, extent, known));
        }
        Found { labels, known, columns: found }
    }

    /// A column that was not asked about at the start is looked up now.
    pub fn of(&self, column: &ColumnPath) -> Vec<&'a Label> {
        self.columns.get(column).cloned().unwrap_or_else(|| self.labels.of(column, self.known))
    }

    /// Of a record or an array of records nothing but its shape.
    pub fn of_shape(&self, column: &ColumnPath) -> Vec<&'a Label> {
        self.labels.of_shape(column, self.known)
    }

    /// The labels that columns of a table have or may have: by the names of these, or as patterns have them.
    pub fn of_table(&self, table: &TableName) -> Vec<(Vec<String>, String)> {
        let table = canonical_table(table);
        let by_column = self.labels.by_column(&table, &self.labels.touching(&table), self.known);
        by_column.into_iter().map(|(path, label)| (path, label.name.clone())).collect()
    }

    pub fn is_computed(&self, column: &ColumnPath) -> bool {
        self.labels.is_computed(column, self.known)
    }
}
