//! Nobody is no caller.
fn main() {
    let _caller = sluice_identity::Caller::default();
}
