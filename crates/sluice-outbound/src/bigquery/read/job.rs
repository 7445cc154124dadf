//! A Job resource, as far as the path of a request has to know it.

use super::field::{Misread, fields, maybe_number, maybe_object, maybe_text, reference, references, text};
use crate::bigquery::error;
use serde_json::Value;
use sluice_app::{JobName, JobState, Resource, UpstreamError};
use sluice_model::TableName;
use std::collections::BTreeMap;

/// Numbers of `statistics` that have a meaning for records and clients, by the member that they stand in.
const NUMBERS: [(&str, &[&str]); 5] = [
    ("", &["creationTime", "endTime", "finalExecutionDurationMs", "numChildJobs", "startTime", "totalBytesProcessed", "totalSlotMs"]),
    ("copy", &["copiedLogicalBytes", "copiedRows"]),
    ("extract", &["inputBytes"]),
    ("load", &["badRecords", "inputFileBytes", "inputFiles", "outputBytes", "outputRows"]),
    ("query", &["billingTier", "numDmlAffectedRows", "totalBytesBilled", "totalBytesProcessed", "totalPartitionsProcessed", "totalSlotMs"]),
];

/// Of one job. BigQuery lists few.
const ERRORS_MAX: usize = 100;

/// `asked` is the job that this must be; nothing for a dry run, which has no id.
pub(crate) fn job(resource: &Value, asked: Option<&JobName>) -> Result<JobState, Misread> {
    let name = name(resource, asked)?;
    let status = maybe_object(resource, "status")?.ok_or_else(|| Misread("`status` is missing".to_owned()))?;
    let done = match text(status, "state")? {
        "DONE" => true,
        "PENDING" | "RUNNING" => false,
        _ => return Err(Misread("`state` is none of BigQuery's".to_owned())),
    };
    let statistics = maybe_object(resource, "statistics")?.unwrap_or(&Value::Null);
    let query = maybe_object(statistics, "query")?.unwrap_or(&Value::Null);
    Ok(JobState {
        name,
        done,
        error: maybe_object(status, "errorResult")?.map(error::of_job),
        errors: errors(status)?,
        statement_type: maybe_text(query, "statementType")?.map(str::to_owned),
        referenced_tables: references(query, "referencedTables", "tableId")?,
        referenced_routines: references(query, "referencedRoutines", "routineId")?,
        schema: maybe_object(query, "schema")?.map(fields).transpose()?,
        head: None,
        destination: destination(resource)?,
        statistics: numbers(statistics)?,
        resource: Resource(resource.clone()),
    })
}

/// Whether it has rows: nothing else is asked for them.
pub(crate) fn is_query(resource: &Value) -> bool {
    resource.pointer("/configuration/query").is_some_and(Value::is_object)
}

/// A warehouse that answers for another job than the one it was asked for is not believed.
fn name(resource: &Value, asked: Option<&JobName>) -> Result<JobName, Misread> {
    let reference = maybe_object(resource, "jobReference")?.ok_or_else(|| Misread("`jobReference` is missing".to_owned()))?;
    let project = text(reference, "projectId")?.to_owned();
    let location = maybe_text(reference, "location")?.map(str::to_ascii_lowercase);
    let id = match asked {
        Some(_) => text(reference, "jobId")?,
        None => maybe_text(reference, "jobId")?.unwrap_or_default(),
    };
    let id = id.to_owned();
    let is_other = asked.is_some_and(|asked| {
        asked.id != id || asked.project != project || matches!((&asked.location, &location), (Some(one), Some(other)) if one != other)
    });
    if is_other { Err(Misread("`jobReference` is of another job".to_owned())) } else { Ok(JobName { project, location, id }) }
}

/// With what was wrong where, and what was only noticed.
fn errors(status: &Value) -> Result<Vec<UpstreamError>, Misread> {
    match status.get("errors") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(listed)) => Ok(listed.iter().filter(|error| error.is_object()).take(ERRORS_MAX).map(error::of_job).collect()),
        Some(_) => Err(Misread("`errors` is not a list".to_owned())),
    }
}

fn destination(resource: &Value) -> Result<Option<TableName>, Misread> {
    let configuration = maybe_object(resource, "configuration")?.unwrap_or(&Value::Null);
    for kind in ["query", "load", "copy"] {
        if let Some(table) = maybe_object(configuration, kind)?.map(|of| maybe_object(of, "destinationTable")).transpose()?.flatten() {
            return reference(table, "tableId").map(Some);
        }
    }
    Ok(None)
}

