//! Types as the engine writes them in its answers.

use crate::tree::{NodeId, Tree};
use sluice_model::{Field, Type};

/// Reads a `Type` node. Nothing for types that BigQuery does not have.
pub fn read(tree: &Tree, node: NodeId) -> Option<Type> {
    nested(tree, node, 0)
}

/// The type of an expression or a column.
pub(crate) fn of(tree: &Tree, node: NodeId) -> Option<Type> {
    read(tree, tree.child(node, "type")?)
}

pub(crate) fn read_field(tree: &Tree, node: NodeId, field: &str) -> Option<Type> {
    read(tree, tree.child(node, field)?)
}

fn nested(tree: &Tree, node: NodeId, depth: usize) -> Option<Type> {
    if depth > sluice_model::types::TYPE_DEPTH_MAX {
        return None;
    }
    let kind = match tree.enumerator(node, "type_kind")? {
        "TYPE_INT64" => Type::Int64,
        "TYPE_DOUBLE" => Type::Float64,
        "TYPE_BOOL" => Type::Bool,
        "TYPE_STRING" => Type::String,
        "TYPE_BYTES" => Type::Bytes,
        "TYPE_DATE" => Type::Date,
        "TYPE_DATETIME" => Type::Datetime,
        "TYPE_TIME" => Type::Time,
        "TYPE_TIMESTAMP" => Type::Timestamp,
        "TYPE_NUMERIC" => Type::Numeric,
        "TYPE_BIGNUMERIC" => Type::BigNumeric,
        "TYPE_JSON" => Type::Json,
        "TYPE_GEOGRAPHY" => Type::Geography,
        "TYPE_INTERVAL" => Type::Interval,
        "TYPE_RANGE" => Type::Range(Box::new(nested(tree, tree.path(node, &["range_type", "element_type"])?, depth + 1)?)),
        "TYPE_ARRAY" => Type::array(nested(tree, tree.path(node, &["array_type", "element_type"])?, depth + 1)?),
        "TYPE_STRUCT" => {
            let mut fields = Vec::new();
            for field in tree.child(node, "struct_type").map(|inner| tree.children(inner, "field")).unwrap_or_default() {
                let name = tree.text(field, "field_name").unwrap_or_default().to_owned();
                fields.push(Field { name, kind: nested(tree, tree.child(field, "field_type")?, depth + 1)? });
            }
            Type::Struct(fields)
        }
        _ => return None,
    };
    Some(kind)
}
