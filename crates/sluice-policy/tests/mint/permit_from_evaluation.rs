//! What would happen grants nothing.
fn promote(evaluation: sluice_policy::Evaluation) -> sluice_policy::Permit {
    evaluation.into()
}

fn main() {}
