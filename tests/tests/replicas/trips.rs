//! What the crossing costs, in round trips to the store.

use std::time::Duration;

use kv_core::AnyStore;
use kv_memory::MemoryStore;
use larder_tests::node::{Caller, said};
use larder_tests::shared::Shared;
use serde_json::json;

use crate::{Pair, soon};

/// What the page says of the cases, row by row.
const PAGE: &str = include_str!("../../../docs/replicas.md");

/// What was asked of a store, but for the heartbeat, which comes by the clock, and the looks into the inbox.
fn asked(store: &Shared) -> Vec<String> {
    let (mut asked, mut beats) = (Vec::new(), false);
    for trip in store.trips() {
        match &*trip {
            "put replicas" => beats = true,
            "get replicas" if beats => beats = false,
            "get_many replicas" | "take inbox" | "signals" => {}
            _ => asked.push(trip),
        }
    }
    // Who puts a letter into an inbox has read it just before.
    let mut is_put = false;
    asked.reverse();
    asked.retain(|trip| match &**trip {
        "put inbox" => {
            is_put = true;
            true
        }
        "get inbox" => std::mem::take(&mut is_put),
        _ => true,
    });
    asked.reverse();
    asked
}

/// The page has a row that says the same.
fn assert_told(case: &str, at: &str, asked: &[String]) {
    let row = format!("| {case} | {at} | {} | {} |", asked.len(), asked.join(", "));
    assert!(PAGE.contains(&row), "docs/replicas.md lacks this row:\n{row}");
}

async fn pair() -> Pair {
    Pair::on(Shared::new(AnyStore::new(MemoryStore::new()))).await
}

/// A caller that both replicas know already.
async fn known(pair: &Pair) -> Caller {
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    for node in [&pair.a, &pair.b] {
        caller.send(node, &caller.request("ping", &json!({}))).await;
    }
    forget(pair);
    caller
}

fn forget(pair: &Pair) {
    pair.store_a.trips();
    pair.store_b.trips();
}

#[tokio::test]
async fn a_request_in_a_session_asks_for_its_session_and_for_nothing_else() {
    let pair = pair().await;
    let caller = known(&pair).await;
    for _ in 0..20 {
        let answer = caller.send(&pair.a, &caller.request("ping", &json!({}))).await;
        assert_eq!(answer.status, 200);
    }
    let trips = asked(&pair.store_a);
    assert_eq!(trips, vec!["get sessions"; 20]);
    assert_told("a request in a session", "its replica", &trips[..1]);
}

#[tokio::test]
async fn what_a_cancellation_and_an_end_cost() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let call = caller.call("hold", &json!({}));
    let held = caller.post(&call).send(pair.a.address).await;
    pair.gate.done("holding").await;
    forget(&pair);
    let cancelled = caller.cancellation(&call);
    caller.send(&pair.b, &cancelled).await;
    assert_told("a cancellation", "where it arrives", &asked(&pair.store_b));
    soon(held.answer()).await;
    caller.end(&pair.b).await;
    assert_told("the end of a session", "where it arrives", &asked(&pair.store_b));
}

#[tokio::test]
async fn what_a_cancellation_costs_where_the_request_runs() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let call = caller.call("hold", &json!({}));
    let held = caller.post(&call).send(pair.a.address).await;
    pair.gate.done("holding").await;
    forget(&pair);
    let cancelled = caller.cancellation(&call);
    caller.send(&pair.a, &cancelled).await;
    soon(held.answer()).await;
    assert_told("a cancellation", "where the request runs", &asked(&pair.store_a));
}

#[tokio::test]
async fn what_a_question_costs() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
    let (_, question) = soon(said(&mut stream)).await.unwrap();
    let questions = |trips: Vec<String>| -> Vec<String> {
        trips.into_iter().filter(|trip| trip.ends_with("questions")).collect()
    };
    assert_told("a question", "where it is asked", &questions(asked(&pair.store_a)));
    let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
    caller.send(&pair.b, &answer).await;
    assert_told("its answer", "where it arrives", &asked(&pair.store_b));
    soon(said(&mut stream)).await.unwrap();
}

#[tokio::test]
async fn what_an_update_costs() {
    let pair = pair().await;
    let caller = known(&pair).await;
    caller.text(&pair.a, "update", json!({})).await;
    let mut trips = asked(&pair.store_a);
    soon(async {
        while trips.len() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            trips.extend(asked(&pair.store_a));
        }
    })
    .await;
    trips.retain(|trip| trip != "get sessions");
    assert_told("an updated resource", "where it is told", &trips);
}

#[tokio::test]
async fn what_a_subscription_costs() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let subscribe = caller.request("resources/subscribe", &json!({ "uri": "r://x" }));
    assert_eq!(caller.send(&pair.b, &subscribe).await.status, 200);
    assert_told("a subscription in a session", "where it arrives", &asked(&pair.store_b));
}

#[tokio::test]
async fn what_a_resumption_costs() {
    let pair = pair().await;
    let caller = known(&pair).await;
    let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
    let (event, _) = soon(said(&mut stream)).await.unwrap();
    stream.disconnect();
    (0..3).for_each(|_| pair.gate.open());
    pair.gate.done("ended").await;
    let mut written = Vec::new();
    soon(async {
        while !written.iter().any(|trip| trip == "put_many events") {
            tokio::time::sleep(Duration::from_millis(5)).await;
            written.extend(asked(&pair.store_a));
        }
    })
    .await;
    assert!(written.iter().all(|trip| trip == "get sessions" || trip == "put_many events"), "{written:?}");
    forget(&pair);
    let resumed = soon(caller.resume(&event.id.unwrap()).fetch(pair.b.address)).await;
    assert_eq!(resumed.messages().len(), 3);
    let mut trips = asked(&pair.store_b);
    trips.retain(|trip| !trip.ends_with("inbox") && !trip.starts_with("signal"));
    trips.dedup();
    assert_told("a resumption elsewhere", "where it arrives", &trips);
}

#[tokio::test]
async fn a_json_answer_writes_no_events() {
    let pair = pair().await;
    let caller = known(&pair).await;
    pair.gate.open();
    assert_eq!(caller.text(&pair.a, "hold", json!({})).await, "held");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(asked(&pair.store_a), ["get sessions"]);
}
