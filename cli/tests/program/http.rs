//! HTTP: the handshake revisions, the probe, and who may come in.

use serde_json::{Value, json};

use crate::support::{Home, Server, handshake};

fn initialize() -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": handshake() })
}

#[test]
fn a_handshake_session_remembers_and_recalls() {
    let home = Home::new();
    let server = Server::start(home.larder(["serve", "--http", "127.0.0.1:0", "--json-logs"]));
    let (status, head, answer) = server.post("127.0.0.1", &[], &initialize());
    assert_eq!((status, &answer["result"]["serverInfo"]["name"]), (200, &json!("larder")));
    let session =
        head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
    let headers = [("Mcp-Session-Id", &*session), ("MCP-Protocol-Version", "2025-11-25")];
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(server.post("127.0.0.1", &headers, &initialized).0, 202);
    let call = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        server.post("127.0.0.1", &headers, &message).2["result"]["structuredContent"].clone()
    };
    assert_eq!(call("remember", json!({ "text": "tea", "id": "x" }))["id"], "x");
    assert_eq!(call("recall", json!({ "id": "x" }))["text"], "tea");
}

#[test]
fn the_probe_answers() {
    let home = Home::new();
    let server =
        Server::start(home.larder(["serve", "--store", "memory://", "--http", "127.0.0.1:0", "--json-logs"]));
    let (status, _, body) = server.http("GET /healthz HTTP/1.1\r\nHost: localhost", "");
    assert_eq!((status, &*body), (200, "ok\n"));
}

#[test]
fn only_allowed_hosts_and_origins_come_in() {
    let home = Home::new();
    let server = Server::start(home.larder([
        "serve",
        "--store",
        "memory://",
        "--http",
        "127.0.0.1:0",
        "--json-logs",
        "--allow-host",
        "memory.example",
        "--allow-origin",
        "https://app.example",
    ]));
    let status = |host: &str, origin: &str| server.post(host, &[("Origin", origin)], &initialize()).0;
    assert_eq!(status("memory.example", "https://app.example"), 200);
    assert_eq!(status("localhost", "http://localhost:3000"), 200);
    assert_eq!(status("evil.example", "https://app.example"), 403);
    assert_eq!(status("localhost", "https://evil.example"), 403);
    let open = Home::new();
    let server = Server::start(open.larder([
        "serve",
        "--store",
        "memory://",
        "--http",
        "127.0.0.1:0",
        "--json-logs",
        "--any-host",
    ]));
    assert_eq!(server.post("whatever.example", &[], &initialize()).0, 200);
}
