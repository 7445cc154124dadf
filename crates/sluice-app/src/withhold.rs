//! What is left of a job's description for a caller who may not see everything that the job read, or that went into it.

use crate::ports::{JobState, UpstreamError};
use serde_json::{Map, Value};

const MESSAGE_WITHHELD: &str = "BigQuery's message is withheld: it can hold values of columns that you may not see";
/// Of `statistics.query`: what tells nothing of values.
const QUERY_STATISTICS: [&str; 12] = [
    "billingTier",
    "cacheHit",
    "ddlOperationPerformed",
    "ddlTargetTable",
    "estimatedBytesProcessed",
    "numDmlAffectedRows",
    "referencedTables",
    "schema",
    "statementType",
    "totalBytesBilled",
    "totalBytesProcessed",
    "totalSlotMs",
];
const TIMES: [&str; 3] = ["creationTime", "endTime", "startTime"];
/// What BigQuery counts in a file, before the number: lines, bytes, columns, records.
const COUNTS: [&str; 6] =
    ["line_number: ", "byte_offset_to_start_of_line: ", "column_index: ", "row starting at position ", "Rows: ", "errors: "];
/// What stands around the name of a column.
const COLUMNS: [(&str, &str); 2] = [("column_name: \"", "\""), ("for field ", " (")];
/// How BigQuery names a file that was uploaded.
const UPLOADED: &str = "file-";
const UPLOADED_DIGITS: usize = 8;
/// How it names the text of a query.
const QUERY: &str = "query";

/// `columns` are those whose names the caller may know.
pub(crate) fn withhold(mut state: JobState, columns: &[String]) -> JobState {
    let load = state.resource.0.pointer("/configuration/load");
    let uris = load.and_then(|load| load.get("sourceUris")).and_then(Value::as_array);
    let uris: Vec<String> = uris.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let is_load = load.is_some();
    let told = |error: UpstreamError| UpstreamError {
        location: error.location.filter(|location| is_location(location, &uris, columns)),
        message: if is_load { of_file(&error.message, columns) } else { MESSAGE_WITHHELD.to_owned() },
        reason: error.reason,
    };
    // Warnings of a query that went well say nothing without their text.
    let errors = std::mem::take(&mut state.errors);
    state.errors = errors.into_iter().filter(|_| is_load || state.error.is_some()).map(told).collect();
    state.error = state.error.map(told);
    if let Some(query) = state.resource.0.pointer_mut("/statistics/query").and_then(Value::as_object_mut) {
        let kept: Map<String, Value> =
            std::mem::take(query).into_iter().filter(|(name, _)| QUERY_STATISTICS.contains(&name.as_str())).collect();
        *query = kept;
    }
    if let Some(status) = state.resource.0.get_mut("status").and_then(Value::as_object_mut) {
        status.retain(|name, _| name == "state");
    }
    state
}

/// Of a job whose decision does not hold any more: what it is and when it ran. Its numbers tell which way a script took.
pub(crate) fn without_way(mut state: JobState) -> JobState {
    let statistics = state.resource.0.get_mut("statistics").and_then(Value::as_object_mut);
    statistics.into_iter().for_each(|statistics| statistics.retain(|name, _| TIMES.contains(&name.as_str())));
    state.head = None;
    state.schema = None;
    state.statement_type = None;
    state.statistics.clear();
    state
}

/// The names of the columns that a load was sent with.
pub(crate) fn sent_columns(job: &Value) -> Vec<String> {
    let fields = job.pointer("/configuration/load/schema/fields").and_then(Value::as_array);
    fields.into_iter().flatten().filter_map(|field| field.get("name")?.as_str()).map(str::to_owned).collect()
}

/// What the caller said itself, or may know. A file that a star stood for has a name that others gave it.
fn is_location(location: &str, uris: &[String], columns: &[String]) -> bool {
    let is_upload = location
        .strip_prefix(UPLOADED)
        .is_some_and(|digits| digits.len() == UPLOADED_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()));
    location == QUERY || is_upload || uris.iter().any(|uri| uri == location) || is_column(location, columns)
}

