//! The endpoint as a router in somebody's application.

use std::net::SocketAddr;

use axum::{Extension, Router};
use larder_tests::http::{HttpAnswer, HttpRequest};
use mcp_server::{Context, Principal, Server, Tool};
use serde_json::json;
use tokio::net::TcpListener;

/// An application that has found out by itself who asks.
async fn mounted(server: Server) -> SocketAddr {
    let application = Router::new()
        .route("/", axum::routing::get(|| async { "an application" }))
        .merge(server.into_router().unwrap())
        .layer(Extension(Principal::user("application", "ada")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, application).await });
    address
}

fn server() -> Server {
    let who = Tool::new("who", json!({ "type": "object" }), |ctx: Context, _| async move {
        ctx.principal().unwrap().subject().unwrap_or("nobody").to_owned()
    });
    Server::new("mounted").tool(who)
}

async fn ask(address: SocketAddr, host: &str) -> HttpAnswer {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": "who", "arguments": {}, "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let request = HttpRequest::post(message.to_string())
        .header("host", host)
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", "who");
    request.fetch(address).await
}

#[tokio::test]
async fn an_application_says_who_asks() {
    let address = mounted(server()).await;
    let answer = ask(address, "localhost").await;
    assert_eq!(answer.messages()[0]["result"]["content"][0]["text"], "ada");
    let page = HttpRequest::new("GET", "").path("/").fetch(address).await;
    assert_eq!((page.status, &*page.body), (200, "an application"));
}

#[tokio::test]
async fn a_mounted_endpoint_takes_loopback_names_until_others_are_allowed() {
    let closed = mounted(server()).await;
    assert_eq!(ask(closed, "mcp.example").await.status, 403);
    let named = mounted(server().allow_host("mcp.example")).await;
    assert_eq!(
        (ask(named, "mcp.example").await.status, ask(named, "other.example").await.status),
        (200, 403)
    );
    let open = mounted(server().any_host()).await;
    assert_eq!(ask(open, "other.example").await.status, 200);
}
