//! What stands around rows: `jobs.query`, `jobs.getQueryResults`, `tabledata.list`. The rows themselves go as they were put on record.

use super::known;
use serde_json::{Map, Value, json};
use sluice_app::{JobName, JobState, Results};
use sluice_mask::Head;

pub fn query_response(results: &Results) -> (Map<String, Value>, u64) {
    let (mut head, dropped) = around("QueryResponse", "bigquery#queryResponse", results);
    // Every query is a job here, and BigQuery names such a query by its job.
    let of_reference = |name: &str| head.get("jobReference").and_then(|reference| reference.get(name)).cloned();
    let (id, location) = (of_reference("jobId"), of_reference("location"));
    head.extend(id.map(|id| ("queryId".to_owned(), id)));
    head.extend(location.map(|location| ("location".to_owned(), location)));
    let job = results.state.as_ref().map(|state| &state.resource.0);
    if let Some(job) = job {
        take(&mut head, job, &["jobCreationReason"]);
    }
    if let Some(statistics) = job.and_then(|job| job.get("statistics")) {
        take(&mut head, statistics, &["creationTime", "startTime", "endTime", "totalBytesProcessed", "totalSlotMs", "sessionInfo"]);
        if let Some(query) = statistics.get("query") {
            let names =
                ["cacheHit", "dmlStats", "numDmlAffectedRows", "schema", "statementType", "totalBytesBilled", "totalBytesProcessed"];
            take(&mut head, query, &names);
        }
    }
    let (head, more) = known::keep("QueryResponse", Value::Object(head));
    (object(head), dropped + more)
}

pub fn query_results(results: &Results) -> (Map<String, Value>, u64) {
    around("GetQueryResultsResponse", "bigquery#getQueryResultsResponse", results)
}

/// Of a page whose rows have left: only what no answer before them has said is wanted of it.
pub fn query_tail(head: &Head) -> Map<String, Value> {
    let mut fields = fields_of("bigquery#getQueryResultsResponse", head);
    fields.insert("jobComplete".to_owned(), Value::Bool(head.complete));
    object(known::keep("GetQueryResultsResponse", Value::Object(fields)).0)
}

pub fn table_rows(head: &Head) -> (Map<String, Value>, u64) {
    let mut fields = fields_of("bigquery#tableDataList", head);
    fields.remove("schema");
    let (kept, dropped) = known::keep("TableDataList", Value::Object(fields));
    (object(kept), dropped)
}

fn around(resource: &str, kind: &str, results: &Results) -> (Map<String, Value>, u64) {
    let mut fields = fields_of(kind, &results.head);
    fields.insert("jobComplete".to_owned(), Value::Bool(results.complete));
    if !results.complete {
        // Nothing that is not final.
        fields.retain(|name, _| matches!(name.as_str(), "jobComplete" | "kind"));
    }
    let name = results.job.as_ref().or(results.state.as_ref().map(|state| &state.name));
    fields.extend(name.map(|name| ("jobReference".to_owned(), reference(name, results.state.as_ref()))));
    let (kept, dropped) = known::keep(resource, Value::Object(fields));
    (object(kept), dropped)
}

fn fields_of(kind: &str, head: &Head) -> Map<String, Value> {
    let mut fields = head.rest.clone();
    fields.insert("kind".to_owned(), json!(kind));
    fields.extend(head.schema.clone().map(|schema| ("schema".to_owned(), schema)));
    fields.extend(head.total_rows.map(|rows| ("totalRows".to_owned(), Value::String(rows.to_string()))));
    fields.extend(head.page_token.clone().map(|token| ("pageToken".to_owned(), Value::String(token))));
    fields
}

/// BigQuery's own spelling of the location, where it has said it. A dry run has no id.
fn reference(name: &JobName, state: Option<&JobState>) -> Value {
    let said = state.and_then(|state| state.resource.0.pointer("/jobReference/location")).and_then(Value::as_str);
    let mut reference = Map::new();
    reference.insert("projectId".to_owned(), Value::String(name.project.clone()));
    if !name.id.is_empty() {
        reference.insert("jobId".to_owned(), Value::String(name.id.clone()));
    }
    let location = said.map(str::to_owned).or_else(|| name.location.clone());
    reference.extend(location.map(|location| ("location".to_owned(), Value::String(location))));
    Value::Object(reference)
}

/// What the page does not say and the job does.
fn take(head: &mut Map<String, Value>, from: &Value, names: &[&str]) {
    for name in names {
        if let Some(value) = from.get(name).filter(|_| !head.contains_key(*name)) {
            head.insert((*name).to_owned(), value.clone());
        }
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
