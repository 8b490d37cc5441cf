//! Sessions: those of handshakes, and those that handlers open for a model to come back to.

use std::time::Duration;

use kv_core::{AnyStore, Scan, Store};
use kv_memory::MemoryStore;
use larder_tests::faults::{Faulty, SECRET};
use larder_tests::node::{Caller, Node};
use larder_tests::shared::Shared;
use mcp_server::protocol::{Json, Revision};
use mcp_server::{Context, Principal, Server, SessionId, StateError, TestClient, Tool};
use serde_json::{Value, json};

use crate::called;

fn schema() -> Value {
    json!({ "type": "object" })
}

fn text(arguments: &Json, name: &str) -> String {
    arguments.to::<Value>().unwrap_or_default()[name].as_str().unwrap_or_default().to_owned()
}

/// The session that a call names.
async fn session(ctx: &Context, arguments: &Json) -> Result<mcp_server::Session, StateError> {
    let id: SessionId = serde_json::from_value(json!(text(arguments, "session"))).expect("visible ASCII");
    ctx.session(&id).await
}

/// A server whose tools open, fill, read, clear and end sessions.
fn server(store: impl Store) -> Server {
    Server::new("scenarios")
        .storage(store)
        .tool(Tool::new("open", schema(), |ctx: Context, _| async move {
            Ok::<_, StateError>(ctx.open_session().await?.id().as_str().to_owned())
        }))
        .tool(Tool::new("set", schema(), |ctx: Context, arguments: Json| async move {
            let name = text(&arguments, "name");
            session(&ctx, &arguments).await?.set(&name, &1).await?;
            Ok::<_, StateError>("set")
        }))
        .tool(Tool::new("get", schema(), |ctx: Context, arguments: Json| async move {
            let value: Option<Value> =
                session(&ctx, &arguments).await?.get(&text(&arguments, "name")).await?;
            Ok::<_, StateError>(format!("{value:?}"))
        }))
        .tool(Tool::new("clear", schema(), |ctx: Context, arguments: Json| async move {
            session(&ctx, &arguments).await?.clear().await?;
            Ok::<_, StateError>("clear")
        }))
        .tool(Tool::new("end", schema(), |ctx: Context, arguments: Json| async move {
            session(&ctx, &arguments).await?.end().await?;
            Ok::<_, StateError>("ended")
        }))
        .tool(Tool::new("remember", schema(), |ctx: Context, arguments: Json| async move {
            ctx.user_session()?.set(&text(&arguments, "name"), &1).await?;
            Ok::<_, StateError>("remembered")
        }))
        .tool(Tool::new("recall", schema(), |ctx: Context, arguments: Json| async move {
            let value: Option<Value> = ctx.user_session()?.get(&text(&arguments, "name")).await?;
            Ok::<_, StateError>(format!("{value:?}"))
        }))
        .tool(Tool::new("keep", schema(), |ctx: Context, _| async move {
            ctx.state().set("a", &1).await?;
            Ok::<_, StateError>("kept")
        }))
        .tool(Tool::new("echo", schema(), |_: Context, arguments: Json| async move {
            arguments.as_str().to_owned()
        }))
}

fn client_of(principal: Principal, store: &MemoryStore) -> TestClient {
    server(store.clone()).test_client().unwrap().principal(principal)
}

fn ada() -> Principal {
    Principal::user("test", "ada")
}

