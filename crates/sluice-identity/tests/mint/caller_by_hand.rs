//! The fields are private.
use sluice_identity::{Caller, Exchanges, TokenFacts};
fn make(principal: sluice_model::Principal, asserted: sluice_model::Asserted, token: TokenFacts) -> Caller {
    Caller { principal, asserted, token, spent: Default::default(), session: None, exchanges: Exchanges::Once, ends_at: None }
}

fn main() {}
