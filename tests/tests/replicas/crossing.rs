//! What crosses from one replica to the other.

use std::future::Future;

use kv_core::StoreExt as _;
use larder_tests::http::{HttpRequest, Streaming};
use larder_tests::node::{Caller, Node, initialized, said};
use larder_tests::shared::Shared;
use serde_json::{Value, json};

use crate::{Pair, each, soon};

#[tokio::test]
async fn a_session_is_the_same_at_every_replica() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        for (number, node) in [&pair.a, &pair.b, &pair.b, &pair.a].into_iter().enumerate() {
            assert_eq!(caller.text(node, "count", json!({})).await, (number + 1).to_string());
        }
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_reaches_the_replica_that_runs_the_request() {
    each(async |pair| {
        let caller = Caller::begin(&pair.b, "2025-06-18").await;
        let call = caller.call("hold", &json!({}));
        let held = caller.post(&call).send(pair.a.address).await;
        pair.gate.done("holding").await;
        let cancelled = caller.cancellation(&call);
        assert_eq!(caller.send(&pair.b, &cancelled).await.status, 202);
        let answer = soon(held.answer()).await;
        assert_eq!((answer.status, answer.is_stream(), &*answer.body), (200, true, ""));
        pair.gate.done("ended").await;
        assert_eq!(caller.text(&pair.a, "count", json!({})).await, "1", "the session goes on");
    })
    .await;
}

#[tokio::test]
async fn another_session_cancels_nothing() {
    each(async |pair| {
        let (caller, other) =
            (Caller::begin(&pair.a, "2025-11-25").await, Caller::begin(&pair.b, "2025-11-25").await);
        let call = caller.call("hold", &json!({}));
        let held = caller.post(&call).send(pair.a.address).await;
        pair.gate.done("holding").await;
        let cancelled = caller.cancellation(&call);
        assert_eq!(other.send(&pair.b, &cancelled).await.status, 202);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await; // longer than a look into an inbox takes
        pair.gate.open();
        let answer = soon(held.answer()).await;
        assert_eq!(answer.messages()[0]["result"]["content"][0]["text"], "held");
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_session_ends_what_it_has_at_every_replica() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let held = caller.post(&caller.call("hold", &json!({}))).send(pair.a.address).await;
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        let mut told = caller.sign(get).send(pair.a.address).await.head().await;
        assert_eq!(told.status, 200);
        pair.gate.done("holding").await;
        assert_eq!(caller.end(&pair.b).await.status, 204);
        assert_eq!(soon(held.answer()).await.body, "");
        pair.gate.done("ended").await;
        assert_eq!(soon(said(&mut told)).await, None);
        let after = caller.send(&pair.a, &caller.call("count", &json!({}))).await;
        assert_eq!((after.status, caller.end(&pair.a).await.status), (404, 404));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_the_store_did_not_let_end_can_be_ended_again() {
    each(async |pair| {
        for broken in ["sessions", "inbox", "state"] {
            let caller = Caller::begin(&pair.a, "2025-11-25").await;
            let held = caller.post(&caller.call("hold", &json!({}))).send(pair.a.address).await;
            pair.gate.done("holding").await;
            pair.store_b.break_down(broken);
            let failed = caller.end(&pair.b).await;
            assert_eq!((failed.status, failed.header("retry-after").is_some()), (503, true), "{broken}");
            pair.store_b.mend();
            let status = caller.send(&pair.a, &caller.call("count", &json!({}))).await.status;
            assert_eq!(status, if broken == "sessions" { 200 } else { 404 }, "{broken}: all or nothing");
            assert_eq!(caller.end(&pair.b).await.status, 204, "{broken}");
            assert_eq!(soon(held.answer()).await.body, "");
            pair.gate.done("ended").await;
            pair.gate.deeds.lock().unwrap().clear();
            assert_eq!((caller.end(&pair.b).await.status, caller.end(&pair.a).await.status), (404, 404));
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_counts_wherever_it_is_served_until_it_ends_anywhere() {
    let memory = kv_core::AnyStore::new(kv_memory::MemoryStore::new());
    let pair = Pair::with(Shared::new(memory), |server| server.max_sessions_per_user(2)).await;
    let mut callers = Vec::new();
    for _ in 0..2 {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        assert_eq!(caller.send(&pair.b, &caller.request("ping", &json!({}))).await.status, 200);
        callers.push(caller);
    }
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "c", "version": "1" },
    });
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let begin = async || {
        let initialize = HttpRequest::post(initialize.to_string()).header("authorization", "Bearer eve");
        initialize.fetch(pair.b.address).await.status
    };
    assert_eq!(begin().await, 429, "both are served here");
    assert_eq!(callers[0].end(&pair.a).await.status, 204);
    soon(async {
        while begin().await != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await; // until it is heard of
        }
    })
    .await;
    assert_eq!(begin().await, 429);
}

/// The answer of a client to this question: one root.
fn one_root(question: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [{ "uri": "file:///a" }] } })
}

