//! What later statements of the same script can see of a statement that makes or changes something.

use super::Understood;
use super::definition::is_temporary_table;
use crate::analyzer::Analyzer;
use crate::builtin;
use crate::catalog::{Argument, ArgumentMode, Language, Routine, RoutineKind};
use crate::flow::Flow;
use crate::kind;
use crate::scope::{Scope, bound_columns, join_tables};
use crate::tree::{NodeId, Tree};
use crate::world::Bound;
use sluice_model::{TableName, Type};

/// What later statements of the same script can see of this one.
pub(super) fn remember(tree: &Tree, root: NodeId, done: &Understood, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    match tree.kind(root) {
        "ResolvedCreateFunctionStmt" | "ResolvedCreateTableFunctionStmt" => remember_function(tree, root, analyzer, scope),
        "ResolvedCreateProcedureStmt" => remember_procedure(tree, root, analyzer, scope),
        "ResolvedCreateTableAsSelectStmt"
        | "ResolvedCreateTableStmt"
        | "ResolvedCreateViewStmt"
        | "ResolvedCreateMaterializedViewStmt"
        | "ResolvedCreateSnapshotTableStmt" => remember_table(tree, root, done, scope),
        "ResolvedAlterTableStmt" | "ResolvedRenameStmt" => {
            let renames = |action: NodeId| matches!(tree.kind(action), "ResolvedRenameToAction" | "ResolvedRenameColumnAction");
            if tree.kind(root) == "ResolvedRenameStmt" || tree.children(root, "alter_action_list").into_iter().any(renames) {
                scope.renamed.extend(done.writes.iter().map(|write| write.table.clone()));
            }
        }
        "ResolvedDropStmt" => {
            let path: Vec<String> = tree.texts(root, "name_path").into_iter().map(str::to_owned).collect();
            if let [name] = path.as_slice()
                && !scope.weak
            {
                scope.temporary.remove(&name.to_lowercase());
            }
        }
        _ => {
            for write in &done.writes {
                remember_rows(write.table.clone(), done, scope);
            }
        }
    }
}

fn remember_table(tree: &Tree, root: NodeId, done: &Understood, scope: &mut Scope) {
    let Some(write) = done.writes.first() else { return };
    let mut columns: Vec<(String, Type, Flow)> = Vec::new();
    for (name, kind, flow) in &done.outputs {
        let Some(kind) = kind else { return };
        columns.push((name.clone(), kind.clone(), flow.clone()));
    }
    if columns.is_empty() {
        for definition in tree.children(root, "column_definition_list") {
            let Some(kind) = kind::of(tree, definition) else { return };
            columns.push((tree.text(definition, "name").unwrap_or_default().to_owned(), kind, Flow::default()));
        }
    }
    let temporary = is_temporary_table(&write.table);
    let names = if temporary { Vec::new() } else { vec![write.table.clone()] };
    let bound = Bound { names, columns: bound_columns(&columns), opened: true, ..Bound::default() };
    let keep = |before: Option<Bound>, mut bound: Bound| {
        if let Some(before) = before.filter(|_| scope.weak) {
            join_tables(&mut bound, &before);
        }
        bound
    };
    if temporary {
        let name = write.table.table.to_lowercase();
        let bound = keep(scope.temporary.get(&name).cloned(), bound);
        scope.temporary.insert(name, bound);
    } else {
        let bound = keep(scope.created.get(&write.table).cloned(), bound);
        scope.created.insert(write.table.clone(), bound);
    }
}

/// Rows that were written carry their sources into later reads of the table.
fn remember_rows(table: TableName, done: &Understood, scope: &mut Scope) {
    if is_temporary_table(&table) {
        if let Some(bound) = scope.temporary.get_mut(&table.table.to_lowercase()) {
            join_outputs(bound, done);
        }
        return;
    }
    if let Some(bound) = scope.created.get_mut(&table) {
        join_outputs(bound, done);
        return;
    }
    let written = scope.written.entry(table).or_default();
    for (name, _, flow) in &done.outputs {
        // An assignment to a field taints the whole column: coarse, but never clear.
        let (column, whole) = match name.split_once('.') {
            Some((column, _)) => (column, Flow::of(flow.all())),
            None => (name.as_str(), flow.clone()),
        };
        written.entry(column.to_lowercase()).or_default().join(&whole);
    }
}

