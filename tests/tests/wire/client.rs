//! A client of one cell: the same calls, whatever carries them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_tests::http::{HttpAnswer, HttpRequest, Sent};
use mcp_server::protocol::Revision;
use serde_json::{Value, json};

use crate::harness::Harness;
use crate::lines::Lines;

pub(crate) struct Client {
    harness: Harness,
    lines: Option<Lines>,
    address: Option<SocketAddr>,
    capabilities: Value,
    token: Option<String>,
    pub(crate) session: Option<String>,
    next: AtomicU64,
}

/// How a request was answered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    /// The status, on HTTP.
    pub(crate) status: Option<u16>,
    /// The answer as it was written.
    pub(crate) text: String,
    /// The answer; null where there is none.
    pub(crate) message: Value,
    /// What was said before it.
    pub(crate) said: Vec<Value>,
    /// The whole HTTP answer.
    pub(crate) http: Option<HttpAnswer>,
}

/// A request in flight.
pub(crate) struct Call {
    pub(crate) id: Value,
    way: Way,
}

enum Way {
    Lines(Lines),
    Http(Sent),
}

impl Client {
    pub(crate) fn new(
        harness: Harness,
        lines: Option<Lines>,
        address: Option<SocketAddr>,
        capabilities: Value,
        token: Option<&str>,
    ) -> Self {
        let token = token.map(str::to_owned);
        Self { harness, lines, address, capabilities, token, session: None, next: AtomicU64::new(1000) }
    }

    pub(crate) fn is_http(&self) -> bool {
        self.lines.is_none()
    }

    /// The lines of a client that is not on HTTP.
    pub(crate) fn lines(&self) -> &Lines {
        self.lines.as_ref().unwrap()
    }

    /// Begins a session, where the revision has them. The client in memory does that by itself.
    pub(crate) async fn shake_hands(&mut self) {
        if self.harness.is_stateless() || self.harness.transport == crate::harness::Transport::Memory {
            return;
        }
        let reply = self.initialize(self.harness.revision.as_str()).await;
        assert_eq!(reply.message["result"]["protocolVersion"], self.harness.revision.as_str(), "{reply:?}");
        if let Some(http) = &reply.http {
            self.session = Some(http.header("mcp-session-id").unwrap().to_owned());
        }
        self.notify("notifications/initialized", json!({})).await;
    }

