//! Members of a resource.

use serde_json::Value;
use sluice_model::{Field, TableName};
use std::fmt;

/// A member that is missing, or is something else. Its value is not repeated: it can be data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misread(pub String);

pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Misread> {
    maybe_text(value, name)?.ok_or_else(|| Misread(format!("`{name}` is missing")))
}

/// Empty is not there.
pub(super) fn maybe_text<'a>(value: &'a Value, name: &str) -> Result<Option<&'a str>, Misread> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(Misread(format!("`{name}` is not a text"))),
    }
}

/// 64-bit numbers are texts in BigQuery's JSON; small ones may be either.
pub(super) fn maybe_number(value: &Value, name: &str) -> Result<Option<u64>, Misread> {
    let wrong = || Misread(format!("`{name}` is not a number"));
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(number)) => number.as_u64().map(Some).ok_or_else(wrong),
        Some(Value::String(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map(Some).map_err(|_| wrong())
        }
        Some(_) => Err(wrong()),
    }
}

pub(super) fn maybe_object<'a>(value: &'a Value, name: &str) -> Result<Option<&'a Value>, Misread> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(object @ Value::Object(_)) => Ok(Some(object)),
        Some(_) => Err(Misread(format!("`{name}` is not an object"))),
    }
}

/// `projectId`, `datasetId` and the id itself, each whole.
pub(super) fn reference(value: &Value, id: &str) -> Result<TableName, Misread> {
    Ok(TableName::new(text(value, "projectId")?, text(value, "datasetId")?, text(value, id)?))
}

pub(super) fn references(value: &Value, name: &str, id: &str) -> Result<Vec<TableName>, Misread> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(listed)) => listed.iter().map(|entry| reference(entry, id)).collect(),
        Some(_) => Err(Misread(format!("`{name}` is not a list"))),
    }
}

/// The columns of `{"fields": [...]}`.
pub(crate) fn fields(schema: &Value) -> Result<Vec<Field>, Misread> {
    let columns = sluice_wire::columns(schema).map_err(|fault| Misread(format!("the schema: {fault}")))?;
    Ok(columns.into_iter().map(|column| Field { name: column.name, kind: column.kind }).collect())
}

impl fmt::Display for Misread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
