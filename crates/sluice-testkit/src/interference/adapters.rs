//! The real analysis and the real evaluator behind the campaign's two doors.

use sluice_googlesql::GoogleSql;
use sluice_googlesql::evaluate::{Answer, Content, Datum, Evaluation, Row};
use sluice_model::{Analysis, Refused, Type};
use sluice_sql::Request;
use sluice_sql::catalog::{Column, Snapshot, Table, TableKind};
use sluice_sql::engine::{self, Catalog, Fault};

use super::campaign::{Analyze, Evaluate};
use super::clinic::{ClinicTable, DATASET, PROJECT, TABLES, VIEW, table_name};
use super::datum::{datum, value};
use super::generate::Statement;
use super::judge::Outcome;
use super::variants::{VARIANTS, content};
use super::warehouses::Warehouses;
use sluice_sandbox::problem::Problem;

/// The clinic, as the analysis and the evaluator know it.
pub struct Clinic {
    engine: &'static GoogleSql,
    snapshot: Snapshot,
    catalog: Catalog,
    /// The rows of each table, for each variant.
    contents: Vec<Vec<Vec<Row>>>,
    warehouses: Warehouses,
}

impl Clinic {
    pub fn new(engine: &'static GoogleSql) -> Result<Clinic, Problem> {
        let tables = TABLES.iter().map(|table| (table_name(table.name), described(table)));
        let snapshot = Snapshot { tables: tables.collect(), ..Snapshot::default() };
        let catalog = Catalog { tables: TABLES.iter().map(placed).collect(), ..Catalog::default() };
        let contents = (0..VARIANTS).map(rows).collect();
        Ok(Clinic { engine, snapshot, catalog, contents, warehouses: Warehouses::new(engine)? })
    }

    fn query(&self, text: &str, variant: usize) -> Outcome {
        let tables = self.contents.get(variant).map_or(&[][..], Vec::as_slice);
        let version = |position: usize| u64::try_from(variant * TABLES.len() + position).unwrap_or(u64::MAX);
        let contents: Vec<Content<'_>> =
            tables.iter().enumerate().map(|(position, rows)| Content { version: version(position), rows }).collect();
        let evaluation = Evaluation { text, parameters: &[], catalog: &self.catalog, constants: &[], contents: &contents };
        outcome(self.engine.query(&evaluation))
    }
}

impl Analyze for Clinic {
    fn analyze(&self, text: &str) -> Analysis {
        let request = Request {
            text: text.to_owned(),
            project: PROJECT.to_owned(),
            default_dataset: Some((PROJECT.to_owned(), DATASET.to_owned())),
            ..Request::default()
        };
        let analyze = std::panic::AssertUnwindSafe(|| sluice_sql::analyze(self.engine, &request, &self.snapshot));
        let refused = |_| Analysis { statements: Vec::new(), refused: Some(Refused { reason: "the analysis panicked".to_owned() }) };
        std::panic::catch_unwind(analyze).unwrap_or_else(refused)
    }
}

impl Evaluate for Clinic {
    /// A single statement goes to the evaluator as it is, which is quicker.
    fn evaluate(&self, statement: &Statement, variant: usize) -> Outcome {
        match statement.script {
            true => self.warehouses.run(&statement.text, variant),
            false => self.query(&respelled(&statement.text), variant),
        }
    }
}

/// Each table by the one name that the evaluator's catalog has for it.
fn respelled(text: &str) -> String {
    TABLES.iter().fold(text.to_owned(), |text, table| {
        let name = format!("`{PROJECT}.{DATASET}.{}`", table.name);
        let text = text.replace(&format!("`{PROJECT}`.{DATASET}.{} ", table.name), &format!("{name} "));
        text.replace(&format!("{PROJECT}.{DATASET}.{} ", table.name), &format!("{name} "))
    })
}

fn described(table: &ClinicTable) -> Table {
    let columns = table.kinds().into_iter().map(|(name, kind)| Column { name: name.to_owned(), kind, required: false, narrow: false });
    let view = TableKind::View { query: VIEW.1.to_owned(), legacy: false, materialized: false };
    Table {
        name: table_name(table.name),
        kind: if table.name == VIEW.0 { view } else { TableKind::Table },
        columns: columns.collect(),
        etag: String::new(),
        ingestion_time: false,
        collates: false,
        partitioned_by: None,
        partitions_expire: false,
        clustered_by: Vec::new(),
        created_ms: None,
    }
}

fn placed(table: &ClinicTable) -> engine::Table {
    let columns = table.kinds().into_iter().map(|(name, kind)| engine::Column { name: name.to_owned(), kind, pseudo: false });
    let name = table_name(table.name).to_string();
    engine::Table { path: vec![name.clone()], full_name: name, columns: columns.collect(), value_table: false }
}

fn rows(variant: usize) -> Vec<Vec<Row>> {
    let tables = TABLES.iter().zip(content(variant));
    let row = |kinds: &[Type], row: &Vec<super::value::Value>| row.iter().zip(kinds).map(|(value, kind)| datum(kind, value)).collect();
    tables
        .map(|(table, (_, rows))| {
            let kinds: Vec<Type> = table.kinds().into_iter().map(|(_, kind)| kind).collect();
            rows.iter().map(|cells| row(&kinds, cells)).collect()
        })
        .collect()
}

fn outcome(answer: Result<Answer, Fault>) -> Outcome {
    match answer {
        Ok(Answer { columns, rows }) => {
            let kinds = columns.into_iter().map(|(_, kind)| kind).collect();
            let cells = |row: &Row| row.iter().map(|datum: &Datum| value(datum)).collect();
            Outcome::Rows { kinds, rows: rows.iter().map(cells).collect() }
        }
        Err(Fault::Invalid { message, .. }) => Outcome::Failed { message },
        Err(other) => Outcome::Abandoned { why: format!("{other:?}") },
    }
}
