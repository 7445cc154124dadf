//! ALTER TABLE: what a rename puts under another name, and what later statements of the script see.

use super::Understood;
use super::definition::{expires, is_narrow, is_temporary_table};
use crate::analyzer::{Analyzer, Refusal};
use crate::kind;
use crate::scope::{Scope, temporary_table};
use crate::tree::{NodeId, Tree};
use crate::walk::kept_by;
use crate::world::{Bound, BoundColumn};
use sluice_model::TableName;

/// Labels go by name: what gets another one goes there as if it were copied. Who may not copy a labelled column may not rename it.
pub(super) fn move_columns(
    tree: &Tree,
    root: NodeId,
    done: &mut Understood,
    analyzer: &mut Analyzer<'_>,
    scope: &Scope,
) -> Result<(), Refusal> {
    let actions = match tree.kind(root) {
        "ResolvedAlterTableStmt" => tree.children(root, "alter_action_list"),
        "ResolvedRenameStmt" => Vec::new(),
        _ => return Ok(()),
    };
    let is = |kind: &str| actions.iter().any(|action| tree.kind(*action) == kind);
    let whole = is("ResolvedRenameToAction") || tree.kind(root) == "ResolvedRenameStmt";
    if !whole && !is("ResolvedRenameColumnAction") {
        return Ok(());
    }
    let field = if tree.kind(root) == "ResolvedRenameStmt" { "old_name_path" } else { "name_path" };
    let path: Vec<String> = tree.texts(root, field).into_iter().map(str::to_owned).collect();
    let Some((_, _, before)) = analyzer.find_table(&path, scope)? else {
        done.found.unresolved.insert(format!("the columns of `{}`, which is renamed", path.join(".")));
        return Ok(());
    };
    done.found.unresolved.extend(before.unresolved.iter().cloned());
    let after = altered(tree, &actions, &before, analyzer);
    let old = |column: &BoundColumn| {
        before.columns.iter().any(|known| known.name.eq_ignore_ascii_case(&column.name) && known.flow == column.flow)
    };
    let moved = after.columns.iter().filter(|column| !column.pseudo && (whole || !old(column)));
    done.outputs.extend(moved.map(|column| (column.name.clone(), Some(column.kind.clone()), column.flow.clone())));
    Ok(())
}

/// Partitions that expire are deleted by the values of their column.
pub(super) fn expire(tree: &Tree, root: NodeId, done: &mut Understood, analyzer: &mut Analyzer<'_>, scope: &Scope) -> Result<(), Refusal> {
    let is_of_table = matches!(tree.kind(root), "ResolvedAlterTableStmt" | "ResolvedAlterTableSetOptionsStmt");
    let actions = tree.children(root, "alter_action_list");
    if !is_of_table || !actions.iter().chain([&root]).any(|node| expires(tree, *node, "option_list")) {
        return Ok(());
    }
    let path: Vec<String> = tree.texts(root, "name_path").into_iter().map(str::to_owned).collect();
    let Some((_, _, table)) = analyzer.find_table(&path, scope)? else { return Ok(()) };
    for (index, kind) in &table.sorted {
        let told = table.columns.get(*index).map(|column| kept_by(*kind, true, &column.flow));
        done.rows.extend(told.into_iter().flatten());
    }
    Ok(())
}

