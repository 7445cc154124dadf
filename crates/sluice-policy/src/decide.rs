//! The mint of `Estimate` and `Permit`. Each owns the request that it is for: what is sent is what was decided.
//!
//! No constructor but the two decisions, no copy, no reading from text. `Caller` is the proof of who asks; `evaluate` takes anybody's name and grants nothing.

use crate::ask::Circumstances;
use crate::bundle::BundleDigest;
use crate::judge::DryRun;
use crate::limit::{Amount, Counters, Exceeded, Halt, Limit};
use crate::plan::{Inherited, MaskedPath};
use crate::reason::{Need, Reason, ReasonKind};
use crate::request::Request;
use crate::set::PolicySet;
use crate::weigh::{Evaluation, Outcome, halted};
use sluice_identity::Caller;
use sluice_model::Principal;

#[cfg(test)]
mod tests;

/// What policy says to a caller.
#[derive(Debug)]
pub enum Verdict {
    Held(Hold),
    Permitted(Permit),
    Refused(Refusal),
    ToEstimate(Estimate),
}

/// Leave for a dry run, and for nothing more.
#[derive(Debug)]
pub struct Estimate {
    request: Request,
    decision: Decision,
}

/// Leave for the request that it holds, once.
#[derive(Debug)]
pub struct Permit {
    request: Request,
    decision: Decision,
}

/// Permitted, if people approve. Until they can be asked it is answered as a refusal that says what it would take.
#[derive(Debug)]
pub struct Hold {
    request: Request,
    decision: Decision,
}

/// Not permitted. It carries nothing that could be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub decision: Decision,
}

/// For the record: who, by which policy, what was found. Data that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Issuer, `#`, subject.
    pub caller: String,
    pub policy: BundleDigest,
    /// Seconds since 1970.
    pub at: i64,
    pub evaluation: Evaluation,
    /// What the dry run may bill at most, in bytes; for BigQuery to hold to.
    pub bytes_billed_max: Option<u64>,
}

impl PolicySet {
    /// The first decision. Counts the request, whatever becomes of it.
    pub fn decide(&self, caller: &Caller, request: Request, circumstances: &Circumstances<'_>, counters: &dyn Counters) -> Verdict {
        self.first(caller.principal(), request, circumstances, counters)
    }

    /// Before anything of a request is read: a caller that is halted, or that asks too often, is turned away. Counts the request.
    pub fn turned_away(&self, caller: &Caller, halt: &Halt, at: i64, counters: &dyn Counters) -> Option<Decision> {
        let principal = caller.principal();
        let limit = Limit::of(&self.settings.limits, principal);
        let amount = Amount { requests: 1, ..Amount::default() };
        match counters.take(&principal.to_string(), amount, &limit, at) {
            Err(exceeded) => Some(self.decision(principal, Evaluation::refused(too_much(exceeded), self.settings.judge("")), at)),
            Ok(()) => self.stopped(caller, halt, at),
        }
    }

    /// Whether a caller is halted by now, while what it was permitted still leaves.
    pub fn stopped(&self, caller: &Caller, halt: &Halt, at: i64) -> Option<Decision> {
        let principal = caller.principal();
        let judge = self.settings.judge("");
        halt.stops_any(principal).then(|| self.decision(principal, Evaluation::refused(halted(), judge), at))
    }

    /// The second one, with what BigQuery's dry run said. It uses up the first.
    pub fn decide_estimated(
        &self,
        caller: &Caller,
        estimate: Estimate,
        dry_run: &DryRun,
        circumstances: &Circumstances<'_>,
        counters: &dyn Counters,
    ) -> Verdict {
        self.second(caller.principal(), estimate, dry_run, circumstances, counters)
    }

    fn first(&self, principal: &Principal, request: Request, circumstances: &Circumstances<'_>, counters: &dyn Counters) -> Verdict {
        let limit = Limit::of(&self.settings.limits, principal);
        let amount = Amount { requests: 1, ..Amount::default() };
        if let Err(exceeded) = counters.take(&principal.to_string(), amount, &limit, circumstances.now) {
            return Verdict::Refused(Refusal { decision: self.over_limit(principal, &request, exceeded, circumstances.now) });
        }
        let evaluation = self.evaluate(principal, &request, None, circumstances);
        self.conclude(principal, request, evaluation, circumstances, counters)
    }

