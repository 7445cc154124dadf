//! Rows of `INFORMATION_SCHEMA.JOBS` in a file.

use crate::command::Failure;
use serde_json::Value;
use sluice_model::TableName;
use sluice_outbound::{CopyKind, HISTORY_BYTES_MAX, PastJob, PastWork};
use std::path::Path;

/// The oldest first.
pub fn read(path: &Path) -> Result<Vec<PastJob>, Failure> {
    let failed = |text: String| Failure::new(format!("{}: {text}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > HISTORY_BYTES_MAX as u64 {
        return Err(failed(format!("the history has {size} bytes, more than {HISTORY_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let rows: Vec<Value> = match serde_json::from_str(&text) {
        Ok(Value::Array(rows)) => rows,
        _ => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(serde_json::from_str).collect::<Result<_, _>>().map_err(|error| failed(error.to_string()))?
        }
    };
    let mut jobs: Vec<(String, PastJob)> = rows.iter().filter_map(job).collect();
    jobs.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(jobs.into_iter().map(|(_, job)| job).collect())
}

/// With when it was created. Loads read no table; a query that only went to its client wrote none.
fn job(row: &Value) -> Option<(String, PastJob)> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let destination = row.get("destination_table").and_then(table);
    let sources = row.get("referenced_tables").and_then(Value::as_array).into_iter().flatten().filter_map(table).collect();
    let is_told_only = text("statement_type") == "SELECT" && destination.as_ref().is_none_or(|table| table.dataset.starts_with('_'));
    let work = match (text("job_type").as_str(), text("query")) {
        ("COPY", _) => PastWork::Copy { kind: CopyKind::Copy, sources, destination },
        (_, query) if query.is_empty() || is_told_only => return None,
        (_, text) => PastWork::Query { text, default_dataset: None, is_legacy: false, destination },
    };
    Some((text("creation_time"), PastJob { id: text("job_id"), project: text("project_id"), created_ms: 0, children: 0, work }))
}

fn table(value: &Value) -> Option<TableName> {
    let part = |name: &str| value.get(name).and_then(Value::as_str);
    Some(TableName::new(part("project_id")?, part("dataset_id")?, part("table_id")?))
}