pub(super) fn remember(tree: &Tree, root: NodeId, done: &Understood, analyzer: &mut Analyzer<'_>, scope: &mut Scope) {
    let actions = tree.children(root, "alter_action_list");
    let changes = |kind: &str| {
        let columns = ["ResolvedAddColumnAction", "ResolvedDropColumnAction", "ResolvedRenameColumnAction", "ResolvedRenameToAction"];
        columns.contains(&kind) || kind == "ResolvedAlterColumnSetDataTypeAction"
    };
    if !actions.iter().any(|action| changes(tree.kind(*action))) {
        return;
    }
    let path: Vec<String> = tree.texts(root, "name_path").into_iter().map(str::to_owned).collect();
    let found = analyzer.find_table(&path, scope);
    let Ok(Some((_, name, before))) = found else {
        // What it was is not known, and so is not what it became.
        scope.renamed.extend(done.writes.iter().map(|write| write.table.clone()));
        return;
    };
    let name = name.unwrap_or_else(|| temporary_table(path.last().map_or("", String::as_str)));
    let made = is_temporary_table(&name) || scope.created.contains_key(&name);
    let only_adds = actions.iter().all(|action| tree.kind(*action) == "ResolvedAddColumnAction" || !changes(tree.kind(*action)));
    if only_adds && !made {
        let after = altered(tree, &actions, &before, analyzer);
        scope.added.entry(name).or_default().extend(after.columns.into_iter().skip(before.columns.len()));
        return;
    }
    if scope.weak {
        forget(&name, done, scope);
        return;
    }
    let after = altered(tree, &actions, &before, analyzer);
    let new = actions.iter().find(|action| tree.kind(**action) == "ResolvedRenameToAction");
    let new =
        new.and_then(|action| tree.texts(*action, "new_path").last().map(|table| TableName { table: (*table).to_owned(), ..name.clone() }));
    put(name, new, after, scope);
}

/// It may have happened or not: whoever reads the table now is not understood.
fn forget(name: &TableName, done: &Understood, scope: &mut Scope) {
    let made = match is_temporary_table(name) {
        true => scope.temporary.get_mut(&name.table.to_lowercase()),
        false => scope.created.get_mut(name),
    };
    if let Some(made) = made {
        made.unresolved.insert(format!("`{}` may have been altered before", name.table));
    }
    scope.renamed.extend(done.writes.iter().map(|write| write.table.clone()));
}

fn altered(tree: &Tree, actions: &[NodeId], before: &Bound, analyzer: &mut Analyzer<'_>) -> Bound {
    let mut after = before.clone();
    for action in actions {
        let text = |field: &str| tree.text(*action, field).unwrap_or_default();
        let position = |name: &str| after.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        match tree.kind(*action) {
            "ResolvedAddColumnAction" => {
                let Some(definition) = tree.child(*action, "column_definition") else { continue };
                let added = tree.text(definition, "name").unwrap_or_default();
                if after.columns.iter().any(|column| column.name.eq_ignore_ascii_case(added)) {
                    continue;
                }
                match kind::of(tree, definition) {
                    Some(kind) => {
                        let mut bound = analyzer.bound(before.names.clone(), vec![(added.to_owned(), kind, false)]);
                        bound.columns.iter_mut().for_each(|column| column.narrow = is_narrow(tree, definition));
                        after.columns.extend(bound.columns);
                    }
                    None => drop(after.unresolved.insert(format!("the type of `{added}`"))),
                }
            }
            // One after the other: two columns can change places by way of a third name.
            "ResolvedRenameColumnAction" => {
                if let Some(column) = position(text("name")).and_then(|position| after.columns.get_mut(position)) {
                    column.name = text("new_name").to_owned();
                }
            }
            "ResolvedAlterColumnSetDataTypeAction" => {
                let updated = kind::read_field(tree, *action, "updated_type");
                let column = position(text("column")).and_then(|position| after.columns.get_mut(position));
                if let Some((column, kind)) = column.zip(updated) {
                    column.kind = kind;
                    column.narrow = true;
                }
            }
            _ => {}
        }
    }
    let dropped = |column: &BoundColumn| {
        actions.iter().any(|action| {
            let name = tree.text(*action, "name").unwrap_or_default();
            tree.kind(*action) == "ResolvedDropColumnAction" && column.name.eq_ignore_ascii_case(name)
        })
    };
    after.columns.retain(|column| !dropped(column));
    after
}

fn put(name: TableName, new: Option<TableName>, mut after: Bound, scope: &mut Scope) {
    if is_temporary_table(&name) {
        let key = name.table.to_lowercase();
        let new = new.map_or_else(|| key.clone(), |new| new.table.to_lowercase());
        scope.temporary.remove(&key);
        scope.temporary.insert(new, after);
        return;
    }
    let target = new.unwrap_or_else(|| name.clone());
    after.names = vec![target.clone()];
    if target != name {
        // Under its old name there is nothing any more, whatever the catalog says.
        scope.created.remove(&name);
        scope.renamed.insert(name);
    }
    scope.created.insert(target, after);
}
