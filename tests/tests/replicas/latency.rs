//! What the crossing costs in time: printed, since it is the machine's. `docs/replicas.md` shows a run.

use std::time::{Duration, Instant};

use kv_core::Store as _;
use larder_tests::node::{Caller, said};
use serde_json::json;

use crate::crossing::listen;
use crate::{Pair, each, soon};

const TIMES: usize = 15;

/// Runs `once` on each kind of store again and again, and prints the median and the longest of what it took.
#[expect(clippy::future_not_send, reason = "a test stays on its thread")]
async fn timed(what: &str, once: impl AsyncFn(&Pair, &Caller) -> Duration) {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        for node in [&pair.a, &pair.b] {
            caller.send(node, &caller.request("ping", &json!({}))).await;
        }
        let mut took = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            took.push(once(&pair, &caller).await);
        }
        took.sort();
        let store = pair.store_a.capabilities();
        let (backend, signals) = (store.backend, store.signals);
        let (median, longest) = (took[TIMES / 2], took[TIMES - 1]);
        eprintln!("{what}, {backend}, signals {signals}: median {median:.1?}, longest {longest:.1?}");
    })
    .await;
}

/// From its sending to the end of the request that it is about.
#[tokio::test]
async fn how_long_a_cancellation_takes() {
    timed("a cancellation", async |pair, caller| {
        pair.gate.forget();
        let call = caller.call("hold", &json!({}));
        let held = caller.post(&call).send(pair.a.address).await;
        pair.gate.done("holding").await;
        let cancelled = caller.cancellation(&call);
        let begun = Instant::now();
        caller.send(&pair.b, &cancelled).await;
        soon(held.answer()).await;
        let took = begun.elapsed();
        pair.gate.done("ended").await;
        took
    })
    .await;
}

/// From its sending to the answer of the tool that asked.
#[tokio::test]
async fn how_long_the_answer_to_a_question_takes() {
    timed("the answer to a question", async |pair, caller| {
        let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
        let begun = Instant::now();
        caller.send(&pair.b, &answer).await;
        let (_, answered) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answered["result"]["content"][0]["text"], "0 roots");
        begun.elapsed()
    })
    .await;
}

/// From the call of the tool that tells of it to the notification on a stream of the other one.
#[tokio::test]
async fn how_long_an_updated_resource_takes() {
    timed("an updated resource", async |pair, caller| {
        let mut listening = listen(&pair.b).await;
        let begun = Instant::now();
        assert_eq!(caller.text(&pair.a, "update", json!({})).await, "updated");
        let (_, message) = soon(said(&mut listening)).await.unwrap();
        assert_eq!(message["method"], "notifications/resources/updated", "{message}");
        begun.elapsed()
    })
    .await;
}

/// From the `GET` to the answer of a request that ended while nobody read.
#[tokio::test]
async fn how_long_a_resumption_elsewhere_takes() {
    timed("a resumption elsewhere", async |pair, caller| {
        pair.gate.forget();
        let mut stream = caller.open(&pair.a, &caller.call("speak", &json!({}))).await;
        let (event, _) = soon(said(&mut stream)).await.unwrap();
        stream.disconnect();
        (0..3).for_each(|_| pair.gate.open());
        pair.gate.done("ended").await;
        let begun = Instant::now();
        let resumed = soon(caller.resume(&event.id.unwrap()).fetch(pair.b.address)).await;
        assert_eq!(resumed.messages().len(), 3);
        begun.elapsed()
    })
    .await;
}
