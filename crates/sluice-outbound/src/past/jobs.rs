//! `jobs.list` of everybody's jobs, with their texts: it is in every location at once, and lists copies with their sources.

use super::{each, named, number, text};
use crate::bigquery::{BigQuery, unsent};
use crate::rest::encoded;
use serde_json::Value;
use sluice_app::UpstreamFault;
use sluice_model::TableName;

/// Of one project.
pub const HISTORY_JOBS_MAX: usize = 200_000;
/// Of their texts.
pub const HISTORY_BYTES_MAX: usize = 256 << 20;
/// A text may have a megabyte.
const PAGE_JOBS: &str = "200";
/// Of the state that the job of a script is in when one of its statements failed: those before it have written.
const SCRIPT: &str = "SCRIPT";

/// A job that may have written somewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastJob {
    pub id: String,
    pub project: String,
    pub created_ms: u64,
    /// Statements of a script are jobs of their own.
    pub children: u64,
    pub work: PastWork,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastWork {
    Copy {
        kind: CopyKind,
        sources: Vec<TableName>,
        destination: Option<TableName>,
    },
    Query {
        text: String,
        default_dataset: Option<(String, String)>,
        is_legacy: bool,
        /// Where the job itself put the result.
        destination: Option<TableName>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyKind {
    Clone,
    Copy,
    Restore,
    Snapshot,
}

/// Which jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub since_ms: Option<u64>,
    /// The statements of this script, and no others.
    pub parent: Option<String>,
}

/// The newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub jobs: Vec<PastJob>,
    /// All that BigQuery remembers, also those that wrote nothing.
    pub seen: usize,
    /// Queries of others whose texts are kept from the gateway's account.
    pub untold: usize,
    /// The limits did not end it.
    pub is_whole: bool,
}

impl BigQuery {
    /// What was done in a project, by everybody. It takes the right to list all jobs.
    pub async fn history(&self, connection: &str, project: &str, wanted: &Wanted) -> Result<History, UpstreamFault> {
        let connection = self.connection(connection).ok_or_else(|| unsent("no such connection".to_owned()))?;
        let given = [("allUsers", "true"), ("projection", "full"), ("stateFilter", "done"), ("maxResults", PAGE_JOBS)];
        let more = [("minCreationTime", wanted.since_ms.map(|since| since.to_string())), ("parentJobId", wanted.parent.clone())];
        let more = more.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let query: Vec<(String, String)> = given.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).chain(more).collect();
        let (mut history, mut bytes) = (History::default(), 0);
        let take = |entry: &Value| {
            let job = read(entry, project);
            let is_query = text(entry, "/configuration/jobType") == "QUERY";
            history.untold += usize::from(is_query && text(entry, "/configuration/query/query").is_empty());
            bytes += job.as_ref().map_or(0, PastJob::bytes);
            history.seen += 1;
            history.jobs.extend(job);
            history.seen < HISTORY_JOBS_MAX && bytes < HISTORY_BYTES_MAX
        };
        let path = format!("projects/{}/jobs", encoded(project));
        history.is_whole = each(connection, &path, &query, "jobs", take).await?;
        Ok(history)
    }
}

impl PastJob {
    fn bytes(&self) -> usize {
        match &self.work {
            PastWork::Copy { .. } => 0,
            PastWork::Query { text, .. } => text.len(),
        }
    }
}

