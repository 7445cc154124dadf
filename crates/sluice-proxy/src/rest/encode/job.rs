//! Jobs as their owners see them.

use super::{known, link};
use serde_json::{Map, Value, json};
use sluice_app::{JobState, LABEL_PREFIX, UpstreamError};

/// A job, and how many fields stayed behind. What failed is said in the words that may be told, and in no others.
pub fn job(state: JobState, owner: &str, base: &str) -> (Value, u64) {
    // Who reads that it is done asks for its rows at once, and is to find it done.
    let is_ahead = state.is_said_done() && !state.done;
    let JobState { name, done, error, errors, resource, .. } = state;
    let (kept, dropped) = known::keep("Job", resource.0);
    let mut fields = match kept {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let known_location =
        fields.get("jobReference").and_then(|reference| reference.get("location")).and_then(Value::as_str).map(str::to_owned);
    let location = known_location.or(name.location);
    let mut reference = json!({ "projectId": name.project, "jobId": name.id });
    if let (Some(reference), Some(location)) = (reference.as_object_mut(), &location) {
        reference.insert("location".to_owned(), Value::String(location.clone()));
    }
    let id = match &location {
        Some(location) => format!("{}:{location}.{}", name.project, name.id),
        None => format!("{}:{}", name.project, name.id),
    };
    let status = fields.entry("status").or_insert_with(|| json!({ "state": if done { "DONE" } else { "PENDING" } }));
    if let Some(status) = status.as_object_mut() {
        status.extend(is_ahead.then(|| ("state".to_owned(), json!("RUNNING"))));
        let error = error.as_ref().map(told);
        let errors: Vec<Value> = if errors.is_empty() { error.clone().into_iter().collect() } else { errors.iter().map(told).collect() };
        status.extend((!errors.is_empty()).then(|| ("errors".to_owned(), Value::Array(errors))));
        status.extend(error.map(|error| ("errorResult".to_owned(), error)));
    }
    fields.insert("kind".to_owned(), json!("bigquery#job"));
    fields.insert("id".to_owned(), Value::String(id));
    // A dry run is no job that one could go to.
    if name.id.is_empty() {
        fields.remove("selfLink");
        fields.remove("id");
    } else {
        fields.insert("selfLink".to_owned(), Value::String(link::of_job(base, &name.project, &name.id, location.as_deref())));
        fields.insert("jobReference".to_owned(), reference);
    }
    // BigQuery knows the gateway's own account alone.
    fields.insert("user_email".to_owned(), Value::String(owner.to_owned()));
    fields.remove("principal_subject");
    if let Some(labels) =
        fields.get_mut("configuration").and_then(|configuration| configuration.get_mut("labels")).and_then(Value::as_object_mut)
    {
        labels.retain(|name, _| !name.starts_with(LABEL_PREFIX));
    }
    (Value::Object(fields), dropped)
}

fn told(error: &UpstreamError) -> Value {
    let mut fields = Map::new();
    fields.insert("reason".to_owned(), Value::String(error.reason.clone()));
    fields.extend(error.location.clone().map(|location| ("location".to_owned(), Value::String(location))));
    fields.insert("message".to_owned(), Value::String(error.message.clone()));
    Value::Object(fields)
}

/// Entries of `jobs.list`: the state stands beside the status, and the configuration is for those who ask for it.
pub fn job_list(states: Vec<JobState>, owner: &str, base: &str, full: bool) -> (Vec<Value>, u64) {
    let mut all = 0;
    let entries = states.into_iter().map(|state| {
        let (mut entry, dropped) = job(state, owner, base);
        all += dropped;
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("selfLink");
            fields.remove("etag");
            if !full {
                fields.remove("configuration");
            }
            let state = fields.get("status").and_then(|status| status.get("state")).cloned();
            let error = fields.get("status").and_then(|status| status.get("errorResult")).cloned();
            fields.extend(state.map(|state| ("state".to_owned(), state)));
            fields.extend(error.map(|error| ("errorResult".to_owned(), error)));
        }
        entry
    });
    (entries.collect(), all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sluice_app::Resource;

    #[test]
    fn a_job_is_told_done_when_its_rows_can_be_asked_for() {
        let check = |done: bool, said: Option<&str>, expect: &str| {
            let resource = Resource(said.map_or_else(|| json!({}), |said| json!({ "status": { "state": said } })));
            let (told, _) = job(JobState { done, resource, ..JobState::default() }, "ana", "");
            assert_eq!(told["status"]["state"], expect, "{done} {said:?}");
        };
        check(true, Some("DONE"), "DONE");
        check(true, None, "DONE");
        check(false, Some("DONE"), "RUNNING");
        check(false, Some("PENDING"), "PENDING");
        check(false, None, "PENDING");
    }
}
