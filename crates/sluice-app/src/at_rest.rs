//! Requests that are understood while nothing of what they rest on changes, and decided by what is so when their rows leave.

use crate::asked::{MethodAsk, QueryAsk};
use crate::decide::Admission;
use crate::gateway::{Gateway, Passage};
use crate::record;
use crate::refusal::Why;
use crate::shapes::{Reading, Rest};
use crate::trail::Stage;
use crate::understand::Understood;
use sluice_model::Analysis;
use sluice_policy::{Known, Permit, Request};
use std::sync::Arc;

/// Of one request: what goes on changing is withheld at the end.
const UNDERSTOOD_TIMES_MAX: usize = 3;

impl Gateway {
    /// From then on whoever changes what it rests on looks at what is left there. What was changed while it was understood is understood anew.
    pub(crate) async fn understand_at_rest(&self, passage: &mut Passage, ask: &QueryAsk) -> Result<(Understood, u64), Why> {
        let mut times = 0;
        loop {
            times += 1;
            let begun_ms = self.parts.machine.now_ms();
            let (trail, who) = (&passage.visit.trail, passage.caller.principal().to_string());
            let understood = trail.walk(Stage::Understand, self.understand(trail, &who, &ask.connection, &ask.query)).await;
            let analysis = understood.as_ref().map(|understood| Arc::clone(&understood.analysis)).unwrap_or_default();
            passage.asked = Some(record::statement(ask, &analysis));
            let understood = understood?;
            if ask.dry_run {
                return Ok((understood, begun_ms));
            }
            passage.rest = Rest::new(&ask.connection, begun_ms, &understood.snapshot, &understood.analysis);
            self.changes.rest(passage.subject, passage.rest.clone());
            if times == UNDERSTOOD_TIMES_MAX || !self.changes.is_stale(&passage.rest, passage.subject) {
                return Ok((understood, begun_ms));
            }
        }
    }

    /// The same for a request that is no statement.
    pub(crate) async fn method_at_rest(&self, passage: &Passage, ask: &MethodAsk) -> Result<(Request, Known, Reading), Why> {
        let mut times = 0;
        loop {
            times += 1;
            let (since_ms, known_before) = (self.parts.machine.now_ms(), self.known_now().await?);
            let (request, known, snapshot) = self.method_request(passage, ask).await?;
            let rest = Rest::new(&ask.connection, since_ms, &snapshot, &Analysis::default());
            let resting = self.changes.rest_while(passage.subject, rest);
            if times == UNDERSTOOD_TIMES_MAX || !self.changes.is_stale(&resting.rest, passage.subject) {
                return Ok((request, known, Reading { resting, known: known_before }));
            }
        }
    }

    /// From now on nobody labels what it takes out. What was labelled since it was decided counts.
    pub(crate) async fn hold_to_labels(&self, passage: &Passage, admission: &Admission, takes_out: bool) -> Result<(), Why> {
        if !takes_out {
            return Ok(());
        }
        let known_now = self.known_now().await?;
        let held = self.still_decided_with(passage, admission.permit.value(), admission.dry_run.as_ref(), &known_now);
        if held.is_err() {
            self.end_changes(passage.subject, &passage.connection).await;
        }
        held
    }

    /// Since it was decided BigQuery was asked about the job, and the job can have read what got a label while it took its time to answer.
    pub(crate) async fn hold_to_decision(&self, passage: &Passage, permit: &Permit, known: &Arc<Known>) -> Result<(), Why> {
        let known_now = self.known_now().await?;
        let is_same = Arc::ptr_eq(known, &known_now) && self.parts.in_force.policy().digest == permit.decision().policy;
        if is_same { Ok(()) } else { self.still_decided(passage, permit, &known_now) }
    }
}
