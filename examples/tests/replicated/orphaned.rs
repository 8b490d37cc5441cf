//! A stream whose process is killed in the middle: who reads it elsewhere is told.

use std::net::SocketAddr;

use larder_tests::http::{HttpAnswer, HttpRequest};
use larder_tests::node::said;
use serde_json::json;

use super::pair::pair;
use super::soon;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_the_stream_of_a_killed_process_elsewhere_is_told() {
    let Some([mut owner, other]) = pair("orphaned") else { return };
    let session = begin(owner.address).await;
    let params =
        json!({ "name": "steps", "arguments": { "count": 1000 }, "_meta": { "progressToken": "steps" } });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let mut stream =
        in_session(HttpRequest::post(call.to_string()), &session).send(owner.address).await.head().await;
    let (at, _) = said(&mut stream).await.expect("a step");
    stream.disconnect();

    let resume = HttpRequest::new("GET", "")
        .header("accept", "text/event-stream")
        .header("last-event-id", &at.id.expect("an id"));
    let mut stream = in_session(resume, &session).send(other.address).await.head().await;
    let (_, step) = said(&mut stream).await.expect("the step behind it");
    assert_eq!(
        (&step["method"], &step["params"]["progress"]),
        (&json!("notifications/progress"), &json!(2.0))
    );
    tokio::task::block_in_place(|| owner.kill());

    let told = async {
        loop {
            let (_, message) = said(&mut stream).await.expect("an end that is told");
            if message["method"] != "notifications/progress" {
                return message;
            }
        }
    };
    let told = soon("the end of the stream", told).await;
    assert_eq!((&told["id"], &told["error"]["code"]), (&json!(7), &json!(-32603)), "{told}");
    assert_eq!(told["error"]["message"], "the replica running this request is gone");
    assert!(said(&mut stream).await.is_none());
    assert_eq!(answered(other.address, &session).await.status, 200, "the session goes on");
}

/// Begins a session; its id.
async fn begin(address: SocketAddr) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "reader", "version": "1" },
    });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let answer = signed(HttpRequest::post(body.to_string())).fetch(address).await;
    answer.header("mcp-session-id").expect("a session").to_owned()
}

async fn answered(address: SocketAddr, session: &str) -> HttpAnswer {
    let ping = json!({ "jsonrpc": "2.0", "id": 8, "method": "ping" });
    in_session(HttpRequest::post(ping.to_string()), session).fetch(address).await
}

fn in_session(request: HttpRequest, session: &str) -> HttpRequest {
    signed(request).header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25")
}

fn signed(request: HttpRequest) -> HttpRequest {
    request.header("authorization", "Bearer demo-0")
}
