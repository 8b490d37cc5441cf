//! What the tests of stores in a directory share beside the laws: what their directory and their life must be like,
//! numbered entries, children that are killed or watched by `strace`.

pub mod crash;
pub mod directory;
pub mod kind;
pub mod lifecycle;
mod numbered;
#[cfg(unix)]
pub mod permissions;
pub mod traced;

use std::process::{Command, Stdio};

pub use numbered::{entries, expected, fill, id, put, value};

/// Runs `test` of this very binary as a child process, which finds `variables` in its environment.
///
/// # Panics
/// When the binary does not know where it stands.
pub fn child(test: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}
