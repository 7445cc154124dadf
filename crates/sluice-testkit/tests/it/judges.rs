//! Both judges on the same statements: our analysis, and dry runs of the embedded warehouse. What they have to agree on stands in the table of
//! sluice-policy; here it is held against every statement of the project's cases that the warehouse can dry-run.

use sluice_googlesql::artefact::{Artefact, Place};
use sluice_googlesql::{GoogleSql, Settings};
use sluice_model::{Analysis, Field};
use sluice_policy::{Difference, DryRun, compare};
use sluice_sandbox::data::DataSettings;
use sluice_sandbox::store::DatasetName;
use sluice_sandbox::{RunSettings, Warehouse};
use sluice_sql::Request;
use sluice_sql::catalog::Snapshot;
use sluice_testkit::cases::{self, Case};
use sluice_testkit::ground;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

const LOCATION: &str = "US";

/// Kinds that the warehouse takes for scripts, or of which its dry run names no table.
const NOT_DRY_RUN: [&str; 16] = [
    "ALTER_MATERIALIZED_VIEW",
    "ALTER_MODEL",
    "CREATE_SEARCH_INDEX",
    "DROP_ROW_ACCESS_POLICY",
    "DROP_SEARCH_INDEX",
    "DROP_VECTOR_INDEX",
    "EXPORT_DATA",
    "EXPORT_METADATA",
    "GRANT_ON_SCHEMA",
    "GRANT_ON_TABLE",
    "GRANT_ON_VIEW",
    "RENAME",
    "REVOKE_ON_SCHEMA",
    "REVOKE_ON_TABLE",
    "REVOKE_ON_VIEW",
    "UNDROP_SCHEMA",
];

/// Where the warehouse's dry run is not what BigQuery's is: it takes a temporary table for the table of that name. A case that comes to agree
/// leaves this list, or the test fails.
const WAREHOUSE_IS_WRONG: [&str; 2] = ["a temporary table takes the name of a table", "a temporary table that takes a table's name"];

struct Judges {
    engine: Arc<GoogleSql>,
    snapshot: Snapshot,
    warehouse: Warehouse,
}

/// What came of all cases.
#[derive(Default)]
struct Tally {
    compared: BTreeMap<String, usize>,
    not_understood: usize,
    not_dry_run: BTreeMap<String, usize>,
    /// Kinds without a line in the table: never agreed on.
    without_line: BTreeSet<String>,
    differ: BTreeMap<String, String>,
}

impl Judges {
    fn new() -> Judges {
        let artefact = Artefact::load(&Place::from_environment()).unwrap();
        let engine = Arc::new(GoogleSql::start(&artefact, Settings::default()).unwrap());
        let state = DataSettings::default().state(LOCATION).unwrap();
        let warehouse = Warehouse::new(engine.clone(), cases::PROJECT, LOCATION, state, None);
        Judges { engine, snapshot: ground::clinic(), warehouse }
    }

    /// Nothing where there is no analysis that policy would go on with.
    fn analysis(&self, sql: &str, dataset: &str) -> Option<Analysis> {
        let default_dataset = Some((cases::PROJECT.to_owned(), dataset.to_owned()));
        let request = Request { text: sql.to_owned(), project: cases::PROJECT.to_owned(), default_dataset, ..Request::default() };
        let analysis = sluice_sql::analyze(self.engine.as_ref(), &request, &self.snapshot);
        let understood = analysis.refused.is_none()
            && !analysis.statements.is_empty()
            && analysis.statements.iter().all(|statement| statement.unresolved.is_empty());
        understood.then_some(analysis)
    }