/// Nothing for what wrote nothing: what failed, unless it was a script; what only went to its client; loads and extracts.
fn read(job: &Value, project: &str) -> Option<PastJob> {
    let kind = text(job, "/statistics/query/statementType");
    let has_failed = job.pointer("/status/errorResult").or_else(|| job.get("errorResult")).is_some_and(|error| !error.is_null());
    if has_failed && kind != SCRIPT {
        return None;
    }
    let table = |pointer: &str| job.pointer(pointer).and_then(|reference| named(reference, "tableId"));
    let work = if let Some(copy) = job.pointer("/configuration/copy") {
        let listed = copy.get("sourceTables").and_then(Value::as_array).into_iter().flatten();
        let sources = copy.get("sourceTable").into_iter().chain(listed).filter_map(|reference| named(reference, "tableId"));
        let kind = match text(copy, "/operationType") {
            "CLONE" => CopyKind::Clone,
            "RESTORE" => CopyKind::Restore,
            "SNAPSHOT" => CopyKind::Snapshot,
            _ => CopyKind::Copy,
        };
        PastWork::Copy { kind, sources: sources.collect(), destination: table("/configuration/copy/destinationTable") }
    } else {
        let query = job.pointer("/configuration/query")?;
        let destination = table("/configuration/query/destinationTable");
        let text_of = text(query, "/query");
        if text_of.is_empty() || (kind == "SELECT" && destination.as_ref().is_none_or(is_hidden)) {
            return None;
        }
        let part = |name: &str| query.pointer(&format!("/defaultDataset/{name}")).and_then(Value::as_str);
        let default_dataset = part("datasetId").map(|dataset| (part("projectId").unwrap_or(project).to_owned(), dataset.to_owned()));
        // The API's own default is legacy SQL; a job that is listed says what it was.
        let is_legacy = query.get("useLegacySql").is_none_or(|legacy| legacy.as_bool().unwrap_or(true));
        PastWork::Query { text: text_of.to_owned(), default_dataset, is_legacy, destination }
    };
    let id = text(job, "/jobReference/jobId").to_owned();
    let (created_ms, children) = (number(job, "/statistics/creationTime"), number(job, "/statistics/numChildJobs"));
    Some(PastJob { id, project: project.to_owned(), created_ms, children, work })
}

/// Results of queries lie in datasets that nobody names.
fn is_hidden(table: &TableName) -> bool {
    table.dataset.starts_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(job: &Value) -> String {
        match read(job, "p").map(|job| job.work) {
            None => "nothing".to_owned(),
            Some(PastWork::Copy { kind, sources, destination }) => {
                let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
                format!("{kind:?} {} > {}", sources.join("+"), destination.map(|table| table.to_string()).unwrap_or_default())
            }
            Some(PastWork::Query { text, default_dataset, is_legacy, destination }) => {
                let (destination, legacy) = (destination.map(|table| format!(" > {table}")), if is_legacy { " legacy" } else { "" });
                let within = default_dataset.map(|(project, dataset)| format!(" in {project}.{dataset}"));
                format!("{text}{legacy}{}{}", within.unwrap_or_default(), destination.unwrap_or_default())
            }
        }
    }

    #[test]
    fn only_what_may_have_written_is_taken() {
        let table = |dataset: &str, table: &str| json!({ "projectId": "p", "datasetId": dataset, "tableId": table });
        let query = |text: &str, kind: &str, more: Value, status: Value| {
            let mut query = json!({ "query": text, "useLegacySql": false });
            query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({
                "jobReference": { "projectId": "p", "jobId": "j" }, "configuration": { "query": query }, "status": status,
                "statistics": { "creationTime": "17", "numChildJobs": "2", "query": { "statementType": kind } },
            })
        };
        let done = || json!({ "state": "DONE" });
        let failed = || json!({ "state": "DONE", "errorResult": { "reason": "invalid" } });
        let check = |job: &Value, expect: &str| assert_eq!(shown(job), expect, "{job}");
        check(&query("SELECT 1", "SELECT", json!({ "destinationTable": table("_anon", "x") }), done()), "nothing");
        check(&query("SELECT 1", "SELECT", json!({}), done()), "nothing");
        check(&query("SELECT 1", "SELECT", json!({ "destinationTable": table("d", "x") }), done()), "SELECT 1 > p.d.x");
        check(&query("CREATE TABLE x", "CREATE_TABLE", json!({ "defaultDataset": { "datasetId": "d" } }), done()), "CREATE TABLE x in p.d");
        check(&query("CREATE TABLE x", "CREATE_TABLE", json!({}), failed()), "nothing");
        check(&query("BEGIN END", "SCRIPT", json!({}), failed()), "BEGIN END");
        check(&query("x", "INSERT", json!({ "useLegacySql": true }), done()), "x legacy");
        let job = read(&query("BEGIN END", "SCRIPT", json!({}), done()), "p").unwrap();
        assert_eq!((job.id.as_str(), job.created_ms, job.children), ("j", 17, 2));
        let copy = |copy: Value| json!({ "configuration": { "copy": copy }, "status": done() });
        check(&copy(json!({ "sourceTable": table("d", "a"), "destinationTable": table("e", "b") })), "Copy p.d.a > p.e.b");
        check(
            &copy(
                json!({ "sourceTables": [table("d", "a"), table("d", "c")], "destinationTable": table("e", "b"), "operationType": "SNAPSHOT" }),
            ),
            "Snapshot p.d.a+p.d.c > p.e.b",
        );
        check(&json!({ "configuration": { "load": {} } }), "nothing");
        check(&json!({}), "nothing");
    }
}
