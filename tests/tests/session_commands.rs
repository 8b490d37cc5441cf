//! What a handshake session costs its Redis: one `GET` for each request, and next to nothing else.
//!
//! Counted by the server itself (`INFO commandstats`), which is this test's own.

#![cfg(feature = "redis")]
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kv_core::testing::service;
use larder_tests::http::HttpRequest;
use mcp_server::{Server, tool};

const CALLS: u64 = 2_000;
const REVISION: &str = "2025-11-25";
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a replica renews its heartbeat.
const BEAT: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_a_session_is_one_get_and_everything_else_is_less_than_one_in_a_hundred() {
    let Some(redis) = Redis::start() else { return };
    let store = larder::open(&format!("redis://127.0.0.1:{}/?timeout=60s", redis.port)).await.unwrap();
    let server = Server::new("sessions").storage(store).tool(echo).build().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { server.serve_listener(listener).await });

    let session = begin(address).await;
    let (before, begun) = (redis.commands(), Instant::now());
    for id in 0..CALLS {
        call(address, &session, id).await;
    }
    let after = redis.commands();

    let since = |command: &str| after.get(command).unwrap_or(&0) - before.get(command).unwrap_or(&0);
    // A heartbeat is a SET and a GET, however many calls there are: a slow machine sees more of them.
    let beats = begun.elapsed().as_secs() / BEAT.as_secs() + 1;
    assert!((CALLS..=CALLS + beats).contains(&since("get")), "{after:?}");
    assert!(since("set") <= beats, "{after:?}");
    let others: Vec<_> =
        after.keys().filter(|name| !["get", "set", "info"].contains(&name.as_str())).collect();
    let others: BTreeMap<_, _> =
        others.into_iter().map(|name| (name, since(name))).filter(|(_, n)| *n > 0).collect();
    let rest: u64 = others.values().sum();
    eprintln!(
        "{CALLS} calls in a session: {} GET, {} SET, other commands: {others:?}",
        since("get"),
        since("set")
    );
    assert!(rest * 100 < CALLS, "{others:?}");
}

/// Answers what it is told.
#[tool]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

/// Begins a session; its id.
async fn begin(address: SocketAddr) -> String {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let answer = HttpRequest::post(initialize).fetch(address).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let (_, session) = answer.headers.iter().find(|(name, _)| name == "mcp-session-id").unwrap();
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    assert_eq!(request(session, initialized).fetch(address).await.status, 202);
    session.clone()
}

async fn call(address: SocketAddr, session: &str, id: u64) {
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"echo","arguments":{{"text":"hello"}}}}}}"#
    );
    let answer = request(session, &call).fetch(address).await;
    assert!(answer.status == 200 && answer.body.contains("hello"), "{}", answer.body);
}

fn request(session: &str, body: &str) -> HttpRequest {
    HttpRequest::post(body).header("mcp-session-id", session).header("mcp-protocol-version", REVISION)
}

/// A server that dies with the test.
struct Redis {
    port: u16,
    child: Child,
}

impl Redis {
    /// `None`, loudly, where there is no program.
    fn start() -> Option<Self> {
        let program = service("LARDER_TEST_REDIS_SERVER")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--loglevel",
            "warning",
            "--port",
            &port.to_string(),
        ]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let redis = Self { port, child };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "the server does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(redis)
    }

    /// How often each command ran so far.
    fn commands(&self) -> BTreeMap<String, u64> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.write_all(b"INFO commandstats\r\nQUIT\r\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        let line = |line: &str| {
            let (name, figures) = line.trim().strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
        };
        said.lines().filter_map(line).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill()); // it may be gone already
        drop(self.child.wait());
    }
}
