//! `sluice demo`: statements run on the embedded warehouse, each beside what the analysis says of it. Labelled columns are hidden by that analysis alone.

use super::{Failure, start_engine};
use crate::catalog_folder;
use crate::render::text;
use clap::Args;
use serde_json::Value;
use sluice_model::{Analysis, ColumnPath, Output, StatementAnalysis};
use sluice_sandbox::store::DatasetName;
use sluice_sandbox::{RunSettings, Sandbox, Settings, StatementOutcome, values};
use sluice_sql::Request;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

const PROJECT: &str = "acme-prod";
const DATASET: &str = "clinic";
const ROWS_SHOWN: u64 = 2;
/// What stands where a labelled value was.
const HIDDEN: &str = "(hidden)";

/// Ways to get at a labelled column, and honest ones beside them.
const STATEMENTS: &[&str] = &[
    "SELECT id, name, ward FROM patients ORDER BY id LIMIT 2",
    "SELECT id, ssn AS x, CONCAT('a', ssn) AS y FROM patients ORDER BY id LIMIT 2",
    "SELECT id, address FROM patients ORDER BY id LIMIT 2",
    "SELECT TO_JSON_STRING(p) AS j FROM patients AS p ORDER BY id LIMIT 1",
    "WITH t AS (SELECT ward AS ssn, id FROM patients) SELECT ssn FROM t ORDER BY id LIMIT 2",
    "SELECT national_id FROM v_patients ORDER BY id LIMIT 1",
    "SELECT COUNT(*) AS n FROM patients WHERE ssn LIKE '1%'",
    "FROM visits |> AGGREGATE SUM(cost) AS total GROUP BY doctor |> ORDER BY doctor |> LIMIT 2",
    "DECLARE s STRING; SET s = (SELECT MAX(ssn) FROM patients); SELECT s AS innocent",
    "EXECUTE IMMEDIATE CONCAT('SELECT s', 'sn FROM patients')",
];

#[derive(Args)]
pub struct Demo {
    /// The catalog of the clinic, as a folder of BigQuery resources, with its labels
    #[arg(long, value_name = "DIR", default_value = "examples/clinic")]
    catalog: PathBuf,
}

pub fn run(demo: &Demo) -> Result<ExitCode, Failure> {
    let snapshot = catalog_folder::read(&demo.catalog)?;
    let labels_file = demo.catalog.join("labels.txt");
    let labels = std::fs::read_to_string(&labels_file).map_err(|error| Failure::new(format!("{}: {error}", labels_file.display())))?;
    let labels: Vec<&str> = labels.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let engine = Arc::new(start_engine()?);
    let running = Sandbox::start(engine.clone(), Settings::default()).map_err(|error| Failure::new(error.to_string()))?;
    println!("The embedded warehouse serves BigQuery's REST API at {} until this demo ends.", running.url());
    println!("{} columns are labelled, among them {PROJECT}.{DATASET}.patients.ssn.\n", labels.len());
    for sql in STATEMENTS {
        let request = Request {
            text: (*sql).to_owned(),
            project: PROJECT.to_owned(),
            default_dataset: Some((PROJECT.to_owned(), DATASET.to_owned())),
            ..Request::default()
        };
        let analysis = sluice_sql::analyze(engine.as_ref(), &request, &snapshot);
        println!("> {sql}");
        show(&running, sql, &analysis, &labels);
        println!();
    }
    Ok(ExitCode::SUCCESS)
}

fn show(running: &sluice_sandbox::Running, sql: &str, analysis: &Analysis, labels: &[&str]) {
    let unresolved = analysis.statements.iter().any(|statement| !statement.unresolved.is_empty());
    if analysis.refused.is_some() || unresolved {
        print!("{}", text::analysis(analysis));
        println!("  not understood, so not run");
        return;
    }
    let Some(last) = analysis.statements.iter().rev().find(|statement| !statement.outputs.is_empty()) else { return };
    for output in &last.outputs {
        println!("  {}", verdict(output, labels));
    }
    for used in used_labels(analysis, labels) {
        println!("  a labelled column decides the rows: {used}");
    }
    let mut settings = RunSettings::new(PROJECT, "demo@acme.example");
    settings.default_dataset = Some(DatasetName { project: PROJECT.to_owned(), dataset: DATASET.to_owned() });
    let outcome = running.warehouse().run(sql, &settings);
    match (&outcome.error, outcome.last()) {
        (Some(_), _) => println!("  failed; what the error says is not shown: it can carry a value"),
        (None, Some(statement)) => rows(statement, last, labels),
        (None, None) => {}
    }
}

fn verdict(output: &Output, labels: &[&str]) -> String {
    let labelled: Vec<String> = output
        .exposures
        .iter()
        .filter(|exposure| is_labelled(&exposure.column, labels))
        .map(|exposure| {
            let at = if exposure.at.is_empty() { String::new() } else { format!(" at {}", exposure.at.join(".")) };
            format!("{} ({}){at}", exposure.column, exposure.how.word())
        })
        .collect();
    let name = if output.name.is_empty() { "(no name)" } else { &output.name };
    if labelled.is_empty() { format!("{name}: clear") } else { format!("{name}: hidden, shows {}", labelled.join(", ")) }
}

fn used_labels(analysis: &Analysis, labels: &[&str]) -> Vec<String> {
    let uses = analysis.statements.iter().flat_map(|statement| &statement.uses);
    uses.filter(|used| is_labelled(&used.column, labels)).map(|used| used.column.to_string()).collect()
}

/// A label on a struct covers its fields.
fn is_labelled(column: &ColumnPath, labels: &[&str]) -> bool {
    let column = column.to_string();
    labels.iter().any(|label| column == *label || column.strip_prefix(label).is_some_and(|rest| rest.starts_with('.')))
}

fn rows(statement: &StatementOutcome, analysis: &StatementAnalysis, labels: &[&str]) {
    for position in 0..statement.rows.count().min(ROWS_SHOWN) {
        let Some(cells) = statement.rows.row(position) else { return };
        let mut row = values::write::object(&statement.columns, &cells);
        if let Value::Object(fields) = &mut row {
            for (output, field) in analysis.outputs.iter().zip(fields.values_mut()) {
                for exposure in output.exposures.iter().filter(|exposure| is_labelled(&exposure.column, labels)) {
                    hide(field, &exposure.at);
                }
            }
        }
        println!("  row {row}");
    }
}

/// Hides what stands at a path; arrays are passed through. A path that does not fit hides everything.
fn hide(value: &mut Value, path: &[String]) {
    match (value, path) {
        (Value::Array(elements), path) if !path.is_empty() => elements.iter_mut().for_each(|element| hide(element, path)),
        (Value::Object(fields), [first, rest @ ..]) if fields.contains_key(first) => {
            if let Some(field) = fields.get_mut(first) {
                hide(field, rest);
            }
        }
        (value, _) => *value = Value::String(HIDDEN.to_owned()),
    }
}
