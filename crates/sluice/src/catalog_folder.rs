//! A catalog as a folder of BigQuery resources, told apart by their reference field.

use crate::command::Failure;
use serde_json::Value;
use sluice_model::{ColumnPath, TableName};
use sluice_sql::catalog::Snapshot;
use std::path::Path;

/// One resource file, in bytes. BigQuery's own schemas stay below 10,000 columns.
const RESOURCE_BYTES_MAX: u64 = 16 << 20;

pub fn read(folder: &Path) -> Result<Snapshot, Failure> {
    let mut snapshot = Snapshot::default();
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    for entry in entries {
        let path = entry.map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            add(&path, &mut snapshot).map_err(|why| Failure::new(format!("{}: {why}", path.display())))?;
        }
    }
    if snapshot.tables.is_empty() && snapshot.routines.is_empty() {
        return Err(Failure::new(format!("{} holds no table or routine resource", folder.display())));
    }
    Ok(snapshot)
}

/// BigQuery's policy tags on the columns of the tables in it.
pub fn policy_tags(folder: &Path) -> Result<Vec<(ColumnPath, String)>, Failure> {
    let entries = std::fs::read_dir(folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    let mut tags = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let resource = resource(&path).map_err(|why| Failure::new(format!("{}: {why}", path.display())))?;
            tags.extend(tags_of(&resource));
        }
    }
    tags.sort();
    Ok(tags)
}

fn tags_of(resource: &Value) -> Vec<(ColumnPath, String)> {
    let part = |name: &str| resource.pointer(&format!("/tableReference/{name}")).and_then(Value::as_str);
    match (part("projectId"), part("datasetId"), part("tableId"), resource.get("schema")) {
        (Some(project), Some(dataset), Some(table), Some(schema)) => {
            sluice_wire::policy_tags(&TableName::new(project, dataset, table), schema)
        }
        _ => Vec::new(),
    }
}

fn add(path: &Path, snapshot: &mut Snapshot) -> Result<(), String> {
    sluice_wire::add(&resource(path)?, snapshot).map_err(|error| error.to_string())
}

fn resource(path: &Path) -> Result<Value, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > RESOURCE_BYTES_MAX {
        return Err(format!("the file has {size} bytes, more than {RESOURCE_BYTES_MAX}"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}
