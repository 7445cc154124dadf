//! Jobs: insert, query, poll, read, cancel, list.

use super::call::{Call, Reply};
use super::datasets::fill;
use crate::job::request::{boolean, checked_number, configuration_of};
use crate::job::resource::{self, dml_stats, page};
use crate::job::results::forget;
use crate::job::{Filter, Job, JobKind, Jobs, Order, Submitted};
use crate::problem::Problem;
use crate::values::Format;
use crate::values::schema::schema_to_json;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a poll is held, at most and where the client does not say.
pub const POLL_MILLISECONDS_MAX: u64 = 10_000;
const LIST_ENTRIES_MAX: u64 = 1_000;
const LIST_ENTRIES_DEFAULT: u64 = 50;

pub async fn insert(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let order = inserted(call, &call.body, None);
    let configuration = order.configuration.clone();
    match jobs.submit(order).await? {
        Submitted::Job(job) => Ok(Reply::Json(resource::job(&job))),
        Submitted::DryRun(estimate) => {
            let mut statistics = resource::estimate_statistics(&estimate);
            call.lie.iter().for_each(|lie| lie.tell(&mut statistics));
            Ok(Reply::Json(json!({
                "kind": "bigquery#job",
                "etag": "dry-run",
                "id": format!("{}:{}.", call.project(), jobs.warehouse.location),
                "user_email": call.user_email,
                "configuration": configuration,
                "jobReference": { "projectId": call.project(), "location": jobs.warehouse.location },
                "statistics": statistics,
                "status": { "state": "DONE" },
            })))
        }
    }
}

/// `jobs.query`. A request id that was answered before gets the same job.
pub async fn query(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let text = |field: &str| call.body.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let timeout_milliseconds = checked_number(&call.body, "timeoutMs")?;
    let count_max = checked_number(&call.body, "maxResults")?;
    let claim = text("requestId").map(|id| jobs.registry.claim(call.project(), id));
    let mut claimed = match &claim {
        Some(claim) => Some(claim.lock().await),
        None => None,
    };
    let known = claimed.as_ref().and_then(|claimed| claimed.as_ref()).cloned();
    let job = match known {
        Some(job) => job,
        None => match jobs.submit(order(call, configuration_of(&call.body), None, text("location").map(str::to_owned))).await? {
            Submitted::Job(job) => job,
            Submitted::DryRun(estimate) => {
                let mut statistics = resource::estimate_statistics(&estimate);
                call.lie.iter().for_each(|lie| lie.tell(&mut statistics));
                return Ok(Reply::Json(described(jobs, call, &statistics)));
            }
        },
    };
    if let Some(claimed) = &mut claimed {
        **claimed = Some(job.clone());
    }
    // Whoever waits for the claim shall not wait for the answer too.
    drop(claimed);
    wait(&job, timeout_milliseconds).await;
    let options = call.body.get("formatOptions");
    let format = Format { int64_timestamps: boolean(options.and_then(|options| options.get("useInt64Timestamp"))).unwrap_or(false) };
    results(&job, "bigquery#queryResponse", 0, count_max, format).map(Reply::Json)
}

pub async fn get_query_results(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let job = find(jobs, call)?;
    if job.ticket.kind != JobKind::Query {
        return Err(Problem::invalid(format!("Job {} is a {} job and has no query results", job.ticket.id, job.ticket.kind.field())));
    }
    wait(&job, call.number("timeoutMs")?).await;
    let start = match call.parameter("pageToken") {
        Some(_) => call.number("pageToken")?,
        None => call.number("startIndex")?,
    };
    results(&job, "bigquery#getQueryResultsResponse", start.unwrap_or(0), call.number("maxResults")?, call.format()).map(Reply::Json)
}

pub fn get(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    Ok(Reply::Json(resource::job(&*find(jobs, call)?)))
}

pub fn cancel(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let job = find(jobs, call)?;
    jobs.cancel(&job);
    Ok(Reply::Json(json!({ "kind": "bigquery#jobCancelResponse", "job": resource::job(&job) })))
}

pub fn delete(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let job = find(jobs, call)?;
    if !job.is_done() {
        return Err(Problem::invalid(format!("Job {} is still running", job.ticket.id)));
    }
    if let Some(job) = jobs.registry.remove(call.project(), &job.ticket.id)
        && let Some(destination) = job.progress().finished.destination
    {
        forget(&jobs.warehouse, &destination);
    }
    Ok(Reply::Empty)
}