#[tokio::test]
async fn an_answer_reaches_whoever_asked_from_that_session_alone() {
    each(async |pair| {
        let ada = Caller::begin_as(&pair.a, "2025-11-25", "ada").await;
        let bob = Caller::begin_as(&pair.b, "2025-11-25", "bob").await;
        let ada_again = Caller::begin_as(&pair.b, "2025-11-25", "ada").await;
        let mut stream = ada.open(&pair.a, &ada.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        assert_eq!((&question["method"], question["id"].as_str().unwrap().len()), (&json!("roots/list"), 32));
        let forged = json!({ "jsonrpc": "2.0", "id": question["id"], "result": { "roots": [] } });
        for other in [&bob, &ada_again] {
            for node in [&pair.a, &pair.b] {
                assert_eq!(other.send(node, &forged).await.status, 202);
            }
        }
        assert_eq!(ada.send(&pair.b, &one_root(&question)).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "1 roots");
        assert_eq!(soon(said(&mut stream)).await, None);
        assert_eq!(ada.send(&pair.b, &one_root(&question)).await.status, 202, "a second one is passed over");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_could_not_be_handed_over_can_be_sent_again() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        pair.store_b.break_down("inbox");
        let refused = caller.send(&pair.b, &one_root(&question)).await;
        assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true));
        pair.store_b.mend();
        assert_eq!(caller.send(&pair.b, &one_root(&question)).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "1 roots");
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_refused_for_what_could_not_be_handed_on_unless_requests_in_it_are_answered() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-03-26").await;
        let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        let call = caller.call("hold", &json!({}));
        let held = caller.post(&call).send(pair.a.address).await;
        pair.gate.done("holding").await;
        let notice = json!({ "jsonrpc": "2.0", "method": "notifications/any" });
        let ping = caller.request("ping", &json!({}));
        pair.store_b.break_down("inbox");
        for part in [one_root(&question), caller.cancellation(&call)] {
            for batch in [json!([part]), json!([notice, part, notice])] {
                let refused = caller.send(&pair.b, &batch).await;
                assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{batch}");
            }
            let answered = caller.send(&pair.b, &json!([part, ping])).await;
            assert_eq!((answered.status, &answered.messages()[0][0]["id"]), (200, &ping["id"]));
        }
        pair.store_b.mend();
        let again = json!([one_root(&question), caller.cancellation(&call)]);
        assert_eq!(caller.send(&pair.b, &again).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "1 roots");
        assert_eq!(soon(held.answer()).await.body, "");
    })
    .await;
}

