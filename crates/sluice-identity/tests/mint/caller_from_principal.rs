//! Who someone is proves nothing.
fn promote(principal: sluice_model::Principal) -> sluice_identity::Caller {
    principal.into()
}

fn main() {}
