//! What must not compile: a permit without a caller, a permit out of nothing, one permit twice.

#[test]
fn permits_are_not_made_by_hand() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/mint/*.rs");
}
