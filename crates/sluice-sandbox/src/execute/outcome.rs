//! What a run leaves behind.

use crate::problem::Problem;
use crate::store::{DatasetName, Rows};
use crate::values::Column;
use sluice_model::TableName;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Outcome {
    /// BigQuery's `statementType` of the whole: `SCRIPT` for more than one statement.
    pub kind: &'static str,
    /// In the order in which they ran, those of procedures and dynamic SQL among them.
    pub statements: Vec<StatementOutcome>,
    pub error: Option<Problem>,
}

#[derive(Clone, Debug)]
pub struct StatementOutcome {
    /// BigQuery's `statementType`.
    pub kind: &'static str,
    /// A scalar expression of a script (`SET x = (SELECT ...)`), which BigQuery runs as a job of its own.
    pub expression: bool,
    pub text: String,
    pub place: Place,
    pub columns: Vec<Column>,
    pub rows: Arc<Rows>,
    pub changed: Option<Changed>,
    pub definition: Option<Definition>,
    /// The table that rows went into.
    pub written: Option<TableName>,
    pub started_milliseconds: i64,
    pub ended_milliseconds: i64,
    pub error: Option<Problem>,
}

/// Lines and columns from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub start_line: usize,
    pub start_column: usize,
    pub end_line: usize,
    pub end_column: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub inserted: u64,
    pub updated: u64,
    pub deleted: u64,
}

/// What a DDL statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// `CREATE`, `REPLACE`, `SKIP`, `DROP`, `ALTER`.
    pub operation: &'static str,
    pub target: DefinitionTarget,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DefinitionTarget {
    Dataset(DatasetName),
    Routine(TableName),
    Table(TableName),
    /// Of a script: it has no name outside.
    Temporary,
}

impl Changed {
    pub fn total(self) -> u64 {
        self.inserted + self.updated + self.deleted
    }
}

impl Outcome {
    /// The statement whose result is the result of the whole: the last SELECT, DML or DDL.
    pub fn last(&self) -> Option<&StatementOutcome> {
        let counts = |statement: &&StatementOutcome| {
            let other = statement.kind == "ASSERT" || statement.kind.ends_with("_TRANSACTION");
            !other && !statement.expression && statement.error.is_none()
        };
        self.statements.iter().rev().find(counts)
    }
}
