//! Servers over HTTP, and a client that sends each message to whichever it likes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use mcp_server::{Server, Service};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::http::{Event, HttpAnswer, HttpRequest, Streaming};

/// One server, served.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it listens.
    pub address: SocketAddr,
    /// The server itself.
    pub service: Service,
}

impl Node {
    /// Serves `server` on a port of its own until the test ends.
    pub async fn serve(server: Server) -> Self {
        let service = server.build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = service.clone();
        tokio::spawn(async move { serving.serve_listener(listener).await });
        Self { address, service }
    }
}

/// Who listens somewhere: a [`Node`], or a process of its own.
pub trait Listens: Sync {
    /// Where.
    fn address(&self) -> SocketAddr;
}

impl Listens for Node {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A client in a handshake session, which is no node's.
#[derive(Debug)]
pub struct Caller {
    /// The session's id.
    pub session: String,
    revision: &'static str,
    token: &'static str,
    next: AtomicU32,
}

impl Caller {
    /// Shakes hands with `node`, with the token `eve`.
    pub async fn begin(node: &impl Listens, revision: &'static str) -> Self {
        Self::begin_as(node, revision, "eve").await
    }

    /// As [`Caller::begin`], as whoever has this token.
    pub async fn begin_as(node: &impl Listens, revision: &'static str, token: &'static str) -> Self {
        let caller = Self::introduced_as(node, revision, token).await;
        assert_eq!(caller.send(node, &initialized()).await.status, 202);
        caller
    }

    /// As [`Caller::begin_as`], before it has said that it is initialized.
    pub async fn introduced_as(node: &impl Listens, revision: &'static str, token: &'static str) -> Self {
        let mut caller = Self { session: String::new(), revision, token, next: AtomicU32::new(1) };
        let params = json!({
            "protocolVersion": revision,
            "capabilities": { "elicitation": { "form": {}, "url": {} }, "roots": {} },
            "clientInfo": { "name": "c", "version": "1" },
        });
        let answer = caller.send(node, &caller.request("initialize", &params)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.header("mcp-session-id").unwrap().clone_into(&mut caller.session);
        caller
    }

    /// A request of this method, under an id of its own.
    pub fn request(&self, method: &str, params: &Value) -> Value {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
    }

    /// A call of a tool, with a token for its progress.
    pub fn call(&self, tool: &str, arguments: &Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "p" } });
        self.request("tools/call", &params)
    }

    /// The cancellation of this request.
    pub fn cancellation(&self, request: &Value) -> Value {
        json!({
            "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": request["id"] },
        })
    }

    /// The text of a tool's answer, from `node`.
    pub async fn text(&self, node: &impl Listens, tool: &str, arguments: Value) -> String {
        let answer = self.send(node, &self.call(tool, &arguments)).await;
        let message = answer.messages().pop().unwrap_or_else(|| panic!("no answer: {answer:?}"));
        let text = message["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text: {message}")).to_owned()
    }

    /// Sends a message to `node`, and reads the whole answer.
    pub async fn send(&self, node: &impl Listens, message: &Value) -> HttpAnswer {
        self.post(message).fetch(node.address()).await
    }

    /// Sends a message to `node`, whose answer is a stream.
    pub async fn open(&self, node: &impl Listens, message: &Value) -> Streaming {
        let stream = self.post(message).send(node.address()).await.head().await;
        assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
        stream
    }

    /// A message on its way.
    pub fn post(&self, message: &Value) -> HttpRequest {
        self.sign(HttpRequest::post(message.to_string()))
    }

    /// A `GET` that asks for what came behind the event `last`.
    pub fn resume(&self, last: &str) -> HttpRequest {
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        self.sign(get.header("last-event-id", last))
    }

    /// A `DELETE`, sent to `node`.
    pub async fn end(&self, node: &impl Listens) -> HttpAnswer {
        self.sign(HttpRequest::new("DELETE", "")).fetch(node.address()).await
    }

    /// Adds what a request of this client carries.
    pub fn sign(&self, mut request: HttpRequest) -> HttpRequest {
        if !self.session.is_empty() {
            request = request.header("mcp-session-id", &self.session);
            request = request.header("mcp-protocol-version", self.revision);
        }
        request.header("authorization", &format!("Bearer {}", self.token))
    }
}

/// What a client says once its handshake is done.
pub fn initialized() -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })
}

/// The next event that says something, comments and empty events left out; `None` once the stream has ended.
pub async fn said(stream: &mut Streaming) -> Option<(Event, Value)> {
    loop {
        let event = stream.event().await?;
        if let Some(data) = event.data.as_deref().filter(|data| !data.is_empty()) {
            let message = serde_json::from_str(data).unwrap();
            return Some((event, message));
        }
    }
}
