use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::{Notify, oneshot};

use super::Connection;
use crate::protocol::Json;
use crate::{Context, Middleware, Operation, Refusal, Request, Resource, Server, Tool};

const MOMENT: Duration = Duration::from_millis(20);

fn call(id: usize, name: &str) -> Bytes {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = json!({ "name": name, "arguments": {}, "_meta": meta });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string().into()
}

fn tool<Fut: Future<Output = ()> + Send + 'static>(
    name: &str,
    work: impl Fn() -> Fut + Send + Sync + 'static,
) -> Tool {
    Tool::new(name, json!({ "type": "object" }), move |_: Context, _: Json| {
        let work = work();
        async move {
            work.await;
            "done"
        }
    })
}

async fn notified() {
    let (notify, ready) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (other, begun) = (Arc::clone(&notify), Arc::clone(&ready));
    tokio::spawn(async move {
        begun.notified().await;
        other.notify_waiters();
    });
    let notified = notify.notified();
    ready.notify_one();
    notified.await;
}

async fn told() {
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        tokio::time::sleep(MOMENT).await;
        sender.send(()).unwrap();
    });
    receiver.await.unwrap();
}

/// Names, and handlers that wait for something which wakes whoever asked last.
fn tools() -> Vec<Tool> {
    let many = || async {
        futures_util::future::join_all((0..40).map(|_| tokio::time::sleep(MOMENT))).await;
    };
    vec![
        tool("sleep", || tokio::time::sleep(MOMENT)),
        tool("notify", notified),
        tool("oneshot", told),
        tool("join_handle", || async { tokio::spawn(tokio::time::sleep(MOMENT)).await.unwrap() }),
        tool("spawn_blocking", || async {
            tokio::task::spawn_blocking(|| std::thread::sleep(MOMENT)).await.unwrap();
        }),
        tool("block_in_place", || async { tokio::task::block_in_place(|| std::thread::sleep(MOMENT)) }),
        tool("yield_now", tokio::task::yield_now),
        tool("many", many),
    ]
}

async fn answer(connection: &Connection) -> Value {
    let line = tokio::time::timeout(Duration::from_secs(20), connection.outgoing().next()).await;
    serde_json::from_slice(&line.unwrap().unwrap()).unwrap()
}

/// The first poll is by a thread of no executor with a waker that wakes nobody, as stdin's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_handler_waits_for_it_is_polled_again_after_the_first_poll_on_another_thread() {
    let tools = tools();
    let names: Vec<String> = tools.iter().map(|tool| tool.name().to_owned()).collect();
    let server = tools.into_iter().fold(Server::new("s"), Server::tool);
    let connection = server.build().unwrap().connection();
    let (runtime, reader, sent) = (tokio::runtime::Handle::current(), Arc::clone(&connection), names.clone());
    let thread = std::thread::spawn(move || {
        let _entered = runtime.enter();
        sent.iter().enumerate().for_each(|(id, name)| reader.receive(&call(id, name)));
    });
    let mut answered = Vec::new();
    for _ in &names {
        let answer = answer(&connection).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{answer}");
        answered.push(answer["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (0..names.len() as u64).collect::<Vec<_>>());
    thread.join().unwrap();
    connection.idle().await; // the last answer was taken while it was still being counted
    assert!(connection.state().in_flight.is_empty());
}

#[tokio::test]
async fn what_is_said_to_a_client_that_does_not_read_stays_bounded() {
    const SAID: usize = 20_000;
    let chatty = Tool::new("chatty", json!({ "type": "object" }), |context: Context, _: Json| async move {
        let words = "x".repeat(1_000);
        for _ in 0..SAID {
            context.info(&words);
            tokio::task::yield_now().await;
        }
        "done"
    });
    let connection = Server::new("s").tool(chatty).build().unwrap().connection();
    let mut wanted: Value = serde_json::from_slice(&call(1, "chatty")).unwrap();
    wanted["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
    connection.receive(&wanted.to_string().into());
    connection.idle().await;
    connection.outgoing().close();
    let (mut bytes, mut last) = (0, Bytes::new());
    while let Some(line) = connection.outgoing().next().await {
        bytes += line.len();
        last = line;
    }
    assert!(bytes < 10 << 20, "{bytes} bytes waited");
    assert_eq!(serde_json::from_slice::<Value>(&last).unwrap()["id"], 1);
}

/// Lets an `initialize` wait.
struct SlowHandshake;

impl Middleware for SlowHandshake {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        if matches!(request.operation, Operation::Initialize { .. }) {
            tokio::time::sleep(MOMENT).await;
        }
        Ok(())
    }
}

#[tokio::test]
async fn who_is_initialized_before_the_session_has_begun_is_told_what_changes() {
    let server = Server::new("s").resource(Resource::new("r://a", |_, _| async { "a" })).with(SlowHandshake);
    let service = server.build().unwrap();
    let connection = service.connection();
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" },
    });
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ] {
        connection.receive(&message.to_string().into());
    }
    assert_eq!(answer(&connection).await["id"], 1);
    let subscribe =
        json!({ "jsonrpc": "2.0", "id": 2, "method": "resources/subscribe", "params": { "uri": "r://a" } });
    connection.receive(&subscribe.to_string().into());
    assert_eq!(answer(&connection).await["id"], 2);
    service.resource_updated("r://a");
    let told = tokio::time::timeout(Duration::from_secs(30), answer(&connection)).await.expect("a notice");
    assert_eq!(told["method"], "notifications/resources/updated");
}
