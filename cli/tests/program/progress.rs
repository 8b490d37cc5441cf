//! The counter that people see while something long runs, on a terminal of the test's own.

use std::fs::File;
use std::io::Read as _;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;

use crate::support::{Home, done, stderr};

const ONE: &str = "disk:one";
const TWO: &str = "disk:two";

/// Runs the program with stderr on a terminal; what stood on that.
fn on_a_terminal(mut command: Command) -> (ExitStatus, String) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&ours, size).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let theirs = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    command.env("TERM", "xterm").stdout(Stdio::null()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    drop(command); // it holds their end
    let mut ours = File::from(ours);
    let reader = thread::spawn(move || {
        let (mut seen, mut part) = (Vec::new(), [0; 4096]);
        // The end of a terminal is an error on Linux.
        while let Ok(read) = ours.read(&mut part) {
            if read == 0 {
                break;
            }
            seen.extend_from_slice(&part[..read]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let status = child.wait().unwrap();
    (status, reader.join().unwrap())
}

/// A home with a store of 60 entries, copied in about a second and a half.
fn home() -> Home {
    let home = Home::new();
    let lines: Vec<_> =
        (0..60).map(|n| json!({ "collection": "c", "id": n.to_string(), "value": "" }).to_string()).collect();
    done(&home.run_with(["kv", "import", ONE], lines.join("\n").as_bytes()));
    home
}

const COPY: [&str; 6] = ["kv", "copy", ONE, TWO, "--rate", "40"];

#[test]
fn a_long_copy_counts_on_a_terminal_and_wipes_the_count_in_the_end() {
    let (status, seen) = on_a_terminal(home().larder(COPY));
    assert!(status.success(), "{seen:?}");
    let counts: Vec<u64> = seen
        .split(" entries (")
        .filter_map(|before| before.rsplit("copied ").next()?.strip_suffix(" of 60")?.trim().parse().ok())
        .collect();
    assert!(
        counts.iter().any(|count| (1..60).contains(count)) && counts.is_sorted(),
        "{counts:?} in {seen:?}"
    );
    let after_the_last = seen.rsplit("entries (").next().unwrap();
    assert!(seen.contains("[="), "no bar: {seen:?}");
    assert!(after_the_last.contains("\u{1b}[2K") && after_the_last.contains("copied 60 entries"), "{seen:?}");
}

#[test]
fn an_export_into_a_file_counts_on_a_terminal() {
    let home = home();
    let (status, seen) = on_a_terminal(home.larder(["kv", "export", ONE]));
    assert!(status.success() && seen.contains("exported 60 entries"), "{seen:?}");
}

#[test]
fn nothing_counts_where_there_is_no_terminal_or_a_program_is_answered() {
    let home = home();
    let piped = home.run(COPY);
    assert!(piped.status.success());
    assert_eq!(stderr(&piped), "larder: copied 60 entries, left out 0 that have expired\n");
    let mut command = home.larder(COPY);
    command.arg("--json");
    let (status, seen) = on_a_terminal(command);
    assert!(status.success() && !seen.contains("entries") && !seen.contains('\u{1b}'), "{seen:?}");
}
