//! BigQuery's resources, as its REST API writes them, read into what the analysis knows. Pure: text in, values out.

mod model;
mod routine;
mod schema;
mod table;
mod tags;

pub use model::model;
pub use routine::routine;
pub use schema::{columns, data_type};
pub use table::table;
pub use tags::policy_tags;

use serde_json::Value;
use sluice_model::TableName;
use sluice_sql::catalog::Snapshot;
use std::fmt;

/// A resource that is not what BigQuery would send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceError {
    /// A field that must be there is missing or has another type.
    Missing { field: String },
    /// A type that BigQuery does not have.
    Type { text: String },
}

impl fmt::Display for ResourceError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResourceError::Missing { field } => write!(formatter, "the resource has no `{field}`"),
            ResourceError::Type { text } => write!(formatter, "`{text}` is not a type of BigQuery"),
        }
    }
}

impl std::error::Error for ResourceError {}

/// Puts a table, routine or model resource, told apart by its reference, into a snapshot.
pub fn add(resource: &Value, snapshot: &mut Snapshot) -> Result<(), ResourceError> {
    if resource.get("routineReference").is_some() {
        let routine = routine(resource)?;
        snapshot.routines.insert(routine.name.clone(), routine);
    } else if resource.get("modelReference").is_some() {
        let model = model(resource)?;
        snapshot.models.insert(model.name.clone(), model);
    } else {
        let table = table(resource)?;
        snapshot.tables.insert(table.name.clone(), table);
    }
    Ok(())
}

fn text(value: &Value, field: &str) -> Result<String, ResourceError> {
    let missing = || ResourceError::Missing { field: field.to_owned() };
    value.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(missing)
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `projectId`, `datasetId` and the id itself out of a reference.
fn reference(value: &Value, field: &str, id: &str) -> Result<TableName, ResourceError> {
    let inner = value.get(field).ok_or_else(|| ResourceError::Missing { field: field.to_owned() })?;
    Ok(TableName::new(&text(inner, "projectId")?, &text(inner, "datasetId")?, &text(inner, id)?))
}

fn etag(value: &Value) -> String {
    value.get("etag").and_then(Value::as_str).unwrap_or_default().to_owned()
}
