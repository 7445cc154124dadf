//! What a statement reads, out of its resolved tree: tables through views, and the bytes of the columns that it reads.

use super::bind::{Binding, Source};
use super::query::{self, Described};
use super::view;
use super::world::World;
use crate::problem::Problem;
use crate::store::TableKind;
use sluice_model::{Field, Type};
use sluice_sql::tree::{NodeId, Tree};
use std::collections::{BTreeMap, BTreeSet};

/// Columns read, by table: positions in the table's own order.
type Reads = BTreeMap<String, BTreeSet<usize>>;

pub fn describe(world: &World<'_>, tree: &Tree, binding: &Binding) -> Result<Described, Problem> {
    let mut described = Described { columns: output(tree)?, routines: binding.routines.iter().cloned().collect(), ..Described::default() };
    let mut tables = BTreeSet::new();
    for (name, columns) in reads(tree) {
        match binding.sources.get(&name) {
            Some(Source::Table(table) | Source::Generated(table)) => {
                let sizes = table.rows.column_bytes();
                described.bytes += columns.iter().filter_map(|column| sizes.get(*column)).sum::<u64>();
                tables.insert(table.name.clone());
            }
            Some(Source::View(table)) => {
                let TableKind::View { query, legacy } = &table.kind else { continue };
                let script = view::script(world, query, *legacy)?;
                let inner = view::within(world, &table.name, |world| query::describe(world, &script, view::whole(&script)))?;
                described.bytes += inner.bytes;
                tables.extend(inner.tables);
                described.routines.extend(inner.routines);
            }
            Some(Source::Wildcard(written)) => drop(tables.insert(written.clone())),
            Some(Source::Other) | None => {}
        }
    }
    described.tables = tables.into_iter().collect();
    Ok(described)
}

fn reads(tree: &Tree) -> Reads {
    let mut reads = Reads::new();
    // What an INSERT writes to is named by a scan too.
    let target = tree.root.filter(|root| tree.kind(*root) == "ResolvedInsertStmt").and_then(|root| tree.child(root, "table_scan"));
    for node in every(tree).filter(|node| tree.kind(*node) == "ResolvedTableScan" && Some(*node) != target) {
        let name = tree.child(node, "table").and_then(|table| tree.text(table, "full_name").or_else(|| tree.text(table, "name")));
        if let Some(name) = name {
            let positions = tree.integers(node, "column_index_list").into_iter().filter_map(|position| usize::try_from(position).ok());
            reads.entry(name.to_owned()).or_default().extend(positions);
        }
    }
    reads
}

/// The columns that a statement gives back; none for a statement that gives none.
pub fn output(tree: &Tree) -> Result<Vec<crate::values::Column>, Problem> {
    let Some(root) = tree.root else { return Ok(Vec::new()) };
    let mut columns = Vec::new();
    for output in tree.children(root, "output_column_list") {
        let name = tree.text(output, "name").unwrap_or_default();
        // The engine's own word for a column without a name begins with a dollar sign.
        let name = if name.starts_with('$') { "" } else { name };
        let kind = tree.path(output, &["column", "type"]).and_then(|node| kind(tree, node, 0));
        columns.push((name.to_owned(), kind.ok_or_else(|| Problem::not_implemented("a result of that type"))?));
    }
    match columns.as_slice() {
        [(_, Type::Struct(fields))] if tree.boolean(root, "is_value_table") => {
            let fields: Vec<(String, Type)> = fields.iter().map(|field| (field.name.clone(), field.kind.clone())).collect();
            query::named(&fields)
        }
        _ => query::named(&columns),
    }
}

/// The type of a resolved expression or column.
pub fn kind(tree: &Tree, node: NodeId, depth: usize) -> Option<Type> {
    if depth > sluice_model::types::TYPE_DEPTH_MAX {
        return None;
    }
    let element = |path: &[&str]| tree.path(node, path).and_then(|inner| kind(tree, inner, depth + 1));
    match tree.enumerator(node, "type_kind")? {
        "TYPE_ARRAY" => Some(Type::array(element(&["array_type", "element_type"])?)),
        "TYPE_RANGE" => Some(Type::Range(Box::new(element(&["range_type", "element_type"])?))),
        "TYPE_STRUCT" => {
            let fields = tree.child(node, "struct_type").map(|inner| tree.children(inner, "field")).unwrap_or_default();
            let field = |field: NodeId| {
                let kind = kind(tree, tree.child(field, "field_type")?, depth + 1)?;
                Some(Field { name: tree.text(field, "field_name").unwrap_or_default().to_owned(), kind })
            };
            fields.into_iter().map(field).collect::<Option<Vec<_>>>().map(Type::Struct)
        }
        "TYPE_DOUBLE" => Some(Type::Float64),
        word => Type::parse(word.strip_prefix("TYPE_")?).ok(),
    }
}

fn every(tree: &Tree) -> impl Iterator<Item = NodeId> {
    (0..u32::try_from(tree.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
}
