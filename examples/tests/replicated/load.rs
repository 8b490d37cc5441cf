//! A thousand requests of twenty callers, half of them in a session, half on 2026-07-28: all under the same ids, each asking
//! what nobody else asks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, Response, StatusCode};
use larder_tests::http::HttpAnswer;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Era;
use super::proxy::send;

/// How many callers there are.
pub(crate) const CALLERS: u32 = 20;
/// How many requests each makes.
pub(crate) const REQUESTS: u32 = 50;

/// How a request fails where its replica dies, and in no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The connection was cut.
    Cut,
    /// 502.
    BadGateway,
}

/// What a caller may do by now: each waits at these numbers of requests until it is let go on.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    pub(crate) done: Arc<AtomicU32>,
    pub(crate) until: watch::Receiver<u32>,
}

/// One of the callers.
#[derive(Debug)]
pub(crate) struct Caller {
    proxy: SocketAddr,
    number: u32,
    session: Option<String>,
    /// Names and values that were kept for sure.
    kept: Vec<(String, String)>,
    pub(crate) failures: Vec<Failure>,
}

impl Caller {
    pub(crate) async fn new(proxy: SocketAddr, number: u32, era: Era) -> Self {
        let mut caller = Self { proxy, number, session: None, kept: Vec::new(), failures: Vec::new() };
        if era == Era::Handshake {
            caller.shake_hands().await;
        }
        caller
    }

    /// Makes all its requests; none is answered with what another asked.
    pub(crate) async fn run(mut self, mut pace: Pace) -> Self {
        for id in 1..=REQUESTS {
            drop(pace.until.wait_for(|until| id <= *until).await.expect("the test goes on"));
            if let Err(failure) = self.request(id).await {
                self.failures.push(failure);
            }
            pace.done.fetch_add(1, Ordering::SeqCst);
        }
        self
    }

    /// Asserts that all it kept is there.
    pub(crate) async fn find_all(&self) -> usize {
        for (name, value) in &self.kept {
            let answer = self.call(REQUESTS + 1, "recall", json!({ "name": name })).await;
            assert_eq!(answer.expect("nobody is killed now").text(), value);
        }
        self.kept.len()
    }

    async fn request(&mut self, id: u32) -> Result<(), Failure> {
        let own = format!("{id} of {}", self.number);
        match (id % 5, self.kept.last()) {
            (1, _) => self.keep(id, own).await,
            (2, Some((name, value))) => {
                let answer = self.call(id, "recall", json!({ "name": name })).await?;
                assert_eq!(answer.text(), value);
                Ok(())
            }
            (3, _) => self.walk(id).await,
            _ => {
                let wait_ms = 10 + (id * 7 + self.number * 13) % 60;
                let answer = self.call(id, "echo", json!({ "text": own, "wait_ms": wait_ms })).await?;
                assert_eq!(answer.text(), own);
                Ok(())
            }
        }
    }

    async fn keep(&mut self, id: u32, value: String) -> Result<(), Failure> {
        let name = format!("value {id}");
        let kept = self.call(id, "remember", json!({ "name": name, "value": value })).await?;
        assert_eq!(kept.text(), value);
        self.kept.push((name, value));
        Ok(())
    }

    async fn walk(&self, id: u32) -> Result<(), Failure> {
        let count = 3 + self.number % 4;
        let answer = self.call(id, "steps", json!({ "count": count, "pause_ms": 20 })).await?;
        assert_eq!(answer.text(), format!("{count} steps"));
        self.assert_own_progress(id, count, &answer);
        Ok(())
    }

    /// Every step was told once, in order, and under this request's token.
    fn assert_own_progress(&self, id: u32, count: u32, answer: &Answer) {
        let told: Vec<_> = answer.told.iter().map(|told| step_of(&told["params"])).collect();
        let token = self.token(id);
        let expected: Vec<_> = (1..=count).map(|step| format!("{token}: {step} of {count}")).collect();
        assert_eq!(told, expected);
    }

    fn token(&self, id: u32) -> String {
        format!("progress of {id} of {}", self.number)
    }

    async fn call(&self, id: u32, tool: &str, arguments: Value) -> Result<Answer, Failure> {
        let mut meta = json!({ "progressToken": self.token(id) });
        if self.session.is_none() {
            meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
            meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
        }
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        let answer = self.post(&body, "tools/call", Some(tool)).await?;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let mut told = answer.messages();
        let last = told.pop().unwrap_or_else(|| panic!("nothing is said: {answer:?}"));
        assert_eq!(last["id"], id, "{last}");
        Ok(Answer { result: last["result"].clone(), told })
    }

    async fn shake_hands(&mut self) {
        let params = json!({
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "load", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let answer = self.post(&body, "initialize", None).await.expect("an answer");
        self.session = Some(answer.header("mcp-session-id").expect("a session").to_owned());
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        self.post(&initialized, "", None).await.expect("an answer");
    }

    async fn post(&self, body: &Value, method: &str, name: Option<&str>) -> Result<HttpAnswer, Failure> {
        let mut request = Request::post("/mcp")
            .header(HOST, self.proxy.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header(AUTHORIZATION, format!("Bearer demo-{}", self.number));
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        } else if method != "initialize" {
            request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
            request = name.into_iter().fold(request, |request, name| request.header("mcp-name", name));
        }
        let request = request.body(Full::new(Bytes::from(body.to_string()))).expect("a request");
        let stream = TcpStream::connect(self.proxy).await.expect("the proxy lives");
        let answer = send(stream, request).await.map_err(|_| Failure::Cut)?;
        if answer.status() == StatusCode::BAD_GATEWAY {
            return Err(Failure::BadGateway);
        }
        whole(answer).await
    }
}

/// The answer of a call.
#[derive(Debug)]
struct Answer {
    result: Value,
    /// What was said before it.
    told: Vec<Value>,
}

impl Answer {
    fn text(&self) -> &str {
        let text = self.result["structuredContent"]["answer"].as_str();
        text.unwrap_or_else(|| panic!("no answer: {}", self.result))
    }
}

async fn whole(answer: Response<hyper::body::Incoming>) -> Result<HttpAnswer, Failure> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|_| Failure::Cut)?.to_bytes();
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes())));
    Ok(HttpAnswer { status: parts.status.as_u16(), headers: headers.collect(), body: text(&body) })
}

/// What a notification of progress says.
fn step_of(params: &Value) -> String {
    let number = |name: &str| params[name].as_f64().unwrap_or_default();
    let token = params["progressToken"].as_str().unwrap_or_default();
    format!("{token}: {} of {}", number("progress"), number("total"))
}