fn numbers(statistics: &Value) -> Result<BTreeMap<String, u64>, Misread> {
    let mut found = BTreeMap::new();
    for (place, names) in NUMBERS {
        let within = if place.is_empty() { Some(statistics) } else { maybe_object(statistics, place)? };
        for name in names {
            if let Some(number) = within.map(|within| maybe_number(within, name)).transpose()?.flatten() {
                found.entry((*name).to_owned()).or_insert(number);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource() -> Value {
        json!({
            "jobReference": { "projectId": "example.com:p", "jobId": "j-1", "location": "US" },
            "configuration": { "query": { "query": "SELECT 1", "destinationTable": { "projectId": "example.com:p", "datasetId": "_a", "tableId": "anon" } } },
            "status": { "state": "DONE" },
            "statistics": { "creationTime": "1700000000000", "totalBytesProcessed": "5", "query": {
                "statementType": "SELECT",
                "totalBytesProcessed": "6",
                "totalBytesBilled": "10485760",
                "billingTier": 1,
                "referencedTables": [{ "projectId": "example.com:p", "datasetId": "d", "tableId": "t" }],
            } },
        })
    }

    fn asked() -> JobName {
        JobName { project: "example.com:p".to_owned(), location: None, id: "j-1".to_owned() }
    }

    #[test]
    fn a_job_is_read_whole() {
        let state = job(&resource(), Some(&asked())).unwrap();
        assert_eq!(state.name, JobName { location: Some("us".to_owned()), ..asked() });
        assert!(state.done && state.error.is_none() && is_query(&state.resource.0));
        assert_eq!(state.destination, Some(TableName::new("example.com:p", "_a", "anon")));
        let numbers: Vec<(&str, u64)> = state.statistics.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(
            numbers,
            [("billingTier", 1), ("creationTime", 1_700_000_000_000), ("totalBytesBilled", 10_485_760), ("totalBytesProcessed", 5)]
        );
        assert_eq!(state.referenced_tables, [TableName::new("example.com:p", "d", "t")]);
    }

    #[test]
    fn what_differs_is_not_read() {
        let check = |pointer: &str, value: Value, expect: &str| {
            let mut changed = resource();
            let (place, name) = pointer.rsplit_once('/').unwrap();
            let within = changed.pointer_mut(place).unwrap().as_object_mut().unwrap();
            within.insert(name.to_owned(), value.clone());
            assert_eq!(job(&changed, Some(&asked())).map(|_| ()), Err(Misread(expect.to_owned())), "{pointer} {value}");
        };
        check("/jobReference", Value::Null, "`jobReference` is missing");
        check("/jobReference", json!("p:US.j-1"), "`jobReference` is not an object");
        check("/jobReference/jobId", json!(""), "`jobId` is missing");
        check("/jobReference/jobId", json!("j-2"), "`jobReference` is of another job");
        check("/jobReference/jobId", json!("J-1"), "`jobReference` is of another job");
        check("/jobReference/projectId", json!("p"), "`jobReference` is of another job");
        check("/jobReference/projectId", json!(7), "`projectId` is not a text");
        check("/status", Value::Null, "`status` is missing");
        check("/status/state", Value::Null, "`state` is missing");
        check("/status/state", json!("done"), "`state` is none of BigQuery's");
        check("/status/state", json!(true), "`state` is not a text");
        check("/status/errorResult", json!("stopped"), "`errorResult` is not an object");
        check("/status/errors", json!("stopped"), "`errors` is not a list");
        check("/statistics", json!([]), "`statistics` is not an object");
        check("/statistics/creationTime", json!("soon"), "`creationTime` is not a number");
        check("/statistics/creationTime", json!(-1), "`creationTime` is not a number");
        check("/statistics/query/totalBytesBilled", json!("1e3"), "`totalBytesBilled` is not a number");
        check("/statistics/query/totalBytesBilled", json!(" 1"), "`totalBytesBilled` is not a number");
        check("/statistics/query/referencedTables", json!([{}]), "`projectId` is missing");
        check("/statistics/query/referencedTables", json!([{ "projectId": "p.d", "datasetId": "t" }]), "`tableId` is missing");
        check("/configuration/query/destinationTable", json!({ "projectId": "p" }), "`datasetId` is missing");
        check("/configuration/query/destinationTable", json!("p.d.t"), "`destinationTable` is not an object");
    }

    #[test]
    fn a_place_is_compared_where_both_say_one() {
        let at = |place: &str| JobName { location: Some(place.to_owned()), ..asked() };
        assert!(job(&resource(), Some(&at("us"))).is_ok());
        assert!(job(&resource(), Some(&at("eu"))).is_err());
    }

    #[test]
    fn a_failed_job_says_why() {
        let mut failed = resource();
        failed["status"] = json!({ "state": "DONE", "errorResult": { "reason": "invalidQuery\n", "message": "No: 4711" } });
        failed["status"]["errors"] = json!([{ "reason": "invalid", "location": "gs://b/f.csv", "message": "line 3" }, "?", {}]);
        let state = job(&failed, Some(&asked())).unwrap();
        let said = |error: &UpstreamError| (error.reason.clone(), error.location.clone(), error.message.clone());
        let expect =
            |reason: &str, location: Option<&str>, message: &str| (reason.to_owned(), location.map(str::to_owned), message.to_owned());
        assert_eq!(state.error.as_ref().map(said), Some(expect("invalidQuery", None, "No: 4711")));
        let all: Vec<_> = state.errors.iter().map(said).collect();
        assert_eq!(all, [expect("invalid", Some("gs://b/f.csv"), "line 3"), expect("", None, "")]);
    }

    #[test]
    fn a_dry_run_has_no_id() {
        let mut described = resource();
        described["jobReference"] = json!({ "projectId": "example.com:p", "location": "EU" });
        assert_eq!(job(&described, None).unwrap().name.id, "");
        assert!(job(&described, Some(&asked())).is_err());
    }
}
