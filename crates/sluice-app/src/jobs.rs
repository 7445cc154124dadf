//! Jobs of one's own: whoever else asks is told that there is none.

use crate::asked::Visit;
use crate::decide::Admission;
use crate::decide::{Background, failed};
use crate::gateway::{Gateway, Passage};
use crate::job::{JobName, JobWork, KnownJob, Part, owner_of};
use crate::labels::is_of_request;
use crate::ports::{Asking, JobState, UpstreamFault};
use crate::refusal::{Refused, Why};
use crate::together::together;
use crate::trail::Stage;
use sluice_identity::Caller;
use sluice_policy::{MayTell, Method, Request, Resource, Sends, Verb, Work};
use std::sync::Arc;
use std::time::Duration;

/// How many jobs one answer lists.
pub const JOBS_LISTED_MAX: usize = 100;
/// Of one list, at BigQuery.
const JOBS_ASKED_AT_ONCE_MAX: usize = 8;

/// A part of a list.
#[derive(Debug, Default)]
pub struct JobPage {
    pub jobs: Vec<JobState>,
    /// The id to go on behind, where there may be more. Not of the last job that is shown: some are left out.
    pub next: Option<String>,
}

impl Gateway {
    /// `jobs.get`.
    pub async fn job(self: &Arc<Self>, visit: Visit, caller: Caller, connection: &str, job: JobName) -> Result<JobState, Refused> {
        self.pass(visit, Arc::new(caller), connection, |gateway, mut passage| async move {
            let outcome = gateway.look_at(&mut passage, &job).await;
            (passage, outcome)
        })
        .await
    }

    /// `jobs.cancel`: asked for, not waited for.
    pub async fn cancel(self: &Arc<Self>, visit: Visit, caller: Caller, connection: &str, job: JobName) -> Result<JobState, Refused> {
        self.pass(visit, Arc::new(caller), connection, |gateway, mut passage| async move {
            let outcome = gateway.cancel_now(&mut passage, &job).await;
            (passage, outcome)
        })
        .await
    }

    /// `jobs.list`: a caller's own, the newest first.
    pub async fn jobs(
        self: &Arc<Self>,
        visit: Visit,
        caller: Caller,
        connection: &str,
        project: &str,
        before: Option<String>,
        jobs_max: usize,
    ) -> Result<JobPage, Refused> {
        let project = project.to_owned();
        self.pass(visit, Arc::new(caller), connection, move |gateway, mut passage| async move {
            let outcome = gateway.list(&mut passage, &project, before.as_deref(), jobs_max.min(JOBS_LISTED_MAX)).await;
            (passage, outcome)
        })
        .await
    }

    /// The same answer for a job that is not there and for one that is another's.
    pub(crate) async fn own_job(&self, passage: &Passage, job: &JobName) -> Result<Arc<KnownJob>, Why> {
        let owner = owner_of(&passage.caller);
        let known = match self.running.find(&passage.connection, job) {
            Some(running) => Some(Arc::clone(&running.known)),
            None => self.parts.jobs.find(&passage.connection, job).await?,
        };
        let is_there = |known: &Arc<KnownJob>| known.owner == owner && same_place(&known.name, job);
        known.filter(is_there).ok_or_else(|| absent(job))
    }

    /// A name that was claimed and never confirmed, because the gateway died or was not answered: the job that has it is the caller's only if it
    /// carries the label of the caller's request. Without this whoever sends a job under the name of another's would be told all about that one.
    pub(crate) async fn confirm(&self, known: &KnownJob, state: &JobState) -> Result<(), Why> {
        if !known.arrived && !is_of_request(&state.resource.0, known.subject) {
            return Err(absent(&known.name));
        }
        // Nobody is told of its end before it is judged.
        if state.done && self.judge_unwatched(known, state).await {
            return Ok(());
        }
        if !known.arrived {
            self.settle(known, state).await;
        }
        Ok(())
    }

