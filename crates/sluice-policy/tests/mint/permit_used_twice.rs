//! A permit is used up.
fn send(permit: sluice_policy::Permit) -> (sluice_policy::Request, sluice_policy::Request) {
    let (one, _) = permit.into_parts();
    let (two, _) = permit.into_parts();
    (one, two)
}

fn main() {}