    fn second(
        &self,
        principal: &Principal,
        estimate: Estimate,
        dry_run: &DryRun,
        circumstances: &Circumstances<'_>,
        counters: &dyn Counters,
    ) -> Verdict {
        let Estimate { request, mut decision } = estimate;
        if decision.caller != principal.to_string() {
            let reason = Reason::plain(ReasonKind::Error, "the estimate is another caller's");
            decision.evaluation = Evaluation::refused(reason, decision.evaluation.judge);
            return Verdict::Refused(Refusal { decision });
        }
        let evaluation = self.evaluate(principal, &request, Some(dry_run), circumstances);
        self.conclude(principal, request, evaluation, circumstances, counters)
    }

    fn conclude(
        &self,
        principal: &Principal,
        request: Request,
        evaluation: Evaluation,
        circumstances: &Circumstances<'_>,
        counters: &dyn Counters,
    ) -> Verdict {
        let limit = Limit::of(&self.settings.limits, principal);
        let amount = amount(&request, &evaluation);
        let decision = self.decision(principal, evaluation, circumstances.now);
        match decision.evaluation.outcome {
            Outcome::Held => Verdict::Held(Hold { request, decision }),
            Outcome::Refused => Verdict::Refused(Refusal { decision }),
            Outcome::ToEstimate => Verdict::ToEstimate(Estimate { request, decision }),
            // Taken last: what is refused for another reason uses nothing up.
            Outcome::Permitted => match counters.take(&decision.caller, amount, &limit, circumstances.now) {
                Ok(()) => Verdict::Permitted(Permit { request, decision }),
                Err(exceeded) => Verdict::Refused(Refusal { decision: self.over_limit(principal, &request, exceeded, circumstances.now) }),
            },
        }
    }

    fn decision(&self, principal: &Principal, evaluation: Evaluation, at: i64) -> Decision {
        let bytes_billed_max = self.settings.ceiling_micros.and_then(|ceiling| self.settings.bytes_for(ceiling));
        Decision { caller: principal.to_string(), policy: self.digest.clone(), at, evaluation, bytes_billed_max }
    }

    fn over_limit(&self, principal: &Principal, request: &Request, exceeded: Exceeded, at: i64) -> Decision {
        self.decision(principal, Evaluation::refused(too_much(exceeded), self.settings.judge(&request.connection)), at)
    }
}

fn too_much(exceeded: Exceeded) -> Reason {
    let (kind, accepted) = match exceeded {
        Exceeded::BytesPerDay { .. } | Exceeded::CostPerDay { .. } => (ReasonKind::Limit, "the same tomorrow, by UTC"),
        Exceeded::JobsAtOnce { .. } => (ReasonKind::Pace, "the same when a job is done"),
        Exceeded::RequestsPerSecond { .. } => (ReasonKind::Pace, "the same in a second"),
        Exceeded::Unavailable => (ReasonKind::Limit, "the same later"),
    };
    let mut reason = Reason::plain(kind, exceeded.to_string());
    reason.accepted.push(accepted.to_owned());
    reason
}

/// A job is counted once, when it is dispatched; its pages are not.
fn amount(request: &Request, evaluation: &Evaluation) -> Amount {
    if !request.begins_job() {
        return Amount::default();
    }
    let (bytes, cost_micros) = evaluation.cost.map_or((0, 0), |cost| (cost.bytes, cost.micros));
    Amount { requests: 0, jobs: 1, bytes, cost_micros }
}

impl Estimate {
    /// What the dry run is of.
    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn decision(&self) -> &Decision {
        &self.decision
    }
}

impl Permit {
    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// What has to be masked before a row leaves.
    pub fn masks(&self) -> &[MaskedPath] {
        &self.decision.evaluation.masks
    }

    /// Which labels go with the data, and where to.
    pub fn inherited(&self) -> &[Inherited] {
        &self.decision.evaluation.inherited
    }

    /// Uses the permit up.
    pub fn into_parts(self) -> (Request, Decision) {
        (self.request, self.decision)
    }
}

impl Hold {
    pub fn request(&self) -> &Request {
        &self.request
    }

    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    pub fn needs(&self) -> &[Need] {
        &self.decision.evaluation.needs
    }

    /// The answer for as long as nobody can be asked.
    pub fn refuse(self) -> Refusal {
        let mut decision = self.decision;
        decision.evaluation.outcome = Outcome::Refused;
        decision.evaluation.reasons = decision.evaluation.needs.iter().map(Need::as_reason).collect();
        Refusal { decision }
    }
}
