//! ALTER TABLE: columns added, dropped and renamed, tables renamed. Of the options, descriptions, names and labels are kept.

use super::define::{column, object_name};
use super::driver::Driver;
use super::options;
use super::outcome::{Definition, DefinitionTarget};
use super::text::Script;
use crate::clock::now_milliseconds;
use crate::problem::{Problem, Reason};
use crate::store::{Dataset, Rows, Table, TableKind};
use crate::values::{ColumnMode, Datum};
use sluice_model::TableName;
use sluice_sql::tree::NodeId;
use std::sync::Arc;

impl Driver<'_> {
    pub fn alter(&mut self, script: &Script, node: NodeId, kind: &str) -> Result<Definition, Problem> {
        let path = script.child_path(node, "path").unwrap_or_default();
        let actions = script.tree.child(node, "action_list").map(|list| script.tree.children(list, "actions")).unwrap_or_default();
        let lenient = script.tree.boolean(node, "is_if_exists");
        self.change(|world, working| {
            if kind == "ALTER_SCHEMA" {
                let name = world.defaults.dataset(&path).ok_or_else(|| Problem::invalid_query("a schema's name has one or two parts"))?;
                let mut dataset = Dataset::clone(world.state.dataset(&name)?);
                only_options(script, &actions)?;
                actions.iter().for_each(|action| options::set(script, *action, &mut dataset.extra));
                dataset.modified_milliseconds = now_milliseconds().max(dataset.modified_milliseconds + 1);
                working.put_dataset(dataset);
                return Ok(Definition { operation: "ALTER", target: DefinitionTarget::Dataset(name) });
            }
            let name = object_name(world, &path)?;
            let target = DefinitionTarget::Table(name.clone());
            let old = match world.state.table(&name) {
                Err(problem) if problem.reason == Reason::NotFound && lenient => return Ok(Definition { operation: "SKIP", target }),
                found => found?,
            };
            if old.kind != TableKind::Table {
                only_options(script, &actions)?;
            }
            let mut table = Table::clone(old);
            for action in &actions {
                act(script, *action, &mut table)?;
            }
            table.modified_milliseconds = now_milliseconds();
            if table.name != name {
                if world.state.find_table(&table.name).is_some() {
                    return Err(Problem::new(Reason::Duplicate, format!("Already Exists: Table {}", table.name)));
                }
                working.drop_table(&name)?;
            }
            working.put_table(table)?;
            Ok(Definition { operation: "ALTER", target })
        })
    }
}

fn only_options(script: &Script, actions: &[NodeId]) -> Result<(), Problem> {
    let other = actions.iter().map(|action| script.tree.kind(*action)).find(|kind| *kind != "ASTSetOptionsAction");
    other.map_or(Ok(()), |kind| Err(refusal(kind)))
}

fn refusal(kind: &str) -> Problem {
    Problem::not_implemented(&format!("`{}`", kind.trim_start_matches("AST")))
}

fn act(script: &Script, action: NodeId, table: &mut Table) -> Result<(), Problem> {
    let name = script.identifier(action, "column_name").unwrap_or_default();
    let position = table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let missing = || Problem::invalid_query(format!("Column not found: {name}"));
    let lenient = script.tree.boolean(action, "is_if_exists") && position.is_none();
    match script.tree.kind(action) {
        "ASTSetOptionsAction" => options::set(script, action, &mut table.extra),
        "ASTAddColumnAction" => add(script, action, table)?,
        _ if lenient => {}
        "ASTAlterColumnOptionsAction" => {
            let position = position.ok_or_else(missing)?;
            if let Some(column) = table.columns.get_mut(position) {
                options::set(script, action, &mut column.extra);
            }
        }
        "ASTDropColumnAction" => {
            let position = position.ok_or_else(missing)?;
            table.columns.remove(position);
            let rows = table.rows.as_held().unwrap_or_default().iter();
            let without =
                |row: &Vec<Datum>| row.iter().enumerate().filter(|(place, _)| *place != position).map(|(_, cell)| cell.clone()).collect();
            table.rows = Arc::new(Rows::held(rows.map(without).collect()));
        }
        "ASTRenameColumnAction" => {
            let new = script.identifier(action, "new_column_name").unwrap_or_default();
            if table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(new)) {
                return Err(Problem::invalid_query(format!("Column already exists: {new}")));
            }
            let position = position.ok_or_else(missing)?;
            if let Some(column) = table.columns.get_mut(position) {
                new.clone_into(&mut column.name);
            }
            // A new version: whatever was derived from the rows under the old name is not true any more.
            table.rows = Arc::new(Rows::held(table.rows.as_held().unwrap_or_default().to_vec()));
        }
        "ASTAlterColumnDropNotNullAction" => {
            let position = position.ok_or_else(missing)?;
            if let Some(column) = table.columns.get_mut(position) {
                column.mode = ColumnMode::Nullable;
            }
        }
        "ASTRenameToClause" => {
            let path = script.child_path(action, "new_name").unwrap_or_default();
            let new = path.last().cloned().unwrap_or_default();
            table.name = TableName { table: new, ..table.name.clone() };
        }
        other => return Err(refusal(other)),
    }
    Ok(())
}

fn add(script: &Script, action: NodeId, table: &mut Table) -> Result<(), Problem> {
    let definition = script.tree.child(action, "column_definition").ok_or_else(|| Problem::internal("a column without a definition"))?;
    let column = column(script, definition)?;
    if table.columns.iter().any(|other| other.name.eq_ignore_ascii_case(&column.name)) {
        let lenient = script.tree.boolean(action, "is_if_not_exists");
        return if lenient { Ok(()) } else { Err(Problem::invalid_query(format!("Column already exists: {}", column.name))) };
    }
    if column.mode == ColumnMode::Required {
        return Err(Problem::invalid_query(format!("Cannot add required column {} to an existing table", column.name)));
    }
    let empty = if column.mode == ColumnMode::Repeated { Datum::Array(Vec::new()) } else { Datum::Null };
    let longer = |row: &Vec<Datum>| row.iter().cloned().chain([empty.clone()]).collect();
    table.rows = Arc::new(Rows::held(table.rows.as_held().unwrap_or_default().iter().map(longer).collect()));
    table.columns.push(column);
    Ok(())
}
