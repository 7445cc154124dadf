//! No session begins with a token that was not spent.
fn main() {
    let _spent = sluice_identity::Spent { digest: [0; 32] };
}
