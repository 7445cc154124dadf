//! From dispatch to the end of a job: followed until it is done, whether or not its client asks.

use crate::asked::Visit;
use crate::decide::Admission;
use crate::gateway::Gateway;
use crate::job::{JobWork, KnownJob, Verdict};
use crate::labels::is_of_request;
use crate::ports::{JobState, UpstreamFault, UpstreamFaultKind};
use crate::record;
use crate::running::Running;
use crate::writers::Writing;
use sluice_identity::Caller;
use sluice_ledger::record::Subject;
use sluice_ledger::record::content::{Steps, Totals};
use std::sync::Arc;
use std::time::Duration;

/// One long poll.
const FOLLOW_PATIENCE_SECONDS: u64 = 10;
/// A job that was taken is soon one that runs: whoever asks for it is told so.
const FOLLOW_FIRST_SECONDS: u64 = 1;
/// Between polls that failed.
const FOLLOW_RETRY_SECONDS: u64 = 2;
/// A job that nobody could be asked about for so long is given up; BigQuery ends jobs after six hours.
const FOLLOW_FAILURES_MAX: u32 = 5_400;
/// BigQuery may know of a job later than it was sent. After so many looks it never arrived.
const FOLLOW_ABSENCES_MAX: u32 = 3;
/// A job that BigQuery took, and says so often that there is none, or that it is nobody's business.
const FOLLOW_REFUSALS_MAX: u32 = 30;
const NOT_FOUND: u16 = 404;

/// Of the request that a job belongs to, for its last record.
pub(crate) struct Followed {
    /// BigQuery said that it took the job.
    pub arrived: bool,
    pub subject: Subject,
    pub visit: Visit,
    pub connection: String,
    pub caller: Arc<Caller>,
}

impl Gateway {
    pub(crate) async fn follow(self: Arc<Self>, running: Arc<Running>, mut admission: Admission, followed: Followed) {
        // The record goes first; whether the job is done is asked while it is written. Once it is done its place is free.
        let slot = admission.slot.take();
        let done = async {
            let outcome = self.until_done(&running, &admission, &followed).await;
            drop(slot);
            outcome
        };
        let (_, outcome) = tokio::join!(self.record_dispatch(&running, followed.subject), done);
        self.end_changes(running.known.subject, &running.known.connection).await;
        let state = running.state();
        let outcome = if state.error.is_some() { "failed" } else { outcome };
        self.end_job((&running, &admission), &followed, &state, outcome).await;
        self.note_failed(&followed, &running, &state, &admission).await;
        self.running.done(&running);
    }

    async fn until_done(&self, running: &Running, admission: &Admission, followed: &Followed) -> &'static str {
        let (mut failures, mut refusals, mut seconds) = (0, 0, FOLLOW_FIRST_SECONDS);
        while !running.state().done {
            let name = running.state().name;
            let patience = Duration::from_secs(std::mem::replace(&mut seconds, FOLLOW_PATIENCE_SECONDS));
            match self.parts.upstream.job(&admission.permit, &name, patience).await {
                // Another's job has the name: ours never arrived.
                Ok(state) if !followed.arrived && !is_of_request(&state.resource.0, running.known.subject) => {
                    let error = self.taken(&followed.connection, &name, "").await;
                    running.set(JobState { done: true, error: Some(error), ..running.state() });
                }
                Ok(state) => {
                    (failures, refusals) = (0, 0);
                    if state.done {
                        self.end_of(&running.known, admission.writing.as_ref(), &state).await;
                    }
                    running.set(state);
                }
                // There is no such job. One that was taken may have done its work all the same: what is said of it is believed only if it is said again.
                Err(fault) if fault.kind == UpstreamFaultKind::Refused && refusals >= refusals_max(followed, &fault) => {
                    let state = JobState { done: true, error: fault.error, ..running.state() };
                    running.set(state);
                }
                Err(fault) => {
                    failures += 1;
                    refusals += u32::from(fault.kind == UpstreamFaultKind::Refused);
                    if failures == 1 {
                        self.parts.alarm.raise(&format!("a job cannot be followed: {fault}"));
                    }
                    if failures > FOLLOW_FAILURES_MAX {
                        return "lost";
                    }
                    tokio::time::sleep(Duration::from_secs(FOLLOW_RETRY_SECONDS)).await;
                }
            }
        }
        "completed"
    }

    /// Before anybody is told that it is done. What it was given beyond its permit.
    pub(crate) async fn end_of(&self, known: &KnownJob, writing: Option<&Writing>, state: &JobState) -> Vec<String> {
        self.look_back(known).await;
        let late = self.late_labels(writing).await;
        self.settle(known, state).await;
        self.end_changes(known.subject, &known.connection).await;
        late
    }

    /// What it was given beyond its permit. Whoever cannot keep labels has raised an alarm, and begins nothing more that needs it.
    async fn late_labels(&self, writing: Option<&Writing>) -> Vec<String> {
        match writing {
            Some(writing) => self.carry_again(writing).await.unwrap_or_default(),
            None => Vec::new(),
        }
    }

    /// What became of a job, as far as it is known.
    pub(crate) async fn settle(&self, known: &KnownJob, state: &JobState) {
        if let JobWork::Query(work) = &known.work {
            let written = work.analysis.statements.iter().flat_map(|statement| &statement.writes).map(|write| &write.table);
            for table in written.chain(work.destination.as_ref().map(|destination| &destination.table)) {
                self.parts.catalog.forget(table);
            }
        }
        // A result that is withheld is not read as a table either.
        let (verdict, is_shown) = match &known.work {
            JobWork::Query(work) => {
                let verdict = self.judged(known).filter(|_| state.done);
                let is_held_to = || self.hold_to(&known.connection, work, state).is_ok();
                (verdict, verdict == Some(Verdict::Undisturbed) && is_held_to())
            }
            // It has no rows.
            JobWork::Other => (state.done.then_some(Verdict::Undisturbed), true),
        };
        let destination = state.destination.clone().filter(|_| is_shown);
        if let Err(fault) = self.parts.jobs.settle(&known.connection, &state.name, destination, verdict).await {
            self.parts.alarm.raise(&format!("the book of jobs does not take what became of one: {fault:?}"));
        }
    }

    async fn record_dispatch(&self, running: &Running, subject: Subject) {
        match (Steps { subject }).dispatched(&record::upstream(&running.state())) {
            Ok(draft) => self.put_outcome_unhurried(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("a dispatch has no record: {error}")),
        }
    }

    async fn end_job(&self, (running, admission): (&Running, &Admission), followed: &Followed, state: &JobState, outcome: &str) {
        let mut meta = record::of_job(record::meta(&followed.visit, &followed.connection, outcome, None), &state.name);
        meta.reason = state.error.as_ref().map(|error| error.reason.clone());
        meta.counts.insert("polls".to_owned(), running.polls());
        meta.resources = self.late_labels(admission.writing.as_ref()).await;
        let totals = Totals::default();
        match (Steps { subject: followed.subject }).completed(&meta, &totals, &record::upstream(state)) {
            Ok(draft) => self.put_outcome_unhurried(draft).await,
            Err(error) => self.parts.alarm.raise(&format!("a job's end has no record: {error}")),
        }
    }
}

fn refusals_max(followed: &Followed, fault: &UpstreamFault) -> u32 {
    if !followed.arrived && fault.status == Some(NOT_FOUND) { FOLLOW_ABSENCES_MAX } else { FOLLOW_REFUSALS_MAX }
}