/// Where in a file something is wrong, in words of our own.
fn of_file(message: &str, columns: &[String]) -> String {
    let counted = COUNTS.iter().filter_map(|before| Some(format!("{before}{}", number(message, before)?)));
    let names = COLUMNS.iter().filter_map(|(before, behind)| only(message, before)?.split_once(behind));
    let names = names.map(|(name, _)| name).filter(|name| is_column(name, columns)).map(|name| format!("column_name: \"{name}\""));
    let places: Vec<String> = counted.chain(names).collect();
    if places.is_empty() { MESSAGE_WITHHELD.to_owned() } else { format!("{MESSAGE_WITHHELD}; where it is: {}", places.join(", ")) }
}

fn is_column(name: &str, columns: &[String]) -> bool {
    columns.iter().any(|column| column.eq_ignore_ascii_case(name))
}

fn number(message: &str, before: &str) -> Option<u64> {
    let rest = only(message, before)?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// What follows these words. A value that holds them too could pass for the number: then nothing is believed.
fn only<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    (!rest.contains(before)).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Resource;
    use serde_json::json;

    const CSV: &str = "Error while reading data, error message: Could not parse '995-76-0013' as INT64; line_number: 3 byte_offset_to_start_of_line: 40 \
                       column_index: 1 column_name: \"ssn\" column_type: INT64 value: \"995-76-0013\"";

    fn job(message: &str, location: &str) -> JobState {
        let error = UpstreamError { reason: "invalid".to_owned(), location: Some(location.to_owned()), message: message.to_owned() };
        let load = json!({ "sourceUris": ["gs://b/f.csv", "gs://b/*.csv"], "schema": { "fields": [{ "name": "id" }, { "name": "ssn" }] } });
        let resource = json!({ "configuration": { "load": load }, "status": { "state": "DONE", "errors": [{ "message": message }] } });
        JobState { done: true, error: Some(error.clone()), errors: vec![error], resource: Resource(resource), ..JobState::default() }
    }

    fn check(message: &str, location: &str, places: &str, expect_location: Option<&str>) {
        let state = job(message, location);
        let columns = sent_columns(&state.resource.0);
        let state = withhold(state, &columns);
        let error = state.error.unwrap();
        let expect = if places.is_empty() { MESSAGE_WITHHELD.to_owned() } else { format!("{MESSAGE_WITHHELD}; where it is: {places}") };
        assert_eq!((error.reason.as_str(), error.message.as_str()), ("invalid", expect.as_str()), "{message}");
        assert_eq!(error.location.as_deref(), expect_location, "{location}");
        assert_eq!(state.errors, [error]);
        assert_eq!(state.resource.0["status"], json!({ "state": "DONE" }));
    }

    #[test]
    fn places_are_told_and_values_are_not() {
        let all = "line_number: 3, byte_offset_to_start_of_line: 40, column_index: 1, column_name: \"ssn\"";
        check(CSV, "gs://b/f.csv", all, Some("gs://b/f.csv"));
        check(
            "JSON table encountered too many errors, giving up. Rows: 7; errors: 2. Please look",
            "file-00000000",
            "Rows: 7, errors: 2",
            Some("file-00000000"),
        );
        check("JSON parsing error in row starting at position 4711: Unexpected token", "id", "row starting at position 4711", Some("id"));
        check(
            "Could not parse 'x' as INT64 for field SSN (position 1) starting at location 9",
            "query",
            "column_name: \"SSN\"",
            Some("query"),
        );
        check("Provided Schema does not match: 995-76-0013", "995-76-0013", "", None);
    }

    #[test]
    fn what_could_be_a_value_is_not_believed() {
        check("value: \"line_number: 995\"; line_number: 3 ", "gs://b/995.csv", "", None);
        check("line_number: 99999999999999999999", "file-995760013", "", None);
        check("line_number: many column_index: -4", "file-0000000a", "", None);
        check("column_name: \"995\" for field 4711 (x)", "diagnosis", "", None);
        check("Line_number: 3", "", "", None);
    }

    #[test]
    fn of_a_query_nothing_is_told_but_why() {
        let mut state = job(CSV, "query");
        state.resource = Resource(json!({ "configuration": { "query": {} }, "status": {} }));
        let told = withhold(state.clone(), &[]);
        assert_eq!(told.error.map(|error| error.message).as_deref(), Some(MESSAGE_WITHHELD));
        assert_eq!(told.errors.len(), 1);
        state.error = None;
        assert_eq!(withhold(state, &[]).errors, [], "warnings of what went well");
    }
}
