//! The official conformance suite against `conformance --http`, for every revision that it knows.
//!
//! What is not served yet stands in `tests/conformance-expected.yml`, each with its reason.

mod suite;
mod under_test;

use suite::{passed, run};

#[test]
fn a_suite_that_ran_nothing_is_told_by_its_last_line() {
    assert_eq!(passed("ok one: 84 passed, 0 failed\n\nTotal: 84 passed, 0 failed\nmore\n"), Some(84));
    assert_eq!(passed("Total: 0 passed, 0 failed\n"), Some(0));
    assert_eq!(passed("nothing passed"), None);
}

/// Of this revision the suite has one scenario.
#[test]
fn revision_2025_03_26_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--suite", "all", "--spec-version", "2025-03-26"], &[], 3);
}

#[test]
fn revision_2025_06_18_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--suite", "all", "--spec-version", "2025-06-18"], &[], 50);
}

#[test]
fn revision_2025_11_25_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--suite", "all", "--spec-version", "2025-11-25"], &[], 75);
}

#[test]
fn revision_2026_07_28_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--suite", "all", "--spec-version", "2026-07-28"], &[], 145);
}

#[test]
fn what_the_era_of_handshakes_requires_is_there() {
    run("LARDER_TEST_CONFORMANCE", &["--requirements", "2025-11-25"], &[], 75);
}

#[test]
fn what_the_stateless_era_requires_is_there() {
    run("LARDER_TEST_CONFORMANCE", &["--requirements", "2026-07-28"], &[], 155);
}

#[test]
fn the_suite_before_conforms() {
    run("LARDER_TEST_CONFORMANCE_0_1", &["--suite", "all"], &[], 40);
}
