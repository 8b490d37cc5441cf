//! What the proxy noted of each request, and what tests ask of it.

use std::time::Instant;

use hyper::Method;
use hyper::http::request::Parts;
use serde_json::Value;

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) what: What,
    /// Which replica it went to.
    pub(crate) replica: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Option<Instant>,
    /// How many pieces of the answer have passed.
    pub(crate) pieces: u32,
    pub(crate) outcome: Outcome,
}

/// What was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct What {
    /// The method of MCP; `answer` is an answer to the server's question; `GET` is the stream of a session, and `resume` one
    /// that goes on with a broken one; else the method of HTTP.
    pub(crate) method: String,
    /// The tool that is called; nothing where none is.
    pub(crate) tool: String,
    /// The session, in the handshake era.
    pub(crate) session: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is under way.
    Open,
    /// It was answered.
    Ended,
    /// The test cut it.
    Cut,
    /// The replica broke off in its answer.
    Lost,
    /// No answer came: 502.
    BadGateway,
    /// The client left.
    Left,
}

impl What {
    pub(super) fn of(parts: &Parts, body: &[u8]) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let method = match (&parts.method, text("/method")) {
            (&Method::GET, _) if header("last-event-id").is_some() => "resume",
            (&Method::POST, "") => "answer",
            (&Method::POST, method) => method,
            (method, _) => method.as_str(),
        };
        let tool = if method == "tools/call" { text("/params/name") } else { "" };
        let session = header("mcp-session-id").map(str::to_owned);
        Self { method: method.to_owned(), tool: tool.to_owned(), session }
    }
}

/// The replicas that answered requests of which this holds.
pub(crate) fn replicas(seen: &[Seen], holds: impl Fn(&What) -> bool) -> Vec<usize> {
    let mut replicas: Vec<_> =
        seen.iter().filter(|seen| holds(&seen.what)).map(|seen| seen.replica).collect();
    replicas.sort_unstable();
    replicas.dedup();
    replicas
}

/// How many requests of this kind went to another replica than what the same session called before them: an answer to a
/// question of one replica that was sent to the other, or a stream of one that was read on the other.
pub(crate) fn crossed(seen: &[Seen], method: &str) -> usize {
    let crosses = |(at, later): (usize, &Seen)| {
        let mut before = seen.iter().take(at).rev();
        let call =
            before.find(|seen| seen.what.method == "tools/call" && seen.what.session == later.what.session);
        later.what.method == method && call.is_some_and(|call| call.replica != later.replica)
    };
    seen.iter().enumerate().filter(|seen| crosses(*seen)).count()
}
