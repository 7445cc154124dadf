//! One permit, one request.
fn twice(permit: &sluice_policy::Permit) -> sluice_policy::Permit {
    permit.clone()
}

fn main() {}
