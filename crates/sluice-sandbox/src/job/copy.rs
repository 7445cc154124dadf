//! A copy job: one or several tables into another one.

use super::fields::{list, refuse_others, text};
use super::record::{Finished, Moved};
use super::request::{WriteDisposition, create_disposition, table, write_disposition, wrong};
use super::submit::check_cancelled;
use super::write::{Content, mismatch, not_a_table, write};
use crate::clock::now_milliseconds;
use crate::execute::Warehouse;
use crate::problem::{Problem, Reason};
use crate::store::partition::Named;
use crate::store::{Row, Table, TableKind, Working};
use crate::values::datum::billed_bytes;
use serde_json::{Map, Value};
use sluice_model::TableName;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub const COPY_SOURCES_MAX: usize = 1_200;
const READ: [&str; 5] = ["createDisposition", "destinationTable", "sourceTable", "sourceTables", "writeDisposition"];
const HARMLESS: [(&str, &str); 4] =
    [("operationType", "CLONE"), ("operationType", "COPY"), ("operationType", "OPERATION_TYPE_UNSPECIFIED"), ("operationType", "SNAPSHOT")];
/// A new table is laid out as the one that it is copied from.
const INHERITED: [&str; 3] = ["clustering", "rangePartitioning", "timePartitioning"];

#[derive(Clone, Debug)]
pub struct CopyRequest {
    pub sources: Vec<TableName>,
    /// What it makes, where that is no copy.
    pub derives: Option<Derives>,
    pub destination: TableName,
    pub write: WriteDisposition,
    pub create_if_needed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derives {
    Clone,
    Snapshot,
}

impl CopyRequest {
    /// Reads `configuration` of `jobs.insert`.
    pub fn read(configuration: &Value, project: &str) -> Result<CopyRequest, Problem> {
        let copy = configuration.get("copy").filter(|copy| copy.is_object()).ok_or_else(|| wrong("configuration.copy"))?;
        let derives = match text(copy, "operationType")? {
            Some("CLONE") => Some(Derives::Clone),
            Some("SNAPSHOT") => Some(Derives::Snapshot),
            Some(word @ "RESTORE") => return Err(Problem::not_implemented(&format!("copy jobs of the operation type `{word}`"))),
            _ => None,
        };
        refuse_others(copy, "copy", &READ, &HARMLESS)?;
        let missing = |field: &str| Problem::invalid(format!("Required parameter is missing: {field}"));
        let given = copy.get("sourceTable").filter(|source| !source.is_null()).into_iter();
        let given: Vec<&Value> = given.chain(list(copy, "sourceTables")?).collect();
        if given.len() > COPY_SOURCES_MAX {
            return Err(Problem::invalid(format!("Too many source tables: {}, at most {COPY_SOURCES_MAX}", given.len())));
        }
        let source = |reference: &&Value| table(Some(*reference), project)?.ok_or_else(|| missing("sourceTable"));
        let sources: Vec<TableName> = given.iter().map(source).collect::<Result<_, Problem>>()?;
        if sources.is_empty() {
            return Err(missing("sourceTables"));
        }
        if derives.is_some() && sources.len() != 1 {
            return Err(Problem::invalid("Clones and snapshots are made of one table"));
        }
        Ok(CopyRequest {
            sources,
            derives,
            destination: table(copy.get("destinationTable"), project)?.ok_or_else(|| missing("destinationTable"))?,
            write: write_disposition(text(copy, "writeDisposition")?, WriteDisposition::Empty)?,
            create_if_needed: create_disposition(text(copy, "createDisposition")?)?,
        })
    }

    pub fn run(&self, warehouse: &Warehouse, cancelled: &AtomicBool) -> (Finished, Option<Problem>) {
        let finished = Finished { destination: Some(self.destination.clone()), ..Finished::default() };
        let copied = warehouse.change(|working| {
            check_cancelled(cancelled)?;
            self.copied(working)
        });
        match copied {
            Ok(moved) => (Finished { moved: Some(moved), ..finished }, None),
            Err(problem) => (finished, Some(problem)),
        }
    }

    fn copied(&self, working: &mut Working) -> Result<Moved, Problem> {
        if let Some(derives) = self.derives {
            return self.derived(working, derives);
        }
        let tables = self.sources.iter().map(|name| source(working, name)).collect::<Result<Vec<_>, Problem>>()?;
        let first = tables.first().ok_or_else(|| Problem::invalid("Required parameter is missing: sourceTables"))?;
        for other in &tables {
            if let Some(difference) = super::write::difference(&first.columns, &other.columns) {
                return Err(mismatch(&first.name, &difference));
            }
        }
        // Their columns may stand in different orders.
        let arranged = |table: &Arc<Table>| -> Result<Vec<Row>, Problem> {
            let held = table.rows.as_held().unwrap_or_default().iter();
            held.map(|row| super::write::arranged(&first.columns, &table.columns, row)).collect()
        };
        let rows: Vec<Row> = tables.iter().map(arranged).collect::<Result<Vec<_>, Problem>>()?.concat();
        let moved = Moved::Copied { rows: rows.len() as u64, bytes: rows.iter().flatten().map(billed_bytes).sum() };
        let inherited = |field: &&str| first.extra.get(*field).map(|value| ((*field).to_owned(), value.clone()));
        let table_fields: Map<String, Value> = INHERITED.iter().filter_map(inherited).collect();
        let content = Content { columns: &first.columns, rows: &rows, table_fields: &table_fields };
        write(working, &self.destination, self.write, self.create_if_needed, content)?;
        Ok(moved)
    }
}

impl CopyRequest {
    fn derived(&self, working: &mut Working, derives: Derives) -> Result<Moved, Problem> {
        let name = self.sources.first().ok_or_else(|| Problem::invalid("Required parameter is missing: sourceTables"))?;
        let base = source(working, name)?;
        if working.state.find_table(&self.destination).is_some() {
            let TableName { project, dataset, table } = &self.destination;
            return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {project}:{dataset}.{table}")));
        }
        let made = base.derived(self.destination.clone(), derives == Derives::Snapshot, now_milliseconds());
        let moved = Moved::Copied { rows: base.rows.count(), bytes: base.rows.bytes() };
        working.put_table(made)?;
        Ok(moved)
    }
}

fn source(working: &Working, name: &TableName) -> Result<Arc<Table>, Problem> {
    let named = Named::of(name)?;
    let table = working.state.table(&named.table)?;
    match table.kind {
        TableKind::Table => named.narrowed(table),
        TableKind::Generated => Err(Problem::not_implemented("copies of the generated table")),
        TableKind::Snapshot | TableKind::View { .. } => Err(not_a_table(name)),
    }
}
