//! Many calls under one deadline: a script asks the engine about each of its statements, and all of it together may take so long and no longer.

use crate::googlesql::GoogleSql;
use crate::host::session::CallLimits;
use sluice_sql::engine::{Engine, Fault, Question};
use sluice_sql::tree::Tree;
use std::time::Instant;

/// For one analysis with everything it opens. A single call ends earlier, by `Settings::analysis`.
pub const ANALYSIS_MILLISECONDS_MAX: u64 = 5_000;

/// The engine for one analysis. Every call gets what is left of the time.
pub struct Budget<'a> {
    engine: &'a GoogleSql,
    started: Instant,
    milliseconds_max: u64,
}

impl GoogleSql {
    /// For one analysis: from now on, this many milliseconds for all of its calls.
    pub fn within(&self, milliseconds_max: u64) -> Budget<'_> {
        Budget { engine: self, started: Instant::now(), milliseconds_max }
    }
}

impl Budget<'_> {
    /// One call with what is left of the time. A deadline that the budget has set is named by the budget, not by what was left of it.
    fn call<T>(&self, call: impl FnOnce(CallLimits) -> Result<T, Fault>) -> Result<T, Fault> {
        let limits = self.limits()?;
        call(limits).map_err(|fault| match fault {
            Fault::Deadline { .. } if limits.milliseconds_max < self.engine.settings.analysis.milliseconds_max => self.late(),
            fault => fault,
        })
    }

    fn late(&self) -> Fault {
        Fault::Deadline { milliseconds: self.milliseconds_max }
    }

    fn limits(&self) -> Result<CallLimits, Fault> {
        let spent = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let left = self.milliseconds_max.saturating_sub(spent);
        if left == 0 {
            return Err(self.late());
        }
        let one = self.engine.settings.analysis;
        Ok(CallLimits { milliseconds_max: one.milliseconds_max.min(left), ..one })
    }
}

impl Engine for Budget<'_> {
    fn parse(&self, text: &str) -> Result<Tree, Fault> {
        self.call(|limits| self.engine.parse_within(text, limits))
    }

    fn table_names(&self, text: &str) -> Result<Vec<Vec<String>>, Fault> {
        self.call(|limits| self.engine.table_names_within(text, limits))
    }

    fn has_function(&self, name: &str) -> bool {
        self.engine.has_function(name)
    }

    fn analyze(&self, question: &Question<'_>) -> Result<Tree, Fault> {
        self.call(|limits| self.engine.analyze_within(question, limits))
    }

    fn still_time(&self) -> Result<(), Fault> {
        self.limits().map(drop)
    }
}
