//! One table or view, and its REST resource.

use super::rows::Rows;
use crate::problem::Problem;
use crate::values::Column;
use crate::values::calendar::datetime_text;
use crate::values::schema::{schema_from_json, schema_to_json};
use serde_json::{Map, Value, json};
use sluice_model::TableName;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Table {
    pub name: TableName,
    pub columns: Vec<Column>,
    pub kind: TableKind,
    pub rows: Arc<Rows>,
    pub created_milliseconds: i64,
    pub modified_milliseconds: i64,
    /// What we keep and do not read: description, labels, partitioning, clustering.
    pub extra: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// Made by a formula; only plain scans of it are executed.
    Generated,
    /// A table as it was: it is read and never changed.
    Snapshot,
    Table,
    View {
        query: String,
        legacy: bool,
    },
}

/// Fields of a table resource that clients may set and that we only keep.
pub const KEPT: [&str; 11] = [
    "clustering",
    "defaultCollation",
    "description",
    "expirationTime",
    "friendlyName",
    "labels",
    "rangePartitioning",
    "requirePartitionFilter",
    "resourceTags",
    "tableConstraints",
    "timePartitioning",
];
/// Fields that would make it something we do not do.
const REFUSED: [&str; 6] = [
    "biglakeConfiguration",
    "cloneDefinition",
    "encryptionConfiguration",
    "externalDataConfiguration",
    "materializedView",
    "snapshotDefinition",
];

const MICROSECONDS_PER_MILLISECOND: i64 = 1_000;
/// What says that a table was made of another one. Clients read these.
const MADE_OF: [&str; 2] = ["cloneDefinition", "snapshotDefinition"];

impl Table {
    pub fn new(name: TableName, columns: Vec<Column>, rows: Arc<Rows>, now: i64) -> Table {
        let extra = Map::new();
        Table { name, columns, kind: TableKind::Table, rows, created_milliseconds: now, modified_milliseconds: now, extra }
    }

    /// Reads a client's table resource. A view's columns are found out by the caller.
    pub fn from_json(name: TableName, resource: &Value, now: i64) -> Result<Table, Problem> {
        if let Some(field) = REFUSED.iter().find(|field| resource.get(**field).is_some_and(|value| !value.is_null())) {
            return Err(Problem::not_implemented(&format!("tables with `{field}`")));
        }
        let columns = schema_from_json(resource.get("schema").unwrap_or(&Value::Null))?;
        let mut table = Table::new(name, columns, Arc::new(Rows::held(Vec::new())), now);
        if let Some(view) = resource.get("view").filter(|view| !view.is_null()) {
            let query = view.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
            let legacy = view.get("useLegacySql").and_then(Value::as_bool).unwrap_or(false);
            table.kind = TableKind::View { query, legacy };
        }
        let kept = |key: &&str| resource.get(*key).filter(|value| !value.is_null()).map(|value| ((*key).to_owned(), value.clone()));
        table.extra = KEPT.iter().filter_map(kept).collect();
        Ok(table)
    }

    /// Reads what the warehouse kept: also what no client may say.
    pub fn from_kept(name: TableName, resource: &Value, now: i64) -> Result<Table, Problem> {
        let mut plain = resource.clone();
        let made: Vec<(String, Value)> = plain
            .as_object_mut()
            .map(|fields| MADE_OF.iter().filter_map(|field| fields.remove_entry(*field)).collect())
            .unwrap_or_default();
        let mut table = Table::from_json(name, &plain, now)?;
        if made.iter().any(|(field, _)| field == "snapshotDefinition") {
            table.kind = TableKind::Snapshot;
        }
        table.extra.extend(made);
        Ok(table)
    }

    /// A new table with the columns, the layout and the rows of this one.
    pub fn copied(&self, name: TableName, rows: Arc<Rows>, now: i64) -> Table {
        let own = self.extra.iter().filter(|(field, _)| !MADE_OF.contains(&field.as_str()));
        let extra = own.map(|(field, value)| (field.clone(), value.clone())).collect();
        Table { extra, ..Table::new(name, self.columns.clone(), rows, now) }
    }

    /// The same, and it says so: a snapshot, or a clone.
    pub fn derived(&self, name: TableName, is_snapshot: bool, now: i64) -> Table {
        let mut table = self.copied(name, self.rows.clone(), now);
        let TableName { project, dataset, table: base } = &self.name;
        let base = json!({ "projectId": project, "datasetId": dataset, "tableId": base });
        let (field, time) = if is_snapshot { ("snapshotDefinition", "snapshotTime") } else { ("cloneDefinition", "cloneTime") };
        let at = format!("{}Z", datetime_text(now.saturating_mul(MICROSECONDS_PER_MILLISECOND)));
        table.extra.insert(field.to_owned(), json!({ "baseTableReference": base, time: at }));
        if is_snapshot {
            table.kind = TableKind::Snapshot;
        }
        table
    }

    pub fn to_json(&self, location: &str) -> Value {
        let TableName { project, dataset, table } = &self.name;
        let mut resource = json!({
            "kind": "bigquery#table",
            "etag": self.etag(),
            "id": format!("{project}:{dataset}.{table}"),
            "selfLink": format!("https://bigquery.googleapis.com/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}"),
            "tableReference": { "projectId": project, "datasetId": dataset, "tableId": table },
            "schema": schema_to_json(&self.columns),
            "creationTime": self.created_milliseconds.to_string(),
            "lastModifiedTime": self.modified_milliseconds.to_string(),
            "type": self.type_word(),
            "location": location,
        });
        if let Some(fields) = resource.as_object_mut() {
            match &self.kind {
                TableKind::View { query, legacy } => {
                    fields.insert("view".to_owned(), json!({ "query": query, "useLegacySql": legacy }));
                }
                TableKind::Generated | TableKind::Snapshot | TableKind::Table => {
                    fields.insert("numRows".to_owned(), json!(self.rows.count().to_string()));
                    fields.insert("numBytes".to_owned(), json!(self.rows.bytes().to_string()));
                    fields.insert("numLongTermBytes".to_owned(), json!("0"));
                }
            }
            fields.extend(self.extra.clone());
        }
        resource
    }

    /// The shorter form of `tables.list`.
    pub fn to_list_json(&self) -> Value {
        let TableName { project, dataset, table } = &self.name;
        let mut entry = json!({
            "kind": "bigquery#table",
            "id": format!("{project}:{dataset}.{table}"),
            "tableReference": { "projectId": project, "datasetId": dataset, "tableId": table },
            "type": self.type_word(),
            "creationTime": self.created_milliseconds.to_string(),
        });
        if let Some(fields) = entry.as_object_mut() {
            for key in ["labels", "friendlyName", "timePartitioning", "clustering", "expirationTime"] {
                fields.extend(self.extra.get(key).map(|value| (key.to_owned(), value.clone())));
            }
            if let TableKind::View { legacy, .. } = self.kind {
                fields.insert("view".to_owned(), json!({ "useLegacySql": legacy }));
            }
        }
        entry
    }

    pub fn type_word(&self) -> &'static str {
        match self.kind {
            TableKind::Generated | TableKind::Table => "TABLE",
            TableKind::Snapshot => "SNAPSHOT",
            TableKind::View { .. } => "VIEW",
        }
    }

    /// Changes with every change of the resource or of its rows.
    pub fn etag(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.name, self.modified_milliseconds, self.rows.version).hash(&mut hasher);
        schema_to_json(&self.columns).to_string().hash(&mut hasher);
        Value::Object(self.extra.clone()).to_string().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
