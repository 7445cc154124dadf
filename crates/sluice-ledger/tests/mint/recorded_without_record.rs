//! What the port writes is a sealed record, not a promise of one.
fn forge(draft: sluice_ledger::record::Draft, log: &dyn sluice_ledger::DurableLog) {
    drop(sluice_ledger::Recorded::commit("permit", draft, log));
}

fn main() {}
