//! `subscriptions/listen` (2026-07-28, basic/patterns/subscriptions).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mcp_server::protocol::{Json, ToolResult};
use mcp_server::{
    Authenticate, Context, Denied, Dynamic, Principal, Refusal, Request, Resource, Server, Tool, Verified,
};
use serde_json::{Value, json};

use crate::client::text;
use crate::harness::{Harness, Shown, Site};
use crate::unasked::Told;

const INVALID_PARAMS: i64 = -32_602;
const INTERNAL_ERROR: i64 = -32_603;

fn tool(name: &str) -> Tool {
    let any = json!({ "type": "object" });
    Tool::new(name, any, |_: Context, _: Json| async { ToolResult::text("here") })
}

fn note(uri: &str) -> Resource {
    Resource::new(uri, |_: Context, _| async { "a note" })
}

async fn dynamic(h: Harness) -> Site {
    h.fixture_with(|server| server.dynamic(Dynamic::TOOLS)).await.0
}

pub(crate) async fn a_subscription_is_acknowledged_first_with_what_of_it_is_honoured(h: Harness) -> Shown {
    h.only_stateless()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    for id in [json!(7), json!("7"), json!("a \"b\"")] {
        let filter = json!({
            "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": false, "vendor": 1,
            "resourceSubscriptions": ["note://text", "item://7", "note://unknown", "note://text"],
        });
        let (mut told, honoured) = Told::of(&client, id, filter).await;
        let expected =
            json!({ "toolsListChanged": true, "resourceSubscriptions": ["item://7", "note://text"] });
        assert_eq!(honoured, expected);
        site.service().resource_updated("item://7");
        told.assert_updated("item://7").await;
        told.cancel(&client).await;
    }
    let (_told, nothing) = Told::of(&client, json!(8), json!({})).await;
    assert_eq!(nothing, json!({}));
    Ok(())
}

pub(crate) async fn what_was_asked_for_is_told_and_nothing_else(h: Harness) -> Shown {
    h.only_stateless()?;
    let (site, _) = h.fixture_with(|server| server.dynamic(Dynamic::ALL)).await;
    let client = site.client().await;
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["note://text"] });
    let (mut told, _) = Told::of(&client, json!(7), filter).await;
    let components = site.service().components();
    components.add_resource(note("note://later")).unwrap();
    site.service().resource_updated("note://later");
    site.service().resource_updated("note://blob");
    site.service().resource_updated("note://text");
    told.assert_updated("note://text").await;
    components.add_tool(tool("later")).unwrap();
    told.assert_list_changed("tools").await;
    let called = client.call("later", json!({})).await;
    assert_eq!(text(&called), "here");
    assert!(components.remove_tool("later").unwrap());
    told.assert_list_changed("tools").await;
    Ok(())
}

pub(crate) async fn what_is_logged_is_told_on_no_subscription(h: Harness) -> Shown {
    h.only_stateless()?;
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    let filter = json!({ "resourceSubscriptions": ["note://text"] });
    let (mut told, _) = Told::of(&client, json!("s"), filter).await;
    let loud =
        json!({ "name": "say", "arguments": {}, "_meta": { "io.modelcontextprotocol/logLevel": "debug" } });
    assert_eq!(client.request("tools/call", loud).await.said.len(), 4);
    site.service().resource_updated("note://text");
    told.assert_updated("note://text").await; // and nothing before it
    Ok(())
}

pub(crate) async fn two_subscriptions_at_once_each_hear_their_own(h: Harness) -> Shown {
    h.only_stateless()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    let (mut one, _) = Told::of(&client, json!("one"), json!({ "toolsListChanged": true })).await;
    let text_alone = json!({ "resourceSubscriptions": ["note://text"] });
    let (mut two, _) = Told::of(&client, json!("two"), text_alone).await;
    let (mut three, _) = Told::of(&client, json!("three"), json!({ "toolsListChanged": true })).await;
    site.service().components().add_tool(tool("later")).unwrap();
    site.service().resource_updated("note://text");
    two.assert_updated("note://text").await;
    three.assert_list_changed("tools").await;
    one.assert_list_changed("tools").await;
    one.cancel(&client).await;
    site.service().components().remove_tool("later").unwrap();
    three.assert_list_changed("tools").await;
    Ok(())
}

/// A note that may be read while the switch is on.
fn guarded(uri: &str, may: &Arc<AtomicBool>) -> Resource {
    let may = Arc::clone(may);
    note(uri).check(move |_: &Request| {
        let may = may.load(Ordering::SeqCst);
        async move { may.then_some(()).ok_or_else(|| Refusal::new("not now")) }
    })
}

pub(crate) async fn what_a_caller_may_not_read_is_not_told_and_asked_for_each_time(h: Harness) -> Shown {
    h.only_stateless()?;
    let (may, never) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
    let (site, _) = h
        .fixture_with(|server| {
            server.resource(guarded("note://a", &may)).resource(guarded("note://b", &never))
        })
        .await;
    let client = site.client().await;
    let filter = json!({ "resourceSubscriptions": ["note://a", "note://b", "note://text"] });
    let (mut told, honoured) = Told::of(&client, json!(7), filter).await;
    assert_eq!(honoured["resourceSubscriptions"], json!(["note://a", "note://text"]));
    let update_all =
        || ["note://a", "note://b", "note://text"].map(|uri| site.service().resource_updated(uri));
    update_all();
    told.assert_updated("note://a").await;
    told.assert_updated("note://text").await;
    may.store(false, Ordering::SeqCst);
    update_all();
    told.assert_updated("note://text").await;
    may.store(true, Ordering::SeqCst);
    update_all();
    told.assert_updated("note://a").await;
    Ok(())
}

