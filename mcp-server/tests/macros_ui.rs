//! What is wrongly written under the attributes, and the compile error that says what to write.
//!
//! The texts stand beside the cases; `TRYBUILD=overwrite cargo test -p mcp-server --test macros_ui` writes them anew.

#[test]
fn every_mistake_has_an_error_that_says_what_to_write() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
