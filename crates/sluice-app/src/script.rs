//! The parts of a script: jobs that BigQuery began for a job of the caller's, and their rows.

use crate::asked::Visit;
use crate::decide::{Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{Course, JobName, JobWork, KnownJob, Part};
use crate::jobs::asked;
use crate::ports::{JobState, JobsFault};
use crate::refusal::{Refused, Why};
use crate::trail::Stage;
use serde_json::Value;
use sluice_identity::Caller;
use sluice_policy::{Method, Resource, Sends};
use std::sync::Arc;
use std::time::Duration;

/// Of one script, in one answer.
pub const PARTS_LISTED_MAX: usize = 100;

impl Gateway {
    /// `jobs.list` with a parent: each part is the caller's from then on, as the script is.
    pub async fn parts_of_script(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        connection: &str,
        parent: JobName,
        parts_max: usize,
    ) -> Result<Vec<JobState>, Refused> {
        self.pass(visit, Arc::new(caller), connection, move |gateway, mut passage| async move {
            let outcome = gateway.parts(&mut passage, &parent, parts_max.min(PARTS_LISTED_MAX)).await;
            (passage, outcome)
        })
        .await
    }

    async fn parts(&self, passage: &mut Passage, parent: &JobName, parts_max: usize) -> Result<Vec<JobState>, Why> {
        let script = self.own_job(passage, parent).await?;
        let work = Method::plain("jobs.list", Resource::Project(parent.project.clone()));
        let query = [("parentJobId", parent.id.clone()), ("projection", "full".to_owned()), ("maxResults", parts_max.to_string())];
        let sends = Sends {
            path: format!("projects/{}/jobs", parent.project),
            query: query.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            ..Sends::default()
        };
        let request = asked(passage, &parent.project, work, sends);
        let known_now = self.known_now().await?;
        let admission = self.admit_request(passage, request, Background { known: &known_now, tables: &[] }).await?;
        self.confirm_first(passage, &script, &admission, &script.name).await?;
        let before = self.may_tell(passage, &script).await;
        let fault = |fault| failed(fault, before);
        let asking = self.parts.upstream.send(&admission.permit);
        let listed = passage.visit.trail.upstream(Stage::UpstreamSend, asking).await.map_err(fault)?;
        let mut states = Vec::new();
        for id in ids(&listed.0).into_iter().take(parts_max) {
            let name = JobName { id, ..script.name.clone() };
            let asking = self.parts.upstream.job(&admission.permit, &name, Duration::ZERO);
            let state = passage.visit.trail.upstream(Stage::UpstreamJob, asking).await.map_err(fault)?;
            // A server that does not know the parameter lists jobs of everybody.
            if text(&state, "/statistics/parentJobId") != Some(parent.id.as_str()) {
                continue;
            }
            self.take_in(&script, &state).await?;
            states.push(without_foreign_text(state));
        }
        // By what is so now that they are all there. Which there are tells the way that the script took.
        let may_tell = self.may_tell(passage, &script).await;
        if !may_tell.way {
            return Err(Why::Drift("the parts of a script that was decided on otherwise".to_owned()));
        }
        self.complete(passage, &JobState::default(), "completed").await;
        Ok(states.into_iter().map(|state| self.told(state, may_tell)).collect())
    }

    /// Rows of a part are asked for by its own name: they are decided by the analysis of the whole script.
    async fn take_in(&self, script: &KnownJob, state: &JobState) -> Result<(), Why> {
        // What a variable was given is a job too: its value is no output of the script, and nothing was decided about it.
        let is_statement = text(state, "/statistics/scriptStatistics/evaluationKind") == Some("STATEMENT");
        let kind = match state.statement_type.as_deref() {
            Some("SELECT") if is_statement => Part::Shown,
            Some(_) if is_statement => Part::Silent,
            _ => Part::Unshown,
        };
        let work = match &script.work {
            JobWork::Query(work) => {
                let mut work = work.clone();
                work.part = kind;
                work.destination = None;
                JobWork::Query(work)
            }
            JobWork::Other => JobWork::Other,
        };
        let part = KnownJob {
            name: JobName { location: script.name.location.clone().or_else(|| state.name.location.clone()), ..state.name.clone() },
            request_id: None,
            result_table: None,
            arrived: true,
            work,
            course: Course { script: Some(script.name.id.clone()), ..script.course.clone() },
            ..script.clone()
        };
        match self.parts.jobs.begin(part).await {
            // Listed before.
            Ok(()) | Err(JobsFault::Taken) => {}
            Err(fault) => return Err(fault.into()),
        }
        Ok(())
    }
}

/// Of a list of jobs.
fn ids(listed: &Value) -> Vec<String> {
    let jobs = listed.get("jobs").and_then(Value::as_array);
    let id = |job: &Value| job.pointer("/jobReference/jobId").and_then(Value::as_str).map(str::to_owned);
    jobs.into_iter().flatten().filter_map(id).collect()
}

pub(crate) fn text<'a>(state: &'a JobState, pointer: &str) -> Option<&'a str> {
    state.resource.0.pointer(pointer).and_then(Value::as_str)
}

/// The body of a procedure is not the caller's own text.
pub(crate) fn without_foreign_text(mut state: JobState) -> JobState {
    let frames = state.resource.0.pointer("/statistics/scriptStatistics/stackFrames").and_then(Value::as_array);
    let is_foreign = frames.is_none_or(|frames| frames.iter().any(|frame| frame.get("procedureId").is_some()));
    if is_foreign {
        for pointer in ["/configuration/query/query", "/statistics/scriptStatistics/stackFrames"] {
            if let Some(value) = state.resource.0.pointer_mut(pointer) {
                *value = if value.is_array() { Value::Array(Vec::new()) } else { Value::String(String::new()) };
            }
        }
    }
    state
}
