//! From a request to a permit that is on record: policy, a dry run where anybody asks for it, policy again.

use crate::gateway::{Gateway, Passage};
use crate::plain::plain;
use crate::ports::{InForce, UpstreamError, UpstreamFault, UpstreamFaultKind};
use crate::probing::Probe;
use crate::record;
use crate::refusal::{FormReason, Why};
use crate::trail::Stage;
use crate::understand::Understood;
use crate::writers::Writing;
use sluice_ledger::Recorded;
use sluice_ledger::record::content::{Meta, Steps, Table};
use sluice_model::TableName;
use sluice_policy::{
    Amount, Circumstances, Counters, Decision, DryRun, Exceeded, Known, Limit, MayTell, Outcome, Permit, Purpose, Request, Verdict, Work,
};
use std::sync::Arc;
use std::time::Instant;

/// BigQuery's reason where a query would bill more than it may: its text says how much.
const BYTES_LIMITED: &str = "bytesBilledLimitExceeded";

/// BigQuery's reasons where the statement itself is wrong.
const MISTAKES: [&str; 2] = ["invalid", "invalidQuery"];

/// A permit on record, with what the second judge said.
pub(crate) struct Admission {
    pub permit: Arc<Recorded<Permit>>,
    /// Until the job is done, or is known not to run.
    pub slot: Option<Slot>,
    /// Until the job is done: what comes onto its sources goes on with what it writes.
    pub writing: Option<Writing>,
    pub dry_run: Option<DryRun>,
    /// Of what BigQuery says of this request.
    pub may_tell: MayTell,
}

/// One of the jobs that its caller may have at once: given back when it is dropped, whatever became of the request.
pub(crate) struct Slot {
    in_force: Arc<dyn InForce>,
    caller: String,
}

/// Counts no request: the one that is decided on was counted when its caller was let in.
struct Counted<'a>(&'a dyn Counters);

/// What is known of a request beside itself.
pub(crate) struct Background<'a> {
    pub known: &'a Known,
    pub tables: &'a [Table],
}

impl Gateway {
    /// Nothing has reached BigQuery in the caller's name before this returns, but a dry run that is on record too.
    pub(crate) async fn admit_request(
        &self,
        passage: &mut Passage,
        request: Request,
        background: Background<'_>,
    ) -> Result<Admission, Why> {
        let may_tell = self.whole_may_tell(passage, &request, background.known);
        passage.asked = Some(record::request(&request, background.tables));
        passage.asks_anew = asks_anew(&request);
        let mut dry_run = None;
        let begun = Instant::now();
        self.ask_shadows(passage, &request, None, background.known);
        let mut verdict = self.first(passage, request, background.known);
        passage.visit.trail.note(Stage::Decide, begun, word(&verdict));
        if let Verdict::ToEstimate(estimate) = verdict {
            passage.decision = Some(estimate.decision().clone());
            let estimate = self.recorded_estimate(passage, estimate).await?;
            let asking = self.parts.upstream.estimate(&estimate);
            let said = passage.visit.trail.upstream(Stage::UpstreamDryRun, asking).await.map_err(|fault| not_estimated(fault, may_tell))?;
            let (estimate, _) = estimate.into_parts();
            let begun = Instant::now();
            self.ask_shadows(passage, estimate.request(), Some(&said), background.known);
            verdict = self.second(passage, estimate, &said, background.known);
            passage.visit.trail.note(Stage::Decide, begun, word(&verdict));
            dry_run = Some(said);
        }
        let permit = match verdict {
            Verdict::Permitted(permit) => permit,
            Verdict::Held(hold) => return Err(refuse(passage, hold.refuse().decision)),
            Verdict::Refused(refusal) => return Err(refuse(passage, refusal.decision)),
            // A second decision never asks for a third.
            Verdict::ToEstimate(estimate) => return Err(refuse(passage, estimate.decision().clone())),
        };
        let caller = permit.decision().caller.clone();
        let slot = permit.request().begins_job().then(|| Slot { in_force: Arc::clone(&self.parts.in_force), caller });
        passage.decision = Some(permit.decision().clone());
        let permit = Arc::new(self.recorded_permit(passage, permit).await?);
        self.note_probe(passage, Probe::Permitted).await;
        let writing = self.carry_labels(passage.subject, &permit).await?;
        Ok(Admission { permit, slot, writing, dry_run, may_tell })
    }

