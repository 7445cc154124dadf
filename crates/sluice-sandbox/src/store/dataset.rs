//! One dataset, its tables and routines, and its REST resource.

use super::routine::Routine;
use super::table::Table;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetName {
    pub project: String,
    pub dataset: String,
}

#[derive(Clone, Debug)]
pub struct Dataset {
    pub name: DatasetName,
    pub tables: BTreeMap<String, Arc<Table>>,
    pub routines: BTreeMap<String, Arc<Routine>>,
    pub location: String,
    pub created_milliseconds: i64,
    pub modified_milliseconds: i64,
    pub extra: Map<String, Value>,
}

pub const KEPT: [&str; 8] = [
    "access",
    "defaultCollation",
    "defaultPartitionExpirationMs",
    "defaultTableExpirationMs",
    "description",
    "friendlyName",
    "isCaseInsensitive",
    "labels",
];

impl DatasetName {
    pub fn new(project: &str, dataset: &str) -> DatasetName {
        DatasetName { project: project.to_owned(), dataset: dataset.to_owned() }
    }

    /// Datasets for result tables: BigQuery does not list them either.
    pub fn is_hidden(&self) -> bool {
        self.dataset.starts_with('_')
    }
}

impl Dataset {
    pub fn new(name: DatasetName, location: &str, now: i64) -> Dataset {
        Dataset {
            name,
            tables: BTreeMap::new(),
            routines: BTreeMap::new(),
            location: location.to_owned(),
            created_milliseconds: now,
            modified_milliseconds: now,
            extra: Map::new(),
        }
    }

    pub fn from_json(name: DatasetName, resource: &Value, location: &str, now: i64) -> Dataset {
        let location = resource.get("location").and_then(Value::as_str).unwrap_or(location).to_owned();
        let mut dataset = Dataset::new(name, &location, now);
        let kept = |key: &&str| resource.get(*key).filter(|value| !value.is_null()).map(|value| ((*key).to_owned(), value.clone()));
        dataset.extra = KEPT.iter().filter_map(kept).collect();
        dataset
    }

    pub fn to_json(&self) -> Value {
        let DatasetName { project, dataset } = &self.name;
        let mut resource = self.to_list_json();
        if let Some(fields) = resource.as_object_mut() {
            fields.insert("etag".to_owned(), json!(self.etag()));
            let link = format!("https://bigquery.googleapis.com/bigquery/v2/projects/{project}/datasets/{dataset}");
            fields.insert("selfLink".to_owned(), json!(link));
            fields.insert("creationTime".to_owned(), json!(self.created_milliseconds.to_string()));
            fields.insert("lastModifiedTime".to_owned(), json!(self.modified_milliseconds.to_string()));
            fields.insert("type".to_owned(), json!("DEFAULT"));
            fields.extend(self.extra.clone());
        }
        resource
    }

    pub fn to_list_json(&self) -> Value {
        let DatasetName { project, dataset } = &self.name;
        let mut entry = json!({
            "kind": "bigquery#dataset",
            "id": format!("{project}:{dataset}"),
            "datasetReference": { "projectId": project, "datasetId": dataset },
            "location": self.location,
        });
        if let Some(fields) = entry.as_object_mut() {
            for key in ["labels", "friendlyName"] {
                fields.extend(self.extra.get(key).map(|value| (key.to_owned(), value.clone())));
            }
        }
        entry
    }

    pub fn etag(&self) -> String {
        format!("{:016x}", self.modified_milliseconds)
    }
}
