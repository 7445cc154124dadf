//! Runs queries over rows that the caller brings: GoogleSQL's own reference implementation, exact rather than fast.
//!
//! Queries only. The module can evaluate INSERT, UPDATE and DELETE too, but not MERGE, it says which row it means only by a primary key, and it stops
//! at an INSERT into a table that has one. Callers ask for changed rows by queries over numbered rows instead.

mod calendar;
mod datum;
mod decimal;
mod interval;
mod placement;
pub(crate) mod values;

pub use datum::Datum;

use crate::catalog::{self, CatalogFault};
use crate::encode::{Item, Record};
use crate::googlesql::{GoogleSql, Work, digest, engine_fault};
use placement::Placed;
use sluice_model::Type;
use sluice_sql::engine::{Catalog, Fault};
use sluice_sql::kind;
use sluice_sql::tree::{NodeId, Tree};
use std::collections::HashSet;

pub type Row = Vec<Datum>;

/// One query and everything that it may name.
pub struct Evaluation<'a> {
    pub text: &'a str,
    pub parameters: &'a [Parameter],
    pub catalog: &'a Catalog,
    /// The values of `catalog.constants`, in the same order.
    pub constants: &'a [Datum],
    /// The rows of `catalog.tables`, in the same order.
    pub contents: &'a [Content<'a>],
}

/// A table's rows: one datum for each column.
#[derive(Clone, Copy)]
pub struct Content<'a> {
    /// The same number always means the same rows, so that they need not be handed over again.
    pub version: u64,
    pub rows: &'a [Row],
}

/// A named parameter: `@name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub kind: Type,
    pub value: Datum,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// A column without a name has an empty one.
    pub columns: Vec<(String, Type)>,
    pub rows: Vec<Row>,
}

impl GoogleSql {
    /// Runs one query. Nothing that it does outlives it.
    pub fn query(&self, evaluation: &Evaluation<'_>) -> Result<Answer, Fault> {
        self.sized(evaluation.text)?;
        let counts = (evaluation.catalog.tables.len(), evaluation.catalog.constants.len());
        if counts != (evaluation.contents.len(), evaluation.constants.len()) {
            return Err(Fault::Engine { message: "a table has no rows or a constant no value".to_owned() });
        }
        let placed = Placed::of(self, evaluation)?;
        let request = self.write("EvaluateQueryRequest", &self.request(&placed.text, evaluation.parameters)?)?;
        let limits = self.settings.evaluation;
        let work =
            Work { ends: limits.ends(), limits, procedure: "EvaluateQuery", message: "EvaluateQueryRequest", request, evaluates: true };
        let versions: Vec<u64> = evaluation.contents.iter().map(|content| content.version).collect();
        let constants = format!("{:?}", evaluation.constants);
        let key = digest(&("evaluation", evaluation.catalog, constants, versions));
        let answer = self.in_set(work, key, || self.registration(&placed.catalog, evaluation)).map_err(|fault| placed.original(fault))?;
        self.answer(&answer)
    }

    fn request(&self, text: &str, parameters: &[Parameter]) -> Result<Record, Fault> {
        let kinds: Vec<Type> = parameters.iter().map(|parameter| values::stand_in(&parameter.kind)).collect();
        let options = self.language.evaluation(parameters.iter().map(|parameter| parameter.name.as_str()).zip(&kinds));
        let values = parameters.iter().zip(&kinds).map(|(parameter, kind)| {
            let value = values::record(kind, &parameter.value);
            let value = value.map_err(|fault| invalid(format!("the value of parameter `{}` is no {}", parameter.name, fault.kind)))?;
            Ok(Record::new().with("name", parameter.name.as_str()).with("value", value))
        });
        let values = values.collect::<Result<Vec<_>, Fault>>()?;
        Ok(Record::new().with("sql", text).with("options", options).with("params", values))
    }

    fn registration(&self, catalog: &Catalog, evaluation: &Evaluation<'_>) -> Result<Record, Fault> {
        let missing = || CatalogFault::Value { path: String::new(), kind: String::new() };
        let value = |place: usize, _: &Type| evaluation.constants.get(place).cloned().ok_or_else(missing);
        let record = catalog::record(catalog, &self.language, value).map_err(engine_fault)?;
        let (mut contents, mut seen) = (Vec::new(), HashSet::new());
        for (table, content) in catalog.tables.iter().zip(evaluation.contents) {
            // As in the catalog, the first of one name stays.
            let name = table.path.join(".");
            if !seen.insert(name.to_lowercase()) {
                continue;
            }
            let mut rows = Vec::with_capacity(content.rows.len());
            for row in content.rows {
                let fault = |message: String| Fault::Engine { message: format!("a row of `{}`: {message}", table.full_name) };
                if row.len() != table.columns.len() {
                    return Err(fault(format!("{} values for {} columns", row.len(), table.columns.len())));
                }
                let cells = table.columns.iter().zip(row).map(|(column, datum)| {
                    values::record(&column.kind, datum).map_err(|wrong| fault(format!("`{}` is no {}", column.name, wrong.kind)))
                });
                rows.push(Record::new().with("cell", cells.collect::<Result<Vec<_>, _>>()?));
            }
            let data = Record::new().with("table_data", Record::new().with("row", rows));
            contents.push(Record::new().with("key", name).with("value", data));
        }
        Ok(Record::new().with("simple_catalog", record).with("table_content", Item::from(contents)))
    }

    fn answer(&self, bytes: &[u8]) -> Result<Answer, Fault> {
        let tree = self.read("EvaluateQueryResponse", bytes)?;
        let empty = || Fault::Engine { message: "the evaluator's answer is empty".to_owned() };
        let root = tree.root.ok_or_else(empty)?;
        let prepared = tree.child(root, "prepared").ok_or_else(empty)?;
        let columns = tree.children(prepared, "columns").into_iter().map(|column| self::column(&tree, column));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let rows = tree.path(root, &["content", "table_data"]).map(|data| tree.children(data, "row")).unwrap_or_default();
        let rows = rows.into_iter().map(|row| {
            let cells = tree.children(row, "cell");
            let cells = columns.iter().zip(cells).map(|((_, kind), cell)| values::read(&tree, cell, kind)).collect::<Option<Row>>();
            let whole = cells.filter(|cells| cells.len() == columns.len());
            whole.ok_or_else(|| Fault::Engine { message: "the evaluator's answer does not have its own types".to_owned() })
        });
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Answer { columns, rows })
    }
}

fn column(tree: &Tree, column: NodeId) -> Result<(String, Type), Fault> {
    let name = tree.text(column, "name").unwrap_or_default().to_owned();
    let kind = tree.child(column, "type").and_then(|node| kind::read(tree, node));
    let kind = kind.ok_or_else(|| invalid(format!("column `{name}` of the result is of a type that BigQuery does not have")))?;
    Ok((name, kind))
}

fn invalid(message: String) -> Fault {
    Fault::Invalid { message, line: None, column: None }
}
