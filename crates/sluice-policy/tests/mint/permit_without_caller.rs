//! Anybody's name may be evaluated; only a caller is decided on.
use sluice_policy::{Circumstances, Counters, PolicySet, Request, Verdict};

fn decide(set: &PolicySet, name: &sluice_model::Principal, request: Request, at: &Circumstances<'_>, counters: &dyn Counters) -> Verdict {
    set.decide(name, request, at, counters)
}

fn main() {}
