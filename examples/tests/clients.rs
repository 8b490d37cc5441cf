//! Real clients against `bench-server`, over stdio and HTTP, in both eras of the protocol.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

mod under_test;

use under_test::{free_address, tool, wait_for};

const SERVER: &str = env!("CARGO_BIN_EXE_bench-server");

/// The server on HTTP; it ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let address = free_address();
        let started = Command::new(SERVER).args(["--http", &address]).stdin(Stdio::null()).spawn();
        let child = started.expect("the server starts");
        wait_for(&address);
        Self { child, url: format!("http://{address}/mcp") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a client over both transports; what it says is shown where it fails.
fn run(program: &Path, script: &Path, era: &str) {
    let server = Server::start();
    for target in [&[&*server.url][..], &[SERVER, "--stdio"]] {
        let output =
            Command::new(program).arg(script).arg(era).args(target).output().expect("the client runs");
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let well = output.status.success() && said.contains("all as expected");
        assert!(well, "{era} against {target:?}\n{said}\n{complained}");
        assert!(!complained.contains("termination failed"), "{complained}");
    }
}

fn python(mode: &str) {
    let Some(python) = tool("LARDER_TEST_PYTHON") else { return };
    run(&python, &script("fastmcp.py"), mode);
}

/// Node looks for packages beside the script, so the scripts are copied to them.
fn typescript(name: &str, era: &str) {
    let (Some(node), Some(packages)) = (tool("LARDER_TEST_NODE"), tool("LARDER_TEST_TS_CLIENTS")) else {
        return;
    };
    let folder = tempfile::tempdir_in(packages).expect("a folder beside the packages");
    for file in [name, "checks.mjs"] {
        std::fs::copy(script(file), folder.path().join(file)).expect("a copy of the script");
    }
    run(&node, &folder.path().join(name), era);
}

#[test]
fn fastmcp_finds_out_what_is_spoken() {
    python("auto");
}

#[test]
fn fastmcp_shakes_hands() {
    python("legacy");
}

#[test]
fn fastmcp_speaks_2026_07_28() {
    python("2026-07-28");
}

#[test]
fn typescript_v1_shakes_hands() {
    typescript("ts_v1.mjs", "handshake");
}

#[test]
fn typescript_v2_shakes_hands() {
    typescript("ts_v2.mjs", "handshake");
}

#[test]
fn typescript_v2_finds_out_what_is_spoken() {
    typescript("ts_v2.mjs", "auto");
}

#[test]
fn typescript_v2_speaks_2026_07_28() {
    typescript("ts_v2.mjs", "2026-07-28");
}
