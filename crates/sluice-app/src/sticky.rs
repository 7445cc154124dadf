//! Labels stay: they go with the data that is written, and a policy tag that was seen once counts from then on. Only a person takes a label off.

use crate::gateway::{Gateway, Passage};
use crate::job::JobWork;
use crate::ports::{InForce, KeepFault};
use crate::refusal::Why;
use sluice_ledger::Recorded;
use sluice_ledger::record::Subject;
use sluice_model::ColumnPath;
use sluice_policy::{Inherited, Known, Permit, Request, Sends};
use std::sync::Arc;

impl Gateway {
    /// Before anything is sent: who reads the copy a moment later meets its labels.
    pub(crate) async fn carry_labels(&self, passage: &Passage, permit: &Recorded<Permit>) -> Result<(), Why> {
        let permit = permit.value();
        if !permit.request().begins_job() {
            return Ok(());
        }
        let mut known = (*self.parts.in_force.known()).clone();
        let is_new = |kept: &&Inherited| known.take(kept);
        let labels: Vec<Inherited> = permit.inherited().iter().filter(is_new).cloned().collect();
        if labels.is_empty() {
            return Ok(());
        }
        self.keep_labels(passage.subject, labels).await?;
        self.carry_through_running().await
    }

    /// A job reads its tables when it runs, which can be long after it was decided. What came onto them until then goes with what it writes.
    pub(crate) async fn carry_late(&self, subject: Subject, request: &Request) -> Result<bool, Why> {
        let mut known = (*self.parts.in_force.known()).clone();
        let carried = self.parts.in_force.policy().carried(request, &known);
        let labels: Vec<Inherited> = carried.into_iter().map(|carried| carried.inherited).filter(|kept| known.take(kept)).collect();
        let is_new = !labels.is_empty();
        self.keep_labels(subject, labels).await?;
        Ok(is_new)
    }

    /// Through each job that still runs, and from one that reads what another one writes to that one. Each round puts a label onto one table more.
    async fn carry_through_running(&self) -> Result<(), Why> {
        let mut is_new = true;
        while is_new {
            is_new = false;
            for running in self.running.unfinished() {
                if let JobWork::Query(work) = &running.known.work {
                    let request = self.page(&running.known, work, Sends::default());
                    is_new |= self.carry_late(running.known.subject, &request).await?;
                }
            }
        }
        Ok(())
    }

    /// None of them was known before.
    pub(crate) async fn keep_labels(&self, subject: Subject, labels: Vec<Inherited>) -> Result<(), Why> {
        if labels.is_empty() {
            return Ok(());
        }
        self.keep(move |in_force| in_force.carry(subject, &labels)).await
    }

    /// In `known`, and kept for good where nobody had seen it.
    pub(crate) async fn remember_tags(&self, known: &mut Known, tags: &[(ColumnPath, String)]) -> Result<(), Why> {
        let is_new = |tag: &&(ColumnPath, String)| known.tag(&tag.0, &tag.1);
        let tags: Vec<(ColumnPath, String)> = tags.iter().filter(is_new).cloned().collect();
        if tags.is_empty() {
            return Ok(());
        }
        self.keep(move |in_force| in_force.remember(&tags)).await
    }

    async fn keep(&self, work: impl FnOnce(&dyn InForce) -> Result<(), KeepFault> + Send + 'static) -> Result<(), Why> {
        let in_force = Arc::clone(&self.parts.in_force);
        let kept = tokio::task::spawn_blocking(move || work(in_force.as_ref())).await;
        match kept.unwrap_or_else(|_| Err(KeepFault("the work broke off".to_owned()))) {
            Ok(()) => Ok(()),
            Err(fault) => {
                self.parts.alarm.raise("labels cannot be kept, so what needs that is refused");
                Err(Why::Labels(fault))
            }
        }
    }
}
