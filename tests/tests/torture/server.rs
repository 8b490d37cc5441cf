//! The server that is ill-treated: a process of its own for each test.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use larder_tests::raw::Raw;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::messages::{call_in_session, echo, initialize, post, post_in, text_of, with_head};

/// A server on HTTP; it ends with the test.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let mut child = command().arg("--http").stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(60), lines.next_line()).await;
        let address = line.expect("it starts").unwrap().expect("its address").parse().unwrap();
        Self { child, address }
    }

    /// Asserts that the process lives and serves both eras.
    pub(crate) async fn assert_unharmed(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the server is dead");
        let mut raw = Raw::sent(self.address, post(&echo(1, "still here"))).await;
        assert_eq!(text_of(&raw.answer().await.expect("an answer"), &json!(1)), "still here");
        let session = self.session(&mut raw).await;
        raw.send(post_in(&session, &call_in_session(2, "echo", &json!({ "text": "and here" })))).await;
        assert_eq!(text_of(&raw.answer().await.expect("an answer"), &json!(2)), "and here");
        raw.send(format!("DELETE /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: {session}\r\n\r\n"))
            .await;
        assert_eq!(raw.answer().await.expect("an answer").status, 204);
    }

    /// Begins a session on a connection.
    pub(crate) async fn session(&self, raw: &mut Raw) -> String {
        raw.send(with_head("", &initialize("hello").to_string())).await;
        let answer = raw.answer().await.expect("an answer");
        let session = answer.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {answer:?}"));
        session.to_owned()
    }

    /// What it has in memory, in KiB; `None` where the system does not tell.
    pub(crate) fn resident(&self) -> Option<u64> {
        resident(self.child.id()?)
    }
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wire-server"));
    command.stdout(Stdio::piped()).kill_on_drop(true);
    command
}

/// What a process has in memory, in KiB.
pub(crate) fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Asserts that what came between two looks at the memory is at most `kib`, where there was something to look at.
pub(crate) fn assert_grown_at_most(before: Option<u64>, after: Option<u64>, kib: u64, what: &str) {
    let (Some(before), Some(after)) = (before, after) else { return };
    assert!(after <= before + kib, "{what}: {before} KiB became {after} KiB");
}

/// Numbers that are the same in each run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end` (xorshift64*).
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(high).unwrap() % end
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| u8::try_from(self.below(256)).unwrap()).collect()
    }
}
