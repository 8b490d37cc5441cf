//! Everything at once: 64 connections of both eras that call, list, read and ask for prompts, right and wrong, against
//! `bench-server`; no answer is wrong, and its memory does not grow.
//!
//! 5 seconds, or as many as `LARDER_LOAD_SECONDS` says: `LARDER_LOAD_SECONDS=60 cargo test --release -p larder-examples
//! --test mixed -- --nocapture` also prints what came of it.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder_tests::http::HttpAnswer;
use larder_tests::raw::Raw;
use serde_json::{Value, json};

#[expect(dead_code, reason = "the clients' tests use the rest")]
mod under_test;

use under_test::{free_address, wait_for};

const CONNECTIONS: usize = 64;
/// How often the memory is looked at.
const LOOKS: u32 = 40;
/// What its median may grow by between the halves of a run.
const GROWTH_KIB: u64 = 4 << 10;

/// The server; it ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// What it has in memory, in KiB; `None` where the system does not tell.
    fn resident(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }
}

/// A method, its parameters, and what the answer says of it: a part of the result, or the code of an error.
struct Step {
    method: &'static str,
    params: Value,
    expected: Expected,
}

enum Expected {
    Holds(&'static str, Value),
    Code(i64),
}

fn step(method: &'static str, params: Value, pointer: &'static str, value: impl Into<Value>) -> Step {
    Step { method, params, expected: Expected::Holds(pointer, value.into()) }
}

/// What each connection does, over and over.
fn steps(is_modern: bool) -> Vec<Step> {
    let call = |name: &str, arguments: Value| json!({ "name": name, "arguments": arguments });
    let text = "x".repeat(3_000);
    let sum = if is_modern { json!(42) } else { json!({ "result": 42 }) };
    let wrong =
        Step { method: "tools/call", params: call("nobody", json!({})), expected: Expected::Code(-32_602) };
    let only_here = if is_modern {
        step("server/discover", json!({}), "/supportedVersions/0", "2026-07-28")
    } else {
        step("ping", json!({}), "", json!({}))
    };
    vec![
        step("tools/call", call("echo", json!({ "text": text })), "/content/0/text", text),
        step("tools/call", call("add", json!({ "a": 40, "b": 2 })), "/structuredContent", sum),
        step("tools/list", json!({}), "/tools/0/name", "add"),
        step("tools/call", call("stats", json!({ "values": [1, 2, 6] })), "/structuredContent/mean", 3.0),
        step("resources/read", json!({ "uri": "bench://item/7" }), "/contents/0/text", "item 7"),
        step("resources/templates/list", json!({}), "/resourceTemplates/0/uriTemplate", "bench://item/{id}"),
        wrong,
        step("prompts/list", json!({}), "/prompts/0/name", "greet"),
        step(
            "prompts/get",
            call("greet", json!({ "name": "Ada" })),
            "/messages/0/content/text",
            "Greet Ada warmly.",
        ),
        step("tools/call", call("add", json!({ "a": 1, "b": "two" })), "/isError", true),
        only_here,
    ]
}

/// A whole `POST` of a step.
fn request(step: &Step, id: u64, session: Option<&str>) -> Vec<u8> {
    let mut params = step.params.clone();
    let own = if let Some(session) = session {
        format!("mcp-protocol-version: 2025-11-25\r\nmcp-session-id: {session}\r\n")
    } else {
        let name = params.get("name").or(params.get("uri")).and_then(Value::as_str);
        let name = name.map(|name| format!("mcp-name: {name}\r\n")).unwrap_or_default();
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        params.as_object_mut().expect("parameters are an object").insert("_meta".to_owned(), meta);
        format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: {}\r\n{name}", step.method)
    };
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": step.method, "params": params }).to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: */*\r\n{own}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn assert_right(step: &Step, id: u64, answer: &HttpAnswer) {
    let messages = answer.messages();
    let message = messages.last().unwrap_or_else(|| panic!("{}: {answer:?}", step.method));
    assert_eq!((answer.status, &message["id"]), (200, &json!(id)), "{}: {answer:?}", step.method);
    match &step.expected {
        Expected::Holds(pointer, value) => {
            assert_eq!(message["result"].pointer(pointer), Some(value), "{}: {answer:?}", step.method);
        }
        Expected::Code(code) => {
            let said = message.pointer("/error/code");
            assert_eq!(said, Some(&json!(code)), "{}: {answer:?}", step.method);
        }
    }
}

async fn session(raw: &mut Raw) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "load", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }).to_string();
    let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: */*\r\n";
    raw.send(format!("{head}content-length: {}\r\n\r\n{body}", body.len())).await;
    let answer = raw.answer().await.expect("an answer");
    answer.header("mcp-session-id").expect("a session").to_owned()
}

/// One connection until it is told to stop; each begins at another step.
async fn drive(address: SocketAddr, number: usize, stop: Arc<AtomicBool>, count: Arc<AtomicU64>) {
    let mut raw = Raw::connect(address).await;
    let session = if number.is_multiple_of(2) { None } else { Some(session(&mut raw).await) };
    let steps = steps(session.is_none());
    for (id, step) in (1..).zip(steps.iter().cycle().skip(number % steps.len())) {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        raw.send(request(step, id, session.as_deref())).await;
        let answer = raw.answer().await.unwrap_or_else(|| panic!("{}: the connection ended", step.method));
        assert_right(step, id, &answer);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

fn median(mut looks: Vec<u64>) -> u64 {
    looks.sort_unstable();
    looks.get(looks.len() / 2).copied().unwrap_or_default()
}

/// A line for `scripts/bench-report`, where it asks for one.
fn for_the_page(answers: u64, took: Duration, resident_kib: &[u64]) {
    if let Some(file) = std::env::var_os("LARDER_BENCH_JSON") {
        let line = json!({ "answers": answers, "seconds": took.as_secs_f64(), "resident_kib": resident_kib });
        std::fs::write(file, format!("{line}\n")).expect("the figures can be written");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mixed_calls_of_64_connections_are_all_answered_and_memory_stays_flat() {
    let seconds = std::env::var("LARDER_LOAD_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(5));
    let address = free_address();
    let started = Command::new(env!("CARGO_BIN_EXE_bench-server"))
        .args(["--http", &address])
        .stdin(Stdio::null())
        .spawn();
    let server = Server(started.expect("the server starts"));
    wait_for(&address);
    let address = address.parse().expect("an address");
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let drive = |number| tokio::spawn(drive(address, number, Arc::clone(&stop), Arc::clone(&count)));
    let connections: Vec<_> = (0..CONNECTIONS).map(drive).collect();

    tokio::time::sleep(time / 10).await; // until each has been everywhere
    let (begun, before, mut looks) = (Instant::now(), count.load(Ordering::Relaxed), Vec::new());
    for _ in 0..LOOKS {
        tokio::time::sleep(time / LOOKS).await;
        looks.extend(server.resident());
    }
    let (answered, took) = (count.load(Ordering::Relaxed) - before, begun.elapsed());
    for_the_page(answered, took, &looks);
    stop.store(true, Ordering::Relaxed);
    for connection in connections {
        connection.await.expect("no answer was wrong");
    }
    assert!(answered > 1_000, "only {answered} answers");
    let second = looks.split_off(looks.len() / 2);
    let (first, second) = (median(looks), median(second));
    eprintln!("{answered} answers in {took:.1?}, none wrong; {first} KiB, then {second} KiB in memory");
    assert!(second <= first + GROWTH_KIB, "{first} KiB became {second} KiB");
}
