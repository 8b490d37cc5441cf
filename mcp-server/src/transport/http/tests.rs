//! Clients that take more than their share of what is bounded, over a real connection.

mod bounds;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::{HttpOptions, SESSION};
use crate::protocol::Json;
use crate::{Context, MAX_MESSAGE, Resource, Server, Tool};

/// Long enough for any machine; nothing here takes it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn serve(server: Server, change: impl FnOnce(&mut HttpOptions)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = server.http_options(change).build().unwrap();
    tokio::spawn(async move { service.serve_listener(listener).await });
    address
}

/// A connection that has sent `text` and reads nothing yet.
async fn sent(address: SocketAddr, text: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text).await.unwrap();
    stream
}

/// All that is answered, until the server closes.
async fn answer(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an end");
    drop(read); // a reset behind the answer is an end too
    String::from_utf8_lossy(&bytes).into_owned()
}

fn post(body: &str, length: usize) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         accept: */*\r\nmcp-protocol-version: 2026-07-28\r\nmcp-method: resources/read\r\nmcp-name: r://large\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

fn read_large(filling: usize) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{{"uri":"r://large","filling":"{}","_meta":{{
        "io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#,
        "x".repeat(filling)
    )
}

fn large(bytes: usize) -> Server {
    Server::new("s").resource(Resource::new("r://large", move |_, _| async move { "x".repeat(bytes) }))
}

#[tokio::test]
async fn a_client_that_never_reads_loses_its_place() {
    let address = serve(large(64 << 20), |options| {
        options.max_connections = 1;
        options.write_timeout = Duration::from_millis(300);
    });
    let address = address.await;
    let request = read_large(0);
    let _never_read = sent(address, post(&request, request.len()).as_bytes()).await;
    let healthy =
        sent(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    assert!(answer(healthy).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_at_64_kib() {
    let address = serve(large(1), |_| {}).await;
    let healthy = |bytes: usize| {
        format!(
            "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx: {}\r\n\r\n",
            "x".repeat(bytes)
        )
    };
    assert!(answer(sent(address, healthy(32 << 10).as_bytes()).await).await.starts_with("HTTP/1.1 200"));
    let mut stream = TcpStream::connect(address).await.unwrap();
    drop(stream.write_all(healthy(128 << 10).as_bytes()).await); // the server may have gone before its end
    let refused = answer(stream).await;
    assert!(refused.is_empty() || refused.starts_with("HTTP/1.1 431"), "{refused}");
}

#[tokio::test]
async fn bodies_that_do_not_end_leave_room_for_small_ones_and_give_it_back() {
    let address = serve(large(1), |options| options.max_bodies_bytes = 64 << 10).await;
    let (large, small) = (read_large(48 << 10), read_large(0));
    let ask = async |body: &str| answer(sent(address, post(body, body.len()).as_bytes()).await).await;
    let stalled = sent(address, post(&large, 1 << 20).as_bytes()).await;
    let refused = timeout(PATIENCE, async {
        loop {
            let answer = ask(&large).await;
            if answer.starts_with("HTTP/1.1 503") {
                return answer;
            }
        }
    });
    let refused = refused.await.expect("the stalled one takes its room once it is read");
    assert!(refused.to_lowercase().contains("retry-after: 1") && refused.contains("-32603"), "{refused}");
    assert!(ask(&small).await.starts_with("HTTP/1.1 200"));
    drop(stalled);
    let served = timeout(PATIENCE, async { while !ask(&large).await.starts_with("HTTP/1.1 200") {} });
    served.await.expect("the room is given back");
}

/// A slow tool: each call adds a permit to the first when it begins, and ends when the second is closed.
fn slow(begun: &Arc<Semaphore>, gate: &Arc<Semaphore>) -> Tool {
    let (begun, gate) = (Arc::clone(begun), Arc::clone(gate));
    Tool::new("slow", json!({ "type": "object" }), move |_: Context, _: Json| {
        let (begun, gate) = (Arc::clone(&begun), Arc::clone(&gate));
        async move {
            begun.add_permits(1);
            drop(gate.acquire().await);
            "done"
        }
    })
}

/// What a session of 2025-11-25 answers to a message; the session begins with the first.
async fn told(router: Router, session: Option<String>, message: serde_json::Value) -> Response {
    let mut request = Request::post("/mcp").header("host", "localhost").header("accept", "*/*");
    if let Some(session) = session {
        request = request.header(SESSION, session);
    }
    let request = request.header("content-type", "application/json").body(Body::from(message.to_string()));
    router.oneshot(request.unwrap()).await.unwrap()
}

async fn session(router: Router, version: &str) -> String {
    let client = json!({ "name": "c", "version": "1" });
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
    let initialize = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    told(router, None, initialize).await.headers()[SESSION].to_str().unwrap().to_owned()
}

