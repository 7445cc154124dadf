//! A job as BigQuery's REST resource, and its result as rows of an answer.

use super::record::{Job, Moved, Phase, Progress};
use crate::execute::{Changed, Definition, DefinitionTarget, DryRun};
use crate::problem::Problem;
use crate::store::{DatasetName, Rows};
use crate::values::Format;
use crate::values::datum::billed_bytes;
use crate::values::schema::schema_to_json;
use serde_json::{Map, Value, json};
use sluice_model::TableName;

/// BigQuery bills at least so much for each table that is read.
const BILLED_BYTES_MIN: u64 = 10 * 1024 * 1024;
const BILLED_BYTES_STEP: u64 = 1024 * 1024;
pub const PAGE_BYTES_MAX: usize = 8 * 1024 * 1024;
pub const PAGE_ROWS_MAX: u64 = 100_000;
/// `{"v":""},`
const CELL_WRAPPER_BYTES: usize = 10;

pub fn job(job: &Job) -> Value {
    let progress = job.progress();
    let mut resource = json!({
        "kind": "bigquery#job",
        "etag": etag(job, &progress),
        "id": format!("{}:{}.{}", job.ticket.project, job.ticket.location, job.ticket.id),
        "selfLink": format!("https://bigquery.googleapis.com/bigquery/v2/projects/{}/jobs/{}?location={}", job.ticket.project, job.ticket.id, job.ticket.location),
        "user_email": job.ticket.user_email,
        "principal_subject": format!("user:{}", job.ticket.user_email),
        "configuration": configuration(job, &progress),
        "jobReference": reference(job),
        "statistics": statistics(job, &progress),
        "status": status(&progress),
    });
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("jobCreationReason".to_owned(), json!({ "code": "REQUESTED" }));
    }
    resource
}

/// The shorter form of `jobs.list`; `full` adds the configuration.
pub fn entry(job: &Job, full: bool) -> Value {
    let progress = job.progress();
    let mut resource = self::job(job);
    if let Some(fields) = resource.as_object_mut() {
        fields.remove("etag");
        fields.remove("selfLink");
        fields.insert("state".to_owned(), json!(progress.phase.word()));
        if let Some(problem) = &progress.error {
            fields.insert("errorResult".to_owned(), problem.in_job());
        }
        if !full {
            fields.remove("user_email");
            let kind = json!({ "jobType": job.ticket.kind.word() });
            fields.insert("configuration".to_owned(), kind);
        }
    }
    resource
}

pub fn reference(job: &Job) -> Value {
    json!({ "projectId": job.ticket.project, "jobId": job.ticket.id, "location": job.ticket.location })
}

pub fn table_reference(name: &TableName) -> Value {
    json!({ "projectId": name.project, "datasetId": name.dataset, "tableId": name.table })
}

pub fn billed(bytes: u64) -> u64 {
    if bytes == 0 { 0 } else { bytes.max(BILLED_BYTES_MIN).div_ceil(BILLED_BYTES_STEP) * BILLED_BYTES_STEP }
}

/// The statistics of a query that was only described.
pub fn estimate_statistics(estimate: &DryRun) -> Value {
    let mut query = query_statistics(Some(estimate), estimate.kind);
    if !estimate.columns.is_empty() {
        query.insert("schema".to_owned(), schema_to_json(&estimate.columns));
    }
    query.insert("totalBytesProcessedAccuracy".to_owned(), json!("PRECISE"));
    json!({ "totalBytesProcessed": estimate.bytes.to_string(), "query": query })
}

/// Rows from `start` on, as many as fit a page, and where the next page begins.
pub fn page(rows: &Rows, start: u64, count_max: Option<u64>, format: Format) -> (Vec<Value>, Option<u64>) {
    let wanted = count_max.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut position = start;
    while position < rows.count() && (position - start) < wanted && bytes < PAGE_BYTES_MAX {
        if let Some(row) = rows.row(position) {
            // About as long as its text; measuring the text itself would cost as much as writing it.
            bytes += row.iter().map(|cell| billed_bytes(cell) as usize + CELL_WRAPPER_BYTES).sum::<usize>();
            page.push(format.row(&row));
        }
        position += 1;
    }
    (page, (position < rows.count()).then_some(position))
}

