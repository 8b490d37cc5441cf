//! Progress and log messages (basic/patterns/progress, server/utilities/logging, and their forerunners).

use std::time::Instant;

use mcp_server::protocol::{Json, Revision};
use mcp_server::{Context, Tool};
use serde_json::{Value, json};

use crate::client::{Client, Reply, text};
use crate::harness::{Harness, Shown};

const INVALID_PARAMS: i64 = -32_602;
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

async fn with_meta(client: &Client, tool: &str, meta: Value) -> Reply {
    client.request("tools/call", json!({ "name": tool, "arguments": {}, "_meta": meta })).await
}

/// What was said by this method.
fn said<'a>(reply: &'a Reply, method: &str) -> Vec<&'a Value> {
    reply
        .said
        .iter()
        .filter(|message| message["method"] == method)
        .map(|message| &message["params"])
        .collect()
}

/// The levels of the log messages.
fn levels(reply: &Reply) -> Vec<&str> {
    said(reply, "notifications/message").iter().map(|params| params["level"].as_str().unwrap()).collect()
}

pub(crate) async fn progress_goes_to_who_gave_a_token_and_only_upwards(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let without = with_meta(&client, "count", json!({})).await;
    assert_eq!(said(&without, "notifications/progress"), [] as [&Value; 0]);
    for token in [json!(7), json!("7"), json!("a b")] {
        let reply = with_meta(&client, "count", json!({ "progressToken": token })).await;
        assert_eq!(text(&reply.result()), "counted");
        let reports = said(&reply, "notifications/progress");
        assert!(!reports.is_empty(), "nothing was reported");
        let steps: Vec<f64> = reports.iter().map(|report| report["progress"].as_f64().unwrap()).collect();
        assert!(steps.is_sorted_by(|a, b| a < b), "{steps:?}");
        assert_eq!(steps.last(), Some(&3.0));
        for report in reports {
            assert_eq!((&report["progressToken"], &report["total"]), (&token, &json!(3.0)));
            let sentence = (h.revision != Revision::V2024_11_05).then(|| json!("counting"));
            assert_eq!(report.get("message"), sentence.as_ref());
        }
    }
    Ok(())
}

/// How many reports the tool of the next test makes.
const REPORTS: u32 = 2_000;

pub(crate) async fn progress_comes_a_hundred_at_once_and_then_fifty_a_second_and_the_last_in_any_case(
    h: Harness,
) -> Shown {
    let hasty = Tool::new("hasty", json!({ "type": "object" }), |ctx: Context, _: Json| async move {
        for report in 1..=REPORTS {
            ctx.progress(report.into(), f64::from(REPORTS));
            tokio::task::yield_now().await; // whoever sends may take it
        }
        "done"
    });
    let (site, _) = h.fixture_with(|server| server.tool(hasty)).await;
    let client = site.client().await;
    let begun = Instant::now();
    let reply = with_meta(&client, "hasty", json!({ "progressToken": 1 })).await;
    let allowed = 100.0 + 50.0 * begun.elapsed().as_secs_f64() + 1.0;
    assert_eq!(text(&reply.result()), "done");
    let reports = said(&reply, "notifications/progress");
    let made = f64::from(u32::try_from(reports.len()).unwrap());
    assert!(made <= allowed, "{made} reports, and {allowed} are allowed");
    // Of those that may come at once a new one takes the place of one that was not sent yet: half of them, as a rule, where
    // the one who writes a stream waits for the one who reads it.
    assert!(made >= 20.0, "{made} reports, and about a hundred may come at once");
    assert_eq!(reports[0]["progress"], 1.0, "the first is not held back");
    assert_eq!(reports.last().unwrap()["progress"], f64::from(REPORTS));
    Ok(())
}

pub(crate) async fn nothing_is_said_after_the_answer(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let meta = json!({ "progressToken": 1, LOG_LEVEL: "debug" });
    let reply = with_meta(&client, "afterwards", meta).await;
    assert_eq!((text(&reply.result()), &reply.said), ("answered", &Vec::new()));
    effects.open("afterwards");
    effects.wait("done:afterwards").await;
    let next = client.request("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } })).await;
    assert_eq!(next.said, [] as [Value; 0]);
    Ok(())
}

pub(crate) async fn a_session_gets_every_log_message_until_it_sets_a_level(h: Harness) -> Shown {
    h.only_handshake()?;
    let (site, _) = h.fixture().await;
    let (client, other) = (site.client().await, site.client().await);
    let all = with_meta(&client, "say", json!({})).await;
    assert_eq!(levels(&all), ["debug", "info", "warning", "error"]);
    assert_eq!(
        said(&all, "notifications/message")[1],
        &json!({ "level": "info", "logger": "fixture", "data": "info" })
    );
    assert_eq!(client.result("logging/setLevel", json!({ "level": "warning" })).await, json!({}));
    assert_eq!(levels(&with_meta(&client, "say", json!({})).await), ["warning", "error"]);
    assert_eq!(levels(&with_meta(&other, "say", json!({})).await).len(), 4);
    assert_eq!(client.result("logging/setLevel", json!({ "level": "emergency" })).await, json!({}));
    assert_eq!(levels(&with_meta(&client, "say", json!({})).await), [""; 0]);
    Ok(())
}

pub(crate) async fn a_level_that_nobody_knows_is_refused_and_changes_nothing(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for level in [json!("loud"), json!("Info"), json!(3), json!("")] {
        let refused = if h.is_stateless() {
            with_meta(&client, "say", json!({ LOG_LEVEL: level })).await
        } else {
            client.request("logging/setLevel", json!({ "level": level })).await
        };
        refused.assert_error(INVALID_PARAMS, if h.is_stateless() { 400 } else { 200 });
    }
    if !h.is_stateless() {
        assert_eq!(levels(&with_meta(&client, "say", json!({})).await).len(), 4);
    }
    Ok(())
}

pub(crate) async fn a_request_gets_the_log_messages_that_it_asks_for(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    assert_eq!(with_meta(&client, "say", json!({})).await.said, [] as [Value; 0]);
    for (level, expected) in [
        ("debug", &["debug", "info", "warning", "error"][..]),
        ("notice", &["warning", "error"]),
        ("error", &["error"]),
        ("critical", &[]),
    ] {
        assert_eq!(levels(&with_meta(&client, "say", json!({ LOG_LEVEL: level })).await), expected);
    }
    Ok(())
}

pub(crate) async fn a_server_that_does_not_log_to_clients_is_silent(h: Harness) -> Shown {
    let (site, _) = h.fixture_with(|server| server.client_logging(false)).await;
    let reply = with_meta(&site.client().await, "say", json!({ LOG_LEVEL: "debug" })).await;
    assert_eq!((text(&reply.result()), reply.said.len()), ("said", 0));
    Ok(())
}

pub(crate) async fn what_a_request_says_goes_to_nobody_else(h: Harness) -> Shown {
    let (site, effects) = h.fixture().await;
    let (one, two) = (site.client().await, site.client().await);
    let params =
        json!({ "name": "hold_speaking", "arguments": { "key": "k" }, "_meta": { LOG_LEVEL: "error" } });
    let held = one.begin("tools/call", params).await;
    effects.wait("began:k").await;
    let other = with_meta(&two, "echo", json!({ LOG_LEVEL: "debug" })).await;
    assert_eq!(other.said, [] as [Value; 0]);
    effects.open("k");
    let answer = held.answer().await;
    let words: Vec<_> =
        said(&answer, "notifications/message").iter().map(|params| params["data"].clone()).collect();
    assert_eq!(words, ["before k", "after k"]);
    Ok(())
}
