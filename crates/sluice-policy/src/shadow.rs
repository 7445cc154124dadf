//! Sets in shadow: asked the same, recorded beside, deciding nothing.

use crate::ask::Circumstances;
use crate::bundle::BundleDigest;
use crate::judge::DryRun;
use crate::request::Request;
use crate::set::PolicySet;
use crate::weigh::Evaluation;
use sluice_model::Principal;

pub const SHADOWS_MAX: usize = 4;

/// What a set in shadow would have said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShadowEvaluation {
    pub policy: BundleDigest,
    pub evaluation: Evaluation,
    /// Another outcome, or other masks: what people look for before they activate it.
    pub differs: bool,
}

/// Asks every set in shadow. `decided` is what the set in force said of the same.
pub fn shadows(
    sets: &[PolicySet],
    principal: &Principal,
    request: &Request,
    dry_run: Option<&DryRun>,
    circumstances: &Circumstances<'_>,
    decided: &Evaluation,
) -> Vec<ShadowEvaluation> {
    let asked = sets.iter().take(SHADOWS_MAX).map(|set| {
        let evaluation = set.evaluate(principal, request, dry_run, circumstances);
        let differs = evaluation.outcome != decided.outcome || evaluation.masks != decided.masks || evaluation.needs != decided.needs;
        ShadowEvaluation { policy: set.digest.clone(), evaluation, differs }
    });
    asked.collect()
}
