//! Servers and tools that a test needs and a machine may lack.

use std::io::Write as _;

/// What the environment says of the server or tool that a test needs: the value of this variable, such as the URL in
/// `LARDER_TEST_REDIS`. `docs/services.md` lists them.
///
/// `None` where the variable is not set, or is no Unicode: what needs it cannot be tried, and [`skip`] has said so.
///
/// # Panics
/// If there is none and `LARDER_REQUIRE_ALL` is `1`, as under `scripts/test`.
#[track_caller]
pub fn service(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok();
    if found.is_none() {
        skip(&format!(
            "{variable} is not set, so nothing that needs it was tried: run scripts/test; or, for a server, \
             `scripts/services run NAME -- cargo test ..`; or, for a tool, `eval \"$(scripts/setup)\"` first"
        ));
    }
    found
}

/// Says that a test, or a part of it, is skipped for this reason. The caller then leaves it out.
///
/// # Panics
/// If `LARDER_REQUIRE_ALL` is `1`, as under `scripts/test`: there nothing may be missing.
#[track_caller]
pub fn skip(reason: &str) {
    let required = std::env::var("LARDER_REQUIRE_ALL").is_ok_and(|all| all == "1");
    assert!(!required, "{reason}");
    skip_always(reason);
}

/// The same for what is never required, and so never fails: one line on stderr, with the name of the test.
pub fn skip_always(reason: &str) {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    // Not by `eprintln!`, which nobody sees of a test that passes.
    drop(std::io::stderr().write_all(format!("SKIPPED: {test}: {reason}\n").as_bytes()));
}
