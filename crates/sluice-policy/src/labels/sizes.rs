//! BigQuery's own views that say how large the tables and indexes of a project are. A size tells how long the values are together, so it has every label
//! that a column of the project may have: nobody lists all of its tables. So has what it says of a
//! refresh that failed, which may quote a value. Of one dataset the application does (`__TABLES__`), and keeps what it finds.

use super::canonical;
use sluice_model::{ColumnPath, TableName};

/// With all that BigQuery may put behind them: `_by_project`, `_usage_timeline` ...
const OF_PROJECT: [&str; 4] = [
    "information_schema.materialized_views",
    "information_schema.search_indexes",
    "information_schema.table_storage",
    "information_schema.vector_indexes",
];
/// In the name of each column that is a size, or counts values, or says in words about values what failed.
const SIZES: [&str; 4] = ["bytes", "last_refresh_status", "partitions", "usage"];
/// A day is no size, whatever it is used for.
const DAY: &str = "usage_date";

/// What the application labels.
const OF_DATASET: &str = "__tables__";

/// Whether a column is a size that has its labels from what it measures. A mask that would refuse the statement hides it: a list of tables is no secret.
pub fn is_size_of_tables(column: &ColumnPath) -> bool {
    let column = canonical(column);
    (column.table.table == OF_DATASET || measured(&column.table).is_some()) && is_size(&column.path)
}

/// The project that such a view measures. The table's name is canonical.
pub(super) fn measured(table: &TableName) -> Option<&str> {
    OF_PROJECT.iter().any(|view| table.table.starts_with(view)).then_some(table.project.as_str())
}

/// A column's path, in small letters.
pub(super) fn is_size(path: &[String]) -> bool {
    path.first().is_some_and(|name| name != DAY && SIZES.iter().any(|size| name.contains(size)))
}