    /// Before anything is done to a job.
    pub(crate) async fn confirm_first(
        &self,
        passage: &Passage,
        known: &KnownJob,
        admission: &Admission,
        name: &JobName,
    ) -> Result<(), Why> {
        if known.arrived {
            return Ok(());
        }
        let state = self.parts.upstream.job(&admission.permit, name, Duration::ZERO).await;
        let may_tell = self.may_tell(passage, known).await;
        self.confirm(known, &state.map_err(|fault| failed(fault, may_tell))?).await
    }

    async fn look_at(&self, passage: &mut Passage, job: &JobName) -> Result<JobState, Why> {
        let known = self.own_job(passage, job).await?;
        let request = method(passage, "jobs.get", &known.name, Verb::Get, "");
        let running = self.running.find(&passage.connection, &known.name);
        // The record of a job that is over takes no more counts: whoever asks then has a record of its own.
        if let Some(running) = running.as_ref().filter(|running| !running.state().done) {
            running.count_poll();
            self.may_poll(passage, request)?;
            return Ok(self.tell_of(passage, &known, running.state()).await);
        }
        let known_now = self.known_now().await?;
        let admission = self.admit_request(passage, request, Background { known: &known_now, tables: &[] }).await?;
        let state = match running {
            Some(running) => Ok(running.state()),
            None => {
                let name = placed(&known.name, job);
                let asking = self.parts.upstream.job(&admission.permit, &name, Duration::ZERO);
                passage.visit.trail.upstream(Stage::UpstreamJob, asking).await
            }
        };
        let may_tell = self.may_tell(passage, &known).await;
        let state = state.map_err(|fault| failed(fault, may_tell))?;
        self.confirm(&known, &state).await?;
        self.complete(passage, &state, "completed").await;
        Ok(self.tell_of(passage, &known, state).await)
    }

    async fn cancel_now(&self, passage: &mut Passage, job: &JobName) -> Result<JobState, Why> {
        let known = self.own_job(passage, job).await?;
        let running = self.running.find(&passage.connection, &known.name);
        let name = running.as_ref().map_or_else(|| placed(&known.name, job), |running| running.state().name);
        let request = method(passage, "jobs.cancel", &name, Verb::Post, "/cancel");
        let known_now = self.known_now().await?;
        let admission = self.admit_request(passage, request, Background { known: &known_now, tables: &[] }).await?;
        self.confirm_first(passage, &known, &admission, &name).await?;
        let may_tell = self.may_tell(passage, &known).await;
        // Before BigQuery can have ended it for that.
        running.iter().for_each(|running| running.cancel());
        let (asking, trail) = (self.parts.upstream.send(&admission.permit), &passage.visit.trail);
        trail.upstream(Stage::UpstreamSend, asking).await.map_err(|fault| failed(fault, may_tell))?;
        let asking = self.parts.upstream.job(&admission.permit, &name, Duration::ZERO);
        let state = trail.upstream(Stage::UpstreamJob, asking).await;
        let state = state.map_err(|fault| failed(fault, may_tell))?;
        self.complete(passage, &state, "completed").await;
        Ok(self.tell_of(passage, &known, state).await)
    }

