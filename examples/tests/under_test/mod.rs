//! What the tests of example servers share.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Where a tool is that `scripts/setup` installs. Without it a test is skipped, loudly; where everything is required
/// it fails.
pub(crate) fn tool(variable: &str) -> Option<PathBuf> {
    let found = std::env::var_os(variable).map(PathBuf::from);
    if found.is_none() {
        let required = std::env::var("LARDER_REQUIRE_ALL").is_ok_and(|all| all == "1");
        assert!(!required, "{variable} is not set: run scripts/test");
        // Not by `eprintln!`, which nobody sees of a test that passes.
        let skipped = format!("SKIPPED: {variable} is not set; scripts/test sets it\n");
        drop(std::io::stderr().write_all(skipped.as_bytes()));
    }
    found
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").to_string()
}

/// Waits until somebody listens.
pub(crate) fn wait_for(address: &str) {
    wait_until(address, || TcpStream::connect(address).is_ok());
}

/// Waits until `listens` says that somebody does.
pub(crate) fn wait_until(address: &str, listens: impl Fn() -> bool) {
    let started = Instant::now();
    while !listens() {
        assert!(started.elapsed() < Duration::from_secs(20), "nobody listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
