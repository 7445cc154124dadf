//! What later statements of the same script can see of a statement that makes or changes something.

use super::definition::{expires, is_narrow, is_temporary_table, sorted};
use super::{Understood, alteration};
use crate::analyzer::Analyzer;
use crate::builtin;
use crate::catalog::{Argument, ArgumentMode, Language, Routine, RoutineKind};
use crate::flow::Flow;
use crate::kind;
use crate::scope::{MadeView, Scope, bound_columns, join_tables};
use crate::tree::{NodeId, Tree};
use crate::world::Bound;
use sluice_model::{TableName, Type};

/// What later statements of the same script can see of this one.
pub(super) fn remember(tree: &Tree, root: NodeId, done: &Understood, analyzer: &mut Analyzer<'_>, scope: &mut Scope) {
    match tree.kind(root) {
        "ResolvedCreateFunctionStmt" | "ResolvedCreateTableFunctionStmt" => remember_function(tree, root, analyzer, scope),
        "ResolvedCreateProcedureStmt" => remember_procedure(tree, root, analyzer, scope),
        "ResolvedCreateTableAsSelectStmt"
        | "ResolvedCreateTableStmt"
        | "ResolvedCreateViewStmt"
        | "ResolvedCreateMaterializedViewStmt"
        | "ResolvedCreateSnapshotTableStmt" => {
            let Some(write) = done.writes.first() else { return };
            if is_kept(tree, root, &write.table, analyzer.catalog.table(&write.table).is_some(), scope) {
                return;
            }
            match tree.text(root, "sql").filter(|_| tree.kind(root).ends_with("ViewStmt")) {
                Some(query) => remember_view(write.table.clone(), query, done, scope),
                None => remember_table(tree, root, done, scope),
            }
        }
        "ResolvedAuxLoadDataStmt" => {
            let Some(write) = done.writes.first() else { return };
            let known = match is_temporary_table(&write.table) {
                true => scope.temporary.contains_key(&write.table.table.to_lowercase()),
                false => scope.created.contains_key(&write.table) || analyzer.catalog.table(&write.table).is_some(),
            };
            if !known && !write.columns.is_empty() {
                remember_table(tree, root, done, scope);
            }
        }
        "ResolvedAlterTableStmt" => alteration::remember(tree, root, done, analyzer, scope),
        "ResolvedRenameStmt" => scope.renamed.extend(done.writes.iter().map(|write| write.table.clone())),
        kind if kind.starts_with("ResolvedDrop") => {
            for write in &done.writes {
                remember_dropped(&write.table, scope);
            }
        }
        _ => {
            for write in &done.writes {
                remember_rows(write.table.clone(), done, scope);
                remember_defaults(&write.table, done, analyzer, scope);
            }
        }
    }
}

/// IF NOT EXISTS leaves alone what is there already.
fn is_kept(tree: &Tree, root: NodeId, name: &TableName, in_catalog: bool, scope: &mut Scope) -> bool {
    if tree.enumerator(root, "create_mode") != Some("CREATE_IF_NOT_EXISTS") {
        return false;
    }
    let made = scope.temporary.contains_key(&name.table.to_lowercase()) && is_temporary_table(name)
        || scope.created.contains_key(name)
        || scope.views.contains_key(name);
    if (made || in_catalog) && scope.uncertain.contains(name) {
        // Whether it is still there is not known: it may be either.
        scope.weak = true;
        return false;
    }
    made || in_catalog && !scope.dropped.contains(name)
}

fn remember_dropped(name: &TableName, scope: &mut Scope) {
    scope.dropped.insert(name.clone());
    if scope.weak {
        scope.uncertain.insert(name.clone());
    } else if is_temporary_table(name) {
        scope.temporary.remove(&name.table.to_lowercase());
    } else {
        scope.created.remove(name);
        scope.views.remove(name);
    }
}

fn remember_view(name: TableName, query: &str, done: &Understood, scope: &mut Scope) {
    let mut view = MadeView {
        query: query.to_owned(),
        columns: done.outputs.iter().map(|(name, _, _)| name.clone()).collect(),
        default_project: scope.default_project.clone(),
        default_dataset: scope.default_dataset.clone(),
        certain: true,
    };
    if scope.weak {
        match scope.views.get(&name) {
            Some(before) => view.certain = *before == view,
            None => drop(scope.uncertain.insert(name.clone())),
        }
    } else {
        scope.created.remove(&name);
        scope.uncertain.remove(&name);
        scope.dropped.remove(&name);
    }
    scope.views.insert(name, view);
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
            columns.push((tree.text(definition, "name").unwrap_or_default().to_owned(), kind, Flow::absent()));
        }
    }
    let temporary = is_temporary_table(&write.table);
    let names = if temporary { Vec::new() } else { vec![write.table.clone()] };
    let mut bound = Bound { names, columns: bound_columns(&columns), opened: true, ..Bound::default() };
    // What another table is the pattern for has that one's rules, and they are not written here.
    let is_set = |field: &&str| tree.child(root, field).is_some_and(|child| !tree.node(child).fields.is_empty());
    let like = ["like_table", "clone_from", "copy_from", "replica_source"].iter().any(is_set);
    let definitions = tree.children(root, "column_definition_list");
    for (position, column) in bound.columns.iter_mut().enumerate() {
        column.narrow = like || definitions.get(position).is_some_and(|definition| is_narrow(tree, *definition));
    }
    bound.sorted = sorted(tree, root);
    bound.expires = expires(tree, root, "option_list") || done.pattern.iter().any(|(.., expires)| *expires);
    let place = |name: &str| bound.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let pattern: Vec<_> = done.pattern.iter().filter_map(|(name, kind, _)| Some((place(name)?, *kind))).collect();
    bound.sorted.extend(pattern);
    keep_table(&write.table, bound, scope);
}

