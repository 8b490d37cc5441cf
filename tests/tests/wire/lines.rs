//! Messages as lines: what went out, and an inbox of what came.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_server::{Service, TestClient};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc};

/// A line that came: its text and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) value: Value,
}

/// One connection of lines. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Lines {
    out: Arc<std::sync::Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>>,
    inbox: Arc<Inbox>,
    /// Who is at the other end, where that is nobody in this process.
    _process: Option<Arc<Process>>,
}

/// A server in a process of its own, which ends with its last client, and the directory of its effects.
struct Process {
    _child: Child,
    _dir: Arc<TempDir>,
}

#[derive(Default)]
struct Inbox {
    lines: std::sync::Mutex<Vec<Line>>,
    came: Notify,
    ended: AtomicBool,
}

/// How long a line is waited for; a paused clock passes over it only when nothing else can happen.
const PATIENCE: Duration = Duration::from_secs(60);

impl Lines {
    fn new() -> (Self, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (out, outgoing) = mpsc::unbounded_channel();
        let out = Arc::new(std::sync::Mutex::new(Some(out)));
        (Self { out, inbox: Arc::default(), _process: None }, outgoing)
    }

    /// A connection of `service`, as stdio would be.
    pub(crate) fn over_pipes(service: &Service) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(far);
        let service = service.clone();
        tokio::spawn(async move { service.serve_lines(input, output).await.unwrap() });
        let (read, write) = tokio::io::split(near);
        Self::between(read, write)
    }

    /// The standard streams of a process that serves the fixture and shows in `dir` what its handlers do.
    pub(crate) fn of_a_process(dir: &Arc<TempDir>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wire-server"))
            .arg("--effects")
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null()) // its handlers panic where they are told to
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Self::between(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        Self { _process: Some(Arc::new(Process { _child: child, _dir: Arc::clone(dir) })), ..lines }
    }

    fn between(
        read: impl AsyncRead + Send + Unpin + 'static,
        mut write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (lines, mut outgoing) = Self::new();
        tokio::spawn(async move {
            while let Some(mut line) = outgoing.recv().await {
                line.push(b'\n');
                if write.write_all(&line).await.is_err() {
                    return;
                }
            }
            let _ = write.shutdown().await;
        });
        let inbox = Arc::clone(&lines.inbox);
        tokio::spawn(async move {
            let mut read = BufReader::new(read).lines();
            while let Ok(Some(text)) = read.next_line().await {
                let value =
                    serde_json::from_str(&text).unwrap_or_else(|_| panic!("a line that is no JSON: {text}"));
                inbox.put(Line { text, value });
            }
            inbox.end();
        });
        lines
    }

    /// The connection of `client`, which gives what came whenever something goes out; so something always does.
    pub(crate) fn in_memory(client: TestClient) -> Self {
        const NOTHING: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/nothing"}"#;
        let (lines, mut outgoing) = Self::new();
        let inbox = Arc::clone(&lines.inbox);
        tokio::spawn(async move {
            loop {
                let next = tokio::time::timeout(Duration::from_millis(2), outgoing.recv()).await;
                let message = match next {
                    Ok(Some(message)) => message,
                    Ok(None) => break,
                    Err(_) => NOTHING.to_vec(),
                };
                for value in client.raw(&message).await.unwrap() {
                    inbox.put(Line { text: value.to_string(), value });
                }
            }
            client.close().await;
            inbox.end();
        });
        lines
    }

    pub(crate) fn send(&self, message: impl Into<Vec<u8>>) {
        let out = self.out.lock().unwrap();
        out.as_ref().expect("the input has not ended").send(message.into()).unwrap();
    }

    /// Ends the input, as closing stdin does.
    pub(crate) fn end_input(&self) {
        self.out.lock().unwrap().take();
    }

    /// Takes the first line that came, or comes, of which `wanted` is true; `None` once the output has ended.
    pub(crate) async fn take(&self, wanted: impl Fn(&Value) -> bool + Send + Sync) -> Option<Line> {
        let taken = tokio::time::timeout(PATIENCE, async {
            loop {
                let came = self.inbox.came.notified();
                let ended = self.inbox.ended.load(Ordering::SeqCst);
                if let Some(line) = self.inbox.pop(&wanted) {
                    return Some(line);
                }
                if ended {
                    return None;
                }
                came.await;
            }
        });
        taken.await.expect("a line in time")
    }

    /// Takes all lines that came and of which `wanted` is true.
    pub(crate) fn came(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Line> {
        std::iter::from_fn(|| self.inbox.pop(&wanted)).collect()
    }

    /// Waits for the end of the output.
    pub(crate) async fn ended(&self) {
        while self.take(|_| true).await.is_some() {}
    }
}

impl Inbox {
    fn put(&self, line: Line) {
        self.lines.lock().unwrap().push(line);
        self.came.notify_waiters();
    }

    fn pop(&self, wanted: impl Fn(&Value) -> bool) -> Option<Line> {
        let mut lines = self.lines.lock().unwrap();
        let at = lines.iter().position(|line| wanted(&line.value))?;
        Some(lines.remove(at))
    }

    fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.came.notify_waiters();
    }
}
