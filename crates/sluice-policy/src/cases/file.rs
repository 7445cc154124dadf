//! The text of cases, TOML. Docs: docs/policy.md.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseFile {
    case: Vec<Case>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub caller: CaseCaller,
    /// A statement as text; whoever runs the case analyzes it.
    pub sql: Option<String>,
    /// `project.dataset`, for names without one.
    pub default_dataset: Option<String>,
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
    /// `permitted`, `held` or `refused`. Nothing where a statement is merely recorded.
    #[serde(default)]
    pub expect: String,
    /// Rules that must have spoken.
    #[serde(default)]
    pub rules: BTreeSet<String>,
    /// Rules that must not have spoken, though by little: wider in one of their parts they would have.
    #[serde(default)]
    pub silent: BTreeSet<String>,
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

#[derive(Clone, Debug, Default, Deserialize)]
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
    /// Those that are read as they were at some time.
    #[serde(default)]
    pub historical: Vec<String>,
    /// `insert acme.d.t`.
    #[serde(default)]
    pub writes: Vec<String>,
    /// `name TYPE <- direct acme.d.t.column, derived acme.d.t.other`.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// `filter acme.d.t.column`.
    #[serde(default)]
    pub uses: Vec<String>,
    /// `acme.d.t.column`: of which only the length is looked at, or whether it is NULL.
    #[serde(default)]
    pub shapes: Vec<String>,
    #[serde(default)]
    pub routines: Vec<String>,
    #[serde(default)]
    pub locations: Vec<String>,
    #[serde(default)]
    pub unresolved: Vec<String>,
    pub refused: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
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

const OUTCOMES: [&str; 3] = ["held", "permitted", "refused"];

/// Every problem of the file, or its cases.
pub fn read(text: &str) -> Result<Vec<Case>, Vec<String>> {
    let file: CaseFile = toml::from_str(text).map_err(|error| vec![error.to_string().replace('\n', " ")])?;
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for case in &file.case {
        problems.extend(case.problem());
        if !OUTCOMES.contains(&case.expect.as_str()) {
            problems.push(format!("case `{}` expects `{}`, which is none of {}", case.name, case.expect, OUTCOMES.join(", ")));
        }
        if !names.insert(&case.name) {
            problems.push(format!("case `{}` stands twice", case.name));
        }
    }
    if problems.is_empty() { Ok(file.case) } else { Err(problems) }
}

impl Case {
    /// What keeps it from being asked at all.
    pub fn problem(&self) -> Option<String> {
        let ways = [self.sql.is_some(), self.statement.is_some(), self.method.is_some()];
        let said = ways.into_iter().filter(|said| *said).count();
        (said != 1).then(|| format!("case `{}` says {said} of sql, statement and method, and not one", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        let problems = read(text).err().unwrap_or_default();
        assert_eq!(problems.len(), expect.len(), "{text}: {problems:?}");
        for (problem, expect) in problems.iter().zip(expect) {
            assert!(problem.contains(expect), "`{problem}` does not hold `{expect}`");
        }
    }

    #[test]
    fn every_problem_of_a_file_is_said_at_once() {
        let head = "[[case]]\nname = \"a\"\ncaller = { kind = \"agent\" }\n";
        check(&format!("{head}sql = \"SELECT 1\"\nexpect = \"held\""), &[]);
        check(&format!("{head}expect = \"held\""), &["0 of sql"]);
        check(&format!("{head}sql = \"\"\nmethod = {{ name = \"x\" }}\nexpect = \"allowed\""), &["2 of sql", "none of held"]);
        check(&format!("{head}sql = \"\"\n{head}sql = \"\""), &["none of", "none of", "stands twice"]);
        check(&format!("{head}sqll = \"SELECT 1\""), &["unknown field `sqll`"]);
    }
}
