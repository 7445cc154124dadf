//! A job goes out under its own id, as often as it takes, and is one job.

use super::ask::{Ask, Repeat};
use super::error::Unread;
use super::read;
use super::upstream::{Matter, json, unsent};
use crate::rest::{Answer, encoded};
use serde_json::{Map, Value, json};
use sluice_app::{JobName, JobState, Upload, UpstreamError, UpstreamFault, UpstreamFaultKind};

/// What a job's body says of it.
pub(super) struct Job {
    /// Nothing for a dry run.
    pub name: Option<JobName>,
    pub body: Value,
}

impl Matter<'_> {
    /// The state is of the moment of dispatch: whether the job is done, and what it made, is for `job` to say.
    pub(super) async fn dispatch(&self, upload: Option<Upload>) -> Result<JobState, UpstreamFault> {
        let job = Job::read(self.sends.body.as_deref().unwrap_or_default()).map_err(unsent)?;
        let inserted = match upload {
            Some(upload) => self.upload(&job, upload).await,
            None => {
                let repeat = if job.name.is_some() { Repeat::UnderItsId } else { Repeat::Freely };
                let ask = Ask { repeat, ..self.ask()? };
                self.connection.ask(Some(self.caller), &ask, |answer| inserted(answer, &job)).await
            }
        };
        let state = match inserted {
            // An earlier attempt may have arrived: then this is its job.
            Err(fault) if fault.status == Some(409) && fault.may_have_acted => self.accepted(&job, fault).await?,
            other => other?,
        };
        Ok(if job.name.is_some() { JobState { done: false, ..state } } else { state })
    }

    /// The job that has our id. That it is ours shows in what it does: its statement and its labels.
    pub(super) async fn accepted(&self, job: &Job, fault: UpstreamFault) -> Result<JobState, UpstreamFault> {
        let Some(name) = &job.name else { return Err(fault) };
        let place = fault.error.as_ref().and_then(|error| place_in(&error.message, name));
        let found = self.state(&JobName { location: name.location.clone().or(place), ..name.clone() }).await;
        match found {
            Ok(state) if is_same(&job.body, &state.resource.0) => Ok(state),
            Ok(_) => Err(UpstreamFault {
                may_have_acted: false,
                detail: "the job's id is taken by another job".to_owned(),
                kind: UpstreamFaultKind::Refused,
                error: Some(UpstreamError { reason: "duplicate".to_owned(), ..UpstreamError::default() }),
                ..fault
            }),
            Err(unread) if fault.status == Some(409) => Err(UpstreamFault {
                may_have_acted: true,
                attempts: fault.attempts + unread.attempts,
                detail: format!("the job was taken and cannot be read: {}", unread.detail),
                kind: UpstreamFaultKind::Unavailable,
                ..unread
            }),
            Err(unread) => Err(UpstreamFault { may_have_acted: true, attempts: fault.attempts + unread.attempts, ..fault }),
        }
    }

    /// `jobs.get`.
    pub(super) async fn state(&self, job: &JobName) -> Result<JobState, UpstreamFault> {
        let path = format!("projects/{}/jobs/{}", encoded(&job.project), encoded(&job.id));
        let ask = Ask::get(&self.connection, &path, &self.place(job));
        let read = |answer: &Answer| read::job(&json(answer)?, Some(job)).map_err(|misread| Unread::Misread(misread.to_string()));
        self.connection.ask(Some(self.caller), &ask, read).await
    }

    /// Outside of the US and the EU a job is found only by who knows where it is.
    pub(super) fn place(&self, job: &JobName) -> Vec<(String, String)> {
        let place = job.location.clone().or_else(|| self.connection.location.clone());
        place.map(|place| ("location".to_owned(), place)).into_iter().collect()
    }
}

/// The answer of `jobs.insert`.
pub(super) fn inserted(answer: &Answer, job: &Job) -> Result<JobState, Unread> {
    read::job(&json(answer)?, job.name.as_ref()).map_err(|misread| Unread::Misread(misread.to_string()))
}

impl Job {
    /// A job without an id would be another one each time that it is sent: it does not go out.
    fn read(body: &str) -> Result<Job, String> {
        let body: Value = serde_json::from_str(body).map_err(|_| "the request is no job".to_owned())?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        if body.pointer("/configuration/dryRun") == Some(&Value::Bool(true)) {
            return Ok(Job { name: None, body });
        }
        let (Some(project), Some(id)) = (text("/jobReference/projectId"), text("/jobReference/jobId")) else {
            return Err("the job has no id".to_owned());
        };
        let location = text("/jobReference/location").map(|place| place.to_ascii_lowercase());
        Ok(Job { name: Some(JobName { project, location, id }), body })
    }
}

/// The same body, as a question. The id stays behind, the place where it would run does not: elsewhere its tables are not found.
pub(super) fn as_dry_run(body: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(body).ok()?;
    body.get_mut("configuration")?.as_object_mut()?.insert("dryRun".to_owned(), Value::Bool(true));
    let members: &mut Map<String, Value> = body.as_object_mut()?;
    if let Some(reference) = members.remove("jobReference")
        && let (Some(project), Some(place)) = (reference.get("projectId"), reference.get("location"))
    {
        members.insert("jobReference".to_owned(), json!({ "projectId": project, "location": place }));
    }
    Some(body.to_string())
}

