//! Names in a body: one thing has one name. What is read is what is sent, spelled out with its project.

use super::super::names;
use super::fault::{FormFault, Path, quoted};
use super::shape::text_of;
use serde_json::{Map, Value, json};
use sluice_model::TableName;
use sluice_policy::Resource;

const URI_BYTES_MAX: usize = 2_048;
const BUCKET_BYTES_MAX: usize = 222;

/// A table as a job names it.
#[derive(Debug)]
pub(super) struct Named {
    /// Without the partition: labels and rules are about tables.
    pub table: TableName,
    partition: Option<String>,
}

impl Named {
    pub fn is_partition(&self) -> bool {
        self.partition.is_some()
    }

    pub fn reference(&self) -> Value {
        let partition = self.partition.iter().map(|partition| format!("${partition}"));
        let table: String = std::iter::once(self.table.table.clone()).chain(partition).collect();
        json!({ "projectId": self.table.project, "datasetId": self.table.dataset, "tableId": table })
    }
}

pub(super) fn table(project: &str, given: &Map<String, Value>, at: &Path<'_>) -> Result<Named, FormFault> {
    let (project, dataset) = self::dataset(project, given, at)?;
    let id = required(given, "tableId", at)?;
    let at = at.name("tableId");
    if id.contains('@') {
        let text = "reads a table as it once was, with columns that may no longer be labelled: use `FOR SYSTEM_TIME AS OF` in a query";
        return Err(FormFault::unsupported(&at, text));
    }
    let (table, partition) = names::decorated(id).ok_or_else(|| {
        let text = "letters, digits, `_`, `-` and spaces, and a partition behind `$`; project and dataset have fields of their own";
        no_name(id, "table", text, &at)
    })?;
    Ok(Named { table: TableName::new(&project, &dataset, table), partition: partition.map(str::to_owned) })
}

pub(super) fn model(project: &str, given: &Map<String, Value>, at: &Path<'_>) -> Result<TableName, FormFault> {
    let (project, dataset) = dataset(project, given, at)?;
    let id = required(given, "modelId", at)?;
    if !names::is_plain(id) {
        return Err(no_name(id, "model", "letters, digits and `_`", &at.name("modelId")));
    }
    Ok(TableName::new(&project, &dataset, id))
}

/// Project and dataset. BigQuery also takes a project's number, which would be a second name for everything in it.
pub(super) fn dataset(project: &str, given: &Map<String, Value>, at: &Path<'_>) -> Result<(String, String), FormFault> {
    let named = text_of(given, "projectId").unwrap_or(project);
    if !names::is_project(named) {
        return Err(no_name(named, "project", "lower case letters, digits and `-`", &at.name("projectId")));
    }
    if named.bytes().all(|byte| byte.is_ascii_digit()) && named != project {
        return Err(FormFault::unsupported(&at.name("projectId"), "is the number of a project: write its name"));
    }
    let dataset = required(given, "datasetId", at)?;
    let at = at.name("datasetId");
    if !names::is_plain(dataset) {
        return Err(no_name(dataset, "dataset", "letters, digits and `_`; the project has a field of its own", &at));
    }
    // Results lie there as they were before they were masked, under names without a label.
    if dataset.starts_with('_') {
        let text = format!("is {}: hidden datasets hold what BigQuery keeps for itself, name one of your own", quoted(dataset));
        return Err(FormFault::unsupported(&at, text));
    }
    Ok((named.to_owned(), dataset.to_owned()))
}

/// What a policy is asked about a place in Cloud Storage: its bucket.
pub(super) fn bucket(uri: &str, at: &Path<'_>) -> Result<Resource, FormFault> {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let is_bucket = |bucket: &&str| !bucket.is_empty() && bucket.len() <= BUCKET_BYTES_MAX && bucket.bytes().all(is_letter);
    let parts = uri.strip_prefix("gs://").and_then(|rest| rest.split_once('/'));
    let parts = parts.filter(|(_, object)| !object.is_empty() && uri.len() <= URI_BYTES_MAX && !uri.chars().any(char::is_control));
    match parts.map(|(bucket, _)| bucket).filter(is_bucket) {
        Some(bucket) => Ok(outside(&format!("gs://{bucket}"))),
        None => Err(FormFault::invalid(at, format!("is {}, accepted is `gs://bucket/object`", quoted(uri)))),
    }
}

/// A thing outside of datasets: a bucket, a key.
pub(super) fn outside(name: &str) -> Resource {
    Resource::Routine(TableName::new("", "", name))
}

fn required<'a>(given: &'a Map<String, Value>, name: &str, at: &Path<'_>) -> Result<&'a str, FormFault> {
    text_of(given, name).filter(|id| !id.is_empty()).ok_or_else(|| FormFault::invalid(&at.name(name), "is missing"))
}

fn no_name(given: &str, what: &str, accepted: &str, at: &Path<'_>) -> FormFault {
    FormFault::invalid(at, format!("is {}, which names no {what}: accepted are {accepted}", quoted(given)))
}
