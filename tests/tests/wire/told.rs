//! What handshake sessions are told: `resources/subscribe`, changed lists, and the `GET` stream (2025-11-25,
//! server/resources, "Subscriptions"; basic/transports, "Listening for Messages from the Server").

use std::time::{Duration, Instant};

use larder_tests::http::HttpRequest;
use mcp_server::protocol::{Json, ToolResult};
use mcp_server::{
    Authenticate, Context, Denied, Dynamic, Principal, Refusal, Request, Resource, Server, Tool, Verified,
};
use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::harness::{Harness, NotShown, Shown, Site, Transport, only};
use crate::unasked::{Told, get, refused};

const INVALID_PARAMS: i64 = -32_602;
const RESOURCE_NOT_FOUND: i64 = -32_002;

fn tool(name: &str) -> Tool {
    let any = json!({ "type": "object" });
    Tool::new(name, any, |_: Context, _: Json| async { ToolResult::text("here") })
}

fn only_sessions_on_http(h: Harness) -> Result<(), NotShown> {
    h.only_http()?;
    h.only_handshake()
}

async fn dynamic(h: Harness) -> Site {
    h.fixture_with(|server| server.dynamic(Dynamic::ALL)).await.0
}

async fn subscribe(client: &Client, uri: &str) {
    assert_eq!(client.result("resources/subscribe", json!({ "uri": uri })).await, json!({}));
}

async fn unsubscribe(client: &Client, uri: &str) {
    assert_eq!(client.result("resources/unsubscribe", json!({ "uri": uri })).await, json!({}));
}

pub(crate) async fn a_session_is_told_of_the_resources_that_it_subscribed_to(h: Harness) -> Shown {
    h.only_handshake()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    subscribe(&client, "note://text").await;
    let mut told = Told::in_session(&site, &client).await;
    subscribe(&client, "item://7").await;
    for uri in ["note://blob", "note://text", "item://7", "item://8"] {
        site.service().resource_updated(uri);
    }
    told.assert_updated("item://7").await;
    told.assert_updated("note://text").await;
    unsubscribe(&client, "item://7").await;
    unsubscribe(&client, "note://never").await;
    site.service().resource_updated("item://7");
    site.service().resource_updated("note://text");
    told.assert_updated("note://text").await;
    let other = site.client().await;
    let mut others = Told::in_session(&site, &other).await;
    site.service().resource_updated("note://text");
    site.service().components().add_tool(tool("later")).unwrap();
    others.assert_list_changed("tools").await;
    Ok(())
}

pub(crate) async fn a_list_that_changes_is_told_to_each_session_and_shown_by_the_next_list(
    h: Harness,
) -> Shown {
    h.only_handshake()?;
    let site = dynamic(h).await;
    let clients = [site.client().await, site.client().await];
    let mut streams = Vec::new();
    for client in &clients {
        streams.push(Told::in_session(&site, client).await);
    }
    let components = site.service().components();
    components.add_tool(tool("later")).unwrap();
    for told in &mut streams {
        told.assert_list_changed("tools").await;
    }
    let listed =
        |result: &Value| result["tools"].as_array().unwrap().iter().any(|tool| tool["name"] == "later");
    assert!(listed(&clients[0].result("tools/list", json!({})).await));
    assert_eq!(text(&clients[0].call("later", json!({})).await), "here");
    components.remove_tool("later").unwrap();
    let later = Resource::new("note://later", |_: Context, _| async { "a note" });
    components.add_resource(later).unwrap();
    for told in &mut streams {
        told.assert_list_changed("tools").await;
        told.assert_list_changed("resources").await;
    }
    assert!(!listed(&clients[0].result("tools/list", json!({})).await));
    let gone = clients[0].request("tools/call", json!({ "name": "later", "arguments": {} })).await;
    gone.assert_error(INVALID_PARAMS, 200);
    Ok(())
}

pub(crate) async fn an_unknown_and_a_hidden_resource_look_the_same_to_who_subscribes(h: Harness) -> Shown {
    h.only_handshake()?;
    let hidden = Resource::new("note://hidden", |_: Context, _| async { "a note" })
        .check(|_: &Request| async { Err(Refusal::new("not for you")) });
    let (site, _) = h.fixture_with(|server| server.resource(hidden)).await;
    let client = site.client().await;
    let mut messages = Vec::new();
    for uri in ["note://hidden", "note://absent"] {
        let reply = client.request("resources/subscribe", json!({ "uri": uri })).await;
        reply.assert_error(RESOURCE_NOT_FOUND, 200);
        messages.push(reply.message["error"].to_string().replace(uri, "URI"));
    }
    assert_eq!(messages[0], messages[1]);
    client.request("resources/subscribe", json!({})).await.assert_error(INVALID_PARAMS, 200);
    client.request("resources/unsubscribe", json!({ "uri": 7 })).await.assert_error(INVALID_PARAMS, 200);
    Ok(())
}

pub(crate) async fn what_is_told_stands_on_no_stream_of_a_request(h: Harness) -> Shown {
    only_sessions_on_http(h)?;
    let (site, effects) = h.fixture_with(|server| server.dynamic(Dynamic::ALL)).await;
    let client = site.client().await;
    let mut told = Told::in_session(&site, &client).await;
    let mut request = client.begin_call("hold_speaking", json!({ "key": "k" })).await.http().head().await;
    assert!(request.message().await.unwrap().data.unwrap().contains("before k"));
    site.service().components().add_tool(tool("later")).unwrap();
    told.assert_list_changed("tools").await;
    effects.open("k");
    assert!(request.message().await.unwrap().data.unwrap().contains("after k"));
    assert!(request.message().await.unwrap().data.unwrap().contains("held k"));
    assert_eq!(request.message().await, None);
    site.service().components().remove_tool("later").unwrap();
    told.assert_list_changed("tools").await; // and no answer before it
    Ok(())
}

