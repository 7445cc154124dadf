//! `tables.get`.

use crate::{ResourceError, columns, etag, reference, text};
use serde_json::Value;
use sluice_sql::catalog::{Table, TableKind};

pub fn table(resource: &Value) -> Result<Table, ResourceError> {
    let kind = match text(resource, "type").unwrap_or_else(|_| "TABLE".to_owned()).as_str() {
        "VIEW" => view(resource, "view", false)?,
        "MATERIALIZED_VIEW" => view(resource, "materializedView", true)?,
        "EXTERNAL" => TableKind::External,
        "SNAPSHOT" => TableKind::Snapshot,
        _ => TableKind::Table,
    };
    let partitioning = resource.get("timePartitioning");
    Ok(Table {
        name: reference(resource, "tableReference", "tableId")?,
        columns: resource.get("schema").map(columns).transpose()?.unwrap_or_default(),
        kind,
        etag: etag(resource),
        ingestion_time: partitioning.is_some_and(|partitioning| partitioning.get("field").is_none()),
        partitioned_by: partitioned_by(resource),
    })
}

fn partitioned_by(resource: &Value) -> Option<String> {
    let kinds = ["timePartitioning", "rangePartitioning"].into_iter();
    let mut fields = kinds.filter_map(|kind| resource.get(kind)?.get("field")?.as_str());
    fields.next().map(str::to_owned)
}

fn view(resource: &Value, field: &str, materialized: bool) -> Result<TableKind, ResourceError> {
    let definition = resource.get(field).ok_or_else(|| ResourceError::Missing { field: field.to_owned() })?;
    // The API's own default is legacy SQL; a materialized view has no such field and is always GoogleSQL.
    let legacy = !materialized && definition.get("useLegacySql").and_then(Value::as_bool).unwrap_or(true);
    Ok(TableKind::View { query: text(definition, "query")?, legacy, materialized })
}