#[tokio::test]
async fn scenario_46_without_rules_lists_and_tools_work_while_the_state_store_is_down() {
    let (store, switches) = Faulty::new(MemoryStore::new());
    let client = server(store).test_client().unwrap().principal(ada());
    switches.fail_reads(true);
    switches.fail_writes(true);
    assert!(!client.request("tools/list", json!({})).await.unwrap()["tools"].as_array().unwrap().is_empty());
    assert_eq!(called(&client, "echo", json!({ "a": 1 })).await, r#"{"a":1}"#);
}

#[tokio::test]
async fn scenario_47_a_store_that_fails_shows_a_client_none_of_its_words() {
    for revision in Revision::ALL {
        let (store, switches) = Faulty::new(MemoryStore::new());
        let client = server(store).test_client().unwrap().principal(ada()).revision(revision);
        called(&client, "keep", json!({})).await;
        let id = called(&client, "open", json!({})).await;
        switches.fail_reads(true);
        switches.fail_writes(true);
        for (tool, arguments) in [("keep", json!({})), ("get", json!({ "session": id, "name": "a" }))] {
            let failed = client.call_tool(tool, arguments).await.unwrap();
            assert_eq!(failed["isError"], true, "{revision:?} {tool}");
            assert!(!failed.to_string().contains(SECRET), "{revision:?}: {failed}");
        }
    }
    let (store, switches) = Faulty::new(Shared::new(AnyStore::new(MemoryStore::new())));
    let node = Node::serve(server(store)).await;
    let caller = Caller::begin(&node, "2025-11-25").await;
    switches.fail_reads(true);
    let answer = caller.send(&node, &caller.call("echo", &json!({}))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(!answer.body.contains(SECRET), "{answer:?}");
}

#[tokio::test]
async fn scenario_48_a_call_asks_no_store_for_rules_that_nobody_uses() {
    let store = Shared::new(AnyStore::new(MemoryStore::new()));
    let node = Node::serve(server(store.clone())).await;
    let stateless = server(store.clone()).test_client().unwrap().principal(ada());
    stateless.call_tool("echo", json!({})).await.unwrap();
    stateless.request("tools/list", json!({})).await.unwrap();
    assert_eq!(store.trips(), [""; 0], "on 2026-07-28");
    let caller = Caller::begin(&node, "2025-11-25").await;
    caller.text(&node, "echo", json!({})).await;
    store.trips();
    caller.text(&node, "echo", json!({})).await;
    assert_eq!(store.trips(), ["get sessions"]);
}

#[tokio::test]
async fn scenario_53_anothers_an_unknown_and_an_ended_session_are_one_and_the_same_to_a_client() {
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let store = MemoryStore::new();
        let ada = client_of(ada(), &store).revision(revision);
        let bob = client_of(Principal::user("test", "bob"), &store).revision(revision);
        let (open, ended) = (called(&ada, "open", json!({})).await, called(&ada, "open", json!({})).await);
        assert_eq!(called(&ada, "end", json!({ "session": ended })).await, "ended");
        let mut said = Vec::new();
        for (client, id) in [(&bob, &*open), (&ada, "f00d"), (&ada, &*ended)] {
            for tool in ["get", "set", "clear", "end"] {
                let failed = client.call_tool(tool, json!({ "session": id, "name": "a" })).await.unwrap();
                assert_eq!(failed["isError"], true, "{tool}");
                said.push(failed["content"][0]["text"].clone());
            }
        }
        said.dedup();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(called(&ada, "get", json!({ "session": open, "name": "a" })).await, "None");
    }
    let node = Node::serve(server(MemoryStore::new())).await;
    let (mut caller, ended) =
        (Caller::begin(&node, "2025-11-25").await, Caller::begin(&node, "2025-11-25").await);
    assert_eq!(ended.end(&node).await.status, 204);
    let gone = ended.send(&node, &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    caller.session = "f00d".to_owned();
    let unknown = caller.send(&node, &json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" })).await;
    assert_eq!((gone.status, &gone.body), (404, &unknown.body));
}

#[tokio::test]
async fn scenario_54_a_cleared_session_is_empty_and_an_ended_one_is_none() {
    let client = client_of(ada(), &MemoryStore::new());
    let id = called(&client, "open", json!({})).await;
    let at = json!({ "session": id, "name": "a" });
    called(&client, "set", at.clone()).await;
    assert_eq!(called(&client, "get", at.clone()).await, "Some(Number(1))");
    called(&client, "clear", at.clone()).await;
    assert_eq!(called(&client, "get", at.clone()).await, "None");
    called(&client, "set", at.clone()).await;
    called(&client, "end", at.clone()).await;
    assert_eq!(client.call_tool("get", at).await.unwrap()["isError"], true);
}

#[tokio::test]
async fn scenario_55_of_two_writes_at_once_both_hold() {
    let store = MemoryStore::new();
    let client = client_of(ada(), &store);
    let id = called(&client, "open", json!({})).await;
    let names: Vec<String> = (0..32).map(|number| format!("n{number}")).collect();
    let writes = names.iter().flat_map(|name| {
        [
            client.call_tool("set", json!({ "session": id, "name": name })),
            client.call_tool("remember", json!({ "name": name })),
        ]
    });
    for written in futures(writes.collect()).await {
        assert_ne!(written["isError"], true, "{written}");
    }
    for name in &names {
        let at = json!({ "session": id, "name": name });
        assert_eq!(called(&client, "get", at).await, "Some(Number(1))", "{name}");
        assert_eq!(called(&client, "recall", json!({ "name": name })).await, "Some(Number(1))", "{name}");
    }
}

/// All of them at once.
async fn futures<F>(all: Vec<F>) -> Vec<Value>
where
    F: Future<Output = Result<Value, mcp_server::TestError>>,
{
    let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        all.retain_mut(|running| match running.as_mut().poll(cx) {
            std::task::Poll::Ready(answer) => {
                done.push(answer.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn scenario_56_no_key_shows_a_principal_and_none_forges_anothers() {
    let store = MemoryStore::new();
    let mut recalled = Vec::new();
    for (issuer, subject) in [("iss/a", "b.c"), ("iss", "a/b.c"), ("iss/a.b", "c")] {
        let client = client_of(Principal::user(issuer, subject), &store);
        recalled.push(called(&client, "recall", json!({ "name": "a" })).await);
        called(&client, "remember", json!({ "name": "a" })).await;
        let id = called(&client, "open", json!({})).await;
        called(&client, "set", json!({ "session": id, "name": "a" })).await;
    }
    assert_eq!(recalled, ["None"; 3]);
    let page = store.scan(Scan::under("").limit(1_000), None).await.unwrap();
    assert_eq!(page.items.len(), 6);
    for item in page.items {
        assert!(item.id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}", item.id);
        assert!(!item.collection.contains("iss"), "{}", item.collection);
    }
}

#[tokio::test]
async fn scenario_57_nothing_is_kept_for_ever() {
    let store = MemoryStore::new();
    let client = client_of(ada(), &store).revision(Revision::V2025_11_25);
    called(&client, "keep", json!({})).await;
    called(&client, "open", json!({})).await;
    called(&client, "remember", json!({ "name": "a" })).await;
    let page = store.scan(Scan::under("").limit(1_000).values(), None).await.unwrap();
    let mut kept: Vec<(String, u64)> = page
        .items
        .into_iter()
        .map(|item| {
            (String::from(item.collection), item.entry.unwrap().ttl.expect("an end").as_secs().div_ceil(60))
        })
        .collect();
    kept.sort();
    let of = |name: &str, life: Duration| (format!("scenarios/{name}"), life.as_secs() / 60);
    let (day, half_an_hour) = (Duration::from_secs(24 * 3600), Duration::from_secs(1800));
    let expected =
        [of("opened", day), of("sessions", half_an_hour), of("state", half_an_hour), of("state", day * 30)];
    assert_eq!(kept, expected);
}