    /// A poll: decided like everything else, and counted in its job's record instead of being one.
    ///
    /// Says what of that which BigQuery tells of the job may be told.
    pub(crate) fn may_poll(&self, passage: &mut Passage, request: Request) -> Result<MayTell, Why> {
        let known = self.parts.in_force.known();
        let may_tell = self.whole_may_tell(passage, &request, &known);
        passage.asked = Some(record::request(&request, &[]));
        let begun = Instant::now();
        let verdict = self.first(passage, request, &known);
        passage.visit.trail.note(Stage::Decide, begun, word(&verdict));
        match verdict {
            Verdict::Permitted(_) => Ok(may_tell),
            Verdict::Held(hold) => Err(refuse(passage, hold.refuse().decision)),
            Verdict::Refused(refusal) => Err(refuse(passage, refusal.decision)),
            Verdict::ToEstimate(estimate) => Err(refuse(passage, estimate.decision().clone())),
        }
    }

    /// What BigQuery says of this request, as far as it cannot hold what the caller may not see.
    pub(crate) fn whole_may_tell(&self, passage: &Passage, request: &Request, known: &Known) -> MayTell {
        let halt = self.parts.in_force.halt();
        let circumstances = self.circumstances(passage, known, &halt);
        self.parts.in_force.policy().may_tell(passage.caller.principal(), request, &circumstances)
    }

    /// Whether the caller may know these schemas: else no text that comes from them reaches it.
    pub(crate) fn may_describe(&self, passage: &Passage, project: &str, understood: &Understood) -> bool {
        let may = |name: &TableName| {
            let evaluation = self.weigh_method(passage, project, ("tables.get", name, Vec::new()), &understood.known);
            evaluation.outcome == Outcome::Permitted
        };
        understood.named.iter().all(may)
    }

    /// They grant nothing and count nothing: their answers are for the record.
    fn ask_shadows(&self, passage: &mut Passage, request: &Request, dry_run: Option<&DryRun>, known: &Known) {
        let halt = self.parts.in_force.halt();
        for shadow in self.parts.in_force.shadows() {
            let circumstances = self.circumstances(passage, known, &halt);
            let evaluation = shadow.evaluate(passage.caller.principal(), request, dry_run, &circumstances);
            passage.shadows.insert(shadow.digest.to_string(), evaluation.outcome.word().to_owned());
        }
    }

    fn first(&self, passage: &Passage, request: Request, known: &Known) -> Verdict {
        let halt = self.parts.in_force.halt();
        let counters = self.parts.in_force.counters();
        let circumstances = self.circumstances(passage, known, &halt);
        let counters: &dyn Counters = &Counted(counters);
        self.parts.in_force.policy().decide(&passage.caller, request, &circumstances, counters)
    }

    fn second(&self, passage: &Passage, estimate: sluice_policy::Estimate, dry_run: &DryRun, known: &Known) -> Verdict {
        let halt = self.parts.in_force.halt();
        let circumstances = self.circumstances(passage, known, &halt);
        let counters = self.parts.in_force.counters();
        self.parts.in_force.policy().decide_estimated(&passage.caller, estimate, dry_run, &circumstances, counters)
    }

    pub(crate) fn circumstances<'a>(&self, passage: &Passage, known: &'a Known, halt: &'a sluice_policy::Halt) -> Circumstances<'a> {
        let now = i64::try_from(self.parts.machine.now_ms() / 1_000).unwrap_or(i64::MAX);
        Circumstances { now, door: passage.visit.door, address: passage.visit.address, halt, known }
    }

    async fn recorded_estimate(
        &self,
        passage: &Passage,
        estimate: sluice_policy::Estimate,
    ) -> Result<Recorded<sluice_policy::Estimate>, Why> {
        let meta = record::meta(&passage.visit, &passage.connection, "to_estimate", Some(&passage.caller));
        let policy = record::policy(estimate.decision(), &passage.shadows);
        let draft = Steps { subject: passage.subject }.estimated(&meta, &record::identity(&passage.caller), asked(passage)?, &policy)?;
        let sealed = self.parts.sealer.seal(&draft)?;
        Ok(passage.visit.trail.walk(Stage::Record, Recorded::commit(estimate, sealed, self.parts.log.as_ref())).await?)
    }

