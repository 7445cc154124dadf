//! `project.dataset.table.column`, where `*` stands for any letters of one part.

use super::canonical_table;
use sluice_model::{ColumnPath, TableName};
use std::fmt;

/// Which columns a line of the labels file means. Kept in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    table: TableName,
    path: Vec<String>,
}

const OWN_VIEWS: &str = "information_schema";
/// More stars in one part would only make it slow to match.
const STARS_MAX: usize = 4;

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let parts = TableName::parse(text).and_then(|name| {
            let (table, path) = name.table.split_once('.')?;
            Some((TableName::new(&name.project, &name.dataset, table), path.split('.').map(str::to_lowercase).collect::<Vec<_>>()))
        });
        let (table, path) = parts.ok_or_else(|| format!("`{text}` is not project.dataset.table.column"))?;
        let (table, path) = of_view(canonical_table(&table), path);
        if path.is_empty() {
            return Err(format!("`{text}` is a view of BigQuery's own without a column"));
        }
        let all = [&table.project, &table.dataset, &table.table].into_iter().chain(&path);
        for part in all {
            if part.is_empty() || part.matches('*').count() > STARS_MAX {
                return Err(format!("`{text}` has a part that is empty or has more than {STARS_MAX} stars"));
            }
            // It would mean nothing, and hide nothing.
            if part.trim() != part.as_str() || part.contains(|letter: char| letter.is_control() || "`\"'?\\/[]{}".contains(letter)) {
                return Err(format!("`{text}` has a part that is no name: write it without quotes"));
            }
        }
        Ok(Pattern { table, path })
    }

    /// Of columns.
    pub(super) fn path(&self) -> &[String] {
        &self.path
    }

    /// Whether it means the column, a struct around it or a part of it, of a table that it touches. The column's name is canonical. Whoever has a struct, or JSON, has its fields.
    pub fn covers_path(&self, path: &[String]) -> bool {
        self.path.iter().zip(path).all(|(pattern, name)| matches(pattern, name))
    }

    /// Whether it means the column itself or a struct around it: a release of a part releases nothing else.
    pub fn covers_whole(&self, column: &ColumnPath) -> bool {
        self.touches(&column.table) && self.covers_whole_path(&column.path)
    }

    /// The same for a column of a table that it touches.
    pub fn covers_whole_path(&self, path: &[String]) -> bool {
        self.path.len() <= path.len() && self.covers_path(path)
    }

    /// Whether it means columns of the table. A name that is itself a wildcard may stand for any table that it matches.
    pub fn touches(&self, table: &TableName) -> bool {
        matches(&self.table.project, &table.project)
            && matches(&self.table.dataset, &table.dataset)
            && overlap(&self.table.table, &table.table)
    }

    /// Whether it means columns of any table there.
    pub(super) fn touches_project(&self, project: &str) -> bool {
        matches(&self.table.project, project)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.table, self.path.join("."))
    }
}

/// BigQuery's own views have a dot in their name. Without a dataset or a region, those of all of them are meant.
fn of_view(table: TableName, path: Vec<String>) -> (TableName, Vec<String>) {
    if table.dataset == OWN_VIEWS {
        let name = format!("{OWN_VIEWS}.{}", table.table);
        return (TableName::new(&table.project, "*", &name), path);
    }
    match path.split_first() {
        Some((view, rest)) if table.table == OWN_VIEWS => (TableName { table: format!("{OWN_VIEWS}.{view}"), ..table }, rest.to_vec()),
        _ => (table, path),
    }
}

fn overlap(pattern: &str, name: &str) -> bool {
    let Some(prefix) = name.strip_suffix('*') else { return matches(pattern, name) };
    let literal = pattern.split('*').next().unwrap_or_default();
    literal.starts_with(prefix) || (pattern.contains('*') && prefix.starts_with(literal))
}

/// Letters and stars. Quadratic at worst, over names of at most 1,024 letters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = name.split_once(piece) else { return false };
        name = after;
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_letters_of_one_part() {
        let check = |pattern: &str, name: &str, expect: bool| assert_eq!(matches(pattern, name), expect, "{pattern} {name}");
        check("ssn", "ssn", true);
        check("ssn", "ssn2", false);
        check("*", "", true);
        check("*ssn*", "patient_ssn_hash", true);
        check("ssn*", "my_ssn", false);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "acb", false);
        check("ab*ba", "aba", false);
        check("**", "x", true);
    }

    #[test]
    fn views_of_bigquery_have_a_dot_in_their_name() {
        let check = |pattern: &str, dataset: &str, expect: bool| {
            let table = TableName::new("p", dataset, "information_schema.table_storage");
            let column = ColumnPath { table, path: vec!["total_logical_bytes".to_owned()] };
            assert_eq!(Pattern::parse(pattern).unwrap().covers_whole(&column), expect, "{pattern} {dataset}");
        };
        for dataset in ["", "region-us", "region-eu"] {
            check("p.INFORMATION_SCHEMA.TABLE_STORAGE.total_logical_bytes", dataset, true);
            check("p.INFORMATION_SCHEMA.TABLE_STORAGE.total_physical_bytes", dataset, false);
            check("p.INFORMATION_SCHEMA.TABLE_STORAGE_BY_FOLDER.total_logical_bytes", dataset, false);
            check("q.INFORMATION_SCHEMA.TABLE_STORAGE.total_logical_bytes", dataset, false);
            check("p.region-us.INFORMATION_SCHEMA.TABLE_STORAGE.total_logical_bytes", dataset, dataset == "region-us");
        }
        assert!(Pattern::parse("p.region-us.INFORMATION_SCHEMA.TABLE_STORAGE").is_err());
    }

    #[test]
    fn a_wildcard_table_may_be_any_of_its_tables() {
        let check = |pattern: &str, name: &str, expect: bool| assert_eq!(overlap(pattern, name), expect, "{pattern} {name}");
        check("events_20240101", "events_*", true);
        check("events_*", "events_*", true);
        check("events_2024*", "events_*", true);
        check("ev*", "events_*", true);
        check("visits", "events_*", false);
        check("ev", "events_*", false);
    }
}