pub(crate) async fn a_subscription_outlasts_what_a_call_may_take_and_takes_no_place(h: Harness) -> Shown {
    h.only_stateless()?;
    let limited = |server: Server| {
        server.dynamic(Dynamic::TOOLS).handler_timeout(Duration::from_millis(200)).max_concurrent_calls(1)
    };
    let (site, _) = h.fixture_with(limited).await;
    let client = site.client().await;
    let (mut told, _) = Told::of(&client, json!(7), json!({ "toolsListChanged": true })).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(text(&client.call("echo", json!({ "text": "x" })).await), "x");
    site.service().components().add_tool(tool("later")).unwrap();
    told.assert_list_changed("tools").await;
    Ok(())
}

pub(crate) async fn who_reads_slowly_is_told_each_thing_once(h: Harness) -> Shown {
    h.only_stateless()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    let filter = json!({ "toolsListChanged": true, "resourceSubscriptions": ["note://text", "note://blob"] });
    let (mut told, _) = Told::of(&client, json!(7), filter).await;
    let components = site.service().components();
    for _ in 0..500 {
        components.add_tool(tool("later")).unwrap();
        components.remove_tool("later").unwrap();
        site.service().resource_updated("note://text");
        site.service().resource_updated("note://blob");
    }
    told.assert_list_changed("tools").await;
    told.assert_updated("note://blob").await;
    told.assert_updated("note://text").await;
    site.service().resource_updated("note://text");
    told.assert_updated("note://text").await;
    Ok(())
}

pub(crate) async fn there_are_so_many_subscriptions_until_one_ends(h: Harness) -> Shown {
    h.only_stateless()?;
    let (site, _) = h.fixture_with(|server| server.max_subscriptions(1)).await;
    let client = site.client().await;
    let filter = || json!({ "notifications": {} });
    let (told, _) = Told::of(&client, json!(7), json!({})).await;
    client.request("subscriptions/listen", filter()).await.assert_error(INTERNAL_ERROR, 200);
    told.cancel(&client).await;
    for id in 100.. {
        let message = client.message(id, "subscriptions/listen", filter());
        let call = client.begin_message(&message).await;
        if h.is_http() {
            // It takes the server a moment to notice that the first was cut.
            let stream = call.http().head().await;
            if stream.header("content-type") == Some("text/event-stream") {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        let first = client.lines().take(|line| {
            line["id"] == id || line["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == id
        });
        let first = first.await.unwrap().value;
        assert_eq!(first["method"], "notifications/subscriptions/acknowledged", "{first}");
        return Ok(());
    }
    unreachable!("ids are endless")
}

pub(crate) async fn a_filter_that_does_not_fit_is_refused(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let many: Vec<_> = (0..1_001).map(|number| format!("item://{number}")).collect();
    for filter in [
        json!({ "toolsListChanged": "yes" }),
        json!({ "resourceSubscriptions": "note://text" }),
        json!({ "resourceSubscriptions": [7] }),
        json!({ "resourceSubscriptions": many }),
        json!({ "resourceSubscriptions": [format!("item://{}", "x".repeat(64 << 10))] }),
    ] {
        let reply = client.request("subscriptions/listen", json!({ "notifications": filter })).await;
        reply.assert_error(INVALID_PARAMS, 200);
    }
    client.request("subscriptions/listen", json!({})).await.assert_error(INVALID_PARAMS, 200);
    // What came with it would be kept for as long as it lasts.
    let large = json!({ "notifications": {}, "_meta": { "vendor": "x".repeat(64 << 10) } });
    client.request("subscriptions/listen", large).await.assert_error(INVALID_PARAMS, 200);
    Ok(())
}

/// Everybody is Ada, for a moment.
struct Brief;

impl Authenticate for Brief {
    async fn authenticate(&self, _: &axum::http::request::Parts) -> Result<Verified, Denied> {
        let ada = Verified::from(Principal::user("test", "ada"));
        Ok(ada.until(Instant::now() + Duration::from_millis(500)))
    }
}

pub(crate) async fn a_subscription_ends_well_when_the_proof_of_its_caller_does(h: Harness) -> Shown {
    h.only_http()?;
    h.only_stateless()?;
    let (site, _) = h.fixture_with(|server| server.authenticate(Brief)).await;
    let client = site.client().await;
    let (told, _) = Told::of(&client, json!(7), json!({})).await;
    assert_eq!(told.assert_ended_well().await, "the proof of who asks has expired");
    Ok(())
}

pub(crate) async fn a_subscription_ends_well_when_the_input_does(h: Harness) -> Shown {
    h.only_stateless()?;
    h.only_lines()?;
    let (client, _) = h.client().await;
    let (told, _) = Told::of(&client, json!("a"), json!({})).await;
    let started = Instant::now();
    client.lines().end_input();
    assert_eq!(told.assert_ended_well().await, "the connection is ending");
    client.lines().ended().await;
    assert!(started.elapsed() < Duration::from_secs(2), "it waited for what never ends by itself");
    Ok(())
}

pub(crate) async fn a_cancelled_subscription_is_told_nothing_more(h: Harness) -> Shown {
    h.only_stateless()?;
    h.only_lines()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    let (told, _) = Told::of(&client, json!(7), json!({ "toolsListChanged": true })).await;
    let (mut other, _) = Told::of(&client, json!(8), json!({ "toolsListChanged": true })).await;
    told.cancel(&client).await;
    site.service().components().add_tool(tool("later")).unwrap();
    other.assert_list_changed("tools").await;
    let said = client.request("tools/list", json!({})).await.said;
    assert_eq!(said, [] as [Value; 0], "of all that came, nothing is left");
    assert_eq!(client.lines().came(|line| line["id"] == 7).len(), 0);
    Ok(())
}
