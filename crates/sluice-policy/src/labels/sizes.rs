//! BigQuery's own views that say how large tables are. A size tells how long the values are together, so it has the labels of all that it measures.

use sluice_model::TableName;

/// A project, and a dataset of it or all of them.
pub(super) type Scope<'a> = (&'a str, Option<&'a str>);

const OF_DATASET: [&str; 2] = ["__tables__", "information_schema.partitions"];
/// With all that BigQuery may put behind it: `_by_project`, `_usage_timeline` ...
const OF_PROJECT: &str = "information_schema.table_storage";
/// In the name of each column that is a size, and of no other.
const BYTES: &str = "bytes";
const USAGE: &str = "usage";

/// What such a view measures. The table's name is canonical.
pub(super) fn measured(table: &TableName) -> Option<Scope<'_>> {
    if OF_DATASET.contains(&table.table.as_str()) {
        return Some((&table.project, Some(&table.dataset)));
    }
    table.table.starts_with(OF_PROJECT).then_some((table.project.as_str(), None))
}

/// A column's path, in small letters. A day is no size, whatever it is used for.
pub(super) fn is_size(path: &[String]) -> bool {
    path.first().is_some_and(|name| name.contains(BYTES) || (name.contains(USAGE) && name != "usage_date"))
}
