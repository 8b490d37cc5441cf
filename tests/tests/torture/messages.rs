//! Good messages, which the bad ones are made of.

use larder_tests::http::HttpAnswer;
use serde_json::{Value, json};

/// A call on 2026-07-28.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/logLevel": "debug",
        },
    } })
}

pub(crate) fn echo(id: impl Into<Value>, text: &str) -> Value {
    call(id, "echo", &json!({ "text": text }))
}

/// A call in a session, which names no revision.
pub(crate) fn call_in_session(id: impl Into<Value>, tool: &str, arguments: &Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": params })
}

pub(crate) fn initialize(id: impl Into<Value>) -> Value {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "torture", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "initialize", "params": params })
}

/// What stands in the head of a good `POST` of any message, but for its length.
pub(crate) const HEAD: &str =
    "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\naccept: */*\r\n";

/// The lines of the head that belong to a call of this tool on 2026-07-28.
pub(crate) fn naming(tool: &str) -> String {
    format!("mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: {tool}\r\n")
}

/// The whole `POST` of a message of 2026-07-28.
pub(crate) fn post(message: &Value) -> Vec<u8> {
    let tool = message["params"]["name"].as_str().unwrap_or_default();
    with_head(&naming(tool), &message.to_string())
}

/// The whole `POST` of a message in a session.
pub(crate) fn post_in(session: &str, message: &Value) -> Vec<u8> {
    with_head(&format!("mcp-session-id: {session}\r\n"), &message.to_string())
}

/// A good `POST` with these lines in its head.
pub(crate) fn with_head(lines: &str, body: &str) -> Vec<u8> {
    format!("{HEAD}{lines}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The same in chunks, of the sizes that are said.
pub(crate) fn chunked(lines: &str, body: &str) -> Vec<u8> {
    format!("{HEAD}{lines}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
        .into_bytes()
}

/// The text that a tool answered under this id.
pub(crate) fn text_of(answer: &HttpAnswer, id: &Value) -> String {
    let message = answer.messages().into_iter().find(|message| message.get("method").is_none());
    let message = message.unwrap_or_else(|| panic!("no answer: {answer:?}"));
    assert_eq!(&message["id"], id, "{answer:?}");
    let text = message["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text: {answer:?}")).to_owned()
}

/// Asserts that a request was refused by this status and, in JSON-RPC, by this code.
pub(crate) fn assert_refused(answer: Option<&HttpAnswer>, status: u16, code: i64, what: &str) {
    let answer = answer.unwrap_or_else(|| panic!("{what}: no answer"));
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.messages()[0]["error"]["code"], code, "{what}: {answer:?}");
}

/// Asserts that what is no HTTP was refused before any of it was read as a message.
pub(crate) fn assert_no_http(answers: &[HttpAnswer], what: &str) {
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(matches!(statuses[..], [] | [400 | 431]), "{what}: {answers:?}");
    assert!(answers.iter().all(|answer| answer.body.is_empty()), "{what}: {answers:?}");
}
