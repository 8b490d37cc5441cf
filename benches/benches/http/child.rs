//! A server in a process of its own.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::servers::Kind;

/// A running server. It ends when this is dropped, or with this process: its input ends then.
pub(crate) struct Child {
    process: Process,
    address: String,
    output: Option<BufReader<ChildStdout>>,
}

/// The core of the servers and the core of the load, where there are two and a way to say so.
pub(crate) struct Cores {
    pinned: bool,
}

impl Cores {
    const SERVER: &str = "0";
    const LOAD: &str = "1";

    /// Puts this process, which makes the load, on its core.
    pub(crate) fn claim() -> Self {
        let own = std::process::id().to_string();
        let pinned = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1)
            && Command::new("taskset")
                .args(["-a", "-c", "-p", Self::LOAD, &own])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
        Self { pinned }
    }

    pub(crate) fn describe(&self) -> &'static str {
        if self.pinned { "server on one core, load on the other" } else { "server and load share the cores" }
    }

    /// Starts this very program as a server, or a peer's.
    fn command(&self, kind: Kind, arguments: &[&str]) -> io::Result<Command> {
        let program = if kind.is_peer() { peer(kind)? } else { std::env::current_exe()? };
        let mut command = if self.pinned {
            let mut command = Command::new("taskset");
            command.args(["-c", Self::SERVER]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }

    /// A server on HTTP; its first line says where.
    pub(crate) fn http(&self, kind: Kind, size: usize) -> io::Result<Child> {
        let mut process = self.command(kind, &["serve-http", kind.name(), &size.to_string()])?.spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
        let mut address = String::new();
        output.read_line(&mut address)?;
        Ok(Child { process, address: address.trim().to_owned(), output: Some(output) })
    }

    /// A server on stdio.
    pub(crate) fn stdio(&self, kind: Kind) -> io::Result<Child> {
        let mut process = self.command(kind, &["serve-stdio", kind.name()])?.spawn()?;
        let output = process.stdout.take().map(|output| BufReader::with_capacity(1 << 16, output));
        Ok(Child { process, address: String::new(), output })
    }
}

/// The folder with the peers' programs, which `scripts/bench-report` builds.
pub(crate) const PEERS: &str = "LARDER_BENCH_PEERS";

fn peer(kind: Kind) -> io::Result<PathBuf> {
    let folder = std::env::var_os(PEERS).ok_or_else(|| io::Error::other(format!("{PEERS} is not set")))?;
    Ok(PathBuf::from(folder).join(kind.name()))
}

impl Child {
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The CPU that its threads have used; zero where the system does not tell.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).into_iter().flatten();
        let nanos = tasks.flatten().filter_map(|task| {
            let line = fs::read_to_string(task.path().join("schedstat")).ok()?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    /// The memory that it holds, in bytes; zero where the system does not tell.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        kib.unwrap_or(0_u64) * 1_024
    }

    /// Its input and output.
    pub(crate) fn pipes(&mut self) -> io::Result<(ChildStdin, BufReader<ChildStdout>)> {
        let taken = self.process.stdin.take().zip(self.output.take());
        taken.ok_or_else(|| io::Error::other("the pipes are in use"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        drop(self.process.kill()); // it may be gone already
        drop(self.process.wait());
    }
}
