//! A server's doors without sockets: lines, and HTTP as it is behind its parser.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_server::Service;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

use crate::conform::{Sent, sent};

/// A runtime of its own for one input, so that nothing outlives it. Nobody waits in it: where all stand still, its clock
/// moves on.
pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts")
}

/// All that a connection answers to these bytes and to their end.
pub fn lines(service: &Service, input: &[u8]) -> Vec<String> {
    let mut output = Vec::new();
    runtime().block_on(service.serve_lines(input, &mut output)).expect("memory reads and writes");
    let output = String::from_utf8(output).expect("text");
    assert!(output.is_empty() || output.ends_with('\n'));
    output.lines().map(str::to_owned).collect()
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its messages: the whole of a JSON body, what came within a second of a stream.
    pub messages: Vec<Sent>,
}

/// What the endpoint answers.
pub fn http(service: &Service, method: Method, headers: HeaderMap, body: &[u8]) -> Reply {
    let mut request = Request::new(Full::new(Bytes::copy_from_slice(body)));
    *request.method_mut() = method;
    *request.uri_mut() = "/mcp".parse().expect("a path");
    *request.headers_mut() = headers;
    let router = service.router();
    runtime().block_on(async {
        let response = router.oneshot(request).await.expect("a router never fails");
        let (parts, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        let second = Duration::from_secs(1);
        while let Ok(Some(frame)) = tokio::time::timeout(second, body.frame()).await {
            bytes.extend(frame.expect("a body from memory").into_data().unwrap_or_default());
        }
        let body = String::from_utf8(bytes).expect("text");
        let is_stream = parts.headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let messages = if is_stream { events(&body) } else { whole(&body) };
        Reply { status: parts.status, headers: parts.headers, messages }
    })
}

fn whole(body: &str) -> Vec<Sent> {
    if body.is_empty() { Vec::new() } else { vec![sent(body)] }
}

fn events(body: &str) -> Vec<Sent> {
    let blocks = body.split_terminator("\n\n").filter(|block| *block != ":");
    blocks
        .map(|block| {
            let data = block.strip_prefix("event: message\ndata: ");
            sent(data.unwrap_or_else(|| panic!("not an event: {block}")))
        })
        .collect()
}

impl Reply {
    /// Whether what was said is all that HTTP allows there.
    pub fn assert_whole(&self) {
        let answers: usize = self.messages.iter().map(Sent::answers).sum();
        match self.status.as_u16() {
            200 => {}
            202 | 204 => assert!(self.messages.is_empty(), "{self:?}"),
            400..=599 => {
                let code = self.messages.first().and_then(Sent::code);
                assert!(answers == 1 && self.messages.len() == 1 && code.is_some(), "{self:?}");
            }
            _ => panic!("{self:?}"),
        }
    }

    /// The only answer.
    pub fn answer(&self) -> Option<&Sent> {
        self.messages.iter().find(|message| message.answers() > 0)
    }
}

/// These headers; a name or a value that HTTP cannot carry is left out, as no server would see it.
pub fn headers<'a>(pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}
