//! When an answer is JSON and when a stream (basic/transports/streamable-http, "Sending Messages to the Server").

use std::time::Duration;

use larder_tests::http::Streaming;
use mcp_server::protocol::{Json, Level, ToolResult};
use mcp_server::{Context, Server, Tool};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Harness, Shown};

const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Begins a call that talks first, and reads up to its first event.
async fn speaking(client: &Client, key: &str) -> Streaming {
    let params =
        json!({ "name": "hold_speaking", "arguments": { "key": key }, "_meta": { LOG_LEVEL: "error" } });
    client.begin("tools/call", params).await.http().head().await
}

/// What an event says; only streams that can be resumed name their events.
fn data(h: Harness, event: larder_tests::http::Event) -> Value {
    assert_eq!((event.name.as_deref(), event.id.is_some()), (Some("message"), !h.is_stateless()));
    assert!(event.retry.is_none() || !h.is_stateless());
    serde_json::from_str(&event.data.unwrap()).unwrap()
}

pub(crate) async fn an_answer_that_comes_first_is_json(h: Harness) -> Shown {
    h.only_http()?;
    let (client, effects) = h.client().await;
    let instant = client.request("tools/list", json!({})).await.http.unwrap();
    assert_eq!((instant.status, instant.header("content-type")), (200, Some("application/json")));
    let held = client.begin_call("hold", json!({ "key": "k" })).await;
    effects.wait("began:k").await;
    effects.open("k");
    let quick = held.answer().await.http.unwrap();
    assert_eq!(quick.header("content-type"), Some("application/json"));
    Ok(())
}

pub(crate) async fn a_handler_that_speaks_first_opens_a_stream_that_its_answer_ends(h: Harness) -> Shown {
    h.only_http()?;
    let (client, effects) = h.client().await;
    let mut stream = speaking(&client, "k").await;
    assert_eq!((stream.status, stream.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert!(stream.header("cache-control").unwrap().contains("no-cache"));
    assert_eq!(data(h, stream.message().await.unwrap())["params"]["data"], "before k");
    effects.open("k");
    assert_eq!(data(h, stream.message().await.unwrap())["params"]["data"], "after k");
    assert_eq!(data(h, stream.message().await.unwrap())["result"]["content"][0]["text"], "held k");
    assert_eq!(stream.message().await, None);
    Ok(())
}

pub(crate) async fn silence_of_5_s_opens_a_stream_that_is_kept_alive(h: Harness) -> Shown {
    h.only_http()?;
    let (client, effects) = h.client().await;
    let held = client.begin_call("hold", json!({ "key": "k" })).await.http();
    effects.wait("began:k").await;
    // Nothing but timers is left: time passes as fast as they are reached.
    let started = tokio::time::Instant::now();
    tokio::time::pause();
    let mut stream = held.head().await;
    assert!(started.elapsed() >= Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    let alive = stream.message().await.unwrap();
    tokio::time::resume();
    assert!(alive.comment && alive.data.is_none(), "{alive:?}");
    effects.open("k");
    let answer = loop {
        let event = stream.message().await.unwrap();
        if !event.comment {
            break data(h, event);
        }
    };
    assert_eq!(answer["result"]["content"][0]["text"], "held k");
    assert_eq!(stream.message().await, None);
    Ok(())
}

pub(crate) async fn streams_at_once_carry_each_their_own_request(h: Harness) -> Shown {
    h.only_http()?;
    let (client, effects) = h.client().await;
    let (mut one, mut two) = (speaking(&client, "one").await, speaking(&client, "two").await);
    effects.open("two");
    effects.wait("spoke:two").await;
    effects.open("one");
    for (stream, key) in [(&mut one, "one"), (&mut two, "two")] {
        for expected in ["before", "after"] {
            let said = data(h, stream.message().await.unwrap());
            assert_eq!(said["params"]["data"], format!("{expected} {key}"));
        }
        let answer = data(h, stream.message().await.unwrap());
        assert_eq!(answer["result"]["content"][0]["text"], format!("held {key}"));
        assert_eq!(stream.message().await, None);
    }
    Ok(())
}

/// Says and answers what would end a line, an event or a field of one.
fn breaking() -> Tool {
    Tool::new("break", json!({ "type": "object" }), |ctx: Context, _: Json| async move {
        ctx.log(Level::Error, BREAKING);
        let spread = Json::parse("{\r\n\n\"data\"\n\n:\r\"id: 9\"\n\r}".into()).unwrap();
        ToolResult::structured(spread.clone()).with_meta(spread)
    })
}

const BREAKING: &str = "one\n\ndata: {}\r\n\r\nevent: other\rid: 9\nretry: 1\n:\n\u{2028}\u{feff}\0";

pub(crate) async fn no_text_breaks_an_event(h: Harness) -> Shown {
    h.only_http()?;
    let client = h.serve(Server::new("breaking").tool(breaking())).await.client().await;
    let params = json!({ "name": "break", "arguments": {}, "_meta": { LOG_LEVEL: "error" } });
    let mut message = client.message(7, "tools/call", params);
    message["id"] = json!(format!("id\n\n{BREAKING}"));
    let mut stream = client.begin_message(&message).await.http().head().await;
    assert_eq!(data(h, stream.message().await.unwrap())["params"]["data"], BREAKING);
    let answer = data(h, stream.message().await.unwrap());
    assert_eq!((&answer["id"], &answer["result"]["_meta"]["data"]), (&message["id"], &json!("id: 9")));
    assert_eq!(stream.message().await, None);
    Ok(())
}
