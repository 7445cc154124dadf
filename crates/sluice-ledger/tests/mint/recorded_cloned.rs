//! One record, one call.
fn forge(recorded: &sluice_ledger::Recorded<String>) -> sluice_ledger::Recorded<String> {
    recorded.clone()
}

fn main() {}
