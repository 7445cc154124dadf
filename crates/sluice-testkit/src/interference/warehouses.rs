//! Scripts on the embedded warehouse: one for each variant.

use std::sync::Arc;

use sluice_googlesql::GoogleSql;
use sluice_googlesql::evaluate::{Answer, Evaluation};
use sluice_sandbox::execute::{self, Evaluator, RunSettings, Warehouse};
use sluice_sandbox::problem::{Problem, Reason};
use sluice_sandbox::store::{Dataset, DatasetName, Rows, State, Table, TableKind, Working};
use sluice_sandbox::values::Column;
use sluice_sql::engine::{Engine, Fault, Question};
use sluice_sql::tree::Tree;

use super::clinic::{ClinicTable, DATASET, PROJECT, TABLES, VIEW, table_name};
use super::datum::{datum, value};
use super::judge::Outcome;
use super::value::Value;
use super::variants::{VARIANTS, content};

const LOCATION: &str = "US";
const CALLER: &str = "someone@example.com";

pub struct Warehouses {
    variants: Vec<Warehouse>,
}

impl Warehouses {
    pub fn new(engine: &'static GoogleSql) -> Result<Warehouses, Problem> {
        let evaluator: Arc<dyn Evaluator> = Arc::new(Lent(engine));
        let variants = (0..VARIANTS).map(|variant| warehouse(evaluator.clone(), variant));
        Ok(Warehouses { variants: variants.collect::<Result<_, _>>()? })
    }

    pub fn run(&self, text: &str, variant: usize) -> Outcome {
        let Some(warehouse) = self.variants.get(variant) else {
            return Outcome::Failed { message: format!("there is no variant {variant}") };
        };
        let default_dataset = Some(DatasetName::new(PROJECT, DATASET));
        outcome(&warehouse.run(text, &RunSettings { default_dataset, ..RunSettings::new(PROJECT, CALLER) }))
    }
}

/// The process's engine, as something that may be shared.
struct Lent(&'static GoogleSql);

impl Engine for Lent {
    fn parse(&self, text: &str) -> Result<Tree, Fault> {
        self.0.parse(text)
    }

    fn table_names(&self, text: &str) -> Result<Vec<Vec<String>>, Fault> {
        self.0.table_names(text)
    }

    fn has_function(&self, name: &str) -> bool {
        self.0.has_function(name)
    }

    fn analyze(&self, question: &Question<'_>) -> Result<Tree, Fault> {
        self.0.analyze(question)
    }
}

impl Evaluator for Lent {
    fn query(&self, evaluation: &Evaluation<'_>) -> Result<Answer, Fault> {
        self.0.query(evaluation)
    }
}

fn warehouse(evaluator: Arc<dyn Evaluator>, variant: usize) -> Result<Warehouse, Problem> {
    let mut working = Working::new(Arc::default());
    working.put_dataset(Dataset::new(DatasetName::new(PROJECT, DATASET), LOCATION, 0));
    for (table, (_, rows)) in TABLES.iter().zip(content(variant)) {
        working.put_table(filled(table, &rows))?;
    }
    Ok(Warehouse::new(evaluator, PROJECT, LOCATION, working.laid_over(&State::default()), None))
}

fn filled(table: &ClinicTable, rows: &[Vec<Value>]) -> Table {
    let kinds = table.kinds();
    let columns = kinds.iter().map(|(name, kind)| Column::of(name, kind)).collect();
    let cells = |row: &Vec<Value>| kinds.iter().zip(row).map(|((_, kind), value)| datum(kind, value)).collect();
    let rows = if table.name == VIEW.0 { Vec::new() } else { rows.iter().map(cells).collect() };
    let mut filled = Table::new(table_name(table.name), columns, Arc::new(Rows::held(rows)), 0);
    if table.name == VIEW.0 {
        filled.kind = TableKind::View { query: VIEW.1.to_owned(), legacy: false };
    }
    filled
}

fn outcome(outcome: &execute::Outcome) -> Outcome {
    if let Some(problem) = &outcome.error {
        let message = problem.message.clone();
        let own = matches!(problem.reason, Reason::Invalid | Reason::InvalidQuery | Reason::NotFound | Reason::Duplicate);
        return if own { Outcome::Failed { message } } else { Outcome::Abandoned { why: message } };
    }
    let Some(last) = outcome.last() else {
        return Outcome::Failed { message: "the script has no result".to_owned() };
    };
    let kinds = last.columns.iter().map(Column::full_type).collect();
    let rows = last.rows.as_held().unwrap_or_default();
    Outcome::Rows { kinds, rows: rows.iter().map(|row| row.iter().map(value).collect()).collect() }
}
