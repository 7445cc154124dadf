//! Canonical names. Labels are looked up by these and by nothing else.

use std::fmt;

/// A table, view or other thing that rows are read from: `project.dataset.table`.
///
/// A wildcard stands for the tables behind it, never for itself. `INFORMATION_SCHEMA` views are `project.dataset-or-region.INFORMATION_SCHEMA.VIEW`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    pub project: String,
    pub dataset: String,
    pub table: String,
}

/// A routine or a model, which BigQuery names like a table.
pub type RoutineName = TableName;

/// One column or nested field: `project.dataset.table.column.field`. Arrays are passed through.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnPath {
    pub table: TableName,
    pub path: Vec<String>,
}

impl TableName {
    pub fn new(project: &str, dataset: &str, table: &str) -> TableName {
        TableName { project: project.to_owned(), dataset: dataset.to_owned(), table: table.to_owned() }
    }

    /// Reads `project.dataset.table`. A project may be domain-scoped (`example.com:project`), so it may hold dots before a colon.
    /// Of a partition or a moment of a table: the table.
    pub fn bare(&self) -> TableName {
        let table = self.table.split(['$', '@']).next().unwrap_or_default();
        TableName::new(&self.project, &self.dataset, table)
    }

    pub fn parse(text: &str) -> Option<TableName> {
        let domain = text.find(':').unwrap_or(0);
        let dot = domain + text.get(domain..)?.find('.')?;
        let (project, rest) = text.split_at_checked(dot)?;
        let (dataset, table) = rest.strip_prefix('.')?.split_once('.')?;
        let whole = !project.is_empty() && !dataset.is_empty() && !table.is_empty();
        whole.then(|| TableName::new(project, dataset, table))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A dataset, or a thing outside of one, has no table.
        let parts = [&self.project, &self.dataset, &self.table];
        let named: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        formatter.write_str(&named.join("."))
    }
}

impl fmt::Display for ColumnPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(formatter)?;
        self.path.iter().try_for_each(|part| write!(formatter, ".{part}"))
    }
}
