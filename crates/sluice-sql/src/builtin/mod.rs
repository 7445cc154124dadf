//! BigQuery's own names that the engine lacks: functions, procedures, system variables, pseudo-columns, `INFORMATION_SCHEMA`.
//!
//! They stand as text under `data/`, explained in `docs/functions.md`. A line that cannot be read is left out, so that what it would have
//! allowed is refused; the tests see to it that there is none.

mod call;
mod demand;
mod entry;
mod expansion;
mod lines;
mod names;
mod outcome;
mod schema;
mod table;

#[cfg(test)]
mod tests;

pub use call::{Call, Facts, Given, Literal, Shape, Unfit};
pub use demand::{Demand, Written};
pub use entry::{Entry, Flow, Kind, Mark, Parameter};
pub use names::{Pseudo, Variable};
pub use outcome::{Failing, Kept, Place};
pub use schema::{Flag, Qualifier, View};
pub use table::Table;

use std::sync::LazyLock;

/// What the text that stands for a call of a table function calls.
pub(crate) const INTERNAL: [&str; 4] = ["$flow", "$risk", "$rows", "$sure_rows"];

/// What a region's name begins with where it qualifies a view.
pub(crate) const REGION_PREFIX: &str = "region-";

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    Table::read(&table::Texts {
        functions: include_str!("../../data/functions.txt"),
        information_schema: include_str!("../../data/information_schema.txt"),
        names: include_str!("../../data/names.txt"),
        preserve: include_str!("../../data/preserve.txt"),
        total: include_str!("../../data/total.txt"),
    })
});

/// Whether BigQuery has a function of this name of its own.
pub fn is_bigquery_function(name: &str) -> bool {
    let names = include_str!("../../data/reference.txt").lines().filter(|line| line.starts_with(' '));
    names.flat_map(str::split_whitespace).any(|known| known.trim_end_matches('*').eq_ignore_ascii_case(name))
}

/// Whether a name is BigQuery's own: it stands in each dataset, and no catalog has it.
pub fn is_bigquery_view(table: &str) -> bool {
    table.starts_with("INFORMATION_SCHEMA.") || TABLE.view(table).is_some()
}

/// The table that ships with the product.
pub fn table() -> &'static Table {
    &TABLE
}