#[tokio::test]
async fn who_says_that_it_is_initialized_while_the_store_refuses_it_says_it_again() {
    each(async |pair| {
        let caller = Caller::introduced_as(&pair.a, "2025-03-26", "eve").await;
        let notice = json!({ "jsonrpc": "2.0", "method": "notifications/any" });
        let ping = caller.request("ping", &json!({}));
        pair.store_b.refuse_writes("sessions");
        for message in [initialized(), json!([initialized()]), json!([notice, initialized(), notice])] {
            let refused = caller.send(&pair.b, &message).await;
            assert_eq!((refused.status, refused.header("retry-after").is_some()), (503, true), "{message}");
        }
        let answered = caller.send(&pair.b, &json!([initialized(), ping])).await;
        assert_eq!((answered.status, &answered.messages()[0][0]["id"]), (200, &ping["id"]));
        pair.store_b.mend();
        assert_eq!(caller.send(&pair.b, &json!([initialized()])).await.status, 202);
        let mut stream = caller.open(&pair.b, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(question["method"], "roots/list", "{question}");
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_a_client_was_thanked_for_outlives_what_the_store_loses_on_its_way() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        pair.store_a.lose_taken("inbox");
        for _ in 0..2 {
            let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
            let (_, question) = soon(said(&mut stream)).await.unwrap();
            assert_eq!(caller.send(&pair.b, &one_root(&question)).await.status, 202);
            let (_, answer) = soon(said(&mut stream)).await.unwrap();
            assert_eq!(answer["result"]["content"][0]["text"], "1 roots");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_no_inbox_takes_ends_the_wait_of_who_asked() {
    let memory = kv_memory::MemoryStore::new().limited(64 << 10);
    let pair = Pair::on(Shared::new(kv_core::AnyStore::new(memory))).await;
    let caller = Caller::begin(&pair.a, "2025-11-25").await;
    for (bytes, becomes) in
        [(32 << 10, "1 roots"), (64 << 10, "the client's answer cannot be used: it is larger")]
    {
        let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        let mut answer = one_root(&question);
        answer["result"]["roots"][0]["name"] = json!("x".repeat(bytes));
        assert_eq!(caller.send(&pair.b, &answer).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with(becomes), "{text}");
    }
}

#[tokio::test]
async fn a_question_that_the_store_does_not_keep_is_an_error_to_who_asks() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        pair.store_a.break_down("questions");
        let text = soon(caller.text(&pair.a, "ask", json!({}))).await;
        assert!(text.starts_with("the client could not be asked: the store"), "{text}");
        pair.store_a.mend();
        let mut stream = caller.open(&pair.a, &caller.call("ask", &json!({}))).await;
        let (_, question) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(caller.send(&pair.b, &one_root(&question)).await.status, 202);
        let (_, answer) = soon(said(&mut stream)).await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], "1 roots");
    })
    .await;
}

#[tokio::test]
async fn an_update_is_told_by_every_replica() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let subscribe = caller.request("resources/subscribe", &json!({ "uri": "r://x" }));
        assert_eq!(caller.send(&pair.a, &subscribe).await.status, 200);
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        let mut in_session = caller.sign(get).send(pair.b.address).await.head().await;
        let mut listening = listen(&pair.b).await;
        // Both hear of it, whichever process is told; the first update may come before the stream listens.
        let told = async {
            loop {
                assert_eq!(caller.text(&pair.a, "update", json!({})).await, "updated");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        let heard = async {
            for stream in [&mut in_session, &mut listening] {
                let (event, message) = said(stream).await.unwrap();
                assert_eq!(message["method"], "notifications/resources/updated", "{message}");
                assert_eq!((event.id, &message["params"]["uri"]), (None, &json!("r://x")));
            }
        };
        tokio::select! {
            () = told => {}
            () = soon(heard) => {}
        }
    })
    .await;
}

