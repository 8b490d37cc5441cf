//! What is bounded: requests in flight, ids in flight, what a handler says.

use serde_json::json;

use crate::client::text;
use crate::harness::{Harness, Shown, Transport, only};

const INVALID_REQUEST: i64 = -32_600;
const INTERNAL_ERROR: i64 = -32_603;

pub(crate) async fn an_id_in_flight_is_not_taken_twice_on_one_connection(h: Harness) -> Shown {
    only(!h.is_http(), "over HTTP an answer goes back on the connection of its request")?;
    let (client, effects) = h.client().await;
    let message =
        |key: &str| client.message(7, "tools/call", json!({ "name": "hold", "arguments": { "key": key } }));
    let first = client.begin_message(&message("first")).await;
    effects.wait("began:first").await;
    let again = client.begin_message(&message("second")).await.answer().await;
    again.assert_error(INVALID_REQUEST, 200);
    assert!(!effects.has("began:second"));
    effects.open("first");
    assert_eq!(text(&first.answer().await.result()), "held first");
    effects.open("third"); // and then it is free again
    assert_eq!(text(&client.begin_message(&message("third")).await.answer().await.result()), "held third");
    Ok(())
}

pub(crate) async fn an_id_used_twice_at_once_over_http_never_crosses_answers(h: Harness) -> Shown {
    h.only_http()?;
    let (client, effects) = h.client().await;
    let message =
        |key: &str| client.message(7, "tools/call", json!({ "name": "hold", "arguments": { "key": key } }));
    let mut calls = Vec::new();
    for round in 0..8 {
        let key = format!("k{round}");
        calls.push((client.begin_message(&message(&key)).await, key.clone()));
        effects.wait(&format!("began:{key}")).await;
    }
    for (_, key) in calls.iter().rev() {
        effects.open(key);
    }
    for (call, key) in calls {
        assert_eq!(text(&call.answer().await.result()), format!("held {key}"));
    }
    Ok(())
}

pub(crate) async fn handlers_at_once_are_limited_and_what_is_beyond_is_told_so(h: Harness) -> Shown {
    let (site, effects) = h.fixture_with(|server| server.max_concurrent_calls(1)).await;
    let client = site.client().await;
    let held = client.begin_call("hold", json!({ "key": "k" })).await;
    effects.wait("began:k").await;
    for (method, params) in [
        ("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } })),
        ("resources/read", json!({ "uri": "note://text" })),
        ("prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } })),
    ] {
        client.request(method, params).await.assert_error(INTERNAL_ERROR, 200);
    }
    client.result("tools/list", json!({})).await; // no handler
    effects.open("k");
    held.answer().await.result();
    assert_eq!(text(&client.call("echo", json!({ "text": "x" })).await), "x");
    Ok(())
}

pub(crate) async fn a_run_without_its_connection_counts_among_those_in_flight(h: Harness) -> Shown {
    h.only_http()?;
    h.only_handshake()?;
    let (site, effects) = h.fixture_with(|server| server.max_concurrent_calls(1)).await;
    let client = site.client().await;
    let held = client.begin_call("hold", json!({ "key": "k" })).await;
    effects.wait("began:k").await;
    held.http().disconnect();
    tokio::time::sleep(std::time::Duration::from_millis(300)).await; // until the server has noticed
    let echo = || json!({ "name": "echo", "arguments": { "text": "x" } });
    client.request("tools/call", echo()).await.assert_error(INTERNAL_ERROR, 200);
    effects.open("k");
    effects.wait("done:k").await;
    while client.request("tools/call", echo()).await.message.get("error").is_some() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

pub(crate) async fn a_connection_has_at_most_1024_requests_in_flight(h: Harness) -> Shown {
    h.only_lines()?;
    let (site, effects) = h.fixture_with(|server| server.max_concurrent_calls(5_000)).await;
    let client = site.client().await;
    let mut calls = Vec::new();
    for _ in 0..1_024 {
        calls.push(client.begin_call("hold", json!({ "key": "k" })).await);
    }
    client.request("tools/list", json!({})).await.assert_error(INTERNAL_ERROR, 200);
    client.cancel(&calls.pop().unwrap().id).await;
    client.result("tools/list", json!({})).await; // a cancelled one makes room
    effects.open("k");
    for call in calls {
        call.answer().await.result();
    }
    Ok(())
}

pub(crate) async fn who_says_too_much_loses_words_and_never_the_answer(h: Harness) -> Shown {
    let flood = mcp_server::Tool::new(
        "flood",
        json!({ "type": "object" }),
        |ctx: mcp_server::Context, _| async move {
            for number in 0..5_000 {
                ctx.warning(number);
            }
            "flooded"
        },
    );
    let (site, _) = h.fixture_with(|server| server.tool(flood)).await;
    let client = site.client().await;
    let meta = json!({ "io.modelcontextprotocol/logLevel": "debug" });
    let reply =
        client.request("tools/call", json!({ "name": "flood", "arguments": {}, "_meta": meta })).await;
    assert_eq!(text(&reply.result()), "flooded");
    assert!((1..=64).contains(&reply.said.len()), "{}", reply.said.len());
    assert_eq!(reply.said[0]["params"]["data"], 0);
    Ok(())
}

pub(crate) async fn many_clients_at_once_each_get_their_own_answers(h: Harness) -> Shown {
    let (site, _) = h.fixture().await;
    let mut clients = Vec::new();
    for _ in 0..if h.transport == Transport::Memory { 4 } else { 8 } {
        clients.push(site.client().await);
    }
    let mut calls = Vec::new();
    for round in 0..20 {
        for (number, client) in clients.iter().enumerate() {
            let text = format!("{number}-{round}");
            calls.push((client.begin_call("echo", json!({ "text": text })).await, text));
        }
    }
    for (call, expected) in calls.into_iter().rev() {
        assert_eq!(text(&call.answer().await.result()), expected);
    }
    Ok(())
}
