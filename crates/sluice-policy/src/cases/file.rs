//! The text of cases, TOML. Docs: docs/policy.md.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub caller: CaseCaller,
    /// A statement as text; whoever runs the case analyzes it.
    pub sql: Option<String>,
    /// Or what an analysis would say.
    pub statement: Option<CaseStatement>,
    /// Or a method.
    pub method: Option<CaseMethod>,
    pub destination: Option<String>,
    #[serde(default)]
    pub dry_run: CaseDryRun,
    #[serde(default)]
    pub halted: bool,
    /// Seconds since 1970. A Wednesday at noon if it is not said.
    pub at: Option<i64>,
    pub address: Option<String>,
    pub connection: Option<String>,
    pub expect: String,
    /// Rules that must have spoken.
    #[serde(default)]
    pub rules: BTreeSet<String>,
    /// All masks, as `output.path: mask`.
    #[serde(default)]
    pub masks: BTreeSet<String>,
    /// All kinds of reasons.
    #[serde(default)]
    pub reasons: BTreeSet<String>,
    /// Everything that has to be approved, as the duty says it.
    #[serde(default)]
    pub needs: BTreeSet<String>,
    /// Labels that are written along, as `column: label`.
    #[serde(default)]
    pub inherits: BTreeSet<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseCaller {
    pub kind: String,
    #[serde(default)]
    pub groups: BTreeSet<String>,
    #[serde(default)]
    pub subject: Option<String>,
    /// What a CI system signed: names of `Run` in the schema.
    #[serde(default)]
    pub run: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// The person whom it acts for.
    pub on_behalf_of: Option<String>,
    #[serde(default)]
    pub grants: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseStatement {
    pub kind: String,
    #[serde(default)]
    pub effects: Vec<String>,
    #[serde(default)]
    pub reads: Vec<String>,
    /// `insert acme.d.t`.
    #[serde(default)]
    pub writes: Vec<String>,
    /// `name TYPE <- direct acme.d.t.column, derived acme.d.t.other`.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// `filter acme.d.t.column`.
    #[serde(default)]
    pub uses: Vec<String>,
    #[serde(default)]
    pub routines: Vec<String>,
    #[serde(default)]
    pub locations: Vec<String>,
    #[serde(default)]
    pub unresolved: Vec<String>,
    pub refused: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseMethod {
    pub name: String,
    pub table: Option<String>,
    pub dataset: Option<String>,
    pub routine: Option<String>,
    pub project: Option<String>,
    /// Whether the job is the caller's own.
    pub own_job: Option<bool>,
    /// As the outputs of a statement.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Where nothing is said, the dry run agrees with the analysis.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseDryRun {
    #[serde(default)]
    pub bytes: u64,
    #[serde(default)]
    pub unknown: bool,
    pub kind: Option<String>,
    pub tables: Option<Vec<String>>,
}

pub fn read(text: &str) -> Result<Vec<Case>, String> {
    let file: CaseFile = toml::from_str(text).map_err(|error| error.to_string())?;
    for case in &file.case {
        let ways = [case.sql.is_some(), case.statement.is_some(), case.method.is_some()];
        if ways.into_iter().filter(|said| *said).count() != 1 {
            return Err(format!("case `{}` says one of sql, statement and method", case.name));
        }
    }
    Ok(file.case)
}
