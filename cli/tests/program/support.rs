//! A home of its own for each test, and clients that speak to the program.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take before the test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A home directory that is gone after the test.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    /// Where the default store lies.
    pub(crate) fn store(&self) -> PathBuf {
        self.path("data/larder/store")
    }

    /// The program, that sees nothing of whoever runs the tests.
    pub(crate) fn larder<const N: usize>(&self, arguments: [&str; N]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
        command.args(arguments).env_clear().current_dir(self.0.path());
        for (name, below) in
            [("HOME", ""), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config"), ("TMPDIR", "")]
        {
            command.env(name, self.path(below));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run<const N: usize>(&self, arguments: [&str; N]) -> Output {
        self.larder(arguments).output().unwrap()
    }

    /// Runs the program with this on stdin.
    pub(crate) fn run_with<const N: usize>(&self, arguments: [&str; N], stdin: &[u8]) -> Output {
        let mut child = self.larder(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        let writer = thread::spawn(move || drop(pipe.write_all(&stdin))); // it may end before it has read all
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    }
}

/// Whether curl is there; where it is not, that is said, or fails the test where all is required.
#[cfg(unix)]
pub(crate) fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        kv_core::testing::skip("curl is missing: install it");
    }
    found
}

/// Whether this process may start one of another user; where it may not, as with curl.
#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !found {
        kv_core::testing::skip(
            "only root can start a process of another user: run as root, or let what is missing pass unrun: \
             LARDER_SERVICES_SKIP=root scripts/test",
        );
    }
    found
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts success and gives stdout.
pub(crate) fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    stdout(output)
}

/// An MCP client on the program's stdin and stdout.
pub(crate) struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    next_id: i64,
}

impl Client {
    /// Starts the program; nothing is said yet.
    pub(crate) fn spawn(mut command: Command) -> Self {
        command.stderr(Stdio::inherit()).env("LARDER_LOG_LEVEL", "warn");
        Self::of(command)
    }

    /// Shakes hands with a program that logs all it can, and whose stderr nobody reads.
    pub(crate) fn deaf(mut command: Command) -> Self {
        command.stderr(Stdio::piped()).env("LARDER_LOG_LEVEL", "trace");
        Self::of(command).introduced()
    }

    fn of(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let message = serde_json::from_str(&line).unwrap_or_else(|_| json!({ "garbage": line }));
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self { stdin: child.stdin.take(), child, lines, next_id: 1 }
    }

    /// Starts the program and shakes hands.
    pub(crate) fn start(command: Command) -> Self {
        Self::spawn(command).introduced()
    }

    fn introduced(mut self) -> Self {
        let answer = self.request("initialize", &handshake());
        assert_eq!(answer["result"]["serverInfo"]["name"], "larder", "{answer}");
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn send(&mut self, message: &Value) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{message}").unwrap();
        stdin.flush().unwrap();
    }

    /// The next message.
    pub(crate) fn receive(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("a message")
    }

    /// Sends a request and gives its whole answer.
    pub(crate) fn request(&mut self, method: &str, params: &Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            assert!(message.get("garbage").is_none(), "stdout carries messages only: {message}");
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Calls a tool, again if the server that ran it has ended, and gives its result.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let answer = self.request("tools/call", &json!({ "name": tool, "arguments": arguments }));
            if answer["error"]["code"] != -32_603 {
                assert!(answer["result"].is_object(), "{answer}");
                return answer["result"].clone();
            }
            assert!(Instant::now() < until, "{answer}");
        }
    }

    /// Ends as a client does: closes stdin and waits.
    pub(crate) fn end(mut self) -> ExitStatus {
        drop(self.stdin.take());
        self.child.wait().unwrap()
    }

    /// Ends as a service manager does: SIGTERM, and waits.
    #[cfg(unix)]
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn handshake() -> Value {
    json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } })
}

/// The program on HTTP.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    /// Starts it and waits until it listens. It must be told `--json-logs` and an address with port 0.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let address = lines
            .by_ref()
            .inspect(|line| eprintln!("{line}"))
            .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
            .find_map(|line| Some(line.get("address")?.as_str()?.to_owned()))
            .expect("a line that names the address");
        thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    /// One HTTP exchange: status, headers in lower case, body.
    pub(crate) fn http(&self, head: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Posts one message under this `Host`, with more headers.
    pub(crate) fn post(&self, host: &str, headers: &[(&str, &str)], message: &Value) -> (u16, String, Value) {
        let mut head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: application/json, \
             text/event-stream"
        );
        for (name, value) in headers {
            head += &["\r\n", name, ": ", value].concat();
        }
        let (status, head, body) = self.http(&head, &message.to_string());
        (status, head, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// Calls a tool in the stateless revision and gives its result.
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Value {
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let headers =
            [("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", tool)];
        let (status, _, answer) = self.post("localhost", &headers, &message);
        assert_eq!(status, 200, "{answer}");
        answer["result"].clone()
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What `kv rotate-key --json` says of a rotation that sealed so many entries and met no others.
pub(crate) fn sealed_anew(rotated: u64) -> Value {
    json!({ "rotated": rotated, "already": 0, "gone": 0, "unreadable": 0, "contended": 0, "refused": 0, "left": [] })
}
