//! Cancelling, cell by cell: what ends a handler and what does not, by its side effects
//! (2026-07-28, basic/patterns/cancellation; 2025-11-25, basic/utilities/cancellation and basic/transports).

use std::time::Duration;

use kv_core::{Scan, Store as _, StoreExt as _};
use kv_memory::MemoryStore;
use larder_tests::effects::Effects;
use larder_tests::http::HttpRequest;
use larder_tests::shared::Shared;
use mcp_server::protocol::Level;
use mcp_server::{Context, State, tool};
use serde_json::{Value, json};

use crate::client::{Call, Client, text};
use crate::harness::{Harness, Shown, Transport};

/// How long a server may take to notice that a connection was cut.
const NOTICED: Duration = Duration::from_millis(300);

/// Begins a call of `tool` under the key `k`.
async fn held(client: &Client, effects: &Effects, tool: &str) -> Call {
    let call = client.begin_call(tool, json!({ "key": "k" })).await;
    effects.wait("began:k").await;
    call
}

/// Cancels by what cancels in this cell, and gives what is left of the call.
async fn cancel(h: Harness, client: &Client, call: Call) -> Option<Call> {
    if h.is_http() && h.is_stateless() {
        call.http().disconnect();
        return None;
    }
    client.cancel(&call.id).await;
    Some(call)
}

/// Nothing more is sent for the call: an empty stream on HTTP, no line elsewhere.
async fn assert_no_answer(client: &Client, call: Option<Call>) {
    let Some(call) = call else { return };
    client.result("resources/templates/list", json!({})).await;
    if client.session.is_some() {
        let answer = call.http().answer().await;
        assert_eq!((answer.status, &*answer.body, answer.is_stream()), (200, "", true), "{answer:?}");
    } else {
        let id = call.id;
        assert!(client.lines().came(|line| line["id"] == id).is_empty());
    }
}

fn only_handshake_http(h: Harness) -> Shown {
    h.only_http()?;
    h.only_handshake()
}

fn only_stateless_http(h: Harness) -> Shown {
    h.only_http()?;
    h.only_stateless()
}

pub(crate) async fn a_cancelled_handler_is_dropped_at_its_await(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold").await;
    let left = cancel(h, &client, call).await;
    effects.wait("dropped:k").await;
    effects.open("k");
    assert_no_answer(&client, left).await;
    assert!(!effects.has("done:k"));
    Ok(())
}

pub(crate) async fn a_cancelled_handler_that_had_spoken_is_dropped_too(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let params = json!({
        "name": "hold_speaking", "arguments": { "key": "k" },
        "_meta": { "io.modelcontextprotocol/logLevel": "error" },
    });
    let call = client.begin("tools/call", params).await;
    effects.wait("began:k").await;
    if h.is_http() {
        let id = call.id.clone();
        let mut stream = call.http().head().await;
        stream.message().await.unwrap();
        if h.is_stateless() {
            stream.disconnect();
        } else {
            client.cancel(&id).await;
            assert_eq!(stream.event().await, None); // and no answer
        }
    } else {
        client.cancel(&call.id).await;
    }
    effects.wait("dropped:k").await;
    effects.open("k");
    client.result("resources/templates/list", json!({})).await;
    assert!(!effects.has("spoke:k"));
    Ok(())
}

pub(crate) async fn a_tool_that_must_finish_finishes(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold_to_the_end").await;
    let left = cancel(h, &client, call).await;
    tokio::time::sleep(NOTICED).await;
    assert!(!effects.has("dropped:k"));
    effects.open("k");
    effects.wait("done:k").await;
    assert_no_answer(&client, left).await;
    Ok(())
}

pub(crate) async fn a_part_that_must_finish_finishes_without_the_rest(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold_a_part").await;
    let left = cancel(h, &client, call).await;
    effects.wait("dropped:k:whole").await;
    assert!(!effects.has("dropped:k"));
    effects.open("k");
    effects.open("k:whole");
    effects.wait("done:k").await;
    assert_no_answer(&client, left).await;
    assert!(!effects.has("done:k:whole"));
    Ok(())
}

pub(crate) async fn a_handler_on_a_thread_is_told_and_its_result_dropped(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold_blocking").await;
    let left = cancel(h, &client, call).await;
    effects.wait("told:k").await;
    effects.open("k");
    effects.wait("done:k").await;
    assert_no_answer(&client, left).await;
    Ok(())
}

