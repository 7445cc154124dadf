//! The way from claims to a caller leads through a signature.
fn main() {
    let _mint = sluice_identity::Caller::from_outside;
}
