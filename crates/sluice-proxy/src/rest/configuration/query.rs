//! A query: its text with everything that changes what the text means.

use super::destination::{self, Destination};
use super::fault::{FormFault, Path, quoted};
use super::job::Job;
use super::label;
use super::message;
use super::name;
use super::parameter;
use super::shape::{flag_of, list_of, message_of, ordered, text_of};
use serde_json::{Map, Value, json};
use sluice_app::QueryAsk;
use sluice_sql::Request;

/// A first line that BigQuery reads as a switch.
const STANDARD_SQL: &str = "#standardsql";

const TIME_ZONE_BYTES_MAX: usize = 64;

pub(super) fn ask(mut job: Job<'_>, work: &Map<String, Value>, at: &Path<'_>) -> Result<QueryAsk, FormFault> {
    let mut work = work.clone();
    let text = text_of(&work, "query").filter(|text| !text.trim().is_empty());
    let text = text.ok_or_else(|| FormFault::invalid(&at.name("query"), "is missing: accepted is a statement in GoogleSQL"))?.to_owned();
    dialect(&work, &text, &at.name("useLegacySql"))?;
    work.insert("useLegacySql".to_owned(), Value::Bool(false));
    let default_dataset = default_dataset(&job, &mut work, &at.name("defaultDataset"))?;
    let parameters = parameter::read(&mut work, at)?;
    properties(&work, &at.name("connectionProperties"))?;
    let destination = destination::read(&mut job, &mut work, destination::IF_EMPTY, at)?;
    let partitions = destination.as_ref().map(Destination::partitions).unwrap_or_default();
    let adds = destination.as_ref().is_some_and(Destination::adds);
    let sorted = destination::sorted(&work);
    let brings_columns = destination::brings_columns(&work);
    let destination =
        destination.map(|to| sluice_sql::Destination { table: to.named.table, truncates: to.replaces, sorted, brings_columns });
    let sends = job.sends("query", ordered(&message::QUERY, work));
    let query = Request {
        text,
        project: job.place.project.to_owned(),
        default_dataset,
        parameters: parameters.types,
        legacy_sql: false,
        destination,
        opaque_settings: Vec::new(),
    };
    Ok(QueryAsk {
        connection: job.place.connection.to_owned(),
        job: job.name,
        query,
        parameters: parameters.recorded,
        location: job.location,
        dry_run: job.dry_run,
        request_id: None,
        sends,
        also: job.also.into_list(),
        partitions,
        adds,
    })
}

/// Legacy SQL names tables and functions in ways that nobody here reads, and it is what BigQuery takes where nothing is said.
fn dialect(work: &Map<String, Value>, text: &str, at: &Path<'_>) -> Result<(), FormFault> {
    const ADVICE: &str = "legacy SQL is not supported: set it to `false` and write GoogleSQL";
    if flag_of(work, "useLegacySql") {
        return Err(FormFault::unsupported(at, format!("is `true`, and {ADVICE}")));
    }
    let first_line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    if !work.contains_key("useLegacySql") && !first_line.eq_ignore_ascii_case(STANDARD_SQL) {
        return Err(FormFault::unsupported(at, format!("is `true` where it is not given, and {ADVICE}")));
    }
    Ok(())
}

/// A project without a dataset is what Go's client sends where it is told of neither. It says nothing, unless it is another project.
fn default_dataset(job: &Job<'_>, work: &mut Map<String, Value>, at: &Path<'_>) -> Result<Option<(String, String)>, FormFault> {
    let Some(given) = message_of(work, "defaultDataset") else { return Ok(None) };
    let names_nothing = text_of(given, "datasetId").is_none_or(str::is_empty);
    if names_nothing && text_of(given, "projectId").is_none_or(|project| project == job.place.project) {
        work.remove("defaultDataset");
        return Ok(None);
    }
    let (project, dataset) = name::dataset(job.place.project, given, at)?;
    work.insert("defaultDataset".to_owned(), json!({ "projectId": project, "datasetId": dataset }));
    Ok(Some((project, dataset)))
}

/// Properties by their keys. BigQuery says that it ignores those it does not know; one that it learns tomorrow could do anything.
pub(super) fn properties(work: &Map<String, Value>, at: &Path<'_>) -> Result<(), FormFault> {
    let mut seen: Vec<&str> = Vec::new();
    for (place, property) in list_of(work, "connectionProperties").iter().enumerate() {
        let at = at.place(place);
        let part = |name: &str| property.get(name).and_then(Value::as_str).unwrap_or_default();
        let (key, value) = (part("key"), part("value"));
        let at_key = at.name("key");
        if seen.contains(&key) {
            return Err(FormFault::invalid(&at_key, format!("is {} for the second time", quoted(key))));
        }
        seen.push(key);
        match key {
            "query_label" => label::check_query_label(value, &at.name("value"))?,
            "time_zone" if is_time_zone(value) => {}
            "time_zone" => {
                let text = format!("is {}, accepted is a time zone like `Europe/Berlin`", quoted(value));
                return Err(FormFault::invalid(&at.name("value"), text));
            }
            _ => return Err(FormFault::unsupported(&at_key, unknown_property(key))),
        }
    }
    Ok(())
}

fn unknown_property(key: &str) -> String {
    let why = match key {
        "dataset_id" => "changes what names mean: use `defaultDataset`",
        "dataset_project_id" => "changes what names mean: use `defaultDataset`, or write the project into the names",
        "service_account" => "runs the job as somebody else: take it away",
        "session_id" => message::SESSIONS,
        _ => "is no property that the gateway knows: accepted are `query_label` and `time_zone`",
    };
    format!("is {}, which {why}", quoted(key))
}

fn is_time_zone(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'-' | b'/' | b':');
    !text.is_empty() && text.len() <= TIME_ZONE_BYTES_MAX && text.bytes().all(is_letter)
}
