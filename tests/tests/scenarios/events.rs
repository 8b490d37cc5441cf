//! Streams that a client goes on reading.

use std::time::{Duration, Instant};

use kv_core::AnyStore;
use kv_memory::MemoryStore;
use larder_tests::http::Streaming;
use larder_tests::node::{Caller, Node, said};
use larder_tests::shared::Shared;
use mcp_server::{Context, Server, Tool};
use serde_json::{Value, json};

/// How many numbers the tool `numbers` says.
const NUMBERS: usize = 100;

/// A server that says numbers, one after the other, and a long text many times.
fn server(store: &Shared) -> Server {
    let schema = || json!({ "type": "object" });
    Server::new("scenarios")
        .storage(store.clone())
        .tool(Tool::new("numbers", schema(), |ctx: Context, _| async move {
            for number in 0..NUMBERS {
                ctx.info(number);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            "counted"
        }))
        .tool(Tool::new("texts", schema(), |ctx: Context, _| async move {
            for _ in 0..50 {
                ctx.info("x".repeat(10_000));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            "told"
        }))
}

fn store() -> Shared {
    Shared::new(AnyStore::new(MemoryStore::new()))
}

/// All that a stream says from here on: ids and what was said.
async fn rest(stream: &mut Streaming) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    while let Some((event, message)) = said(stream).await {
        let what =
            message.get("params").map_or_else(|| message["result"].clone(), |params| params["data"].clone());
        all.push((event.id.unwrap_or_default(), what));
    }
    all
}

async fn resumed(caller: &Caller, node: &Node, last: &str) -> Result<Vec<(String, Value)>, u16> {
    let mut stream = caller.resume(last).send(node.address).await.head().await;
    if stream.status == 200 { Ok(rest(&mut stream).await) } else { Err(stream.status) }
}

#[tokio::test]
async fn scenario_58_an_event_of_another_session_gives_nothing_away() {
    let store = store();
    let (a, b) = (Node::serve(server(&store)).await, Node::serve(server(&store)).await);
    let (mine, theirs) = (Caller::begin(&a, "2025-11-25").await, Caller::begin(&a, "2025-11-25").await);
    let said = rest(&mut mine.open(&a, &mine.call("numbers", &json!({}))).await).await;
    for node in [&a, &b] {
        assert_eq!(resumed(&theirs, node, &said[0].0).await, Err(400));
        assert_eq!(resumed(&mine, node, &said[0].0).await.unwrap(), said[1..]);
    }
}

#[tokio::test]
async fn scenario_59_a_hundred_events_have_a_hundred_ids_in_order_however_many_streams_there_are() {
    let store = store();
    let (a, b) = (Node::serve(server(&store)).await, Node::serve(server(&store)).await);
    let caller = Caller::begin(&a, "2025-11-25").await;
    let mut streams = Vec::new();
    for node in [&a, &b, &a, &b] {
        streams.push(caller.open(node, &caller.call("numbers", &json!({}))).await);
    }
    let mut names = std::collections::HashSet::new();
    for mut stream in streams {
        let said = rest(&mut stream).await;
        let (name, _) = said[0].0.split_once('-').unwrap();
        let numbers: Vec<Value> =
            said.iter().map(|(_, number)| number.clone()).take(said.len() - 1).collect();
        assert!(numbers.len() == NUMBERS && numbers.is_sorted_by_key(Value::as_u64), "{numbers:?}");
        let ids: Vec<String> = (1..=said.len()).map(|number| format!("{name}-{number}")).collect();
        assert!(said.iter().map(|(id, _)| id).eq(&ids));
        assert!(names.insert(name.to_owned()), "each stream has a name of its own");
        assert_eq!(resumed(&caller, &b, &ids[9]).await.unwrap(), said[10..]);
    }
}

#[tokio::test]
async fn scenario_60_beyond_the_bound_the_oldest_are_gone_and_cannot_be_resumed_from() {
    let store = store();
    let (a, b) = (Node::serve(server(&store)).await, Node::serve(server(&store)).await);
    let caller = Caller::begin(&a, "2025-11-25").await;
    let said = rest(&mut caller.open(&a, &caller.call("texts", &json!({}))).await).await;
    assert!(said.len() > 30, "more than 256 KiB: {}", said.len());
    for node in [&a, &b] {
        assert_eq!(resumed(&caller, node, &said[0].0).await, Err(400));
        let late = said.len() - 10;
        assert_eq!(resumed(&caller, node, &said[late].0).await.unwrap(), said[late + 1..]);
    }
    let page = kv_core::Store::scan(&store, kv_core::Scan::under("").limit(1_000), None).await.unwrap();
    let events = page.items.iter().filter(|item| item.collection.ends_with("/events")).count();
    assert!(events < said.len(), "{events} of {} events are kept", said.len());
}

#[tokio::test]
async fn scenario_61_an_empty_event_is_no_message_and_a_place_to_go_on_from() {
    let store = store();
    let (a, b) = (Node::serve(server(&store)).await, Node::serve(server(&store)).await);
    let caller = Caller::begin(&a, "2025-11-25").await;
    let mut stream = caller.open(&a, &caller.call("numbers", &json!({}))).await;
    let primed = stream.event().await.unwrap();
    assert_eq!(primed.data.as_deref(), Some(""));
    let said = rest(&mut stream).await;
    for node in [&a, &b] {
        let mut again = caller.resume(primed.id.as_deref().unwrap()).send(node.address).await.head().await;
        let first = again.event().await.unwrap();
        assert_ne!(first.data.as_deref(), Some(""), "it is not said again");
        assert_eq!(rest(&mut again).await, said[1..]);
    }
}

#[tokio::test]
async fn scenario_62_a_slow_log_blocks_no_message() {
    let store = store();
    let node = Node::serve(server(&store)).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    store.slow_down("events", Duration::from_secs(3_600));
    let begun = Instant::now();
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(caller.open(&node, &caller.call("numbers", &json!({}))).await);
    }
    for stream in &mut streams {
        assert_eq!(rest(stream).await.len(), NUMBERS + 1);
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn scenario_63_a_second_replica_has_what_was_missed() {
    let store = store();
    let (a, b) = (Node::serve(server(&store)).await, Node::serve(server(&store)).await);
    let caller = Caller::begin(&a, "2025-11-25").await;
    let mut stream = caller.open(&a, &caller.call("numbers", &json!({}))).await;
    let (event, first) = said(&mut stream).await.unwrap();
    stream.disconnect();
    let missed = resumed(&caller, &b, &event.id.unwrap()).await.unwrap();
    let mut numbers = vec![first["params"]["data"].clone()];
    numbers.extend(missed.iter().map(|(_, what)| what.clone()).take(missed.len() - 1));
    assert_eq!(numbers, (0..NUMBERS).map(Value::from).collect::<Vec<_>>());
    assert_eq!(missed.last().unwrap().1["content"][0]["text"], "counted");
}