    /// Asks for `version`.
    pub(crate) async fn initialize(&self, version: &str) -> Reply {
        let params = json!({
            "protocolVersion": version,
            "capabilities": self.capabilities,
            "clientInfo": { "name": "wire", "version": "1" },
        });
        let message = json!({ "jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params });
        self.begin_message(&message).await.answer().await
    }

    /// The params with the `_meta` that the revision asks for; what they hold already stays.
    pub(crate) fn with_meta(&self, mut params: Value) -> Value {
        if !self.harness.is_stateless() {
            return params;
        }
        let fields =
            [("protocolVersion", json!("2026-07-28")), ("clientCapabilities", self.capabilities.clone())];
        for (name, value) in fields {
            let key = format!("io.modelcontextprotocol/{name}");
            if params["_meta"].get(&key).is_none() {
                params["_meta"][key] = value;
            }
        }
        params
    }

    pub(crate) fn message(&self, id: impl Into<Value>, method: &str, params: Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": self.with_meta(params) })
    }

    /// A POST of `body`, with the headers that belong to it.
    pub(crate) fn post(&self, body: &[u8]) -> HttpRequest {
        let message: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut request = self.sign(HttpRequest::post(body));
        if self.harness.is_stateless() {
            if let Some(method) = message["method"].as_str().filter(|_| message.get("id").is_some()) {
                request = request.header("mcp-method", method);
            }
            let target = message["params"]["name"].as_str().or_else(|| message["params"]["uri"].as_str());
            if let Some(target) = target.filter(|target| target.is_ascii()) {
                request = request.header("mcp-name", target);
            }
        }
        request
    }

    /// Adds version, session and token.
    pub(crate) fn sign(&self, mut request: HttpRequest) -> HttpRequest {
        let has_header = !matches!(self.harness.revision, Revision::V2024_11_05 | Revision::V2025_03_26);
        if self.harness.is_stateless() || (has_header && self.session.is_some()) {
            request = request.header("mcp-protocol-version", self.harness.revision.as_str());
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        if let Some(token) = &self.token {
            request = request.header("authorization", &format!("Bearer {token}"));
        }
        request
    }

    /// Sends an HTTP request that was made by hand.
    pub(crate) async fn fetch(&self, request: HttpRequest) -> Reply {
        Reply::of_http(request.fetch(self.address.unwrap()).await)
    }

    /// As [`Client::fetch`], with another body.
    pub(crate) async fn fetch_with(&self, request: HttpRequest, body: &[u8]) -> Reply {
        self.fetch(request.body(body)).await
    }

    /// Sends a request and does not wait.
    pub(crate) async fn begin(&self, method: &str, params: Value) -> Call {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.begin_message(&self.message(id, method, params)).await
    }

    pub(crate) async fn begin_message(&self, message: &Value) -> Call {
        let body = message.to_string();
        let way = match &self.lines {
            Some(lines) => {
                lines.send(body);
                Way::Lines(lines.clone())
            }
            None => Way::Http(self.post(body.as_bytes()).send(self.address.unwrap()).await),
        };
        Call { id: message["id"].clone(), way }
    }

    pub(crate) async fn request(&self, method: &str, params: Value) -> Reply {
        self.begin(method, params).await.answer().await
    }

    /// The result, or a panic.
    pub(crate) async fn result(&self, method: &str, params: Value) -> Value {
        self.request(method, params).await.result()
    }

    /// The result of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn begin_call(&self, tool: &str, arguments: Value) -> Call {
        self.begin("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// Sends a notification. On HTTP it must be accepted; on lines nothing tells.
    pub(crate) async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let reply = self.send(message.to_string().as_bytes()).await;
        assert_eq!((reply.status.unwrap_or(202), &*reply.text), (202, ""), "{method}");
    }

    /// `notifications/cancelled` for a request in flight.
    pub(crate) async fn cancel(&self, id: &Value) {
        self.notify("notifications/cancelled", json!({ "requestId": id })).await;
    }

    /// Sends bytes as they are; the reply is empty where nothing is answered at once.
    pub(crate) async fn send(&self, body: &[u8]) -> Reply {
        let Some(lines) = &self.lines else {
            return Reply::of_http(self.post(body).fetch(self.address.unwrap()).await);
        };
        lines.send(body);
        let last =
            self.message(self.next.fetch_add(1, Ordering::Relaxed), "resources/templates/list", json!({}));
        lines.send(last.to_string());
        lines.take(|line| line["id"] == last["id"] && line.get("method").is_none()).await.unwrap();
        let answer = lines.came(|line| line.get("method").is_none()).into_iter().next();
        answer
            .map(|line| Reply { text: line.text, message: line.value, ..Reply::default() })
            .unwrap_or_default()
    }
}

impl Call {
    /// Waits for the answer.
    pub(crate) async fn answer(self) -> Reply {
        match self.way {
            Way::Http(sent) => Reply::of_http(sent.answer().await),
            Way::Lines(lines) => {
                let answer = lines.take(|line| line["id"] == self.id && line.get("method").is_none()).await;
                let answer = answer.expect("an answer before the end");
                let said = lines.came(|line| line.get("method").is_some());
                let said = said.into_iter().map(|line| line.value).collect();
                Reply { text: answer.text, message: answer.value, said, ..Reply::default() }
            }
        }
    }

    /// The HTTP side of it.
    pub(crate) fn http(self) -> Sent {
        match self.way {
            Way::Http(sent) => sent,
            Way::Lines(_) => panic!("not over HTTP"),
        }
    }
}

impl Reply {
    pub(crate) fn of_http(answer: HttpAnswer) -> Self {
        let mut said = answer.messages();
        let message = said.pop_if(|last| last.get("method").is_none()).unwrap_or_default();
        Self { status: Some(answer.status), text: answer.body.clone(), message, said, http: Some(answer) }
    }

    /// The result, or a panic.
    pub(crate) fn result(&self) -> Value {
        assert!(self.message.get("result").is_some(), "an error: {self:?}");
        assert_eq!(self.status.unwrap_or(200), 200, "{self:?}");
        self.message["result"].clone()
    }

    /// The code of the error, or a panic.
    pub(crate) fn code(&self) -> i64 {
        self.message["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// The error is of this code, and on HTTP has this status.
    pub(crate) fn assert_error(&self, code: i64, status: u16) {
        assert_eq!((self.code(), self.status.unwrap_or(status)), (code, status), "{self:?}");
    }

    /// Whether nothing was answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.message.is_null() && self.text.is_empty()
    }
}

/// The text of a result's first block.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}
