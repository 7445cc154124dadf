//! Labels of a table as a whole: of every column that it has, had or may have.

use super::{Extent, Known, Label, Labels, Names, Pattern, canonical_table, names_of, whole};
use sluice_model::{ColumnPath, TableName};
use std::collections::{BTreeMap, BTreeSet};

impl Labels {
    /// Of a column that stands for all of a table. What was taken off a column counts no more.
    pub(super) fn of_whole<'a>(&'a self, table: &TableName, patterns: &[(&'a Pattern, &'a str)], known: &'a Known) -> Vec<&'a Label> {
        let mut labels: BTreeMap<&str, &'a Label> = BTreeMap::new();
        for (_, label) in self.by_column(table, patterns, known) {
            labels.insert(label.name.as_str(), label);
        }
        labels.into_values().collect()
    }

    /// By the names under which columns are known to have them, or as a pattern has them.
    pub(super) fn by_column<'a>(
        &'a self,
        table: &TableName,
        patterns: &[(&'a Pattern, &'a str)],
        known: &'a Known,
    ) -> Vec<(Vec<String>, &'a Label)> {
        let mut found: Vec<(Vec<String>, &'a Label)> = Vec::new();
        for path in kept_paths(&known.policy_tags, table).chain(kept_paths(&known.inherited, table)).collect::<BTreeSet<_>>() {
            let column = ColumnPath { table: table.clone(), path };
            // What the whole table has is looked up by its name alone.
            let labels = match column == whole(table) {
                true => self.named(&column, known),
                false => self.among(table, patterns, &column, Extent::Whole, known),
            };
            found.extend(labels.into_iter().map(|label| (column.path.clone(), label)));
        }
        for (pattern, label) in patterns {
            let column = ColumnPath { table: table.clone(), path: pattern.path().to_vec() };
            if !self.is_released(&column, label) {
                found.push((column.path, self.called(label)));
            }
        }
        found
    }

    fn named<'a>(&'a self, column: &ColumnPath, known: &'a Known) -> Vec<&'a Label> {
        let mut names: BTreeSet<&'a str> = BTreeSet::new();
        names.extend(names_of(&known.policy_tags, column, Extent::Shape).into_iter().map(|tag| self.label_of_tag(tag)));
        names.extend(names_of(&known.inherited, column, Extent::Shape).into_iter().map(String::as_str));
        names.into_iter().filter(|name| !self.is_released(column, name)).map(|name| self.called(name)).collect()
    }
}

fn kept_paths<'a>(known: &'a Names, table: &TableName) -> impl Iterator<Item = Vec<String>> + use<'a> {
    let prefix = format!("{}.", canonical_table(table));
    let from = prefix.clone();
    let kept = known.range(from..).map(|(column, _)| column).map_while(move |column| column.strip_prefix(&prefix).map(str::to_owned));
    kept.map(|path| path.split('.').map(str::to_owned).collect())
}
