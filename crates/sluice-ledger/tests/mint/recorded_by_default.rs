//! Nothing is on record by default.
fn forge() -> sluice_ledger::Recorded<String> {
    Default::default()
}

fn main() {}
