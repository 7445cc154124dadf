//! Its fields are private.
fn forge(receipt: sluice_ledger::Receipt) -> sluice_ledger::Recorded<&'static str> {
    sluice_ledger::Recorded { value: "permit", kind: sluice_ledger::record::Kind::RequestAdmitted, receipt }
}

fn main() {}
