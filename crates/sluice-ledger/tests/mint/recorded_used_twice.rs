//! Taking the value out uses the proof up.
fn forge(recorded: sluice_ledger::Recorded<String>) {
    drop(recorded.into_parts());
    drop(recorded.into_parts());
}

fn main() {}