#[tokio::test]
async fn a_subscription_reaches_the_stream_that_another_replica_has() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        let mut stream = caller.sign(get).send(pair.a.address).await.head().await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await; // the stream has looked at its session by then
        let subscribe = caller.request("resources/subscribe", &json!({ "uri": "r://x" }));
        assert_eq!(caller.send(&pair.b, &subscribe).await.status, 200);
        let told = async {
            loop {
                assert_eq!(caller.text(&pair.b, "update", json!({})).await, "updated");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            () = told => {}
            heard = soon(said(&mut stream)) => {
                assert_eq!(heard.unwrap().1["params"]["uri"], "r://x");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_subscription_reaches_the_stream_that_another_replica_has() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let edit = |method: &str| caller.request(method, &json!({ "uri": "r://x" }));
        assert_eq!(caller.send(&pair.a, &edit("resources/subscribe")).await.status, 200);
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        let mut stream = caller.sign(get).send(pair.a.address).await.head().await;
        assert_eq!(caller.send(&pair.b, &edit("resources/unsubscribe")).await.status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await; // longer than a look into an inbox takes
        assert_eq!(caller.text(&pair.a, "update", json!({})).await, "updated");
        assert_eq!(caller.end(&pair.b).await.status, 204);
        assert_eq!(soon(said(&mut stream)).await, None);
    })
    .await;
}

/// Opens the stream on which the session is told what changes.
async fn opened(caller: &Caller, node: &Node) -> Streaming {
    let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
    let stream = caller.sign(get).send(node.address).await.head().await;
    assert_eq!(stream.status, 200);
    stream
}

/// Tells of an update again and again until `heard` is there: the first may come before a stream listens.
async fn while_updated<T>(caller: &Caller, node: &Node, heard: impl Future<Output = T>) -> T {
    let told = async {
        loop {
            assert_eq!(caller.text(node, "update", json!({})).await, "updated");
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = told => unreachable!(),
        heard = soon(heard) => heard,
    }
}

/// The stream is told of updates until it ends.
async fn ended(stream: &mut Streaming) {
    while let Some((_, message)) = said(stream).await {
        assert_eq!(message["method"], "notifications/resources/updated", "{message}");
    }
}

#[tokio::test]
async fn a_session_has_one_stream_wherever_it_is_opened_and_the_newest_wins() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let subscribe = caller.request("resources/subscribe", &json!({ "uri": "r://x" }));
        assert_eq!(caller.send(&pair.a, &subscribe).await.status, 200);
        let mut older = opened(&caller, &pair.a).await;
        for there in [&pair.b, &pair.a, &pair.a, &pair.b] {
            let mut newer = opened(&caller, there).await;
            soon(ended(&mut older)).await;
            let (_, message) = while_updated(&caller, &pair.a, said(&mut newer)).await.unwrap();
            assert_eq!(message["params"]["uri"], "r://x");
            older = newer;
        }
    })
    .await;
}

#[tokio::test]
async fn a_subscription_is_for_the_newest_stream_also_where_an_older_one_does_not_know_of_it_yet() {
    each(async |pair| {
        let caller = Caller::begin(&pair.a, "2025-11-25").await;
        let edit = |method: &str| caller.request(method, &json!({ "uri": "r://x" }));
        assert_eq!(caller.send(&pair.a, &edit("resources/subscribe")).await.status, 200);
        let mut older = opened(&caller, &pair.a).await;
        while_updated(&caller, &pair.a, said(&mut older)).await.unwrap();
        pair.store_a.break_down("inbox"); // it is not heard there that a newer one is opened, nor anything said elsewhere
        let mut newer = opened(&caller, &pair.b).await;
        while_updated(&caller, &pair.b, said(&mut newer)).await.unwrap();
        for method in ["resources/unsubscribe", "resources/subscribe"] {
            let answer = caller.send(&pair.a, &edit(method)).await;
            assert_eq!(answer.messages()[0]["error"]["code"], -32603, "{method}: the newest cannot be told");
        }
        pair.store_a.mend();
        soon(ended(&mut older)).await;
    })
    .await;
}

#[tokio::test]
async fn of_two_streams_that_are_opened_at_once_exactly_one_stays() {
    each(async |pair| {
        for _ in 0..5 {
            let caller = Caller::begin(&pair.a, "2025-11-25").await;
            let subscribe = caller.request("resources/subscribe", &json!({ "uri": "r://x" }));
            assert_eq!(caller.send(&pair.a, &subscribe).await.status, 200);
            let (mut one, mut other) = tokio::join!(opened(&caller, &pair.a), opened(&caller, &pair.b));
            let stays = soon(async {
                tokio::select! {
                    () = ended(&mut one) => None,
                    () = ended(&mut other) => Some(()),
                }
            })
            .await;
            let stays = if stays.is_some() { &mut one } else { &mut other };
            assert!(while_updated(&caller, &pair.b, said(stays)).await.is_some(), "both have ended");
        }
    })
    .await;
}

/// A subscription of 2026-07-28, acknowledged.
pub(crate) async fn listen(node: &larder_tests::node::Node) -> larder_tests::http::Streaming {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen",
        "params": { "notifications": { "resourceSubscriptions": ["r://x"] }, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        } },
    });
    let request = HttpRequest::post(message.to_string())
        .header("authorization", "Bearer eve")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "subscriptions/listen");
    let mut stream = request.send(node.address).await.head().await;
    let (_, first) = soon(said(&mut stream)).await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
    stream
}
