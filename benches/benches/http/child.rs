//! A server in a process of its own.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child as Process, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

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

    /// Starts this very program as a server.
    fn command(&self, arguments: &[&str]) -> io::Result<Command> {
        let program = std::env::current_exe()?;
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
    pub(crate) fn http(&self, kind: &str, size: usize) -> io::Result<Child> {
        let mut process = self.command(&["serve-http", kind, &size.to_string()])?.spawn()?;
        let mut output = BufReader::new(process.stdout.take().ok_or_else(|| io::Error::other("no output"))?);
        let mut address = String::new();
        output.read_line(&mut address)?;
        Ok(Child { process, address: address.trim().to_owned(), output: Some(output) })
    }

    /// A server on stdio.
    pub(crate) fn stdio(&self, kind: &str) -> io::Result<Child> {
        let mut process = self.command(&["serve-stdio", kind])?.spawn()?;
        let output = process.stdout.take().map(|output| BufReader::with_capacity(1 << 16, output));
        Ok(Child { process, address: String::new(), output })
    }
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
