//! Leave for a dry run is no leave to run.
fn promote(estimate: sluice_policy::Estimate) -> sluice_policy::Permit {
    estimate.into()
}

fn main() {}
