//! `tables.get`.

use crate::schema::collates;
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
        partitions_expire: partitioning.is_some_and(|partitioning| partitioning.get("expirationMs").is_some_and(|days| !days.is_null())),
        clustered_by: clustered_by(resource),
        collates: resource.get("schema").is_some_and(collates),
        created_ms: resource.get("creationTime").and_then(Value::as_str).and_then(|text| text.parse().ok()),
    })
}

fn partitioned_by(resource: &Value) -> Option<String> {
    let kinds = ["timePartitioning", "rangePartitioning"].into_iter();
    let mut fields = kinds.filter_map(|kind| resource.get(kind)?.get("field")?.as_str());
    fields.next().map(str::to_owned)
}

fn clustered_by(resource: &Value) -> Vec<String> {
    let fields = resource.get("clustering").and_then(|clustering| clustering.get("fields")).and_then(Value::as_array);
    fields.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn view(resource: &Value, field: &str, materialized: bool) -> Result<TableKind, ResourceError> {
    let definition = resource.get(field).ok_or_else(|| ResourceError::Missing { field: field.to_owned() })?;
    // The API's own default is legacy SQL; a materialized view has no such field and is always GoogleSQL.
    let legacy = !materialized && definition.get("useLegacySql").and_then(Value::as_bool).unwrap_or(true);
    Ok(TableKind::View { query: text(definition, "query")?, legacy, materialized })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_collation_is_seen_wherever_it_stands() {
        let check = |field: Value, expect: bool| {
            let reference = json!({ "projectId": "p", "datasetId": "d", "tableId": "t" });
            let resource = json!({ "tableReference": reference, "schema": { "fields": [{ "name": "id", "type": "INT64" }, field] } });
            assert_eq!(table(&resource).unwrap().collates, expect, "{field}");
        };
        let inner = json!({ "name": "a", "type": "STRING", "collation": "und:ci" });
        check(json!({ "name": "a", "type": "STRING" }), false);
        check(json!({ "name": "a", "type": "STRING", "collation": "" }), false);
        check(inner.clone(), true);
        check(json!({ "name": "r", "type": "RECORD", "mode": "REPEATED", "fields": [inner] }), true);
    }

    #[test]
    fn partitions_are_named_by_a_column_or_by_the_time_of_arrival() {
        let check = |partitioning: Value, by_column: Option<&str>, ingestion_time: bool| {
            let mut resource = json!({ "tableReference": { "projectId": "p", "datasetId": "d", "tableId": "t" } });
            resource.as_object_mut().unwrap().extend(partitioning.as_object().unwrap().clone());
            let table = table(&resource).unwrap();
            assert_eq!((table.partitioned_by.as_deref(), table.ingestion_time), (by_column, ingestion_time), "{partitioning}");
        };
        check(json!({}), None, false);
        check(json!({ "timePartitioning": { "type": "DAY" } }), None, true);
        check(json!({ "timePartitioning": { "type": "DAY", "field": "born" } }), Some("born"), false);
        check(
            json!({ "rangePartitioning": { "field": "ward", "range": { "start": "0", "end": "9", "interval": "1" } } }),
            Some("ward"),
            false,
        );
    }
}
