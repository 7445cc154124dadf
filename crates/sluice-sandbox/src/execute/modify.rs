//! DML: finds the table, has the change worked out, puts the new rows in place.

use super::bind::{Binder, Purpose};
use super::coerce::assignment_problem;
use super::driver::{Done, Driver};
use super::evaluator::Answer;
use super::names::Target;
use super::outcome::Changed;
use super::text::{Edit, Edited, Script, Span, quoted};
use super::world::World;
use super::{insert, merge, update};
use crate::problem::{Problem, Reason};
use crate::store::{Row, Rows, Table, TableKind};
use crate::values::{Column, ColumnMode, Datum, limit};
use sluice_model::TableName;
use sluice_sql::tree::NodeId;
use std::sync::Arc;

pub const TABLE_ROWS_MAX: usize = 2_000_000;
/// The name under which the evaluator sees the table that is changed, its rows numbered.
pub const TARGET_NAME: &str = "_sandbox_target";

impl Driver<'_> {
    pub fn modify(&mut self, script: &Script, node: NodeId) -> Result<Done, Problem> {
        let path = target_path(script, node)?;
        if let Some(table) = self.read(|world| Ok(world.temporary_table(&path).cloned()))? {
            let (table, changed) = self.read(|world| changed_table(world, script, node, &table))?;
            let name = path.last().cloned().unwrap_or_default().to_lowercase();
            self.temporary.tables.insert(name, Arc::new(table));
            return Ok(Done { changed: Some(changed), ..Done::default() });
        }
        let (name, changed) = self.change(|world, working| {
            let table = target(world, &path)?;
            let (table, changed) = changed_table(world, script, node, &table)?;
            let name = table.name.clone();
            working.put_table(table)?;
            Ok((name, changed))
        })?;
        Ok(Done { changed: Some(changed), written: Some(name), ..Done::default() })
    }
}

pub fn target_path(script: &Script, node: NodeId) -> Result<Vec<String>, Problem> {
    let path = script.child_path(node, "target_path");
    path.ok_or_else(|| Problem::not_implemented("changes inside an array of a row"))
}

/// The written target, exchanged for its full name.
pub fn target_edit(binder: &mut Binder<'_>, script: &Script, node: NodeId) -> Result<Option<Edit>, Problem> {
    let path = target_path(script, node)?;
    let Some(name) = binder.table(&path)? else { return Ok(None) };
    let mut text = quoted(&name);
    let bare = script.tree.child(node, "alias").is_none() && script.tree.kind(node) != "ASTInsertStatement";
    let written = script.tree.child(node, "target_path");
    if let (true, Some(last)) = (bare, written.and_then(|written| script.written_path(written).pop())) {
        text.push_str(" AS ");
        text.push_str(&quoted(&last));
    }
    let written = written.and_then(|written| script.span(written));
    Ok(written.map(|span| Edit { span, text }))
}

/// The table that a statement changes.
pub fn target(world: &World<'_>, path: &[String]) -> Result<Arc<Table>, Problem> {
    let table = copyable(world, path)?;
    let TableName { project, dataset, table: name } = &table.name;
    match table.kind {
        TableKind::Snapshot => {
            Err(Problem::invalid_query(format!("Table {project}:{dataset}.{name} is a snapshot and cannot be modified")))
        }
        _ => Ok(table),
    }
}

/// The table that a statement takes whole.
pub fn copyable(world: &World<'_>, path: &[String]) -> Result<Arc<Table>, Problem> {
    if let Some(table) = world.temporary_table(path) {
        return Ok(table.clone());
    }
    let name = match world.defaults.table(path) {
        Some(Target::Table(name)) => name,
        Some(Target::Unqualified(name)) => {
            let message = format!("Table \"{name}\" must be qualified with a dataset (e.g. dataset.table).");
            return Err(Problem::invalid(message));
        }
        _ => return Err(Problem::invalid_query(format!("`{}` cannot be modified", path.join(".")))),
    };
    let table = world.state.table(&name)?;
    match table.kind {
        TableKind::Snapshot | TableKind::Table => Ok(table.clone()),
        TableKind::Generated => Err(Problem::not_implemented("changes of the generated table")),
        TableKind::View { .. } => {
            Err(Problem::invalid_query(format!("Table {}:{}.{} is a view and cannot be modified", name.project, name.dataset, name.table)))
        }
    }
}

