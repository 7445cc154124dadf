//! Cases: what an analysis must say about a statement, as text that a person can read. The words are those of `docs/analysis.md`.
//!
//! A file holds cases: `=== name`, perhaps `default: project.dataset`, the SQL, `---`, what is expected. `text` reads that form,
//! `compare` holds it against an analysis, `letters` reads the short form of masked and clear columns.
//!
//! Names: a first part that is one of `DATASETS` is a dataset of the project `acme-prod`; every other first part is a table of
//! `acme-prod.clinic`. So `patients.ssn` is `acme-prod.clinic.patients.ssn`, and `shop.orders.id` is `acme-prod.shop.orders.id`.

mod compare;
mod letters;
mod name;
mod text;

use sluice_model::{Analysis, Exposure, TableName, Use};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

pub use name::{DATASETS, PROJECT};
pub use text::{CaseError, parse};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    pub name: String,
    /// Where the case begins in its file, from 1.
    pub line: usize,
    /// What a table without a dataset belongs to.
    pub default_project: String,
    pub default_dataset: String,
    pub sql: String,
    pub expect: Expect,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expect {
    /// For each column of the last statement with columns: `M` masked, `C` clear, `?` either. `m` is `M`, or the whole statement held;
    /// `x` alone: the whole statement held, that is refused, unresolved or dynamic.
    pub letters: Option<String>,
    /// A part of the reason; empty for any reason.
    pub refused: Option<String>,
    pub statements: Vec<ExpectedStatement>,
}

/// An absent `Option` is not compared, but for `unresolved`: nothing may be unresolved that no case expects to be. Tables that are read as they were are always compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedStatement {
    pub effects: Option<BTreeSet<String>>,
    pub historical: BTreeSet<TableName>,
    pub kind: Option<String>,
    pub outputs: Vec<ExpectedOutput>,
    pub reads: Option<BTreeMap<TableName, BTreeSet<String>>>,
    pub unresolved: Option<String>,
    pub uses: BTreeSet<Use>,
    pub writes: Option<BTreeMap<TableName, BTreeSet<String>>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedOutput {
    /// `_` stands for a column that the statement does not name.
    pub name: String,
    pub exposures: BTreeSet<Exposure>,
}

/// What came of a file. Its text shows each difference: `-` expected, `+` got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub cases: usize,
    pub failures: Vec<Failure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub case: String,
    pub line: usize,
    pub text: String,
}

/// Analyzes every case of a file. A file that cannot be read, or that holds no case, is a failure.
pub fn check_file(path: &Path, analyze: impl Fn(&Case) -> Analysis) -> Report {
    match std::fs::read_to_string(path) {
        Ok(text) => check_text(&text, analyze),
        Err(error) => Report { cases: 0, failures: vec![failure(&path.display().to_string(), 0, error.to_string())] },
    }
}

pub fn check_text(text: &str, analyze: impl Fn(&Case) -> Analysis) -> Report {
    let cases = match parse(text) {
        Ok(cases) => cases,
        Err(error) => return Report { cases: 0, failures: vec![failure("the file itself", error.line, error.reason)] },
    };
    let differs = |case: &Case| {
        let difference = compare::difference(&case.expect, &analyze(case));
        (!difference.is_empty()).then(|| failure(&case.name, case.line, format!("{}\n{difference}", case.sql)))
    };
    Report { cases: cases.len(), failures: cases.iter().filter_map(differs).collect() }
}

impl Report {
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.cases > 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failure in &self.failures {
            writeln!(formatter, "=== {} (line {})\n{}", failure.case, failure.line, failure.text)?;
        }
        write!(formatter, "{} of {} cases differ", self.failures.len(), self.cases)
    }
}

fn failure(case: &str, line: usize, text: String) -> Failure {
    Failure { case: case.to_owned(), line, text }
}

#[cfg(test)]
mod tests;