pub(crate) async fn nothing_is_told_before_the_client_is_initialized(h: Harness) -> Shown {
    h.only_handshake()?;
    only(h.transport != Transport::Memory, "the client in memory shakes hands by itself")?;
    let site = dynamic(h).await;
    let mut client = site.stranger(json!({}), None);
    let hello = client.initialize(h.revision.as_str()).await;
    client.session = hello.http.and_then(|http| http.header("mcp-session-id").map(str::to_owned));
    let early = if h.is_http() { Some(Told::in_session(&site, &client).await) } else { None };
    site.service().components().add_tool(tool("later")).unwrap();
    let early_words = client.request("tools/list", json!({})).await.said;
    assert_eq!(early_words, [] as [Value; 0]);
    client.notify("notifications/initialized", json!({})).await;
    let mut told = match early {
        Some(early) => early,
        None => Told::in_session(&site, &client).await,
    };
    if !h.is_http() {
        site.service().components().remove_tool("later").unwrap();
    }
    told.assert_list_changed("tools").await;
    Ok(())
}

pub(crate) async fn the_newest_stream_of_a_session_wins(h: Harness) -> Shown {
    only_sessions_on_http(h)?;
    let site = dynamic(h).await;
    let client = site.client().await;
    subscribe(&client, "note://text").await;
    let mut older = Told::in_session(&site, &client).await;
    let mut newer = Told::in_session(&site, &client).await;
    assert_eq!(older.next().await, None);
    site.service().resource_updated("note://text");
    newer.assert_updated("note://text").await;
    Ok(())
}

pub(crate) async fn a_stream_belongs_to_a_session(h: Harness) -> Shown {
    only_sessions_on_http(h)?;
    let site = dynamic(h).await;
    let mut client = site.client().await;
    let events = || HttpRequest::new("GET", "").header("accept", "text/event-stream");
    let json_alone = events().header("accept", "application/json");
    assert_eq!(refused(&client, json_alone).await.status, Some(406));
    let unserved = client.sign(events()).header("mcp-protocol-version", "1900-01-01");
    let unserved = client.fetch(unserved).await;
    assert_eq!((unserved.status, unserved.code()), (Some(400), -32_022));
    client.session = Some("unknown".into());
    assert_eq!(refused(&client, events()).await.status, Some(404));
    client.session = None;
    assert_eq!(refused(&client, events()).await.status, Some(400));
    let silent = h.serve(Server::new("silent").tool(tool("alone"))).await;
    let client = silent.client().await;
    let nothing_to_tell = refused(&client, events()).await;
    assert_eq!(nothing_to_tell.status, Some(405));
    assert_eq!(nothing_to_tell.http.unwrap().header("allow"), Some("POST, DELETE"));
    Ok(())
}

pub(crate) async fn on_2026_07_28_there_is_no_stream_to_get(h: Harness) -> Shown {
    h.only_http()?;
    h.only_stateless()?;
    let site = dynamic(h).await;
    let client = site.client().await;
    let stream = get(&site, &client).await;
    assert_eq!((stream.status, stream.header("allow")), (405, Some("POST")));
    let deleted = refused(&client, HttpRequest::new("DELETE", "")).await;
    assert_eq!((deleted.status, deleted.http.unwrap().header("allow")), (Some(405), Some("POST")));
    Ok(())
}

pub(crate) async fn a_stream_ends_with_its_session_and_another_session_has_its_own(h: Harness) -> Shown {
    only_sessions_on_http(h)?;
    let site = dynamic(h).await;
    let (client, other) = (site.client().await, site.client().await);
    let (mut told, mut others) =
        (Told::in_session(&site, &client).await, Told::in_session(&site, &other).await);
    assert_eq!(client.fetch(client.sign(HttpRequest::new("DELETE", ""))).await.status, Some(204));
    assert_eq!(told.next().await, None);
    site.service().components().add_tool(tool("later")).unwrap();
    others.assert_list_changed("tools").await;
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

pub(crate) async fn the_stream_of_a_session_ends_in_silence_when_the_proof_of_its_caller_does(
    h: Harness,
) -> Shown {
    only_sessions_on_http(h)?;
    let (site, _) = h.fixture_with(|server| server.authenticate(Brief)).await;
    let client = site.client().await;
    let mut told = Told::in_session(&site, &client).await;
    assert_eq!(told.next().await, None);
    client.result("tools/list", json!({})).await; // the session goes on
    Ok(())
}

pub(crate) async fn an_open_stream_keeps_its_session(h: Harness) -> Shown {
    only_sessions_on_http(h)?;
    let idle = Duration::from_secs(3);
    let (site, _) = h.fixture_with(|server| server.session_idle_timeout(idle)).await;
    let (client, without) = (site.client().await, site.client().await);
    let _told = Told::in_session(&site, &client).await;
    tokio::time::sleep(idle + idle / 2).await;
    client.result("tools/list", json!({})).await;
    assert_eq!(without.request("tools/list", json!({})).await.status, Some(404));
    Ok(())
}