fn join_outputs(bound: &mut Bound, done: &Understood) {
    for (name, _, flow) in &done.outputs {
        let (column, whole) = match name.split_once('.') {
            Some((column, _)) => (column, Flow::of(flow.all())),
            None => (name.as_str(), flow.clone()),
        };
        if let Some(known) = bound.columns.iter_mut().find(|known| known.name.eq_ignore_ascii_case(column)) {
            known.flow.join(&whole);
        }
    }
}

/// What a routine that was just created is called, and whether it is a temporary one.
fn created(tree: &Tree, root: NodeId, analyzer: &Analyzer<'_>, scope: &Scope) -> Option<(TableName, bool)> {
    let path: Vec<String> = tree.texts(root, "name_path").into_iter().map(str::to_owned).collect();
    let temporary = tree.enumerator(root, "create_scope") == Some("CREATE_TEMP");
    let name = match (temporary, path.last()) {
        (true, Some(name)) => TableName::new("", "", name),
        _ => analyzer.canonical(&path, scope)?,
    };
    Some((name, temporary))
}

fn remember_function(tree: &Tree, root: NodeId, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    let Some((name, temporary)) = created(tree, root, analyzer, scope) else { return };
    if temporary && builtin::is_bigquery_function(&name.table) {
        // Which of the two a call means is not for us to guess.
        scope.ambiguous.insert(name.table.to_lowercase());
    }
    let signature = tree.child(root, "signature");
    let kinds = signature.map(|signature| tree.children(signature, "argument")).unwrap_or_default();
    let arguments = tree.texts(root, "argument_name_list").into_iter().zip(kinds).map(|(name, node)| argument(tree, name, node));
    let language = tree.text(root, "language").unwrap_or_default().to_ascii_uppercase();
    let language = match language.as_str() {
        _ if tree.boolean(root, "is_remote") => Language::Remote { connection: String::new() },
        "" | "SQL" => Language::Sql,
        _ => Language::Opaque(language),
    };
    let kind = match tree.kind(root) {
        "ResolvedCreateTableFunctionStmt" => RoutineKind::TableFunction,
        _ if tree.boolean(root, "is_aggregate") => RoutineKind::AggregateFunction,
        _ => RoutineKind::ScalarFunction,
    };
    let arguments: Vec<Argument> = arguments.collect();
    let explicit = tree.boolean(root, "has_explicit_return_type");
    let templated = arguments.iter().any(|argument| argument.kind.is_none());
    // Of a template the engine does not know the result yet; what it says there means nothing.
    let returns = kind::read_field(tree, root, "return_type").filter(|_| explicit || !templated);
    let body = tree.text(root, "code").unwrap_or_default().to_owned();
    let key = if temporary { name.table.to_lowercase() } else { name.to_string() };
    let routine = Routine { name, kind, language, arguments, returns, returns_table: Vec::new(), body, etag: String::new() };
    if scope.weak && scope.functions.get(&key).is_some_and(|before| *before != routine) {
        scope.ambiguous.insert(key.clone());
    }
    scope.functions.insert(key, routine);
}

fn argument(tree: &Tree, name: &str, node: NodeId) -> Argument {
    let mode = match tree.child(node, "options").and_then(|options| tree.enumerator(options, "procedure_argument_mode")) {
        Some("OUT") => ArgumentMode::Out,
        Some("INOUT") => ArgumentMode::InOut,
        _ => ArgumentMode::In,
    };
    let table = tree.enumerator(node, "kind") == Some("ARG_TYPE_RELATION");
    let fixed = tree.enumerator(node, "kind") == Some("ARG_TYPE_FIXED");
    Argument { name: name.to_owned(), kind: kind::of(tree, node).filter(|_| fixed), mode, table }
}

fn remember_procedure(tree: &Tree, root: NodeId, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    let Some((name, temporary)) = created(tree, root, analyzer, scope) else { return };
    let kinds = tree.child(root, "signature").map(|signature| tree.children(signature, "argument")).unwrap_or_default();
    let arguments = tree.texts(root, "argument_name_list").into_iter().zip(kinds).map(|(name, node)| argument(tree, name, node)).collect();
    let language = tree.text(root, "language").unwrap_or_default().to_ascii_uppercase();
    let language = if matches!(language.as_str(), "" | "SQL") { Language::Sql } else { Language::Opaque(language) };
    let body = tree.text(root, "procedure_body").unwrap_or_default().to_owned();
    let key = if temporary { name.table.to_lowercase() } else { name.to_string() };
    let (returns, returns_table, etag) = (None, Vec::new(), String::new());
    scope.functions.insert(key, Routine { name, kind: RoutineKind::Procedure, language, arguments, returns, returns_table, body, etag });
}