pub fn list(jobs: &Jobs, call: &Call) -> Result<Reply, Problem> {
    let states = call.query.iter().filter(|(key, _)| key == "stateFilter").map(|(_, value)| value.to_ascii_lowercase());
    let time = |name: &str| call.number(name).map(|time| time.map(|time| i64::try_from(time).unwrap_or(i64::MAX)));
    let filter = Filter {
        parent: call.parameter("parentJobId").map(str::to_owned),
        states: states.collect(),
        created_from_milliseconds: time("minCreationTime")?,
        created_to_milliseconds: time("maxCreationTime")?,
        user_email: (!call.flag("allUsers")).then(|| call.user_email.clone()),
    };
    let count = call.number("maxResults")?.unwrap_or(LIST_ENTRIES_DEFAULT).clamp(1, LIST_ENTRIES_MAX);
    let count = usize::try_from(count).unwrap_or(1);
    let (page, next) = jobs.registry.list(call.project(), &filter, call.number("pageToken")?, count);
    let full = call.parameter("projection").is_some_and(|projection| projection.eq_ignore_ascii_case("full"));
    let mut answer = json!({ "kind": "bigquery#jobList", "etag": "" });
    fill(&mut answer, "jobs", page.iter().map(|job| resource::entry(job, full)).collect(), next.map(|next| next.to_string()));
    Ok(Reply::Json(answer))
}

/// `body` is the job of a request, or the one that an upload began with.
pub fn inserted(call: &Call, body: &Value, media: Option<Vec<u8>>) -> Order {
    let configuration = body.get("configuration").cloned().unwrap_or_default();
    let reference = |field: &str| body.pointer(&format!("/jobReference/{field}")).and_then(Value::as_str).map(str::to_owned);
    Order { media, ..order(call, configuration, reference("jobId"), reference("location")) }
}

fn order(call: &Call, configuration: Value, id: Option<String>, location: Option<String>) -> Order {
    Order {
        project: call.project().to_owned(),
        id,
        location,
        configuration,
        user_email: call.user_email.clone(),
        media: None,
        hold_milliseconds: call.hold_milliseconds,
    }
}

fn find(jobs: &Jobs, call: &Call) -> Result<Arc<Job>, Problem> {
    jobs.registry.get(call.project(), call.part("jobId"))
}

/// Holds the answer until the job is done, or until it is time to say that it is not.
async fn wait(job: &Job, timeout_milliseconds: Option<u64>) {
    let timeout = timeout_milliseconds.unwrap_or(POLL_MILLISECONDS_MAX).min(POLL_MILLISECONDS_MAX);
    if timeout > 0 {
        let _ = tokio::time::timeout(Duration::from_millis(timeout), job.ended()).await;
    }
}

fn results(job: &Job, kind: &str, start: u64, count_max: Option<u64>, format: Format) -> Result<Value, Problem> {
    let progress = job.progress();
    if let Some(problem) = progress.error {
        return Err(problem);
    }
    let complete = job.is_done();
    let mut answer = json!({ "kind": kind, "jobReference": resource::reference(job), "jobComplete": complete });
    let Some(fields) = answer.as_object_mut().filter(|_| complete) else { return Ok(answer) };
    let bytes = progress.estimate.map(|estimate| estimate.bytes).unwrap_or_default().to_string();
    fields.insert("etag".to_owned(), json!(format!("{:x}", job.created_milliseconds)));
    fields.insert("totalBytesProcessed".to_owned(), json!(bytes));
    fields.insert("cacheHit".to_owned(), json!(false));
    if kind == "bigquery#queryResponse" {
        fields.insert("queryId".to_owned(), json!(job.ticket.id));
        fields.insert("location".to_owned(), json!(job.ticket.location));
    }
    if let Some(changed) = progress.finished.changed {
        fields.insert("numDmlAffectedRows".to_owned(), json!(changed.total().to_string()));
        fields.insert("dmlStats".to_owned(), dml_stats(changed));
    }
    if let Some(result) = progress.finished.result {
        fields.insert("schema".to_owned(), schema_to_json(&result.columns));
        fields.insert("totalRows".to_owned(), json!(result.rows.count().to_string()));
        // Nobody who asks for no rows wants to know where the next ones are.
        if count_max != Some(0) {
            let (rows, next) = page(&result.rows, start, count_max, format);
            fields.extend((!rows.is_empty()).then(|| ("rows".to_owned(), Value::Array(rows))));
            fields.extend(next.map(|next| ("pageToken".to_owned(), json!(next.to_string()))));
        }
    }
    Ok(answer)
}

fn described(jobs: &Jobs, call: &Call, statistics: &Value) -> Value {
    let mut answer = json!({
        "kind": "bigquery#queryResponse",
        "jobReference": { "projectId": call.project(), "location": jobs.warehouse.location },
        "jobComplete": true,
        "totalBytesProcessed": statistics.get("totalBytesProcessed"),
        "cacheHit": false,
    });
    if let (Some(schema), Some(fields)) = (statistics.pointer("/query/schema"), answer.as_object_mut()) {
        fields.insert("schema".to_owned(), schema.clone());
    }
    answer
}