/// The table as it is from here on. Where that may not have happened, what was there before stays possible.
fn keep_table(name: &TableName, mut bound: Bound, scope: &mut Scope) {
    let temporary = is_temporary_table(name);
    let key = name.table.to_lowercase();
    if scope.weak {
        let before = if temporary { scope.temporary.get(&key) } else { scope.created.get(name) };
        match before {
            Some(before) => join_tables(&mut bound, before),
            None => drop(scope.uncertain.insert(name.clone())),
        }
    } else {
        scope.views.remove(name);
        scope.uncertain.remove(name);
        scope.dropped.remove(name);
    }
    if temporary {
        scope.temporary.insert(key, bound);
    } else {
        scope.created.insert(name.clone(), bound);
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
        written.entry(column.to_lowercase()).or_insert_with(Flow::absent).join(&whole);
    }
}

/// A column that is left out has its default, which can be the time.
fn remember_defaults(table: &TableName, done: &Understood, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    let clock = Flow::of(analyzer.clock());
    if clock.whole.is_empty() || !matches!(done.kind.as_str(), "INSERT" | "MERGE") {
        return;
    }
    let left_out = |name: &str| !done.outputs.iter().any(|(given, _, _)| given.eq_ignore_ascii_case(name));
    let made = match is_temporary_table(table) {
        true => scope.temporary.get_mut(&table.table.to_lowercase()),
        false => scope.created.get_mut(table),
    };
    if let Some(made) = made {
        made.columns.iter_mut().filter(|column| left_out(&column.name)).for_each(|column| column.flow.join(&clock));
    } else if let Some(known) = analyzer.catalog.table(table) {
        let written = scope.written.entry(table.clone()).or_default();
        for column in known.columns.iter().filter(|column| left_out(&column.name)) {
            written.entry(column.name.to_lowercase()).or_insert_with(Flow::absent).join(&clock);
        }
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
    let returns_table = Vec::new();
    keep_routine(
        tree,
        root,
        Routine { name, kind, language, arguments, returns, returns_table, body, etag: String::new() },
        analyzer,
        scope,
    );
}

fn keep_routine(tree: &Tree, root: NodeId, routine: Routine, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    let temporary = routine.name.project.is_empty();
    let key = if temporary { routine.name.table.to_lowercase() } else { routine.name.to_string() };
    let before = scope.functions.get(&key);
    let there = before.is_some() || !temporary && analyzer.catalog.routine(&routine.name).is_some();
    let kept = there && tree.enumerator(root, "create_mode") == Some("CREATE_IF_NOT_EXISTS");
    if kept && !scope.dropped.contains(&routine.name) {
        return;
    }
    // What was dropped somewhere may be there or not.
    if (scope.weak || kept) && before.is_some_and(|before| *before != routine) {
        scope.ambiguous.insert(key.clone());
    }
    if (scope.weak || kept) && before.is_none() {
        scope.uncertain.insert(routine.name.clone());
    }
    scope.functions.insert(key, routine);
}

fn argument(tree: &Tree, name: &str, node: NodeId) -> Argument {
    let mode = match tree.child(node, "options").and_then(|options| tree.enumerator(options, "procedure_argument_mode")) {
        Some("OUT") => ArgumentMode::Out,
        Some("INOUT") => ArgumentMode::InOut,
        _ => ArgumentMode::In,
    };
    let not_aggregate = tree.child(node, "options").is_some_and(|options| tree.boolean(options, "is_not_aggregate"));
    let table = tree.enumerator(node, "kind") == Some("ARG_TYPE_RELATION");
    let fixed = tree.enumerator(node, "kind") == Some("ARG_TYPE_FIXED");
    Argument { name: name.to_owned(), kind: kind::of(tree, node).filter(|_| fixed), mode, table, not_aggregate }
}

fn remember_procedure(tree: &Tree, root: NodeId, analyzer: &Analyzer<'_>, scope: &mut Scope) {
    let Some((name, _)) = created(tree, root, analyzer, scope) else { return };
    let kinds = tree.child(root, "signature").map(|signature| tree.children(signature, "argument")).unwrap_or_default();
    let arguments = tree.texts(root, "argument_name_list").into_iter().zip(kinds).map(|(name, node)| argument(tree, name, node)).collect();
    let language = tree.text(root, "language").unwrap_or_default().to_ascii_uppercase();
    let language = if matches!(language.as_str(), "" | "SQL") { Language::Sql } else { Language::Opaque(language) };
    let body = tree.text(root, "procedure_body").unwrap_or_default().to_owned();
    let (returns, returns_table, etag) = (None, Vec::new(), String::new());
    let routine = Routine { name, kind: RoutineKind::Procedure, language, arguments, returns, returns_table, body, etag };
    keep_routine(tree, root, routine, analyzer, scope);
}
