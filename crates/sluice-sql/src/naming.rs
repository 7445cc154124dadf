//! What short names mean in a text before anything is looked up: its defaults, and the tables and functions that it makes for itself.

use crate::quoted::flat;
use crate::scope::Scope;
use crate::text::{self, Prepared};
use crate::tree::{NodeId, Tree};
use sluice_model::TableName;
use std::collections::{BTreeMap, BTreeSet};

/// What stands for a project or dataset that is not written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Defaults {
    pub project: String,
    pub dataset: Option<(String, String)>,
}

/// Names of the text's own making, in lower case: nobody needs to ask for them.
#[derive(Default)]
pub(crate) struct Own {
    functions: BTreeSet<String>,
    tables: BTreeSet<String>,
}

impl Defaults {
    /// Those of a definition in the catalog.
    pub fn of(name: &TableName) -> Defaults {
        Defaults { project: name.project.clone(), dataset: None }
    }

    pub fn scope(&self) -> Scope {
        Scope { default_project: self.project.clone(), default_dataset: self.dataset.clone(), ..Scope::default() }
    }
}

impl Own {
    pub fn hides_table(&self, path: &[String]) -> bool {
        match flat(path).as_slice() {
            [name] => self.tables.contains(&name.to_lowercase()),
            [session, ..] => session.eq_ignore_ascii_case("_SESSION"),
            [] => false,
        }
    }

    pub fn hides_function(&self, path: &[String]) -> bool {
        matches!(path, [name] if self.functions.contains(&name.to_lowercase()))
    }
}

/// What the defaults may be behind a node: one entry for each assignment of a literal in it. The analysis marks every other one.
pub(crate) fn changed_defaults(tree: &Tree, node: NodeId, defaults: &Defaults) -> Vec<Defaults> {
    let mut found = Vec::new();
    for node in text::nodes(tree, Some(node)) {
        if tree.kind(node) != "ASTSystemVariableAssignment" {
            continue;
        }
        let path = tree.path(node, &["system_variable", "path"]).map(|path| text::path(tree, path).join(".").to_lowercase());
        let literal = tree.child(node, "expression").and_then(|value| tree.text(value, "string_value")).map(str::to_owned);
        let before = found.last().unwrap_or(defaults).clone();
        match (path.as_deref(), literal) {
            (Some("dataset_id"), Some(dataset)) => {
                let named = dataset.split_once('.').map(|(project, dataset)| (project.to_owned(), dataset.to_owned()));
                let dataset = named.unwrap_or_else(|| (before.project.clone(), dataset));
                found.push(Defaults { dataset: Some(dataset), ..before });
            }
            (Some("dataset_project_id"), Some(project)) => {
                let dataset = before.dataset.map(|(_, dataset)| (project.clone(), dataset));
                found.push(Defaults { project, dataset });
            }
            _ => {}
        }
    }
    found
}

/// Temporary functions and tables. A table's name means the temporary one only where it stands behind its making and before its dropping.
pub(crate) fn own_names(tree: &Tree, root: NodeId) -> Own {
    let mut own = Own::default();
    let mut made: BTreeMap<String, usize> = BTreeMap::new();
    let (mut dropped, mut mentioned) = (Vec::new(), Vec::new());
    let mut branches: Vec<(usize, usize)> = Vec::new();
    for node in text::nodes(tree, Some(root)) {
        let Some((start, end)) = text::span(tree, node) else { continue };
        let single = |field: &str| match tree.child(node, field).map(|path| text::path(tree, path)).as_deref() {
            Some([name]) => Some(name.to_lowercase()),
            _ => None,
        };
        if may_be_skipped(tree, node) {
            branches.push((start, end));
        }
        match tree.kind(node) {
            "ASTFunctionDeclaration" => own.functions.extend(single("name")),
            "ASTTablePathExpression" => mentioned.extend(single("path_expr").map(|name| (name, start))),
            "ASTTableClause" => mentioned.extend(single("table_path").map(|name| (name, start))),
            "ASTDropStatement" => dropped.extend(single("name").map(|name| (name, end))),
            kind if kind.ends_with("Statement") => {
                mentioned.extend(single("target_path").map(|name| (name, start)));
                // What one way only makes may on the others be a table of the catalog.
                let certain = !branches.iter().any(|(from, to)| (*from..*to).contains(&start));
                if let Some(name) = single("name").filter(|_| certain && tree.enumerator(node, "scope") == Some("TEMPORARY")) {
                    made.entry(name).and_modify(|first| *first = end.min(*first)).or_insert(end);
                }
            }
            _ => {}
        }
    }
    own.tables = made.keys().cloned().collect();
    for (name, place) in &mentioned {
        let before = made.get(name).is_some_and(|made| place < made);
        if before || dropped.iter().any(|(gone, dropped)| gone == name && dropped <= place) {
            own.tables.remove(name);
        }
    }
    own
}

/// Whether what stands inside of a statement may not happen though the statement does.
fn may_be_skipped(tree: &Tree, node: NodeId) -> bool {
    match tree.kind(node) {
        "ASTIfStatement" | "ASTCaseStatement" | "ASTForInStatement" | "ASTRepeatStatement" | "ASTWhileStatement" => true,
        "ASTBeginEndBlock" => tree.child(node, "handler_list").is_some() || tree.child(node, "label").is_some(),
        _ => false,
    }
}

/// The queries that FOR loops run over.
pub(crate) fn looped_queries(prepared: &Prepared, node: NodeId) -> impl Iterator<Item = &str> {
    let loops = text::nodes(&prepared.tree, Some(node)).into_iter().filter(|node| prepared.tree.kind(*node) == "ASTForInStatement");
    loops.filter_map(|each| prepared.slice(prepared.tree.child(each, "query")?))
}

/// Subqueries of clauses in which the engine looks for no names.
pub(crate) fn overlooked_queries(prepared: &Prepared, node: NodeId) -> impl Iterator<Item = &str> {
    let tree = &prepared.tree;
    let clauses = text::nodes(tree, Some(node)).into_iter().filter(|node| matches!(tree.kind(*node), "ASTQualify" | "ASTWindowClause"));
    let queries = clauses.flat_map(|clause| text::nodes(tree, Some(clause))).filter(|node| tree.kind(*node) == "ASTQuery");
    queries.filter_map(|query| prepared.slice(query))
}

pub(crate) fn procedure_bodies(prepared: &Prepared, node: NodeId) -> impl Iterator<Item = String> {
    let procedures = text::nodes(&prepared.tree, Some(node)).into_iter();
    let procedures = procedures.filter(|node| prepared.tree.kind(*node) == "ASTCreateProcedureStatement");
    procedures.filter_map(|procedure| Some(prepared.slice(prepared.tree.child(procedure, "body")?)?.to_owned()))
}