/// Whether a job does what we sent. Members that we did not send are BigQuery's defaults.
fn is_same(sent: &Value, found: &Value) -> bool {
    let kinds = ["query", "load", "copy", "extract"];
    let within = |value: &'_ Value, pointer: &str| value.pointer(pointer).cloned().filter(|value| !value.is_null());
    let same = |pointer: &str| within(sent, pointer).is_none_or(|wanted| within(found, pointer) == Some(wanted));
    kinds.iter().all(|kind| {
        let pointer = format!("/configuration/{kind}");
        within(sent, &pointer).is_some() == within(found, &pointer).is_some()
    }) && same("/configuration/query/query")
        && same("/configuration/labels")
        && ["/configuration/query", "/configuration/load", "/configuration/copy"]
            .iter()
            .all(|kind| same(&format!("{kind}/destinationTable")))
}

/// `Already Exists: Job project:US.id`: the one who knows where it runs.
fn place_in(message: &str, name: &JobName) -> Option<String> {
    let (_, rest) = message.split_once(&format!("{}:", name.project))?;
    let (place, rest) = rest.split_once('.')?;
    let is_place = !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (is_place && rest.starts_with(&name.id)).then(|| place.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_is_the_same_without_its_id() {
        let check = |body: Value, expect: Option<Value>| {
            let made = as_dry_run(&body.to_string()).map(|text| serde_json::from_str::<Value>(&text).unwrap());
            assert_eq!(made, expect, "{body}");
        };
        let configuration = json!({ "query": { "query": "SELECT 1" }, "labels": { "a": "b" } });
        let dry = json!({ "query": { "query": "SELECT 1" }, "labels": { "a": "b" }, "dryRun": true });
        check(
            json!({ "configuration": configuration, "jobReference": { "projectId": "p", "jobId": "j" } }),
            Some(json!({ "configuration": dry })),
        );
        check(
            json!({ "configuration": configuration, "jobReference": { "projectId": "p", "jobId": "j", "location": "EU" } }),
            Some(json!({ "configuration": dry, "jobReference": { "projectId": "p", "location": "EU" } })),
        );
        check(json!({ "configuration": { "dryRun": false } }), Some(json!({ "configuration": { "dryRun": true } })));
        check(json!({}), None);
        check(json!([]), None);
    }

    #[test]
    fn another_job_is_not_taken_for_ours() {
        let sent = json!({ "configuration": { "query": { "query": "SELECT 1" }, "labels": { "sluice_request": "1" } } });
        let check = |configuration: Value, expect: bool| {
            let found = json!({ "configuration": configuration });
            assert_eq!(is_same(&sent, &found), expect, "{found}");
        };
        check(json!({ "query": { "query": "SELECT 1", "priority": "INTERACTIVE" }, "labels": { "sluice_request": "1" } }), true);
        check(json!({ "query": { "query": "SELECT 1" }, "labels": { "sluice_request": "2" } }), false);
        check(json!({ "query": { "query": "SELECT 1" } }), false);
        check(json!({ "query": { "query": "SELECT 2" }, "labels": { "sluice_request": "1" } }), false);
        check(json!({ "load": {}, "labels": { "sluice_request": "1" } }), false);
        check(json!({ "query": { "query": "SELECT 1" }, "load": {}, "labels": { "sluice_request": "1" } }), false);
    }

    #[test]
    fn a_conflict_says_where_the_job_is() {
        let name = JobName { project: "example.com:p".to_owned(), location: None, id: "j.1".to_owned() };
        let check = |message: &str, expect: Option<&str>| assert_eq!(place_in(message, &name).as_deref(), expect, "{message}");
        check("Already Exists: Job example.com:p:asia-northeast1.j.1", Some("asia-northeast1"));
        check("Already Exists: Job example.com:p:US.j.1", Some("us"));
        check("Already Exists: Job example.com:p:US.other", None);
        check("Already Exists: Job q:US.j.1", None);
        check("Already Exists: Job example.com:p:U S.j.1", None);
        check("", None);
    }

    #[test]
    fn jobs_without_an_id_do_not_go_out() {
        let check = |body: &str, expect: Result<Option<&str>, ()>| {
            let read = Job::read(body);
            assert_eq!(read.as_ref().map(|job| job.name.as_ref().map(|name| name.id.as_str())).map_err(|_| ()), expect, "{body}");
        };
        check(r#"{"jobReference":{"projectId":"p","jobId":"j"},"configuration":{}}"#, Ok(Some("j")));
        check(r#"{"configuration":{"dryRun":true}}"#, Ok(None));
        check(r#"{"configuration":{"dryRun":"true"}}"#, Err(()));
        check(r#"{"jobReference":{"projectId":"p"},"configuration":{}}"#, Err(()));
        check("", Err(()));
    }
}