    fn dry_run(&self, sql: &str, dataset: &str) -> Result<DryRun, String> {
        let mut settings = RunSettings::new(cases::PROJECT, "ana@acme.example");
        settings.default_dataset = Some(DatasetName::new(cases::PROJECT, dataset));
        let said = self.warehouse.dry_run(sql, &settings).map_err(|problem| problem.to_string())?;
        let fields: Vec<Field> = said.columns.iter().map(|column| Field { name: column.name.clone(), kind: column.full_type() }).collect();
        Ok(DryRun {
            statement_type: Some(said.kind.to_owned()),
            bytes: Some(said.bytes),
            referenced_tables: said.tables,
            referenced_routines: said.routines,
            schema: (!fields.is_empty()).then_some(fields),
        })
    }
}

fn all_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for folder in ["cases", "statements"] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(ground::root().join("crates/sluice-testkit").join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        files.sort();
        for file in files {
            cases.extend(cases::parse(&std::fs::read_to_string(&file).unwrap()).unwrap());
        }
    }
    cases.retain(|case| case.default_project == cases::PROJECT);
    cases
}

impl Tally {
    fn add(&mut self, judges: &Judges, case: &Case) {
        let Some(analysis) = judges.analysis(&case.sql, &case.default_dataset) else {
            self.not_understood += 1;
            return;
        };
        let dry_run = match judges.dry_run(&case.sql, &case.default_dataset) {
            Ok(dry_run) => dry_run,
            Err(why) => return self.leave_out(why.split(':').next().unwrap_or_default()),
        };
        let differences = compare(&analysis, &dry_run);
        let kind = kind(&differences, &dry_run);
        match differences.as_slice() {
            [Difference::NotComparable { kind }] => drop(self.without_line.insert(kind.clone())),
            _ if NOT_DRY_RUN.contains(&kind) => self.leave_out(kind),
            [Difference::Kind { ours, .. }] if ours == "ALTER_TABLE" && case.sql.contains("RENAME") => self.leave_out("RENAME"),
            differences => {
                *self.compared.entry(kind.to_owned()).or_default() += 1;
                if !differences.is_empty() {
                    let lines: Vec<String> = differences.iter().map(|difference| format!("  {difference}")).collect();
                    self.differ.insert(case.name.clone(), format!("{}\n{}", case.sql, lines.join("\n")));
                }
            }
        }
    }

    fn leave_out(&mut self, why: &str) {
        *self.not_dry_run.entry(why.to_owned()).or_default() += 1;
    }
}

/// What the analysis takes a text for.
fn kind<'a>(differences: &'a [Difference], dry_run: &'a DryRun) -> &'a str {
    let ours = differences.iter().find_map(|difference| match difference {
        Difference::Kind { ours, .. } | Difference::NotComparable { kind: ours } => Some(ours.as_str()),
        _ => None,
    });
    ours.or(dry_run.statement_type.as_deref()).unwrap_or_default()
}

#[test]
fn the_judges_agree_on_every_statement_that_both_understand() {
    let judges = Judges::new();
    let mut tally = Tally::default();
    all_cases().iter().for_each(|case| tally.add(&judges, case));
    println!("compared {:?}", tally.compared);
    println!("not understood {}, not dry-run {:?}, without a line {:?}", tally.not_understood, tally.not_dry_run, tally.without_line);
    let unexpected: Vec<String> = tally
        .differ
        .iter()
        .filter(|(name, _)| !WAREHOUSE_IS_WRONG.contains(&name.as_str()))
        .map(|(name, text)| format!("=== {name}\n{text}"))
        .collect();
    assert!(unexpected.is_empty(), "{} differ\n{}", unexpected.len(), unexpected.join("\n\n"));
    let stale: Vec<&&str> = WAREHOUSE_IS_WRONG.iter().filter(|name| !tally.differ.contains_key(**name)).collect();
    assert!(stale.is_empty(), "they agree by now: {stale:?}");
    let unused: Vec<&&str> = NOT_DRY_RUN.iter().filter(|kind| !tally.not_dry_run.contains_key(**kind)).collect();
    assert!(unused.is_empty(), "{unused:?}");
    let compared: usize = tally.compared.values().sum();
    assert!(compared >= 850 && tally.compared.len() >= 30, "{compared} of {} kinds", tally.compared.len());
}
