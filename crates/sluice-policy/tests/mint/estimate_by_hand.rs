//! An estimate is what the second decision wants: it is not made up either.
fn forge(request: sluice_policy::Request, decision: sluice_policy::Decision) -> sluice_policy::Estimate {
    sluice_policy::Estimate { request, decision }
}

fn main() {}
