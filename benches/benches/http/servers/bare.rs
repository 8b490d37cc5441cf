//! The ceiling: a bare axum handler, and a bare loop over lines. Both read the call and answer it, and nothing else.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::net::TcpListener;

use crate::message::TOOLS;

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    method: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    arguments: Arguments<'a>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}

#[derive(Serialize)]
struct Answer<'a> {
    jsonrpc: &'static str,
    id: &'a RawValue,
    result: Content<'a>,
}

#[derive(Serialize)]
struct Content<'a> {
    content: [Text<'a>; 1],
    #[serde(rename = "isError")]
    is_error: bool,
}

#[derive(Serialize)]
struct Text<'a> {
    r#type: &'static str,
    text: &'a str,
}

/// The answer, filled up to `size` bytes with the blanks that JSON allows.
fn answer(body: &[u8], size: usize) -> Option<Vec<u8>> {
    let call: Call<'_> = serde_json::from_slice(body).ok()?;
    if call.method != "tools/call" || call.params.name != "echo" {
        return None;
    }
    let content = [Text { r#type: "text", text: &call.params.arguments.text }];
    let result = Content { content, is_error: false };
    let mut answer = Vec::with_capacity(size.max(192));
    serde_json::to_writer(&mut answer, &Answer { jsonrpc: "2.0", id: call.id, result }).ok()?;
    let last = answer.pop()?;
    answer.resize(answer.len().max(size.saturating_sub(1)), b' ');
    answer.push(last);
    Some(answer)
}

/// As many bytes that are the same for everybody, with the request's id in front.
fn list(body: &[u8], shared: &Bytes) -> Option<Response> {
    let List { id, method } = serde_json::from_slice(body).ok()?;
    if method != "tools/list" {
        return None;
    }
    let head = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":{},"result":"#, id.get()));
    let length = head.len() + shared.len();
    let parts = [head, shared.clone()].map(Ok::<_, std::convert::Infallible>);
    let mut response = respond(Some(Body::from_stream(futures_util::stream::iter(parts))));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Some(response)
}

/// The rest of an answer of `size` bytes: a list of as many tools, so that whoever looks for the last one looks as long.
fn shared(size: usize) -> Bytes {
    let size = size.saturating_sub(FRONT + END.len());
    let mut list = String::from(r#"{"tools":["#);
    for number in 0..TOOLS {
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(list, r#"{comma}{{"name":"tool{number:04}","description":""#); // to a string: it cannot fail
        let (whole, end) = (size * (number + 1) / TOOLS, r#""}"#);
        list.extend(std::iter::repeat_n('x', whole.saturating_sub(list.len() + end.len())));
        list.push_str(end);
    }
    list.push_str(END);
    Bytes::from(list)
}

/// What the list and the answer end with.
const END: &str = "]}}";

/// What stands before the result.
const FRONT: usize = r#"{"jsonrpc":"2.0","id":100000000,"result":"#.len();

pub(super) async fn http(listener: TcpListener, size: usize) -> io::Result<()> {
    let shared = shared(size);
    let handler = move |headers: HeaderMap, body: Bytes| {
        std::hint::black_box(headers); // it gets them as ours does
        let listed = (size > LARGE).then(|| list(&body, &shared)).flatten();
        let response = listed.unwrap_or_else(|| respond(answer(&body, size).map(Body::from)));
        async move { response }
    };
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/mcp", post(handler))).await
}

/// No answer of a call is as long.
const LARGE: usize = 4_096;

fn respond(answer: Option<Body>) -> Response {
    let Some(answer) = answer else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let mut response = Response::new(answer);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bare","version":"0"}}}"#;

/// Blocking, with one write for all that was read at once.
pub(super) fn stdio() -> io::Result<()> {
    let mut input = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        if let Some(answer) = answer(&line, 0) {
            output.write_all(&answer)?;
            output.write_all(b"\n")?;
        } else if memchr::memmem::find(&line, br#""initialize""#).is_some() {
            output.write_all(INITIALIZED)?;
            output.write_all(b"\n")?;
        }
        if memchr::memchr(b'\n', input.buffer()).is_none() {
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}
