//! A receipt alone is no proof: only the port's own answer is.
fn forge(record: sluice_ledger::record::SealedRecord, receipt: sluice_ledger::Receipt) {
    drop(sluice_ledger::Recorded::commit("permit", record, &receipt));
}

fn main() {}
