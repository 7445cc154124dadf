//! One proof does not become two.
fn twice(caller: sluice_identity::Caller) -> (sluice_identity::Caller, sluice_identity::Caller) {
    (caller.clone(), caller)
}

fn main() {}