    async fn recorded_permit(&self, passage: &mut Passage, permit: Permit) -> Result<Recorded<Permit>, Why> {
        let meta = self.admitted_meta(passage, &permit);
        let policy = record::policy(permit.decision(), &passage.shadows);
        let draft = Steps { subject: passage.subject }.admitted(&meta, &record::identity(&passage.caller), asked(passage)?, &policy)?;
        let sealed = self.parts.sealer.seal(&draft)?;
        let permit = passage.visit.trail.walk(Stage::Record, Recorded::commit(permit, sealed, self.parts.log.as_ref())).await?;
        passage.admitted = true;
        Ok(permit)
    }

    fn admitted_meta(&self, passage: &Passage, permit: &Permit) -> Meta {
        let mut meta = record::meta(&passage.visit, &passage.connection, "permitted", Some(&passage.caller));
        meta.resources = match &permit.request().work {
            Work::Method(method) => vec![method.resource.to_string()],
            Work::Statement(statement) => {
                let statements = statement.analysis.statements.iter();
                let names = statements.flat_map(|statement| {
                    let reads = statement.reads.iter().map(|read| read.table.to_string());
                    reads.chain(statement.writes.iter().map(|write| write.table.to_string()))
                });
                names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
            }
        };
        meta
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.in_force.counters().job_done(&self.caller);
    }
}

impl Counters for Counted<'_> {
    fn take(&self, caller: &str, amount: Amount, limit: &Limit, now: i64) -> Result<(), Exceeded> {
        self.0.take(caller, Amount { requests: 0, ..amount }, limit, now)
    }

    fn job_done(&self, caller: &str) {
        self.0.job_done(caller);
    }
}

fn asks_anew(request: &Request) -> bool {
    match &request.work {
        Work::Statement(statement) => !matches!(statement.purpose, Purpose::Page { .. }),
        Work::Method(method) => method.name != "storage.readRows" && method.name != "storage.splitReadStream",
    }
}

/// A fault of BigQuery's, with its text only where that cannot hold what the caller may not see.
pub(crate) fn failed(fault: UpstreamFault, may_tell: MayTell) -> Why {
    let refused = fault.kind == UpstreamFaultKind::Refused;
    let may = |error: &&UpstreamError| refused && tells_error(&error.reason, may_tell);
    let told = fault.error.as_ref().filter(may).map(|error| error_text(&error.message, may_tell));
    Why::Upstream { fault: Box::new(fault), told }
}

/// The same of a dry run.
fn not_estimated(fault: UpstreamFault, may_tell: MayTell) -> Why {
    failed(fault, MayTell { errors: may_tell.dry_runs, ..may_tell })
}

/// Whether the text that goes with a reason of BigQuery's may be told.
pub(crate) fn tells_error(reason: &str, may_tell: MayTell) -> bool {
    match may_tell.texts {
        true => may_tell.sizes || reason != BYTES_LIMITED,
        // Of what a statement takes other texts speak, in numbers.
        false => may_tell.errors && MISTAKES.contains(&reason),
    }
}

/// Whole to whoever may see all that the statement reads. To others without what no word of BigQuery's is.
pub(crate) fn error_text(message: &str, may_tell: MayTell) -> String {
    if may_tell.texts { message.to_owned() } else { plain(message) }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Held(_) => "held",
        Verdict::Permitted(_) => "permitted",
        Verdict::Refused(_) => "refused",
        Verdict::ToEstimate(_) => "to_estimate",
    }
}

fn refuse(passage: &mut Passage, decision: Decision) -> Why {
    passage.decision = Some(decision.clone());
    Why::Policy(Box::new(decision))
}

fn asked(passage: &Passage) -> Result<&sluice_ledger::record::content::Request, Why> {
    passage.asked.as_ref().ok_or(Why::Form { reason: FormReason::Invalid, text: "nothing was asked".to_owned() })
}
