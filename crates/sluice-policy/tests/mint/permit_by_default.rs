//! There is no permit of nothing.
fn nothing() -> sluice_policy::Permit {
    Default::default()
}

fn main() {}
