//! Quoted names with dots: `` `project.dataset.table` ``.
//!
//! To BigQuery they are one identifier wherever names are looked up, and a path only where a thing of the catalog is found by them. So a table that FROM
//! names by `` `shop.orders` `` without an alias is called `` `shop.orders` `` in expressions, and not `orders`. The engine takes it the same way, as long
//! as nobody splits the name: whatever is split could mean something else there, a field of a column or a table further out.

use crate::engine::Fault;
use crate::places::place_of;
use crate::text::{nodes, path, span};
use crate::tree::{NodeId, Tree};
use std::collections::HashMap;

/// Fields of the syntax tree that name a thing of the catalog, whatever node they stand in. All others are expressions or look names up in the statement.
const NAMING: [&str; 20] = [
    "connection_path",
    "function",
    "graph_reference",
    "like_table_name",
    "model_name_path",
    "model_path",
    "name",
    "name_path",
    "new_name",
    "old_name",
    "optional_from_name",
    "optional_name",
    "procedure_name",
    "replica_source",
    "sequence_path",
    "table_name",
    "table_name_path",
    "table_path",
    "target_path_expression",
    "type_name",
];

/// Their targets have a name in the statement, as a table behind FROM has.
const WITH_NAMED_TARGET: [&str; 3] = ["ASTDeleteStatement", "ASTMergeStatement", "ASTUpdateStatement"];

/// Whether a path in this field is only ever the name of a thing of the catalog.
pub fn is_naming(kind: &str, field: &str) -> bool {
    match field {
        "path" => kind.starts_with("ASTAlter") || kind == "ASTSystemVariableExpr",
        "path_expr" => kind != "ASTTablePathExpression",
        "target_path" => !WITH_NAMED_TARGET.contains(&kind),
        field => NAMING.contains(&field),
    }
}

/// The parts of one name. The project of an organisation's domain holds dots before its colon: `example.com:project`.
pub(crate) fn parts(name: &str) -> Vec<String> {
    let (head, tail) = name.split_at_checked(name.rfind(':').unwrap_or(0)).unwrap_or(("", name));
    let mut parts: Vec<String> = tail.split('.').map(str::to_owned).collect();
    if let Some(first) = parts.first_mut() {
        first.insert_str(0, head);
    }
    parts
}

/// The path to a thing of the catalog, however it was quoted.
pub(crate) fn flat(path: &[String]) -> Vec<String> {
    path.iter().flat_map(|name| parts(name)).collect()
}

/// What names of the catalog's things are to be written as.
pub(crate) fn splits(tree: &Tree, text: &str) -> Vec<(usize, usize, String)> {
    let mut splits = Vec::new();
    for node in nodes(tree, tree.root) {
        for (field, _) in tree.node(node).fields.iter().filter(|(field, _)| is_naming(tree.kind(node), field)) {
            let paths = tree.children(node, field).into_iter().filter(|child| tree.kind(*child) == "ASTPathExpression");
            splits.extend(paths.flat_map(|path| tree.children(path, "names")).filter_map(|name| split(tree, name, text)));
        }
    }
    splits
}

fn split(tree: &Tree, name: NodeId, text: &str) -> Option<(usize, usize, String)> {
    let whole = tree.text(name, "id_string")?;
    let (start, end) = span(tree, name)?;
    if !whole.contains('.') || !text.get(start..end)?.starts_with('`') {
        return None;
    }
    let quoted: Vec<String> = parts(whole).iter().map(|part| format!("`{}`", part.replace('\\', "\\\\"))).collect();
    Some((start, end, quoted.join(".")))
}

/// Nobody has promised that BigQuery looks such names up as its engine does. What would mean one thing so and another thing else is refused.
pub(crate) fn refuse_ambiguous(tree: &Tree, text: &str) -> Result<(), Fault> {
    let all = nodes(tree, tree.root);
    for node in all.iter().filter(|node| tree.kind(**node) == "ASTAliasedQuery") {
        let Some(alias) = tree.child(*node, "alias") else { continue };
        if tree.text(alias, "id_string").is_some_and(|name| name.contains('.')) {
            return Err(refused("A common table expression must have a name without dots".to_owned(), tree, alias, text));
        }
    }
    let names = Names::of(tree);
    if names.hidden.is_empty() {
        return Ok(());
    }
    for (name, place) in all.into_iter().flat_map(|node| qualifiers(tree, node)) {
        if let Some(table) = span(tree, place).and_then(|span| names.hidden_at(name, span)) {
            let message = format!("Unrecognized name: {name}; the table is called `{table}` here, or by an alias");
            return Err(refused(message, tree, place, text));
        }
    }
    Ok(())
}

/// Names of tables in a text, in lower case, each with the part of the text in which it is one.
#[derive(Default)]
struct Names {
    /// Of tables without an alias whose name is quoted as a whole: its last part, which they would be called by if it were not, and the name.
    hidden: HashMap<String, Vec<(Span, String)>>,
    /// What other tables, subqueries and so on are called.
    open: HashMap<String, Vec<Span>>,
}

