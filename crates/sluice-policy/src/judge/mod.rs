//! The second judge: BigQuery's own dry run. What a statement does is agreed on by both, or it does not run.

mod compare;
mod table;

pub use compare::{Difference, compare, fits};

use crate::settings::{JudgeMode, Settings};
use sluice_model::{Analysis, Field, RoutineName, TableName};

/// What BigQuery says of a statement without running it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DryRun {
    pub statement_type: Option<String>,
    /// Nothing where BigQuery does not know: that is more than any band.
    pub bytes: Option<u64>,
    pub referenced_tables: Vec<TableName>,
    pub referenced_routines: Vec<RoutineName>,
    /// Of the result; nothing where there is none.
    pub schema: Option<Vec<Field>>,
}

/// A dry run, weighed against the analysis and priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Estimated {
    pub bytes: u64,
    pub cost_micros: u64,
    pub differences: Vec<Difference>,
}

impl Estimated {
    pub fn of(dry_run: &DryRun, analysis: &Analysis, settings: &Settings, mode: JudgeMode) -> Estimated {
        let differences = match mode {
            JudgeMode::Analysis => Vec::new(),
            JudgeMode::Both => compare(analysis, dry_run),
        };
        let cost_micros = dry_run.bytes.map_or(u64::MAX, |bytes| settings.cost_micros(bytes));
        Estimated { bytes: dry_run.bytes.unwrap_or(u64::MAX), cost_micros, differences }
    }
}
