//! The official conformance suite against `conformance --http`, for every revision that it knows.
//!
//! What is not served yet stands in `tests/conformance-expected.yml`, each with its reason.

use std::path::Path;
use std::process::{Child, Command, Stdio};

mod under_test;

use under_test::{free_address, tool, wait_for};

/// The server under test; it ends with the test.
struct Server(Child);

impl Server {
    fn start(address: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args(["--http", address])
            .stdin(Stdio::null())
            .spawn()
            .expect("the server starts");
        wait_for(address);
        Self(child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a suite; its output is shown where it fails.
fn run(suite: &str, arguments: &[&str]) {
    let (Some(node), Some(suite)) = (tool("LARDER_TEST_NODE"), tool(suite)) else { return };
    let address = free_address();
    let _server = Server::start(&address);
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance-expected.yml");
    let results = tempfile::tempdir().expect("a folder for results");
    let output = Command::new(node)
        .arg(suite)
        .args(["server", "--url", &format!("http://{address}/mcp"), "--suite", "all"])
        .args(arguments)
        .arg("--expected-failures")
        .arg(expected)
        .current_dir(results.path())
        .output()
        .expect("the suite runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("passed"), "the suite ran nothing: {text}");
}

#[test]
fn revision_2025_06_18_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--spec-version", "2025-06-18"]);
}

#[test]
fn revision_2025_11_25_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--spec-version", "2025-11-25"]);
}

#[test]
fn revision_2026_07_28_conforms() {
    run("LARDER_TEST_CONFORMANCE", &["--spec-version", "2026-07-28"]);
}

#[test]
fn the_suite_before_conforms() {
    run("LARDER_TEST_CONFORMANCE_0_1", &[]);
}
