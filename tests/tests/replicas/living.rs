//! Which replicas there are: when one appears, how it goes, and that one alone is none.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use kv_core::{AnyStore, Key, Scan, Store as _};
use kv_memory::MemoryStore;
use larder_tests::faults::Faulty;
use larder_tests::http::HttpRequest;
use larder_tests::node::{Caller, Node, said};
use larder_tests::shared::Shared;
use mcp_server::{Server, Service, Tool};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::{Gate, Pair, holding, schema, soon};

/// The ids in the collections of replicas.
async fn listed(store: &Shared) -> Vec<String> {
    let page = store.scan(Scan::under("").limit(1_000), None).await.unwrap();
    let mut ids: Vec<String> = page
        .items
        .into_iter()
        .filter(|item| item.collection.ends_with("/replicas"))
        .map(|item| item.id.into())
        .collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn a_replica_appears_with_its_first_request_in_a_session_and_lives_for_15_seconds() {
    let pair = Pair::on(Shared::new(AnyStore::new(MemoryStore::new()))).await;
    assert_eq!(listed(&pair.store_a).await, [""; 0]);
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    caller.text(&pair.a, "count", json!({})).await;
    let ids = listed(&pair.store_a).await;
    assert_eq!((ids.len(), &*ids[0], ids[1].starts_with("beat.")), (2, "all", true), "{ids:?}");
    caller.text(&pair.b, "count", json!({})).await;
    assert_eq!(listed(&pair.store_a).await.len(), 3);
    let page = pair.store_a.scan(Scan::under("").limit(1_000).values(), None).await.unwrap();
    for item in page.items.iter().filter(|item| item.id.starts_with("beat.")) {
        let left = item.entry.as_ref().unwrap().ttl.unwrap();
        assert!(left <= Duration::from_secs(15) && left > Duration::from_secs(5), "{left:?}");
    }
}

#[tokio::test]
async fn who_is_dead_is_struck_off_and_who_was_taken_for_dead_comes_back() {
    let pair = Pair::on(Shared::new(AnyStore::new(MemoryStore::new()))).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    let listed_by = async |change: fn(&mut Vec<String>)| {
        let page = pair.store_a.scan(Scan::under("").limit(1_000).values(), None).await.unwrap();
        let all = page.items.into_iter().find(|item| item.id == "all").unwrap();
        let entry = all.entry.unwrap();
        let mut ids: Vec<String> = serde_json::from_slice(&entry.value).unwrap();
        change(&mut ids);
        let changed = kv_core::NewEntry::new(serde_json::to_vec(&ids).unwrap()).meta(entry.meta);
        let key = Key::new(&all.collection, "all");
        pair.store_a.put(key, changed, kv_core::PutMode::Replace).await.unwrap();
        ids
    };
    caller.text(&pair.a, "count", json!({})).await;
    let mine = listed_by(|_| {}).await;
    listed_by(|ids| *ids = vec!["dead".to_owned()]).await;
    soon(async {
        while listed_by(|_| {}).await != mine {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_server_on_a_store_of_its_own_has_no_replicas_and_asks_the_store_nothing_for_them() {
    let memory = MemoryStore::new();
    let gate = Gate::default();
    let echo = Tool::new("echo", schema(), |_: mcp_server::Context, _| async { "x" });
    let node =
        Node::serve(Server::new("alone").storage(memory.clone()).tool(echo).tool(holding(&gate))).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    let before = memory.held().entries;
    assert_eq!(caller.text(&node, "echo", json!({})).await, "x");
    let held = caller.post(&caller.call("hold", &json!({}))).send(node.address).await;
    gate.done("holding").await;
    gate.open();
    assert_eq!(soon(held.answer()).await.status, 200);
    assert_eq!((before, memory.held().entries), (1, 1), "the session, and nothing else");
}

/// A server whose end the test decides.
async fn stoppable(server: Server) -> (Node, JoinHandle<()>, tokio::sync::oneshot::Sender<()>) {
    let service = server.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let serving = service.clone();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        serving.serve_listener_until(listener, stopped).await.unwrap();
    });
    (Node { address, service }, task, stop)
}

#[tokio::test]
async fn a_replica_that_ends_answers_what_it_runs_and_leaves_nothing_of_itself() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let gate = Gate::default();
    let server = |store: Shared| {
        let server = Server::new("ending").storage(store).shutdown_grace(Duration::from_millis(300));
        server.tool(holding(&gate)).tool(crate::speaking(&gate))
    };
    let (a, task, stop) = stoppable(server(store.another())).await;
    let b = Node::serve(server(store.another())).await;
    let caller = Caller::begin(&a, "2025-11-25").await;
    caller.send(&b, &caller.request("ping", &json!({}))).await;
    let call = caller.call("speak", &json!({}));
    let mut stream = caller.open(&a, &call).await;
    let (event, _) = soon(said(&mut stream)).await.unwrap();
    stream.disconnect(); // it runs on, and nobody is connected
    assert_eq!(listed(&store).await.len(), 3);
    stop.send(()).unwrap();
    soon(task).await.unwrap();
    assert_eq!(listed(&store).await.len(), 2, "the list, and the one that is left");
    let request = caller.resume(&event.id.unwrap());
    let resumed = soon(request.fetch(b.address)).await;
    let last: Value = resumed.messages().pop().unwrap();
    assert_eq!((&last["id"], &last["error"]["code"]), (&call["id"], &json!(-32603)));
    assert_eq!(last["error"]["message"], "the server is shutting down");
}

#[tokio::test]
async fn who_cancels_what_nobody_runs_fills_no_inbox_of_others() {
    let pair = Pair::on(Shared::new(AnyStore::new(MemoryStore::new()))).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    caller.send(&pair.b, &caller.request("ping", &json!({}))).await;
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) && statuses.len() < 20_000 {
        let nothing = caller.cancellation(&json!({ "id": format!("none-{}", statuses.len()) }));
        statuses.push(caller.send(&pair.a, &nothing).await.status);
    }
    assert_eq!(statuses.pop(), Some(429));
    assert!(statuses.len() >= 400 && statuses.iter().all(|status| *status == 202), "{statuses:?}");
    let other = Caller::begin_as(&pair.a, "2025-11-25", "ada").await;
    let call = other.call("hold", &json!({}));
    let held = other.post(&call).send(pair.b.address).await;
    pair.gate.done("holding").await;
    assert_eq!(other.send(&pair.a, &other.cancellation(&call)).await.status, 202, "whoever else cancels may");
    soon(held.answer()).await;
}

#[tokio::test]
async fn a_batch_is_answered_when_the_server_ends_and_says_which_of_it_was_given_up() {
    let gate = Gate::default();
    let echo = Tool::new("echo", schema(), |_: mcp_server::Context, _| async { "x" });
    let server = Server::new("ending").shutdown_grace(Duration::from_millis(300));
    let (node, task, stop) = stoppable(server.tool(holding(&gate)).tool(echo)).await;
    let caller = Caller::begin(&node, "2025-03-26").await;
    let (held, quick) = (caller.call("hold", &json!({})), caller.call("echo", &json!({})));
    let batch = caller.post(&json!([held, quick])).send(node.address).await;
    gate.done("holding").await;
    stop.send(()).unwrap();
    let answer = soon(batch.answer()).await;
    let answers: Vec<Value> =
        serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
    let of = |request: &Value| answers.iter().find(|answer| answer["id"] == request["id"]).unwrap();
    assert_eq!(of(&held)["error"], json!({ "code": -32_603, "message": "the server is shutting down" }));
    assert_eq!(of(&quick)["result"]["content"][0]["text"], "x");
    soon(task).await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_no_heartbeat_is_asked_again_now_and_then_and_holds_up_nobody() {
    let memory = AnyStore::new(MemoryStore::new());
    let (faulty, switches) = Faulty::new(memory.clone());
    let (store_a, store_b) = (Shared::new(memory), Shared::new(AnyStore::new(faulty)));
    let a = Node::serve(crate::server("heartless", &Gate::default()).storage(store_a.clone())).await;
    let b = Node::serve(crate::server("heartless", &Gate::default()).storage(store_b.clone())).await;
    let caller = Caller::begin(&a, "2025-11-25").await;
    switches.fail_writes(true);
    let begun = Instant::now();
    for _ in 0..50 {
        assert_eq!(caller.send(&b, &caller.request("ping", &json!({}))).await.status, 200);
    }
    let tried = store_b.trips().iter().filter(|trip| *trip == "put replicas").count();
    assert!(tried >= 1 && tried as u64 <= 2 + begun.elapsed().as_secs(), "{tried} in {:?}", begun.elapsed());
    switches.fail_writes(false);
    soon(async {
        while listed(&store_a).await.len() < 3 {
            caller.send(&b, &caller.request("ping", &json!({}))).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_store_that_hangs_is_503_after_what_a_handler_may_take() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let server = crate::server("hanging", &Gate::default()).storage(store.clone());
    let node = Node::serve(server.handler_timeout(Duration::from_millis(300))).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let hello = HttpRequest::post(caller.request("initialize", &hello).to_string());
    let hello = hello.header("authorization", "Bearer eve");
    store.slow_down("sessions", Duration::from_secs(3_600));
    let answers = [
        soon(caller.send(&node, &caller.request("ping", &json!({})))).await,
        soon(caller.end(&node)).await,
        soon(hello.fetch(node.address)).await,
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (503, true), "{answer:?}");
    }
}

#[tokio::test]
async fn a_heartbeat_that_hangs_holds_up_no_letter() {
    let pair = Pair::on(Shared::new(AnyStore::new(MemoryStore::new()))).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    caller.send(&pair.b, &caller.request("ping", &json!({}))).await;
    let call = caller.call("hold", &json!({}));
    let held = caller.post(&call).send(pair.a.address).await;
    pair.gate.done("holding").await;
    pair.store_a.trips();
    pair.store_a.slow_down("replicas", Duration::from_secs(3_600));
    soon(async {
        while !pair.store_a.trips().contains(&"put replicas".to_owned()) {
            tokio::time::sleep(Duration::from_millis(50)).await; // it comes every 5 s
        }
    })
    .await;
    let cancelled = caller.cancellation(&call);
    assert_eq!(caller.send(&pair.b, &cancelled).await.status, 202);
    soon(held.answer()).await;
    pair.gate.done("ended").await;
    soon(async {
        while !pair.store_a.trips().contains(&"put replicas".to_owned()) {
            tokio::time::sleep(Duration::from_millis(50)).await; // one that hangs is not the last
        }
    })
    .await;
}

/// What `/readyz` says; `None` where nobody listens any more.
async fn readiness(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let probe = "GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(probe.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}

/// Whether a server that is told to stop was seen not to be ready before nobody listened any more.
async fn seen_to_leave() -> bool {
    let (node, task, stop) = stoppable(Server::new("leaving").tool(holding(&Gate::default()))).await;
    assert_eq!(readiness(node.address).await.as_deref(), Some("200"));
    stop.send(()).unwrap();
    let mut seen = false;
    soon(async {
        while let Some(status) = readiness(node.address).await {
            seen = seen || status == "503";
        }
    })
    .await;
    soon(task).await.unwrap();
    seen
}

#[tokio::test]
async fn who_asked_whether_a_server_is_ready_sees_that_it_is_not_before_its_door_closes() {
    // It says so for a moment, which a busy machine may miss.
    for _ in 0..20 {
        if seen_to_leave().await {
            return;
        }
    }
    panic!("the door closed before it was said");
}

#[tokio::test]
async fn a_server_that_stops_waits_for_a_request_whose_client_has_gone() {
    let (gate, store) = (Gate::default(), Shared::new(AnyStore::new(MemoryStore::new())));
    let server = Server::new("ending").storage(store).shutdown_grace(Duration::from_secs(60));
    let (node, task, stop) = stoppable(server.tool(holding(&gate))).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    let held = caller.post(&caller.call("hold", &json!({}))).send(node.address).await;
    gate.done("holding").await;
    drop(held); // before there was a stream to go on with
    let mut task = task;
    stop.send(()).unwrap();
    let too_early = tokio::time::timeout(Duration::from_millis(500), &mut task).await;
    assert!(too_early.is_err(), "it ended with a request in flight");
    assert!(!gate.deeds.lock().unwrap().contains(&"ended".to_owned()));
    gate.open();
    soon(task).await.unwrap();
    gate.done("ended").await;
}

#[tokio::test]
async fn a_server_that_stops_ends_streams_then_requests_then_what_it_has_to_write_and_leaves_last() {
    let (gate, store) = (Gate::default(), Shared::new(AnyStore::new(MemoryStore::new())));
    let handle = store.another();
    let server = Server::new("ending").storage(handle.clone()).shutdown_grace(Duration::from_secs(60));
    let server = server.dynamic(mcp_server::Dynamic::TOOLS).tool(crate::speaking(&gate));
    let (node, task, stop) = stoppable(server).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
    let mut told = caller.sign(get).send(node.address).await.head().await;
    let call = caller.call("speak", &json!({}));
    let mut stream = caller.open(&node, &call).await;
    assert!(soon(said(&mut stream)).await.is_some());
    stop.send(()).unwrap();

    assert!(soon(said(&mut told)).await.is_none(), "what has no answer ends at once");
    assert!(TcpStream::connect(node.address).await.is_err(), "nobody else comes in");
    assert!(!gate.deeds.lock().unwrap().contains(&"ended".to_owned()), "a request has its grace");
    assert_eq!(listed(&store).await.len(), 2, "the list and the heartbeat: it is there while it works");
    handle.trips();
    handle.break_down("events"); // what is said from here on is to be written at the end, or never
    (0..3).for_each(|_| gate.open());
    while let Some((_, message)) = soon(said(&mut stream)).await {
        if message["id"] == call["id"] {
            assert_eq!(message["result"]["content"][0]["text"], "spoken");
        }
    }
    soon(task).await.unwrap();
    let trips = handle.trips();
    let written =
        trips.iter().rposition(|trip| trip.ends_with(" events")).expect("a try to write what was said");
    let leaves =
        trips.iter().position(|trip| trip == "take replicas").expect("its name is taken off the list");
    assert!(written < leaves && trips.last().unwrap() == "delete_many replicas", "{trips:?}");
    assert!(!listed(&store).await.iter().any(|id| id.starts_with("beat.")));
}

/// A client on lines, as on stdio.
struct OnLines {
    input: WriteHalf<DuplexStream>,
    output: BufReader<ReadHalf<DuplexStream>>,
    serving: JoinHandle<()>,
}

impl OnLines {
    fn to(service: Service) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (input, output) = tokio::io::split(far);
        let serving = tokio::spawn(async move { service.serve_lines(input, output).await.unwrap() });
        let (output, input) = tokio::io::split(near);
        Self { input, output: BufReader::new(output), serving }
    }

    async fn send(&mut self, method: &str, mut params: Value) {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
        });
        self.send_as_it_is(method, params).await;
    }

    async fn send_as_it_is(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> Value {
        let mut line = String::new();
        soon(self.output.read_line(&mut line)).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// Ends its input, and waits for the end of the server.
    async fn end(mut self) {
        self.input.shutdown().await.unwrap();
        let mut rest = Vec::new();
        soon(tokio::io::AsyncReadExt::read_to_end(&mut self.output, &mut rest)).await.unwrap();
        soon(self.serving).await.unwrap();
    }
}

#[tokio::test]
async fn a_replica_on_lines_leaves_nothing_of_itself_either() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let service = crate::server("lines", &Gate::default()).storage(store.another()).build().unwrap();
    let (mut first, second) = (OnLines::to(service.clone()), OnLines::to(service));
    first
        .send("subscriptions/listen", json!({ "notifications": { "resourceSubscriptions": ["r://x"] } }))
        .await;
    assert_eq!(first.line().await["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(listed(&store).await.len(), 2, "the list, and itself");
    second.end().await;
    assert_eq!(listed(&store).await.len(), 2, "another of its clients is served");
    first.end().await;
    assert_eq!(listed(&store).await, [""; 0]);
}

/// A router of this server in an application, until it is told to stop.
async fn mounted(service: &Service) -> (Node, JoinHandle<()>, tokio::sync::oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let router = service.router();
    let task = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
    });
    (Node { address, service: service.clone() }, task, stop)
}

#[tokio::test]
async fn a_mounted_replica_stays_when_its_last_client_on_lines_has_gone_and_goes_with_its_router() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let gate = Gate::default();
    let server = |store: Shared| crate::server("mounted", &gate).storage(store);
    let service = server(store.another()).build().unwrap();
    let b = Node::serve(server(store.another())).await;
    for round in 0..2 {
        let (a, task, stop) = mounted(&service).await; // anew, once it has gone
        OnLines::to(service.clone()).end().await;
        let caller = Caller::begin(&a, "2025-11-25").await;
        let mut stream = caller.open(&a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
        assert_eq!(caller.send(&b, &answer).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "0 roots", "{round}");
        drop(stream);
        assert_eq!(listed(&store).await.len(), 3, "the list and both");
        stop.send(()).unwrap();
        soon(task).await.unwrap();
        soon(async {
            while listed(&store).await.len() > 2 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

#[tokio::test]
async fn what_was_updated_before_a_replica_ended_is_told_by_all_others() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let ending = store.another();
    let server = |store: Shared| crate::server("last-words", &Gate::default()).storage(store);
    let b = Node::serve(server(store.another())).await;
    let mut listening = crate::crossing::listen(&b).await;
    ending.slow_down("inbox", Duration::from_millis(300)); // it takes longer than the client stays
    let mut client = OnLines::to(server(ending).build().unwrap());
    client.send("tools/call", json!({ "name": "update", "arguments": {} })).await;
    client.line().await;
    client.end().await;
    let (_, message) = soon(said(&mut listening)).await.unwrap();
    assert_eq!(message["method"], "notifications/resources/updated", "{message}");
}

#[tokio::test]
async fn a_store_that_hangs_keeps_no_process_on_lines_from_ending() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let service = crate::server("hanging", &Gate::default()).storage(store.clone()).build().unwrap();
    let mut client = OnLines::to(service);
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    client.send_as_it_is("initialize", params).await;
    assert!(client.line().await["result"].is_object());
    store.slow_down("sessions", Duration::from_secs(3_600));
    client.end().await; // within the patience of a test
}