fn configuration(job: &Job, progress: &Progress) -> Value {
    let mut configuration = job.ticket.configuration.clone();
    if let Some(fields) = configuration.as_object_mut() {
        fields.insert("jobType".to_owned(), json!(job.ticket.kind.word()));
        if let Some(query) = fields.get_mut("query").and_then(Value::as_object_mut) {
            query.entry("priority").or_insert_with(|| json!("INTERACTIVE"));
            if let Some(destination) = &progress.finished.destination {
                query.insert("destinationTable".to_owned(), table_reference(destination));
                query.entry("createDisposition").or_insert_with(|| json!("CREATE_IF_NEEDED"));
                query.entry("writeDisposition").or_insert_with(|| json!("WRITE_TRUNCATE"));
            }
        }
    }
    configuration
}

fn statistics(job: &Job, progress: &Progress) -> Value {
    let mut statistics = Map::new();
    statistics.insert("creationTime".to_owned(), json!(job.created_milliseconds.to_string()));
    let time = |milliseconds: i64| json!(milliseconds.to_string());
    statistics.extend(progress.started_milliseconds.map(|started| ("startTime".to_owned(), time(started))));
    statistics.extend(progress.ended_milliseconds.map(|ended| ("endTime".to_owned(), time(ended))));
    statistics.extend(job.ticket.parent.as_ref().map(|parent| ("parentJobId".to_owned(), json!(parent))));
    if progress.finished.children > 0 {
        statistics.insert("numChildJobs".to_owned(), json!(progress.finished.children.to_string()));
    }
    if let Some(frame) = job.ticket.frame {
        let place = frame.place;
        let stack = json!({
            "startLine": place.start_line,
            "startColumn": place.start_column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
            "text": job.ticket.sql,
        });
        let kind = if frame.expression { "EXPRESSION" } else { "STATEMENT" };
        statistics.insert("scriptStatistics".to_owned(), json!({ "evaluationKind": kind, "stackFrames": [stack] }));
    }
    if let Some(moved) = progress.finished.moved {
        statistics.insert("totalSlotMs".to_owned(), json!("1"));
        statistics.insert(job.ticket.kind.field().to_owned(), moved_statistics(moved));
    }
    let estimate = progress.estimate.as_ref();
    let kind = progress.finished.kind.or(estimate.map(|estimate| estimate.kind));
    if let (Some(kind), Phase::Done | Phase::Running) = (kind, progress.phase) {
        let mut query = query_statistics(estimate, kind);
        query.extend(progress.finished.changed.map(dml).unwrap_or_default());
        query.extend(progress.finished.definition.as_ref().map(ddl).unwrap_or_default());
        let bytes = estimate.map(|estimate| estimate.bytes).unwrap_or_default();
        statistics.insert("totalBytesProcessed".to_owned(), json!(bytes.to_string()));
        statistics.insert("totalSlotMs".to_owned(), json!("1"));
        statistics.insert("query".to_owned(), Value::Object(query));
    }
    Value::Object(statistics)
}

fn query_statistics(estimate: Option<&DryRun>, kind: &str) -> Map<String, Value> {
    let bytes = estimate.map(|estimate| estimate.bytes).unwrap_or_default();
    let mut query = Map::new();
    query.insert("statementType".to_owned(), json!(kind));
    query.insert("totalBytesProcessed".to_owned(), json!(bytes.to_string()));
    query.insert("totalBytesBilled".to_owned(), json!(billed(bytes).to_string()));
    query.insert("cacheHit".to_owned(), json!(false));
    query.insert("totalSlotMs".to_owned(), json!("1"));
    if let Some(estimate) = estimate {
        if !estimate.tables.is_empty() {
            query.insert("referencedTables".to_owned(), estimate.tables.iter().map(table_reference).collect());
        }
        if !estimate.routines.is_empty() {
            let routine = |name: &TableName| json!({ "projectId": name.project, "datasetId": name.dataset, "routineId": name.table });
            query.insert("referencedRoutines".to_owned(), estimate.routines.iter().map(routine).collect());
        }
    }
    query
}