type Span = (usize, usize);

impl Names {
    fn of(tree: &Tree) -> Names {
        let mut names = Names::default();
        let mut waiting: Vec<(NodeId, Span)> = tree.root.map(|root| (root, (0, usize::MAX))).into_iter().collect();
        while let Some((node, mut within)) = waiting.pop() {
            let kind = tree.kind(node);
            if matches!(kind, "ASTSelect" | "ASTQuery") || kind.ends_with("Statement") {
                within = span(tree, node).unwrap_or(within);
            }
            names.take(tree, node, within);
            waiting.extend(tree.all_children(node).into_iter().map(|child| (child, within)));
        }
        names
    }

    fn take(&mut self, tree: &Tree, node: NodeId, within: Span) {
        let kind = tree.kind(node);
        if let Some(alias) = tree.path(node, &["alias", "identifier"]).filter(|_| kind != "ASTSelectColumn") {
            let alias = tree.text(alias, "id_string").unwrap_or_default();
            self.open.entry(alias.to_lowercase()).or_default().push(within);
            return;
        }
        let field = match kind {
            "ASTTablePathExpression" => "path_expr",
            kind if WITH_NAMED_TARGET.contains(&kind) => "target_path",
            _ => return,
        };
        let Some(name) = tree.child(node, field).and_then(|named| path(tree, named).pop()) else { return };
        match parts(&name).pop().filter(|_| name.contains('.')) {
            Some(short) => self.hidden.entry(short.to_lowercase()).or_default().push((within, name)),
            None => self.open.entry(name.to_lowercase()).or_default().push(within),
        }
    }

    /// The table that a name at this place would be, unless something nearer is called so.
    fn hidden_at(&self, name: &str, place: Span) -> Option<&str> {
        let name = name.to_lowercase();
        let holds = |outer: &Span, inner: &Span| outer.0 <= inner.0 && inner.1 <= outer.1;
        let is_nearer = |hidden: &Span| {
            let mut open = self.open.get(&name).into_iter().flatten();
            open.any(|open| open != hidden && holds(hidden, open) && holds(open, &place))
        };
        let mut hidden = self.hidden.get(&name)?.iter();
        hidden.find(|(within, _)| holds(within, &place) && !is_nearer(within)).map(|(_, table)| table.as_str())
    }
}

/// What expressions in the fields of a node put before a dot.
fn qualifiers(tree: &Tree, node: NodeId) -> Vec<(&str, NodeId)> {
    let kind = tree.kind(node);
    // `(t).column` and `t.*`.
    let least = if kind.starts_with("ASTDot") { 1 } else { 2 };
    let mut found = Vec::new();
    for (field, _) in &tree.node(node).fields {
        let names_a_table = (kind == "ASTTablePathExpression" && *field == "path_expr") || *field == "target_path";
        if names_a_table || is_naming(kind, field) {
            continue;
        }
        for path in tree.children(node, field).into_iter().filter(|child| tree.kind(*child) == "ASTPathExpression") {
            let names = tree.children(path, "names");
            let first = names.first().filter(|_| names.len() >= least).and_then(|name| tree.text(*name, "id_string"));
            found.extend(first.map(|first| (first, path)));
        }
    }
    found
}

fn refused(message: String, tree: &Tree, node: NodeId, text: &str) -> Fault {
    let place = span(tree, node).map(|(start, _)| place_of(text, start));
    Fault::Invalid { message, line: place.map(|(line, _)| line), column: place.map(|(_, column)| column) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_flat() {
        let check = |path: &[&str], expect: &[&str]| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(flat(&path), expect, "{path:?}");
        };
        check(&["p.d.t"], &["p", "d", "t"]);
        check(&["p.d", "t"], &["p", "d", "t"]);
        check(&["example.com:p.d.t"], &["example.com:p", "d", "t"]);
        check(&["example.com:p", "d.t"], &["example.com:p", "d", "t"]);
        check(&["t"], &["t"]);
        check(&["p.d.t$20240101"], &["p", "d", "t$20240101"]);
        check(&[], &[]);
    }

    #[test]
    fn names_of_the_catalog_are_told_from_those_of_the_statement() {
        let check = |kind: &str, field: &str, expect: bool| assert_eq!(is_naming(kind, field), expect, "{kind}.{field}");
        check("ASTFunctionCall", "function", true);
        check("ASTCreateTableStatement", "name", true);
        check("ASTAlterTableStatement", "path", true);
        check("ASTInsertStatement", "target_path", true);
        check("ASTTruncateStatement", "target_path", true);
        check("ASTTableDataSource", "path_expr", true);
        check("ASTTablePathExpression", "path_expr", false);
        check("ASTUpdateStatement", "target_path", false);
        check("ASTDeleteStatement", "target_path", false);
        check("ASTMergeStatement", "target_path", false);
        check("ASTUpdateSetValue", "path", false);
        check("ASTSelectColumn", "expression", false);
        check("ASTDotStar", "expr", false);
        check("ASTDeleteStatement", "where", false);
    }
}
