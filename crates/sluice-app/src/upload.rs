//! A file while it comes. Hours can lie between its first byte and its last one, so what was decided at the first is decided again.
//!
//! BigQuery loads nothing before it has the last byte, and whoever sends to it keeps a byte back until the channel says that the file is whole.
//! So a decision before that word is a decision before the load.

use crate::asked::{MethodAsk, Visit};
use crate::decide::Admission;
use crate::gateway::{Gateway, Passage};
use crate::job::KnownJob;
use crate::ports::Upload;
use crate::record;
use crate::refusal::{Refused, Why};
use crate::running::Running;
use crate::trail::Stage;
use sluice_identity::Caller;
use sluice_policy::{Amount, Circumstances, Counters, Decision, Exceeded, Limit, Verdict};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::{self, Receiver, Sender};

/// Between the door and whoever sends on.
const CHUNKS_WATCHED_MAX: usize = 1;

/// Uses nothing up: the request that began the load has been counted, or will be.
struct Uncounted;

impl Gateway {
    /// Whether an upload may be begun, gone on with, asked about or given up, by what is in force now. Only a refusal has a record of its own.
    pub async fn may_go_on(self: &Arc<Self>, visit: Visit, caller: Caller, ask: MethodAsk) -> Result<(), Refused> {
        let connection = ask.connection.clone();
        self.pass(visit, Arc::new(caller), &connection, |gateway, mut passage| async move {
            let outcome = gateway.decide_again(&mut passage, &ask).await;
            (passage, outcome)
        })
        .await
    }

    /// The load, with the file under watch. A file that is not permitted any more breaks off, and BigQuery has no whole of it.
    pub(crate) async fn begin_with_file(
        self: &Arc<Self>,
        passage: &mut Passage,
        ask: &MethodAsk,
        admission: Admission,
        known: KnownJob,
        upload: Upload,
    ) -> Result<Arc<Running>, Why> {
        let (onward, chunks) = mpsc::channel(CHUNKS_WATCHED_MAX);
        let watching = self.watch(passage.once_more(), ask, upload.chunks, onward);
        let watched = Upload { content_type: upload.content_type, chunks };
        let name = known.name.clone();
        let beginning = self.begin(passage, admission, known, Some(watched), false, name);
        tokio::pin!(watching, beginning);
        let stopped = tokio::select! {
            biased;
            // It ends with the load: nobody takes the rest of the file.
            begun = &mut beginning => return begun,
            stopped = &mut watching => stopped,
        };
        let begun = beginning.await;
        match stopped {
            Err(why) if begun.is_err() => Err(why),
            _ => begun,
        }
    }

    async fn watch(
        &self,
        mut passage: Passage,
        ask: &MethodAsk,
        mut chunks: Receiver<Vec<u8>>,
        onward: Sender<Vec<u8>>,
    ) -> Result<(), Why> {
        let in_force = &self.parts.in_force;
        let mut decided = (in_force.policy(), in_force.halt());
        while let Some(chunk) = chunks.recv().await {
            let now = (in_force.policy(), in_force.halt());
            let is_last = chunk.is_empty();
            if is_last || decided.0.digest != now.0.digest || decided.1 != now.1 {
                self.decide_again(&mut passage, ask).await?;
                decided = now;
            }
            // By the last chunk the other side knows that the file is whole.
            if onward.send(chunk).await.is_err() || is_last {
                break;
            }
        }
        Ok(())
    }

    async fn decide_again(&self, passage: &mut Passage, ask: &MethodAsk) -> Result<(), Why> {
        let (request, known, _) = self.method_request(passage, ask).await?;
        passage.asked = Some(record::request(&request, &[]));
        let (now, halt, begun) = (self.decided_at(), self.parts.in_force.halt(), Instant::now());
        let circumstances = Circumstances { now, door: passage.visit.door, address: passage.visit.address, halt: &halt, known: &known };
        let refused = refused(self.parts.in_force.policy().decide(&passage.caller, request, &circumstances, &Uncounted));
        passage.visit.trail.note(Stage::Decide, begun, if refused.is_some() { "refused" } else { "permitted" });
        match refused {
            Some(decision) => {
                passage.decision = Some((*decision).clone());
                Err(Why::Policy(decision))
            }
            None => Ok(()),
        }
    }

    fn decided_at(&self) -> i64 {
        i64::try_from(self.now_seconds()).unwrap_or(i64::MAX)
    }
}

impl Passage {
    /// The same request, for what is decided beside it.
    fn once_more(&self) -> Passage {
        let passage = Passage::new(self.subject, self.visit.clone(), Arc::clone(&self.caller), &self.connection);
        Passage { admitted: self.admitted, ..passage }
    }
}

/// A file cannot wait for a dry run or for people: what would need either is refused.
fn refused(verdict: Verdict) -> Option<Box<Decision>> {
    match verdict {
        Verdict::Held(hold) => Some(Box::new(hold.refuse().decision)),
        Verdict::Permitted(_) => None,
        Verdict::Refused(refusal) => Some(Box::new(refusal.decision)),
        Verdict::ToEstimate(estimate) => Some(Box::new(estimate.decision().clone())),
    }
}

impl Counters for Uncounted {
    fn take(&self, _: &str, _: Amount, _: &Limit, _: i64) -> Result<(), Exceeded> {
        Ok(())
    }

    fn job_done(&self, _: &str) {}
}
