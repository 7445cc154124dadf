//! Schemas: `TableSchema` of tables, `StandardSqlDataType` of routines and models.

use crate::{ResourceError, list, text};
use serde_json::Value;
use sluice_model::{Field, Type, types::TYPE_DEPTH_MAX};
use sluice_sql::catalog::Column;

/// The columns of a `TableSchema`.
pub fn columns(schema: &Value) -> Result<Vec<Column>, ResourceError> {
    list(schema, "fields").iter().map(column).collect()
}

fn column(field: &Value) -> Result<Column, ResourceError> {
    let required = field.get("mode").and_then(Value::as_str).is_some_and(|mode| mode.eq_ignore_ascii_case("REQUIRED"));
    Ok(Column { name: text(field, "name")?, kind: field_type(field, 0)?, required, narrow: required || is_narrow(field, 0) })
}

/// Whether a field, or one inside of it, refuses some values of its type.
fn is_narrow(field: &Value, depth: usize) -> bool {
    let required = field.get("mode").and_then(Value::as_str).is_some_and(|mode| mode.eq_ignore_ascii_case("REQUIRED"));
    let bounded = ["maxLength", "precision", "scale", "timestampPrecision"]
        .iter()
        .any(|bound| field.get(bound).is_some_and(|bound| !bound.is_null()));
    required || bounded || depth > TYPE_DEPTH_MAX || list(field, "fields").iter().any(|inner| is_narrow(inner, depth + 1))
}

/// Whether a field of a schema, or one inside of it, compares its texts by a collation.
pub fn collates(schema: &Value) -> bool {
    fn within(field: &Value, depth: usize) -> bool {
        let named = field.get("collation").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        named || depth > TYPE_DEPTH_MAX || list(field, "fields").iter().any(|inner| within(inner, depth + 1))
    }
    within(schema, 0)
}

fn field_type(field: &Value, depth: usize) -> Result<Type, ResourceError> {
    let word = text(field, "type")?;
    let deep = || ResourceError::Type { text: format!("more than {TYPE_DEPTH_MAX} levels of {word}") };
    if depth > TYPE_DEPTH_MAX {
        return Err(deep());
    }
    let kind = match word.to_ascii_uppercase().as_str() {
        "RECORD" | "STRUCT" => {
            let fields = list(field, "fields").iter();
            let fields: Result<Vec<Field>, ResourceError> =
                fields.map(|field| Ok(Field { name: text(field, "name")?, kind: field_type(field, depth + 1)? })).collect();
            Type::Struct(fields?)
        }
        "RANGE" => {
            let element = field.get("rangeElementType").ok_or_else(|| ResourceError::Missing { field: "rangeElementType".to_owned() })?;
            Type::Range(Box::new(field_type(element, depth + 1)?))
        }
        _ => Type::parse(&word).map_err(|error| ResourceError::Type { text: error.text })?,
    };
    let repeated = field.get("mode").and_then(Value::as_str).is_some_and(|mode| mode.eq_ignore_ascii_case("REPEATED"));
    Ok(if repeated { Type::array(kind) } else { kind })
}

/// A `StandardSqlDataType`.
pub fn data_type(value: &Value) -> Result<Type, ResourceError> {
    nested(value, 0)
}

fn nested(value: &Value, depth: usize) -> Result<Type, ResourceError> {
    let word = text(value, "typeKind")?;
    if depth > TYPE_DEPTH_MAX {
        return Err(ResourceError::Type { text: word });
    }
    let inner = |field: &str| value.get(field).ok_or_else(|| ResourceError::Missing { field: field.to_owned() });
    match word.to_ascii_uppercase().as_str() {
        "ARRAY" => Ok(Type::array(nested(inner("arrayElementType")?, depth + 1)?)),
        "RANGE" => Ok(Type::Range(Box::new(nested(inner("rangeElementType")?, depth + 1)?))),
        "STRUCT" => {
            let mut fields = Vec::new();
            for field in list(inner("structType")?, "fields") {
                let name = field.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
                let kind = field.get("type").ok_or_else(|| ResourceError::Missing { field: "type".to_owned() })?;
                fields.push(Field { name, kind: nested(kind, depth + 1)? });
            }
            Ok(Type::Struct(fields))
        }
        _ => Type::parse(&word).map_err(|error| ResourceError::Type { text: error.text }),
    }
}
