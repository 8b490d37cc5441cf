//! Real clients against `bench-server`, over stdio and HTTP, in both eras of the protocol; what they are told unasked
//! comes from `conformance`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

mod under_test;

use under_test::{free_address, tool, wait_for};

const BENCH: &str = env!("CARGO_BIN_EXE_bench-server");
const CONFORMANCE: &str = env!("CARGO_BIN_EXE_conformance");

/// The server on HTTP; it ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(program: &str) -> Self {
        let address = free_address();
        let started = Command::new(program).args(["--http", &address]).stdin(Stdio::null()).spawn();
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

/// Runs a client of `server` over both transports; what it says is shown where it fails.
fn run(program: &Path, script: &Path, era: &str, server: &str) {
    let over_http = Server::start(server);
    run_on(program, script, era, &[&[&over_http.url], &[server, "--stdio"]]);
}

fn run_on(program: &Path, script: &Path, era: &str, targets: &[&[&str]]) {
    for target in targets {
        let output =
            Command::new(program).arg(script).arg(era).args(*target).output().expect("the client runs");
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let well = output.status.success() && said.contains("all as expected");
        assert!(well, "{era} against {target:?}\n{said}\n{complained}");
        assert!(!complained.contains("termination failed"), "{complained}");
    }
}

fn python(mode: &str) {
    let Some(python) = tool("LARDER_TEST_PYTHON") else { return };
    run(&python, &script("fastmcp.py"), mode, BENCH);
}

#[cfg(unix)]
#[test]
fn fastmcp_speaks_both_eras_over_a_unix_socket() {
    let Some(python) = tool("LARDER_TEST_PYTHON") else { return };
    let folder = tempfile::tempdir().expect("a folder for the socket");
    let address = format!("unix:{}", folder.path().join("mcp.sock").display());
    let started = Command::new(BENCH).args(["--http", &address]).stdin(Stdio::null()).spawn();
    let server = Server { child: started.expect("the server starts"), url: address };
    let path = server.url.trim_start_matches("unix:");
    under_test::wait_until(path, || std::os::unix::net::UnixStream::connect(path).is_ok());
    for mode in ["legacy", "2026-07-28"] {
        run_on(&python, &script("fastmcp.py"), mode, &[&[&server.url]]);
    }
}

/// Node looks for packages beside the script, so the scripts are copied to them.
fn typescript(name: &str, era: &str, server: &str) {
    let (Some(node), Some(packages)) = (tool("LARDER_TEST_NODE"), tool("LARDER_TEST_TS_CLIENTS")) else {
        return;
    };
    let folder = tempfile::tempdir_in(packages).expect("a folder beside the packages");
    for file in [name, "checks.mjs", "told.mjs"] {
        std::fs::copy(script(file), folder.path().join(file)).expect("a copy of the script");
    }
    run(&node, &folder.path().join(name), era, server);
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
    typescript("ts_v1.mjs", "handshake", BENCH);
}

#[test]
fn typescript_v2_shakes_hands() {
    typescript("ts_v2.mjs", "handshake", BENCH);
}

#[test]
fn typescript_v2_finds_out_what_is_spoken() {
    typescript("ts_v2.mjs", "auto", BENCH);
}

#[test]
fn typescript_v2_speaks_2026_07_28() {
    typescript("ts_v2.mjs", "2026-07-28", BENCH);
}

#[test]
fn typescript_v1_is_told_in_its_session() {
    typescript("ts_v1_told.mjs", "handshake", CONFORMANCE);
}

#[test]
fn typescript_v2_is_told_in_its_session() {
    typescript("ts_v2_told.mjs", "handshake", CONFORMANCE);
}

#[test]
fn typescript_v2_listens_on_2026_07_28() {
    typescript("ts_v2_told.mjs", "2026-07-28", CONFORMANCE);
}
