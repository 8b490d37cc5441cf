//! The same server in a process of its own: real standard streams, real signals.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use larder_tests::http::{HttpRequest, Streaming};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(crate) struct Server {
    child: Child,
    pub(crate) input: Option<ChildStdin>,
    pub(crate) output: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wire-server"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output }
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(20), self.output.next_line()).await;
        line.expect("a line in time").unwrap().expect("a line before the end")
    }

    pub(crate) async fn answer(&mut self, message: Value) -> Value {
        self.send(&message).await;
        serde_json::from_str(&self.line().await).unwrap()
    }

    /// Whether it has not ended a moment later.
    pub(crate) async fn lives_on(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(300), self.child.wait()).await.is_err()
    }

    /// Waits for the end of the process, and tells how long that took and whether it went well.
    pub(crate) async fn exit(&mut self) -> (Duration, bool) {
        let started = Instant::now();
        let status = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        (started.elapsed(), status.expect("an end in time").unwrap().success())
    }

    /// Sends a signal by its name.
    async fn signal(&self, name: &str) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap().success());
    }
}

pub(crate) fn hello(version: &str) -> Value {
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })
}

pub(crate) fn modern(id: u32, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

pub(crate) fn call(id: u32, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": arguments } })
}

#[tokio::test]
async fn a_process_speaks_every_revision_on_its_standard_streams() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut server = Server::start(&[]);
        assert_eq!(server.answer(hello(version)).await["result"]["protocolVersion"], version);
        let sum = server.answer(call(2, "add", &json!({ "a": 2, "b": 3 }))).await;
        assert_eq!(sum["result"]["content"][0]["text"], "5");
    }
    let mut server = Server::start(&[]);
    let found = server.answer(modern(1, "server/discover", json!({}))).await;
    assert_eq!(found["result"]["supportedVersions"][0], "2026-07-28");
    let sum = server
        .answer(modern(2, "tools/call", json!({ "name": "add", "arguments": { "a": 2, "b": 3 } })))
        .await;
    assert_eq!(sum["result"]["structuredContent"], 5);
}

#[tokio::test]
async fn a_process_ends_promptly_when_its_input_does() {
    let mut idle = Server::start(&[]);
    idle.answer(hello("2025-11-25")).await;
    drop(idle.input.take());
    let (took, well) = idle.exit().await;
    assert!(well && took < Duration::from_millis(1_500), "{took:?}");
    for tool in ["hold", "hold_blocking"] {
        let mut busy = Server::start(&[]);
        busy.answer(hello("2025-11-25")).await;
        busy.send(&call(2, tool, &json!({ "key": "never" }))).await;
        busy.answer(json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" })).await;
        drop(busy.input.take());
        let (took, well) = busy.exit().await;
        let in_time = (Duration::from_millis(1_800)..Duration::from_secs(5)).contains(&took);
        assert!(well && in_time, "{tool}: {took:?}");
    }
}

#[tokio::test]
async fn what_was_sent_before_the_input_ended_is_answered() {
    let mut server = Server::start(&[]);
    server.send(&hello("2025-06-18")).await;
    for id in 2..50 {
        server.send(&call(id, "echo", &json!({ "text": "x".repeat(20_000) }))).await;
    }
    drop(server.input.take());
    for _ in 1..50 {
        let answer: Value = serde_json::from_str(&server.line().await).unwrap();
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(server.output.next_line().await.unwrap(), None);
    assert!(server.exit().await.1);
}

#[tokio::test]
async fn a_client_that_does_not_read_keeps_no_process_alive() {
    let mut server = Server::start(&[]);
    server.answer(hello("2025-06-18")).await;
    for id in 2..20 {
        server.send(&call(id, "echo", &json!({ "text": "x".repeat(100_000) }))).await;
    }
    drop(server.input.take());
    let (took, _) = server.exit().await;
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// A call over HTTP that nobody lets go on; what it says first shows that it runs.
async fn held(address: SocketAddr) -> Streaming {
    let mut message =
        modern(7, "tools/call", json!({ "name": "hold_speaking", "arguments": { "key": "never" } }));
    message["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("error");
    let request = HttpRequest::post(message.to_string())
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "hold_speaking");
    let mut stream = request.send(address).await.head().await;
    assert!(stream.event().await.unwrap().data.unwrap().contains("before never"));
    stream
}

#[tokio::test]
async fn who_is_in_flight_when_the_server_stops_is_told_so() {
    let mut server = Server::start(&["--http"]);
    let address = server.line().await.parse().unwrap();
    let mut stream = held(address).await;
    server.signal("TERM").await;
    let answer: Value = serde_json::from_str(&stream.event().await.unwrap().data.unwrap()).unwrap();
    let expected = json!({ "code": -32_603, "message": "the server is shutting down" });
    assert_eq!((&answer["id"], &answer["error"]), (&json!(7), &expected));
    assert_eq!(stream.event().await, None);
    let (took, well) = server.exit().await;
    assert!(well && took < Duration::from_secs(5), "{took:?}");
}

fn listen(id: u32) -> Value {
    modern(
        id,
        "subscriptions/listen",
        json!({ "notifications": { "resourceSubscriptions": ["note://text"] } }),
    )
}

/// A server that ends a subscription says so, and then answers it.
fn assert_ended_well(cancelled: &str, answer: &str, id: u32) {
    let (cancelled, answer): (Value, Value) =
        (serde_json::from_str(cancelled).unwrap(), serde_json::from_str(answer).unwrap());
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!((&cancelled["params"]["requestId"], &cancelled["params"]["_meta"]), (&json!(id), &meta));
    assert_eq!((&answer["id"], &answer["result"]["resultType"]), (&json!(id), &json!("complete")));
    assert_eq!(answer["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], id);
}

#[tokio::test]
async fn who_listens_when_the_server_stops_is_told_a_good_end() {
    let mut server = Server::start(&["--http"]);
    let address = server.line().await.parse().unwrap();
    let request = HttpRequest::post(listen(7).to_string())
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen");
    let mut stream = request.send(address).await.head().await;
    assert!(stream.event().await.unwrap().data.unwrap().contains("subscriptions/acknowledged"));
    let hello = HttpRequest::post(hello("2025-11-25").to_string()).fetch(address).await;
    let session = hello.header("mcp-session-id").unwrap();
    let get =
        HttpRequest::new("GET", "").header("mcp-session-id", session).header("accept", "text/event-stream");
    let mut of_session = get.send(address).await.head().await;
    assert_eq!(of_session.status, 200);
    server.signal("TERM").await;
    let (cancelled, answer) = (stream.event().await.unwrap(), stream.event().await.unwrap());
    assert_ended_well(&cancelled.data.unwrap(), &answer.data.unwrap(), 7);
    assert_eq!((stream.event().await, of_session.event().await), (None, None));
    assert!(server.exit().await.1);
}

#[tokio::test]
async fn who_listens_on_standard_streams_when_the_process_stops_is_told_a_good_end() {
    let mut server = Server::start(&[]);
    let acknowledged = server.answer(listen(7)).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    server.signal("TERM").await;
    let (cancelled, answer) = (server.line().await, server.line().await);
    assert_ended_well(&cancelled, &answer, 7);
    assert!(server.exit().await.1);
}

#[tokio::test]
async fn a_process_on_standard_streams_ends_when_it_is_told_to() {
    let mut server = Server::start(&[]);
    server.answer(hello("2025-11-25")).await;
    server.signal("TERM").await;
    let (took, well) = server.exit().await;
    assert!(well && took < Duration::from_secs(5), "{took:?}");
}
