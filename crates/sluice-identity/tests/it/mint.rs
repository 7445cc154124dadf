//! What must not compile: a caller out of nothing, out of a principal, out of another caller.

#[test]
fn callers_are_not_made_by_hand() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/mint/*.rs");
}
