//! What the official conformance suite requires of two revisions, of a server that keeps its sessions and state on disk and
//! on Redis; `conformance.rs` has the same and all of the suite, in memory.

mod suite;
mod under_test;

use suite::run;
use under_test::tool;

/// Both eras, one after the other on one store: the second finds what a killed server left.
fn both_eras_conform(store: &str) {
    for (revision, at_least) in [("2025-11-25", 75), ("2026-07-28", 155)] {
        run("LARDER_TEST_CONFORMANCE", &["--requirements", revision], &["--store", store], at_least);
    }
}

#[test]
fn both_eras_conform_on_disk() {
    let folder = tempfile::tempdir().expect("a folder for the store");
    both_eras_conform(&format!("disk://{}", folder.path().join("store").display()));
}

#[test]
fn both_eras_conform_on_redis() {
    let Some(url) = tool("LARDER_TEST_REDIS") else { return };
    // A place of its own on a server that other tests use too.
    let place = std::process::id();
    both_eras_conform(&format!("{}?namespace=conformance-{place}&timeout=30s", url.display()));
}
