//! What is sent is what was decided.
fn swap(permit: &mut sluice_policy::Permit, other: sluice_policy::Request) {
    *permit.request() = other;
}

fn main() {}
