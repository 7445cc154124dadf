//! The fields are private.
fn make(principal: sluice_model::Principal, asserted: sluice_model::Asserted, token: sluice_identity::TokenFacts) -> sluice_identity::Caller {
    sluice_identity::Caller { principal, asserted, token, spent: Default::default(), session: None }
}

fn main() {}
