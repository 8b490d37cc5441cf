//! Messages: whatever the bytes are, on every revision and over lines and HTTP, what is answered is JSON-RPC or nothing; a
//! request is answered once, under its id as it was written; the arguments reach the handler as they were sent; and what
//! the server says can be said to a server, which answers nothing to it.
//!
//! An input is what a client sends: on lines as it is, so that it may be several messages, on HTTP as one body.
#![no_main]

use std::sync::LazyLock;

use larder_fuzz::conform::{Asked, Sent, sent};
use larder_fuzz::door::{Reply, headers, http, lines};
use larder_fuzz::sentinel::encoded;
use libfuzzer_sys::fuzz_target;
use mcp_server::protocol::{Json, Revision};
use mcp_server::{Context, Dynamic, Server, Service, Tool, prompt, resource, tool};
use serde_json::json;

/// Adds up.
#[tool]
async fn add(a: i64, b: Option<f64>, tags: Vec<String>) -> String {
    format!("{a} {b:?} {}", tags.len())
}

/// A note.
#[resource("note://text")]
async fn text() -> &'static str {
    "a note"
}

/// One item.
#[resource("item://{id}{?page}")]
async fn item(id: String, page: Option<u32>) -> String {
    format!("{id} {page:?}")
}

/// Greets somebody.
#[prompt]
async fn greet(name: String, #[arg(complete = ["warm", "cold"])] tone: Option<String>) -> String {
    format!("Greet {name} {tone:?}.")
}

/// Says what it was called with, byte for byte.
fn mirror() -> Tool {
    Tool::new("mirror", json!({ "type": "object" }), |_: Context, arguments: Json| async move {
        mcp_server::protocol::ToolResult::text(arguments.as_str())
    })
}

static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let server = Server::new("fuzz").dynamic(Dynamic::TOOLS).tool(add).tool(mirror());
    server.resource(text).resource(item).prompt(greet).build().expect("it builds")
});

/// A session for each revision that has them.
static SESSIONS: LazyLock<Vec<(Revision, String)>> = LazyLock::new(|| {
    let begin = |revision| {
        let reply = http(&SERVICE, http::Method::POST, with(&[]), hello(revision).as_bytes());
        (revision, reply.headers["mcp-session-id"].to_str().expect("visible ASCII").to_owned())
    };
    Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()).map(begin).collect()
});

fn begin() {
    LazyLock::force(&SESSIONS);
}

fuzz_target!(init: begin(), |data: &[u8]| {
    let asked = Asked::request(data);
    let mut codes = Vec::new();
    for revision in Revision::ALL {
        codes.push(on_lines(revision, data, asked.as_ref()));
    }
    for (revision, session) in &*SESSIONS {
        let version = [("mcp-protocol-version", revision.as_str()), ("mcp-session-id", session)];
        let reply = http(&SERVICE, http::Method::POST, with(&version), data);
        on_http(&reply, asked.as_ref(), *revision == Revision::V2025_03_26);
    }
    let reply = http(&SERVICE, http::Method::POST, modern(asked.as_ref()), data);
    on_http(&reply, asked.as_ref(), false);
    let unreadable = reply.answer().and_then(Sent::code) == Some(-32_700);
    if unreadable && !data.contains(&b'\n') && !data.iter().all(|byte| b" \t\r".contains(byte)) {
        assert_eq!((codes.last(), reply.status.as_u16()), (Some(&Some(-32_700)), 400), "the same on both");
    }
});

fn hello(revision: Revision) -> String {
    let params = json!({
        "protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": { "name": "fuzz", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params }).to_string()
}

fn with(more: &[(&str, &str)]) -> http::HeaderMap {
    let always = [("host", "localhost"), ("content-type", "application/json"), ("accept", "*/*")];
    headers(always.iter().chain(more).map(|(name, value)| (name.as_bytes(), value.as_bytes())))
}

/// The headers that repeat what is asked, so that a good request comes in.
fn modern(asked: Option<&Asked<'_>>) -> http::HeaderMap {
    let method = asked.map_or("", |asked| &*asked.method);
    let target = asked.and_then(Asked::target).and_then(|target| target.name.or(target.uri));
    let name = encoded(&target.unwrap_or_default());
    with(&[("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", &name)])
}

/// The code of the only answer, if it is an error.
fn on_lines(revision: Revision, data: &[u8], asked: Option<&Asked<'_>>) -> Option<i64> {
    let mut before = String::new();
    if !revision.is_stateless() {
        before = hello(revision) + "\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
    }
    let begun = usize::from(!revision.is_stateless());
    let mut answered = lines(&SERVICE, &[before.as_bytes(), data].concat());
    // What waits is overtaken by what does not.
    let mut own = None;
    if begun == 1 {
        let at = answered.iter().position(|line| line.contains(r#""protocolVersion":"#));
        own = Some(answered.remove(at.expect("the handshake is answered")));
    }
    let messages: Vec<Sent> = answered.iter().map(|line| sent(line)).collect();
    for message in &messages {
        echoed(message, data);
    }
    if let Some(asked) = asked.filter(|_| !data.contains(&b'\n')) {
        let mut answers = messages.iter().filter(|message| message.answers() > 0);
        once(answers.next().expect("a request is answered"), asked);
        assert!(answers.next().is_none(), "and once");
    }
    let again = [before.as_bytes(), answered.join("\n").as_bytes()].concat();
    let silence = lines(&SERVICE, &again);
    assert!(silence.len() == begun, "{silence:?} answers {answered:?} behind {own:?}");
    match &messages[..] {
        [message] => message.code(),
        _ => None,
    }
}

/// An answer carries no id but one that was sent.
fn echoed(message: &Sent, data: &[u8]) {
    match message {
        Sent::Answer(Some(id), _) => {
            assert!(data.windows(id.len()).any(|part| part == id.as_bytes()), "{id} was not sent");
        }
        Sent::Several(messages) => messages.iter().for_each(|message| echoed(message, data)),
        Sent::Answer(None, _) | Sent::Said(_) => {}
    }
}

/// The answer to a request: under its id, and of what it said.
fn once(answer: &Sent, asked: &Asked<'_>) {
    let Sent::Answer(Some(id), outcome) = answer else { panic!("{answer:?} to {asked:?}") };
    assert_eq!(Some(&**id), asked.id.map(|id| id.get()), "byte for byte");
    assert!(outcome.as_ref().err().is_none_or(|code| *code != -32_700), "it can be read");
    let target = asked.target().filter(|target| target.name.as_deref() == Some("mirror"));
    let arguments = target.and_then(|target| target.arguments).filter(|given| given.get().starts_with('{'));
    if let (Some(result), Some(arguments), "tools/call") = (answer.result(), arguments, &*asked.method) {
        assert_eq!(result["content"][0]["text"], arguments.get());
    }
}

fn on_http(reply: &Reply, asked: Option<&Asked<'_>>, has_batches: bool) {
    reply.assert_whole();
    let batches = reply.messages.iter().any(|message| matches!(message, Sent::Several(_)));
    assert!(!batches || has_batches, "{reply:?}");
    if asked.is_some() && !reply.headers.contains_key("mcp-session-id") {
        let answer = reply.answer();
        // What lasts has said only that it has begun.
        assert!(answer.is_some() || reply.headers["content-type"] == "text/event-stream", "{reply:?}");
    }
    if let (Some(asked), Some(answer)) = (asked, reply.answer()) {
        once(answer, asked);
    }
}
