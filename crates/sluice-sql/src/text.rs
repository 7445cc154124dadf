//! Puts a text into the form that the engine reads as BigQuery does, and finds the names that it uses.

use crate::engine::{Engine, Fault};
use crate::places::{Edits, Written, edit};
use crate::quoted;
use crate::tree::{NodeId, Tree};
use std::rc::Rc;

const ALTERED_TABLES: [&str; 3] = ["ASTAlterMaterializedViewStatement", "ASTAlterTableStatement", "ASTAlterViewStatement"];

/// A text ready for analysis, with its syntax tree.
pub(crate) struct Prepared {
    pub text: String,
    pub tree: Tree,
    /// As its caller wrote it.
    pub written: Rc<Written>,
}

/// Every name in a part of the syntax tree that the catalog may have to answer for.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub tables: Vec<Vec<String>>,
    pub functions: Vec<Vec<String>>,
    pub table_functions: Vec<Vec<String>>,
    pub models: Vec<Vec<String>>,
    pub connections: Vec<Vec<String>>,
    pub procedures: Vec<Vec<String>>,
    /// Targets of ALTER. They are among the tables as well.
    pub altered: Vec<Vec<String>>,
    /// Targets of LOAD DATA, which may not be there yet.
    pub loaded: Vec<Vec<String>>,
    /// Literals that EXECUTE IMMEDIATE runs.
    pub dynamic: Vec<String>,
}

/// Quoted names with dots that name a thing of the catalog are split before anything else. Those of tables that are read from, and of expressions, stay
/// whole: see `quoted`.
pub(crate) fn prepare(engine: &dyn Engine, text: &str) -> Result<Prepared, Fault> {
    let tree = engine.parse(text)?;
    quoted::refuse_ambiguous(&tree, text)?;
    let splits = quoted::splits(&tree, text);
    if splits.is_empty() {
        let written = Rc::new(Written { text: text.to_owned(), edits: Edits::default() });
        return Ok(Prepared { text: text.to_owned(), tree, written });
    }
    let (split, edits) = edit(text, splits);
    let tree = engine.parse(&split)?;
    Ok(Prepared { text: split, tree, written: Rc::new(Written { text: text.to_owned(), edits }) })
}

impl Prepared {
    /// The bytes of a node.
    pub fn slice(&self, node: NodeId) -> Option<&str> {
        let (start, end) = span(&self.tree, node)?;
        self.text.get(start..end)
    }
}

pub(crate) fn span(tree: &Tree, node: NodeId) -> Option<(usize, usize)> {
    let range = tree.child(node, "parse_location_range")?;
    let offset = |field: &str| tree.integer(range, field).and_then(|offset| usize::try_from(offset).ok());
    Some((offset("start")?, offset("end")?))
}

/// Every node below, itself included, without recursion.
pub(crate) fn nodes(tree: &Tree, root: Option<NodeId>) -> Vec<NodeId> {
    let mut found = Vec::new();
    let mut waiting: Vec<NodeId> = root.into_iter().collect();
    while let Some(node) = waiting.pop() {
        found.push(node);
        let mut children = tree.all_children(node);
        children.reverse();
        waiting.extend(children);
    }
    found
}

/// Whether a text gives a value a collation. One that is only sorted by stays without.
pub(crate) fn collates(tree: &Tree) -> bool {
    let is_call = |node| {
        let called = tree.child(node, "function").map(|function| path(tree, function));
        called.and_then(|mut path| path.pop()).is_some_and(|name| name.eq_ignore_ascii_case("COLLATE"))
    };
    let has_clause = |node| tree.all_children(node).into_iter().any(|child| tree.kind(child) == "ASTCollate");
    nodes(tree, tree.root).into_iter().any(|node| match tree.kind(node) {
        "ASTFunctionCall" => is_call(node),
        "ASTOrderingExpression" => false,
        _ => has_clause(node),
    })
}

/// A positional parameter.
pub(crate) fn is_question_mark(tree: &Tree, node: NodeId) -> bool {
    tree.kind(node) == "ASTParameterExpr" && tree.integer(node, "position").is_some_and(|position| position > 0)
}

/// The names of a path expression.
pub(crate) fn path(tree: &Tree, node: NodeId) -> Vec<String> {
    tree.children(node, "names").into_iter().filter_map(|name| tree.text(name, "id_string")).map(str::to_owned).collect()
}

/// Names below a node. Tables are a superset: common table expressions and arrays of an alias are among them, and the engine tells them apart.
pub(crate) fn names(tree: &Tree, root: NodeId) -> Names {
    let mut found = Names::default();
    for node in nodes(tree, Some(root)) {
        let named = |field: &str| tree.child(node, field).map(|child| path(tree, child)).filter(|path| !path.is_empty());
        match tree.kind(node) {
            "ASTFunctionCall" => found.functions.extend(named("function")),
            "ASTTVF" => found.table_functions.extend(named("name")),
            "ASTCallStatement" => found.procedures.extend(named("procedure_name")),
            "ASTExecuteImmediateStatement" => {
                let literal = tree.child(node, "sql").and_then(|sql| tree.text(sql, "string_value"));
                found.dynamic.extend(literal.map(str::to_owned));
            }
            "ASTModelClause" => found.models.extend(named("model_path")),
            "ASTConnectionClause" => found.connections.extend(named("connection_path")),
            "ASTTablePathExpression" => found.tables.extend(named("path_expr")),
            "ASTTableClause" | "ASTTableDataSource" | "ASTCloneDataSource" | "ASTCopyDataSource" | "ASTCloneDataSourceList" => {
                found.tables.extend(named("table_path").or_else(|| named("path_expr")));
            }
            "ASTForeignKeyReference" => found.tables.extend(named("table_name")),
            // Whatever a statement changes must be known to the engine; names that are no tables do no harm.
            kind if kind.ends_with("Statement") => {
                for field in ["like_table_name", "table_name_path", "table_name", "target_path", "path", "replica_source"] {
                    found.tables.extend(named(field));
                }
                if ALTERED_TABLES.contains(&kind) {
                    found.altered.extend(named("path"));
                }
                if kind == "ASTAuxLoadDataStatement" {
                    found.loaded.extend(named("name"));
                }
            }
            "ASTGraphElementTable" => found.tables.extend(named("name")),
            _ => {}
        }
    }
    found
}
