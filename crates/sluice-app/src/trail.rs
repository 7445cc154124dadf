//! What a call of a client's spends its time on, step by step: for numbers and traces. It holds words of the program and times, nothing that
//! anybody said.

use crate::asked::Visit;
use crate::ports::{Asking, UpstreamFault};
use sluice_ledger::record::Subject;
use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Of one request; a list of jobs asks BigQuery for each.
pub const STEPS_KEPT_MAX: usize = 64;
pub(crate) const DONE: &str = "done";
const FAILED: &str = "failed";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The engine's part of understanding a statement.
    Analyze,
    /// Names looked up in the catalog.
    Catalog,
    Decide,
    Identify,
    Mask,
    /// Waiting for the ledger.
    Record,
    Understand,
    UpstreamDispatch,
    UpstreamDryRun,
    UpstreamJob,
    UpstreamRows,
    UpstreamSend,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub stage: Stage,
    pub begun: Instant,
    pub ended: Instant,
    pub outcome: &'static str,
}

/// Shared by all that works on one call. It is no part of what the call says, so two of them never make a difference.
#[derive(Clone, Debug, Default)]
pub struct Trail(Arc<Mutex<Walked>>);

/// What there is to tell of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Walked {
    pub begun: Instant,
    pub steps: Vec<Step>,
    /// Given to the client.
    pub rows: u64,
    pub row_bytes: u64,
    /// The request that the same call began with: a query, before the look at its rows.
    pub after: Option<Subject>,
}

/// A request that is over. A job that it began may go on.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The id that its records bear; none where no record bears one.
    pub subject: Option<Subject>,
    pub visit: &'a Visit,
    /// `served`, `failed` at BigQuery after it was admitted, `refused`.
    pub outcome: &'static str,
    /// Why it was not served, in the record's word.
    pub reason: Option<&'static str>,
    /// The same in detail, still in words of the program's: the kinds of policy's reasons, or what is wrong with a token.
    pub kinds: Vec<Cow<'static, str>>,
    /// Rules of policy that were named.
    pub rules: Vec<String>,
    /// It has no record of its own but is one of a count, as it came in a flood.
    pub is_counted: bool,
    pub walked: Walked,
}

impl Stage {
    pub const ALL: [Stage; 12] = [
        Stage::Analyze,
        Stage::Catalog,
        Stage::Decide,
        Stage::Identify,
        Stage::Mask,
        Stage::Record,
        Stage::Understand,
        Stage::UpstreamDispatch,
        Stage::UpstreamDryRun,
        Stage::UpstreamJob,
        Stage::UpstreamRows,
        Stage::UpstreamSend,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Stage::Analyze => "analyze",
            Stage::Catalog => "catalog",
            Stage::Decide => "decide",
            Stage::Identify => "identify",
            Stage::Mask => "mask",
            Stage::Record => "record",
            Stage::Understand => "understand",
            Stage::UpstreamDispatch => "upstream.dispatch",
            Stage::UpstreamDryRun => "upstream.dry_run",
            Stage::UpstreamJob => "upstream.job",
            Stage::UpstreamRows => "upstream.rows",
            Stage::UpstreamSend => "upstream.send",
        }
    }

    /// Calls of BigQuery are also made without a request that waits.
    pub fn is_upstream(self) -> bool {
        self.word().starts_with("upstream.")
    }
}

impl Trail {
    pub fn note(&self, stage: Stage, begun: Instant, outcome: &'static str) {
        let step = Step { stage, begun, ended: Instant::now(), outcome };
        let mut walked = self.walked();
        if walked.steps.len() < STEPS_KEPT_MAX {
            walked.steps.push(step);
        }
    }

    pub fn note_result<T, E>(&self, stage: Stage, begun: Instant, result: &Result<T, E>) {
        self.note(stage, begun, if result.is_ok() { DONE } else { FAILED });
    }

    pub async fn walk<T, E>(&self, stage: Stage, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let begun = Instant::now();
        let result = work.await;
        self.note_result(stage, begun, &result);
        result
    }

    pub async fn upstream<T>(&self, stage: Stage, asking: Asking<'_, Result<T, UpstreamFault>>) -> Result<T, UpstreamFault> {
        let begun = Instant::now();
        let answer = asking.await;
        self.note(stage, begun, answer.as_ref().err().map_or(DONE, |fault| fault.kind.word()));
        answer
    }

    pub fn release(&self, rows: u64, bytes: u64) {
        let mut walked = self.walked();
        walked.rows = walked.rows.saturating_add(rows);
        walked.row_bytes = walked.row_bytes.saturating_add(bytes);
    }

    /// What was walked until now. What comes after it belongs to the next request of the same call.
    pub fn take(&self, subject: Option<Subject>) -> Walked {
        let mut walked = self.walked();
        let next = Walked { after: subject, ..Walked::default() };
        std::mem::replace(&mut *walked, next)
    }

    fn walked(&self) -> std::sync::MutexGuard<'_, Walked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Trail {
    fn eq(&self, _: &Trail) -> bool {
        true
    }
}

impl Eq for Trail {}

impl Default for Walked {
    fn default() -> Walked {
        Walked { begun: Instant::now(), steps: Vec::new(), rows: 0, row_bytes: 0, after: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_kept_up_to_a_number_and_belong_to_one_request() {
        let trail = Trail::default();
        for _ in 0..STEPS_KEPT_MAX + 3 {
            trail.note(Stage::UpstreamJob, Instant::now(), DONE);
        }
        trail.release(2, 30);
        trail.clone().release(1, 12);
        let first = trail.take(Some(Subject([7; 16])));
        assert_eq!((first.steps.len(), first.rows, first.row_bytes, first.after), (STEPS_KEPT_MAX, 3, 42, None));
        trail.note_result(Stage::Record, Instant::now(), &Err::<(), ()>(()));
        let second = trail.take(None);
        let steps: Vec<(Stage, &str)> = second.steps.iter().map(|step| (step.stage, step.outcome)).collect();
        assert_eq!((steps, second.rows, second.after), (vec![(Stage::Record, FAILED)], 0, Some(Subject([7; 16]))));
        assert!(second.begun >= first.steps[0].begun);
    }
}