/// A call of the slow tool, of almost 4 MiB.
fn large_call() -> serde_json::Value {
    let arguments = json!({ "filling": "x".repeat(MAX_MESSAGE - 1_024) });
    let params = json!({ "name": "slow", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// What one large call leaves of the room for bodies when nobody waits for its answer any more, and what when its run
/// has ended: the status of the next.
async fn room_behind(becomes_a_stream: bool) -> (StatusCode, StatusCode) {
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let server = Server::new("s").tool(slow(&begun, &gate));
    let server = server.http_options(|options| options.max_bodies_bytes = MAX_MESSAGE);
    let router = server.into_router().unwrap();
    let session = session(router.clone(), "2025-11-25").await;
    let ask = async || told(router.clone(), Some(session.clone()), large_call()).await;
    let mut call = Box::pin(ask());
    if becomes_a_stream {
        let stream = call.await;
        assert_eq!(stream.headers()["content-type"], "text/event-stream");
        assert_eq!(ask().await.status(), StatusCode::SERVICE_UNAVAILABLE, "while the stream is read");
        drop(stream);
    } else {
        tokio::select! {
            _ = &mut call => panic!("it has begun and cannot end"),
            begun = begun.acquire() => drop(begun),
        }
        drop(call);
    }
    let held = ask().await.status();
    gate.close();
    for _ in 0..100 {
        tokio::task::yield_now().await; // until the run, which belongs to nobody, has ended
    }
    (held, ask().await.status())
}

#[tokio::test(start_paused = true)]
async fn a_large_body_has_its_room_until_its_run_ends_whoever_waits_for_the_answer() {
    for becomes_a_stream in [true, false] {
        let statuses = room_behind(becomes_a_stream).await;
        assert_eq!(statuses, (StatusCode::SERVICE_UNAVAILABLE, StatusCode::OK), "{becomes_a_stream}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_takes_long_becomes_a_stream_that_is_kept_alive() {
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let router = Server::new("s").tool(slow(&begun, &gate)).into_router().unwrap();
    let session = session(router.clone(), "2025-03-26").await;
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "slow" } });
    let batch = json!([call, { "jsonrpc": "2.0", "id": 2, "method": "ping" }]);
    let response = told(router, Some(session), batch).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, ":\n\n", "a sign of life");
    gate.close();
    let rest = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    let answers = rest.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
    let answers: serde_json::Value = serde_json::from_str(answers.expect(&rest)).unwrap();
    assert_eq!((&answers[0]["id"], &answers[1]["id"], answers.get(2)), (&json!(1), &json!(2), None));
    assert_eq!(answers[0]["result"]["content"][0]["text"], "done");
}

#[tokio::test]
async fn of_a_batch_of_who_reads_too_little_requests_are_refused_and_answers_and_notices_are_not() {
    let server = large(64 << 10).http_options(|options| options.max_unread_bytes = 1);
    let router = server.into_router().unwrap();
    let session = Some(session(router.clone(), "2025-03-26").await);
    let told = async |message| told(router.clone(), session.clone(), message).await;
    let read =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "r://large" } });
    let unread = told(read).await.into_body().frame().await.unwrap().unwrap();
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    let answer = json!({ "jsonrpc": "2.0", "id": 3, "result": {} });
    let notice =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 9 } });
    assert_eq!(told(ping.clone()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(told(json!([answer, notice])).await.status(), StatusCode::ACCEPTED);
    let refused = told(json!([ping, notice])).await.into_body().collect().await.unwrap().to_bytes();
    let refused: serde_json::Value = serde_json::from_slice(&refused).unwrap();
    assert_eq!((&refused[0]["id"], &refused[0]["error"]["code"]), (&json!(2), &json!(-32_603)));
    drop(unread);
    assert_eq!(told(ping).await.status(), StatusCode::OK);
}

/// Adds a permit when it is dropped.
struct Dropped(Arc<Semaphore>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

#[tokio::test]
async fn a_server_that_stops_waits_for_what_must_finish_though_its_client_has_gone() {
    let [begun, left, gate, done] = [(); 4].map(|()| Arc::new(Semaphore::new(0)));
    let shared = [&begun, &left, &gate, &done].map(Arc::clone);
    let tool = Tool::new("work", json!({ "type": "object" }), move |ctx: Context, _: Json| {
        let [begun, left, gate, done] = shared.clone();
        async move {
            let _left = Dropped(left);
            let work = ctx.finish(async move {
                begun.add_permits(1);
                drop(gate.acquire().await);
                done.add_permits(1);
            });
            work.await;
            "done"
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let service = Server::new("s").tool(tool).build().unwrap();
    let stopped = async { drop(stopped.await) };
    let mut serving = tokio::spawn(async move { service.serve_listener_until(listener, stopped).await });
    let body = read_large(0)
        .replace("resources/read", "tools/call")
        .replace(r#""uri":"r://large""#, r#""name":"work""#);
    let head = post(&body, body.len()).replace("resources/read", "tools/call").replace("r://large", "work");
    let client = sent(address, head.as_bytes()).await;
    timeout(PATIENCE, begun.acquire()).await.expect("it begins").unwrap().forget();
    drop(client);
    timeout(PATIENCE, left.acquire()).await.expect("the server sees that nobody waits").unwrap().forget();
    stop.send(()).unwrap();
    assert!(timeout(Duration::from_millis(300), &mut serving).await.is_err(), "it waits");
    gate.close();
    timeout(PATIENCE, serving).await.expect("an end").unwrap().unwrap();
    assert_eq!(done.available_permits(), 1);
}
