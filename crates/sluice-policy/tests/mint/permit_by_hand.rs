//! Its fields are private.
fn forge(request: sluice_policy::Request, decision: sluice_policy::Decision) -> sluice_policy::Permit {
    sluice_policy::Permit { request, decision }
}

fn main() {}
