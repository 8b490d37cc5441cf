//! The official conformance suite against `examples/conformance`.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::under_test::{free_address, tool, wait_for};

/// The server under test; it ends with the test.
struct Server(Child);

impl Server {
    fn start(address: &str, more: &[&str]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_conformance"))
            .args(["--http", address])
            .args(more)
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

/// Runs the suite that `variable` names against a server started with `server`; its output is shown where it fails. At least so
/// many of its checks must have run and passed: a little less than there are today, since a suite that finds no server, or
/// nothing to check, ends well too.
pub(crate) fn run(variable: &str, arguments: &[&str], server: &[&str], at_least: u32) {
    let (Some(node), Some(suite)) = (tool("LARDER_TEST_NODE"), tool(variable)) else { return };
    let address = free_address();
    let _server = Server::start(&address, server);
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/conformance-expected.yml");
    let results = tempfile::tempdir().expect("a folder for results");
    let output = Command::new(node)
        .arg(suite)
        .args(["server", "--url", &format!("http://{address}/mcp")])
        .args(arguments)
        .arg("--expected-failures")
        .arg(expected)
        .current_dir(results.path())
        .output()
        .expect("the suite runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let passed = passed(&text);
    assert!(passed >= Some(at_least), "{passed:?} checks passed, expected are {at_least} and more: {text}");
}

/// How many checks passed, by the line with which a suite ends: `Total: 84 passed, 0 failed`.
pub(crate) fn passed(output: &str) -> Option<u32> {
    let total = output.lines().rev().find_map(|line| line.strip_prefix("Total: "))?;
    total.split_once(" passed")?.0.parse().ok()
}
