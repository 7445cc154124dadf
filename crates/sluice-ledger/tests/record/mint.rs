//! What must not compile: something on record without the port, one record twice, one out of nothing.

#[test]
fn nothing_is_on_record_by_hand() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/mint/*.rs");
}