pub(crate) async fn a_cancellation_of_what_is_not_in_flight_is_passed_over(h: Harness) -> Shown {
    let (site, effects) = h.fixture().await;
    let (client, other) = (site.client().await, site.client().await);
    let call = held(&client, &effects, "hold").await;
    client.cancel(&json!("unknown")).await;
    client.cancel(&json!(call.id.to_string())).await; // the same digits, as a string
    client.notify("notifications/cancelled", json!({})).await;
    client.notify("notifications/cancelled", json!({ "requestId": {} })).await;
    other.cancel(&call.id).await; // another session's or connection's
    other.result("resources/templates/list", json!({})).await;
    effects.open("k");
    assert_eq!(text(&call.answer().await.result()), "held k");
    let done = client.begin_call("echo", json!({ "text": "x" })).await;
    let id = done.id.clone();
    done.answer().await.result();
    client.cancel(&id).await;
    assert_eq!(text(&client.call("echo", json!({ "text": "next" })).await), "next");
    Ok(())
}

pub(crate) async fn on_2026_07_28_over_http_a_cancellation_by_message_has_no_effect(h: Harness) -> Shown {
    only_stateless_http(h)?;
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold").await;
    client.cancel(&call.id).await;
    tokio::time::sleep(NOTICED).await;
    assert!(!effects.has("dropped:k"));
    effects.open("k");
    assert_eq!(text(&call.answer().await.result()), "held k");
    Ok(())
}

pub(crate) async fn in_a_session_a_lost_connection_cancels_nothing(h: Harness) -> Shown {
    only_handshake_http(h)?;
    let (client, effects) = h.client().await;
    for (key, tool) in [("silent", "hold"), ("speaking", "hold_speaking"), ("blocking", "hold_blocking")] {
        let call = client.begin_call(tool, json!({ "key": key })).await;
        effects.wait(&format!("began:{key}")).await;
        call.http().disconnect();
    }
    tokio::time::sleep(NOTICED).await;
    for key in ["silent", "speaking", "blocking"] {
        assert!(!effects.has(&format!("dropped:{key}")) && !effects.has(&format!("told:{key}")), "{key}");
        effects.open(key);
        effects.wait(&format!("done:{key}")).await;
    }
    effects.wait("spoke:speaking").await;
    client.result("tools/list", json!({})).await;
    Ok(())
}

pub(crate) async fn a_run_without_its_connection_is_still_cancelled_by_message(h: Harness) -> Shown {
    only_handshake_http(h)?;
    let (client, effects) = h.client().await;
    let call = held(&client, &effects, "hold").await;
    let id = call.id.clone();
    call.http().disconnect();
    tokio::time::sleep(NOTICED).await;
    assert!(!effects.has("dropped:k"));
    client.cancel(&id).await;
    effects.wait("dropped:k").await;
    Ok(())
}

pub(crate) async fn what_a_run_without_its_connection_says_is_kept_for_resumption(h: Harness) -> Shown {
    only_handshake_http(h)?;
    let (client, effects) = h.client().await;
    let call = client.begin_call("hold_speaking", json!({ "key": "k" })).await;
    let id = call.id.clone();
    let mut stream = call.http().head().await;
    let before = stream.message().await.unwrap();
    assert!(before.data.unwrap().contains("before k"));
    stream.disconnect();
    effects.open("k");
    effects.wait("spoke:k").await;
    let get = HttpRequest::new("GET", "")
        .header("accept", "text/event-stream")
        .header("last-event-id", &before.id.unwrap());
    let kept = client.fetch(client.sign(get)).await;
    assert_eq!((kept.said.len(), &kept.said[0]["params"]["data"]), (1, &json!("after k")));
    assert_eq!((&kept.message["id"], text(&kept.result())), (&id, "held k"));
    Ok(())
}

/// As `hold`, and talks only afterwards.
#[tool]
async fn hold_then_speak(key: String, ctx: Context, effects: State<Effects>) -> &'static str {
    let watched = effects.begin(&key);
    watched.opened().await;
    ctx.log(Level::Error, format!("after {key}"));
    watched.done();
    "held"
}

/// All that the store holds, as text.
async fn kept(store: &MemoryStore) -> String {
    let page = store.scan(Scan::under("").values(), None).await.unwrap();
    let entries = page.items.iter().filter_map(|item| item.entry.as_ref());
    entries.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()).collect()
}

