//! What the door asks, and of whom. The gateway answers; tests put something simpler in its place.

use sluice_app::{
    Admitted, Asking, Gateway, JobName, JobPage, JobRows, JobState, MethodAsk, QueryAsk, Refused, Results, Upload, Visit, Why,
};
use sluice_identity::Caller;
use std::sync::Arc;
use std::time::Duration;

/// The path of a request, as the gateway offers it. Each refusal is on record before it comes back.
pub trait Application: Send + Sync {
    fn job_id(&self) -> Result<String, Refused>;
    fn submit(&self, visit: Visit, caller: Caller, ask: QueryAsk) -> Asking<'_, Result<JobState, Refused>>;
    fn query(&self, visit: Visit, caller: Caller, ask: QueryAsk, patience: Duration, rows: JobRows)
    -> Asking<'_, Result<Results, Refused>>;
    fn results(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        rows: JobRows,
        patience: Duration,
    ) -> Asking<'_, Result<Results, Refused>>;
    fn job(&self, visit: Visit, caller: Caller, connection: String, job: JobName) -> Asking<'_, Result<JobState, Refused>>;
    fn cancel(&self, visit: Visit, caller: Caller, connection: String, job: JobName) -> Asking<'_, Result<JobState, Refused>>;
    fn jobs(&self, visit: Visit, caller: Caller, list: JobList) -> Asking<'_, Result<JobPage, Refused>>;
    fn admit(&self, visit: Visit, caller: Caller, ask: MethodAsk, upload: Option<Upload>) -> Asking<'_, Result<Admitted, Refused>>;
    /// Whether an upload may be begun, gone on with, asked about or given up.
    fn may_go_on(&self, visit: Visit, caller: Caller, ask: MethodAsk) -> Asking<'_, Result<(), Refused>>;
    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused>;
}

/// Which of one's own jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobList {
    pub connection: String,
    pub project: String,
    /// Older than the one of this id.
    pub before: Option<String>,
    /// Not the jobs that a caller sent, but the parts of one of them, a script.
    pub parent: Option<String>,
    pub jobs_max: usize,
}

/// From what stands behind `Bearer` to who calls.
pub trait Authenticate: Send + Sync {
    fn caller<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>>;

    /// The same once more within one request, which counts once.
    fn caller_again<'a>(&'a self, visit: &'a Visit, bearer: &'a [u8]) -> Asking<'a, Result<Caller, Refused>> {
        self.caller(visit, bearer)
    }

    /// The same for a GET on one job, for which a token may serve a little longer than for everything else.
    fn caller_of_job<'a>(
        &'a self,
        visit: &'a Visit,
        bearer: &'a [u8],
        connection: &'a str,
        job: &'a JobName,
    ) -> Asking<'a, Result<Caller, Refused>> {
        let _ = (connection, job);
        self.caller(visit, bearer)
    }
}

impl Application for Arc<Gateway> {
    fn job_id(&self) -> Result<String, Refused> {
        Gateway::job_id(self)
    }

    fn submit(&self, visit: Visit, caller: Caller, ask: QueryAsk) -> Asking<'_, Result<JobState, Refused>> {
        Box::pin(Gateway::submit(self, visit, caller, ask))
    }

    fn query(
        &self,
        visit: Visit,
        caller: Caller,
        ask: QueryAsk,
        patience: Duration,
        rows: JobRows,
    ) -> Asking<'_, Result<Results, Refused>> {
        Box::pin(Gateway::query(self, visit, caller, ask, patience, rows))
    }

    fn results(
        &self,
        visit: Visit,
        caller: Caller,
        connection: String,
        rows: JobRows,
        patience: Duration,
    ) -> Asking<'_, Result<Results, Refused>> {
        Box::pin(async move { Gateway::results(self, visit, caller, &connection, rows, patience).await })
    }

    fn job(&self, visit: Visit, caller: Caller, connection: String, job: JobName) -> Asking<'_, Result<JobState, Refused>> {
        Box::pin(async move { Gateway::job(self, visit, caller, &connection, job).await })
    }

    fn cancel(&self, visit: Visit, caller: Caller, connection: String, job: JobName) -> Asking<'_, Result<JobState, Refused>> {
        Box::pin(async move { Gateway::cancel(self, visit, caller, &connection, job).await })
    }

    fn jobs(&self, visit: Visit, caller: Caller, list: JobList) -> Asking<'_, Result<JobPage, Refused>> {
        Box::pin(async move {
            let JobList { connection, project, before, parent, jobs_max } = list;
            match parent {
                Some(id) => {
                    let parent = JobName { project, location: None, id };
                    let jobs = Gateway::parts_of_script(self, visit, caller, &connection, parent, jobs_max).await?;
                    Ok(JobPage { jobs, next: None })
                }
                None => Gateway::jobs(self, visit, caller, &connection, &project, before, jobs_max).await,
            }
        })
    }

    fn admit(&self, visit: Visit, caller: Caller, ask: MethodAsk, upload: Option<Upload>) -> Asking<'_, Result<Admitted, Refused>> {
        Box::pin(Gateway::admit(self, visit, caller, ask, upload))
    }

    fn may_go_on(&self, visit: Visit, caller: Caller, ask: MethodAsk) -> Asking<'_, Result<(), Refused>> {
        Box::pin(Gateway::may_go_on(self, visit, caller, ask))
    }

    fn refuse<'a>(&'a self, visit: Visit, caller: Option<&'a Caller>, why: Why) -> Asking<'a, Refused> {
        Box::pin(Gateway::refuse(self, visit, caller, why))
    }
}
