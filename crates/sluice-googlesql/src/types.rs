//! BigQuery's types as the engine writes them, and back.

use crate::encode::{Record, word};
use sluice_model::{Field, Type};
use sluice_sql::tree::{NodeId, Tree};

/// TypeProto.
pub fn record(kind: &Type) -> Record {
    let record = Record::new().with("type_kind", word(enumerator(kind)));
    match kind {
        Type::Array(element) => record.with("array_type", Record::new().with("element_type", self::record(element))),
        Type::Range(element) => record.with("range_type", Record::new().with("element_type", self::record(element))),
        Type::Struct(fields) => {
            let field = |field: &Field| Record::new().with("field_name", field.name.as_str()).with("field_type", self::record(&field.kind));
            record.with("struct_type", Record::new().with("field", fields.iter().map(field).collect::<Vec<_>>()))
        }
        _ => record,
    }
}

/// Reads a `Type` node. `None` for a type that BigQuery does not have.
pub fn read(tree: &Tree, node: NodeId) -> Option<Type> {
    read_nested(tree, node, 0)
}

fn read_nested(tree: &Tree, node: NodeId, depth: usize) -> Option<Type> {
    if depth > sluice_model::types::TYPE_DEPTH_MAX {
        return None;
    }
    let element = |path: &[&str]| read_nested(tree, tree.path(node, path)?, depth + 1);
    Some(match tree.enumerator(node, "type_kind")? {
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
        "TYPE_RANGE" => Type::Range(Box::new(element(&["range_type", "element_type"])?)),
        "TYPE_ARRAY" => Type::array(element(&["array_type", "element_type"])?),
        "TYPE_STRUCT" => {
            let fields = tree.child(node, "struct_type").map(|inner| tree.children(inner, "field")).unwrap_or_default();
            let field = |field: NodeId| {
                let kind = read_nested(tree, tree.child(field, "field_type")?, depth + 1)?;
                Some(Field { name: tree.text(field, "field_name").unwrap_or_default().to_owned(), kind })
            };
            Type::Struct(fields.into_iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn enumerator(kind: &Type) -> &'static str {
    match kind {
        Type::Int64 => "TYPE_INT64",
        Type::Float64 => "TYPE_DOUBLE",
        Type::Bool => "TYPE_BOOL",
        Type::String => "TYPE_STRING",
        Type::Bytes => "TYPE_BYTES",
        Type::Date => "TYPE_DATE",
        Type::Datetime => "TYPE_DATETIME",
        Type::Time => "TYPE_TIME",
        Type::Timestamp => "TYPE_TIMESTAMP",
        Type::Numeric => "TYPE_NUMERIC",
        Type::BigNumeric => "TYPE_BIGNUMERIC",
        Type::Json => "TYPE_JSON",
        Type::Geography => "TYPE_GEOGRAPHY",
        Type::Interval => "TYPE_INTERVAL",
        Type::Range(_) => "TYPE_RANGE",
        Type::Array(_) => "TYPE_ARRAY",
        Type::Struct(_) => "TYPE_STRUCT",
    }
}