pub(crate) async fn what_a_run_says_that_lost_its_connection_before_it_spoke_is_discarded(
    h: Harness,
) -> Shown {
    only_handshake_http(h)?;
    let store = MemoryStore::new();
    let shared = Shared::new(store.clone().erased());
    let (site, effects) = h.fixture_with(|server| server.storage(shared).tool(hold_then_speak)).await;
    let client = site.client().await;
    // Until the server has noticed that nobody listens it opens a stream: on a slow machine that takes more than one try.
    for round in 0..8 {
        let (lost, heard) = (format!("lost{round}"), format!("heard{round}"));
        let call = client.begin_call("hold_then_speak", json!({ "key": lost })).await;
        effects.wait(&format!("began:{lost}")).await;
        call.http().disconnect();
        tokio::time::sleep(NOTICED * 2_u32.pow(round)).await;
        effects.open(&lost);
        effects.wait(&format!("done:{lost}")).await;
        effects.open(&heard);
        let next = client.request("tools/call", hold_then_speaking(&heard)).await;
        assert_eq!((next.said.len(), &next.said[0]["params"]["data"]), (1, &json!(format!("after {heard}"))));
        // A log is written in order, and before its stream ends.
        let kept = kept(&store).await;
        assert!(kept.contains(&format!("after {heard}")), "{kept}");
        if !kept.contains(&format!("after {lost}")) {
            return Ok(());
        }
    }
    panic!("what was said to nobody is kept");
}

fn hold_then_speaking(key: &str) -> Value {
    json!({ "name": "hold_then_speak", "arguments": { "key": key } })
}

pub(crate) async fn the_end_of_a_session_cancels_what_it_has_in_flight(h: Harness) -> Shown {
    only_handshake_http(h)?;
    let (site, effects) = h.fixture().await;
    let (client, other) = (site.client().await, site.client().await);
    let call = held(&client, &effects, "hold").await;
    let spared = other.begin_call("hold", json!({ "key": "spared" })).await;
    effects.wait("began:spared").await;
    assert_eq!(client.fetch(client.sign(HttpRequest::new("DELETE", ""))).await.status, Some(204));
    effects.wait("dropped:k").await;
    let answer = call.http().answer().await;
    assert_eq!((&*answer.body, answer.is_stream()), ("", true));
    effects.open("spared");
    assert_eq!(text(&spared.answer().await.result()), "held spared");
    Ok(())
}

pub(crate) async fn initialize_is_never_cancelled(h: Harness) -> Shown {
    h.only_handshake()?;
    h.only_lines()?;
    let (store, switches) = larder_tests::faults::Faulty::new(kv_memory::MemoryStore::new());
    let (site, _) = h.fixture_with(|server| server.storage(store)).await;
    let client = site.stranger(json!({}), None);
    switches.hold_writes(true);
    let params = json!({ "protocolVersion": h.revision.as_str(), "capabilities": {}, "clientInfo": {} });
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let call = client.begin_message(&hello).await;
    client.cancel(&json!(1)).await;
    switches.hold_writes(false);
    assert_eq!(call.answer().await.result()["protocolVersion"], h.revision.as_str());
    Ok(())
}

pub(crate) async fn the_end_of_the_input_ends_at_once_what_has_nothing_in_flight(h: Harness) -> Shown {
    h.only_lines()?;
    h.only_in_this_process()?; // `cancelled_children` and `children` look at real ones
    let (client, _) = h.client().await;
    client.result("tools/list", json!({})).await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    client.lines().end_input();
    client.lines().ended().await;
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
    Ok(())
}

pub(crate) async fn the_end_of_the_input_gives_2_s_to_what_is_in_flight(h: Harness) -> Shown {
    h.only_lines()?;
    h.only_in_this_process()?; // `cancelled_children` and `children` look at real ones
    let (client, effects) = h.client().await;
    let quick = client.begin_call("hold", json!({ "key": "quick" })).await;
    let slow = client.begin_call("hold", json!({ "key": "slow" })).await;
    effects.wait("began:quick").await;
    effects.wait("began:slow").await;
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    client.lines().end_input();
    effects.open("quick");
    assert_eq!(text(&quick.answer().await.result()), "held quick");
    effects.wait("dropped:slow").await;
    let elapsed = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_millis(2500)).contains(&elapsed), "{elapsed:?}");
    let unanswered = client.lines().take(|line: &Value| line["id"] == slow.id).await;
    assert!(unanswered.is_none(), "{unanswered:?}");
    Ok(())
}

pub(crate) async fn a_handler_that_takes_too_long_is_given_up(h: Harness) -> Shown {
    let (site, effects) = h.fixture_with(|server| server.handler_timeout(Duration::from_millis(100))).await;
    let client = site.client().await;
    let call = held(&client, &effects, "hold").await;
    let reply = call.answer().await;
    reply.assert_error(-32_603, 200);
    effects.wait("dropped:k").await;
    if h.transport == Transport::Http && !h.is_stateless() {
        let detached = client.begin_call("hold", json!({ "key": "detached" })).await;
        effects.wait("began:detached").await;
        detached.http().disconnect();
        effects.wait("dropped:detached").await;
    }
    Ok(())
}