    async fn list(&self, passage: &mut Passage, project: &str, before: Option<&str>, jobs_max: usize) -> Result<JobPage, Why> {
        let work = Method::plain("jobs.list", Resource::Project(project.to_owned()));
        let sends = Sends { path: format!("projects/{project}/jobs"), ..Sends::default() };
        let request = asked(passage, project, work, sends);
        let known_now = self.known_now().await?;
        let admission = self.admit_request(passage, request, Background { known: &known_now, tables: &[] }).await?;
        let owner = owner_of(&passage.caller);
        let mut page = JobPage::default();
        let listed = self.parts.jobs.list(&owner, project, before, jobs_max).await?;
        page.next = listed.last().filter(|_| listed.len() >= jobs_max).map(|known| known.name.id.clone());
        // Parts of a script are listed with it alone.
        let is_part = |known: &KnownJob| matches!(&known.work, JobWork::Query(work) if work.part != Part::Whole);
        let listed: Vec<_> = listed.into_iter().filter(|known| !is_part(known) && known.connection == passage.connection).collect();
        for some in listed.chunks(JOBS_ASKED_AT_ONCE_MAX) {
            let states = together(some.iter().map(|known| self.state_of(passage, &admission, known)).collect()).await;
            for (known, state) in some.iter().zip(states) {
                // BigQuery forgets jobs after half a year.
                let Ok(state) = state else { continue };
                if self.confirm(known, &state).await.is_err() {
                    continue;
                }
                page.jobs.push(self.tell_of(passage, known, state).await);
            }
        }
        self.complete(passage, &JobState::default(), "completed").await;
        Ok(page)
    }

    fn state_of<'a>(
        &'a self,
        passage: &'a Passage,
        admission: &'a Admission,
        known: &'a KnownJob,
    ) -> Asking<'a, Result<JobState, UpstreamFault>> {
        Box::pin(async move {
            if let Some(running) = self.running.find(&passage.connection, &known.name) {
                return Ok(running.state());
            }
            let asking = self.parts.upstream.job(&admission.permit, &known.name, Duration::ZERO);
            passage.visit.trail.upstream(Stage::UpstreamJob, asking).await
        })
    }

    /// Of one that was not run: nothing was read.
    pub(crate) fn may_tell_of_dry_run(&self, passage: &Passage, known: &KnownJob) -> MayTell {
        match &known.work {
            JobWork::Query(work) => self.whole_may_tell(passage, &self.page(known, work, Sends::default()), &self.parts.in_force.known()),
            JobWork::Other => MayTell::default(),
        }
    }

    /// What BigQuery says of a job, as far as it cannot hold what the caller may not see. Asked for when it is told and not before: while somebody waits,
    /// labels come, and what the job reads becomes another.
    pub(crate) async fn may_tell(&self, passage: &Passage, known: &KnownJob) -> MayTell {
        let JobWork::Query(work) = &known.work else {
            return MayTell { texts: true, errors: true, dry_runs: true, way: true, sizes: true };
        };
        if !self.is_undisturbed(known).await {
            return MayTell::default();
        }
        match self.known_now().await {
            Ok(known_now) => self.whole_may_tell(passage, &self.page(known, work, Sends::default()), &known_now),
            Err(_) => MayTell::default(),
        }
    }
}

pub(crate) fn absent(job: &JobName) -> Why {
    Why::NotFound { what: format!("Job {job}") }
}

/// Locations are compared where both sides have one.
fn same_place(known: &JobName, asked: &JobName) -> bool {
    match (&known.location, &asked.location) {
        (Some(known), Some(asked)) => known.eq_ignore_ascii_case(asked),
        _ => true,
    }
}

/// The name as it is known, at the place that the client says if nobody knows better.
fn placed(known: &JobName, asked: &JobName) -> JobName {
    JobName { location: known.location.clone().or_else(|| asked.location.clone()), ..known.clone() }
}

fn method(passage: &Passage, name: &str, job: &JobName, verb: Verb, suffix: &str) -> Request {
    let resource = Resource::Job { project: job.project.clone(), id: job.id.clone(), mine: true };
    let query = job.location.iter().map(|location| ("location".to_owned(), location.clone())).collect();
    let sends = Sends { verb, path: format!("projects/{}/jobs/{}{suffix}", job.project, job.id), query, ..Sends::default() };
    asked(passage, &job.project, Method::plain(name, resource), sends)
}

pub(crate) fn asked(passage: &Passage, project: &str, method: Method, sends: Sends) -> Request {
    let connection = passage.connection.clone();
    Request { connection, project: project.to_owned(), work: Work::Method(method), also: Vec::new(), sends }
}