fn changed_table(world: &World<'_>, script: &Script, node: NodeId, table: &Table) -> Result<(Table, Changed), Problem> {
    for field in ["returning", "assert_rows_modified", "on_conflict", "offset"] {
        if script.tree.child(node, field).is_some() {
            return Err(Problem::not_implemented(&format!("`{field}` in DML")));
        }
    }
    let change = Change::new(world, script, node, table)?;
    let (mut rows, changed) = match script.tree.kind(node) {
        "ASTInsertStatement" => insert::run(change)?,
        "ASTUpdateStatement" => update::update(change)?,
        "ASTDeleteStatement" => update::delete(change)?,
        "ASTMergeStatement" => merge::run(change)?,
        _ => (Vec::new(), Changed { deleted: table.rows.count(), ..Changed::default() }),
    };
    if rows.len() > TABLE_ROWS_MAX {
        let message = format!("Resources exceeded: a table of the sandbox holds at most {TABLE_ROWS_MAX} rows");
        return Err(Problem::new(Reason::ResourcesExceeded, message));
    }
    for row in &mut rows {
        settle(&table.columns, row)?;
    }
    let modified = crate::clock::now_milliseconds();
    Ok((Table { rows: Arc::new(Rows::held(rows)), modified_milliseconds: modified, ..table.clone() }, changed))
}

/// A change that is being worked out: its text, and what its names mean.
pub struct Change<'a> {
    pub world: &'a World<'a>,
    pub script: &'a Script,
    pub node: NodeId,
    pub table: &'a Table,
    pub binder: Binder<'a>,
    edits: Vec<Edit>,
}

impl<'a> Change<'a> {
    fn new(world: &'a World<'a>, script: &'a Script, node: NodeId, table: &'a Table) -> Result<Change<'a>, Problem> {
        let span = script.span(node).ok_or_else(|| Problem::internal("a statement without a place"))?;
        let mut binder = Binder::new(world, Purpose::Execute);
        let edits = binder.names(script, span)?;
        binder.numbered_table(TARGET_NAME, table);
        Ok(Change { world, script, node, table, binder, edits })
    }

    /// A part of the statement as the engine shall read it.
    pub fn part(&self, node: NodeId) -> Edited {
        self.script.span(node).map(|span| self.part_of(span)).unwrap_or_default()
    }

    pub fn part_of(&self, span: Span) -> Edited {
        Edited::part(self.script, span, &self.edits)
    }

    /// The name by which the statement itself calls its table.
    pub fn alias(&self) -> String {
        let given = self.script.tree.child(self.node, "alias").and_then(|alias| self.script.identifier(alias, "identifier"));
        let target = self.script.tree.child(self.node, "target_path");
        let last = || target.and_then(|target| self.script.written_path(target).pop()).unwrap_or_default();
        given.map_or_else(last, str::to_owned)
    }

    pub fn query(&self, text: &Edited) -> Result<Answer, Problem> {
        super::query::evaluate(self.world, self.script, text, &self.binder.binding).map_err(assignment_problem)
    }

    pub fn column(&self, name: &str) -> Result<(usize, &'a Column), Problem> {
        let found = self.table.columns.iter().enumerate().find(|(_, column)| column.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| Problem::invalid_query(format!("Column {name} is not present in table {}", self.table.name)))
    }

    /// The columns of an INSERT: those that are listed, or all.
    pub fn listed_columns(&self, list: Option<NodeId>) -> Result<Vec<(usize, &'a Column)>, Problem> {
        let Some(list) = list else { return Ok(self.table.columns.iter().enumerate().collect()) };
        let names = self.script.tree.children(list, "identifiers");
        names.into_iter().map(|name| self.column(self.script.tree.text(name, "id_string").unwrap_or_default())).collect()
    }

    /// The value of a column that is not given.
    pub fn default_text(column: &Column) -> String {
        let default = column.extra.get("defaultValueExpression").and_then(serde_json::Value::as_str);
        default.unwrap_or("NULL").to_owned()
    }
}

/// No nulls for arrays, none for required columns, nothing longer than its column.
pub fn settle(columns: &[Column], row: &mut Row) -> Result<(), Problem> {
    for (column, cell) in columns.iter().zip(row) {
        limit::fit(column, cell).map_err(Problem::invalid_query)?;
        match (column.mode, &*cell) {
            (ColumnMode::Repeated, Datum::Null) => *cell = Datum::Array(Vec::new()),
            (ColumnMode::Required, Datum::Null) => {
                return Err(Problem::invalid_query(format!("Required field {} cannot be null", column.name)));
            }
            (ColumnMode::Repeated, Datum::Array(elements)) if elements.contains(&Datum::Null) => {
                let message = format!("Array cannot have a null element; error in writing field {}", column.name);
                return Err(Problem::invalid_query(message));
            }
            _ => {}
        }
    }
    Ok(())
}