fn moved_statistics(moved: Moved) -> Value {
    match moved {
        Moved::Copied { rows, bytes } => json!({ "copiedRows": rows.to_string(), "copiedLogicalBytes": bytes.to_string() }),
        Moved::Loaded { output, input_bytes, bad_records } => {
            let mut load = json!({ "inputFiles": "1", "inputFileBytes": input_bytes.to_string(), "badRecords": bad_records.to_string() });
            if let (Some((rows, bytes)), Some(fields)) = (output, load.as_object_mut()) {
                fields.insert("outputRows".to_owned(), json!(rows.to_string()));
                fields.insert("outputBytes".to_owned(), json!(bytes.to_string()));
            }
            load
        }
    }
}

fn dml(changed: Changed) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("numDmlAffectedRows".to_owned(), json!(changed.total().to_string()));
    fields.insert("dmlStats".to_owned(), dml_stats(changed));
    fields
}

pub fn dml_stats(changed: Changed) -> Value {
    json!({
        "insertedRowCount": changed.inserted.to_string(),
        "updatedRowCount": changed.updated.to_string(),
        "deletedRowCount": changed.deleted.to_string(),
    })
}

fn ddl(definition: &Definition) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("ddlOperationPerformed".to_owned(), json!(definition.operation));
    match &definition.target {
        DefinitionTarget::Dataset(DatasetName { project, dataset }) => {
            fields.insert("ddlTargetDataset".to_owned(), json!({ "projectId": project, "datasetId": dataset }));
        }
        DefinitionTarget::Routine(name) => {
            let reference = json!({ "projectId": name.project, "datasetId": name.dataset, "routineId": name.table });
            fields.insert("ddlTargetRoutine".to_owned(), reference);
        }
        DefinitionTarget::Table(name) => drop(fields.insert("ddlTargetTable".to_owned(), table_reference(name))),
        DefinitionTarget::Temporary => {}
    }
    fields
}

fn status(progress: &Progress) -> Value {
    let mut status = json!({ "state": progress.phase.word() });
    let notes = &progress.finished.notes;
    let listed: Vec<&Problem> = if notes.is_empty() { progress.error.iter().collect() } else { notes.iter().collect() };
    if let Some(fields) = status.as_object_mut() {
        fields.extend(progress.error.as_ref().map(|problem| ("errorResult".to_owned(), problem.in_job())));
        if !listed.is_empty() {
            fields.insert("errors".to_owned(), listed.into_iter().map(Problem::in_job).collect());
        }
    }
    status
}

fn etag(job: &Job, progress: &Progress) -> String {
    format!("{:x}-{}", job.created_milliseconds, progress.phase.word())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Datum;

    #[test]
    fn bytes_are_billed_in_steps() {
        let check = |bytes: u64, expect: u64| assert_eq!(billed(bytes), expect);
        check(0, 0);
        check(1, 10 * 1024 * 1024);
        check(10 * 1024 * 1024 + 1, 11 * 1024 * 1024);
    }

    #[test]
    fn pages_end_by_rows_and_by_bytes() {
        let rows = Rows::held((0..10).map(|number| vec![Datum::Int64(number)]).collect());
        let check = |start, count, expect_rows: usize, expect_next| {
            let (page, next) = page(&rows, start, count, Format::default());
            assert_eq!((page.len(), next), (expect_rows, expect_next));
        };
        check(0, Some(4), 4, Some(4));
        check(8, Some(4), 2, None);
        check(0, None, 10, None);
        check(20, None, 0, None);
        let large = Rows::held((0..3).map(|_| vec![Datum::String("x".repeat(PAGE_BYTES_MAX))]).collect());
        assert_eq!(page(&large, 0, None, Format::default()).1, Some(1));
    }
}
