//! A catalog as a folder of BigQuery resources, told apart by their reference field.

use crate::command::Failure;
use serde_json::Value;
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

fn add(path: &Path, snapshot: &mut Snapshot) -> Result<(), String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > RESOURCE_BYTES_MAX {
        return Err(format!("the file has {size} bytes, more than {RESOURCE_BYTES_MAX}"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let resource: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    sluice_wire::add(&resource, snapshot).map_err(|error| error.to_string())
}
