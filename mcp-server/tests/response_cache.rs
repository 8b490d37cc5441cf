//! The response cache, seen from a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kv_core::StoreExt as _;
use kv_memory::MemoryStore;
use mcp_server::protocol::{Json, ToolResult};
use mcp_server::{
    CachePolicy, Cached, Capability, Context, Principal, ResponseCache, Server, TestClient, Tool,
};
use serde_json::json;

const MINUTE: Duration = Duration::from_secs(60);

struct Counted {
    client: TestClient,
    runs: Arc<AtomicUsize>,
}

/// A server with one tool that counts its runs, and takes a moment for each.
fn counted(cache: ResponseCache, policy: Option<CachePolicy>) -> Counted {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let mut tool = Tool::new("count", json!({ "type": "object" }), move |_: Context, _: Json| {
        let run = count.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            ToolResult::text(format!("run {run}"))
        }
    });
    if let Some(policy) = policy {
        tool = tool.cache(policy);
    }
    let client = Server::new("counted").tool(tool).with(cache).test_client().expect("the server is complete");
    Counted { client, runs }
}

#[tokio::test]
async fn nothing_is_cached_unless_declared() {
    let counted = counted(ResponseCache::new(), None);
    for _ in 0..2 {
        counted.client.call_tool("count", json!({})).await.unwrap();
    }
    assert_eq!(counted.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_hit_is_the_same_as_the_miss_before_it() {
    let counted = counted(ResponseCache::new(), Some(CachePolicy::private(MINUTE)));
    let first = counted.client.call_tool("count", json!({ "a": 1, "b": { "c": 2, "d": 3 } })).await.unwrap();
    let second = counted.client.call_tool("count", json!({ "b": { "d": 3, "c": 2 }, "a": 1 })).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(counted.runs.load(Ordering::SeqCst), 1);
    counted.client.call_tool("count", json!({ "a": 2 })).await.unwrap();
    assert_eq!(counted.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn who_asks_for_the_same_at_once_shares_one_run() {
    let counted = counted(ResponseCache::new(), Some(CachePolicy::private(MINUTE)));
    let clients: Vec<TestClient> = (0..8).map(|_| counted.client.another()).collect();
    let calls = clients.iter().map(|client| client.call_tool("count", json!({})));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap()["content"][0]["text"], "run 0");
    }
    assert_eq!(counted.runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn exclusion_goes_before_inclusion_and_statistics_tell() {
    let policy = CachePolicy::private(MINUTE);
    let cache = ResponseCache::new()
        .declare(Cached::Tools, "count", policy)
        .only(Cached::Tools, ["count"])
        .never(Cached::Tools, ["count"]);
    let excluded = counted(cache, None);
    for _ in 0..2 {
        excluded.client.call_tool("count", json!({})).await.unwrap();
    }
    assert_eq!(excluded.runs.load(Ordering::SeqCst), 2);

    let cache = ResponseCache::new()
        .declare(Cached::Tools, "count", policy)
        .only(Cached::Tools, Vec::<String>::new());
    let statistics = cache.statistics();
    assert_eq!(statistics.read().tools.hits, 0);
    let included = counted(cache, None);
    for _ in 0..3 {
        included.client.call_tool("count", json!({})).await.unwrap();
    }
    assert_eq!(included.runs.load(Ordering::SeqCst), 1);
    assert_eq!((statistics.read().tools.hits, statistics.read().tools.misses), (2, 1));
}

#[tokio::test]
async fn what_is_declared_public_in_the_cache_alone_cannot_depend_on_who_asks_either() {
    let tool = Tool::new("who", json!({ "type": "object" }), |context: Context, _: Json| async move {
        let attached = context.extensions().len();
        let subject = context.principal().map(|principal| principal.subject().unwrap_or_default().to_owned());
        subject.map(|subject| format!("{subject}, {attached} attached"))
    });
    let cache = ResponseCache::new().declare(Cached::Tools, "who", CachePolicy::public(MINUTE));
    let client = Server::new("s").tool(tool).with(cache).test_client().unwrap();
    for subject in ["alice", "bob"] {
        let client = client.another().principal(Principal::user("test", subject));
        let answer = client.call_tool("who", json!({})).await.unwrap();
        assert_eq!(answer["isError"], true, "{answer}");
        assert!(!answer.to_string().contains("alice"), "{answer}");
    }
}

#[tokio::test]
async fn arguments_that_a_parser_would_round_are_not_taken_for_each_other() {
    let counted = counted(ResponseCache::new(), Some(CachePolicy::private(MINUTE)));
    for last in ["2", "3"] {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":{last},"method":"tools/call","params":{{"name":"count","arguments":{{"n":3689348814741910323{last}}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
        );
        counted.client.raw(call.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(counted.runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_lifetime_of_zero_is_refused_when_the_server_is_built() {
    let cache = ResponseCache::new().declare(Cached::Tools, "count", CachePolicy::private(Duration::ZERO));
    let error = Server::new("s").with(cache).test_client().unwrap_err();
    assert!(error.to_string().contains("more than zero"), "{error}");
}

#[tokio::test]
async fn nothing_of_a_request_stands_in_clear_among_the_names() {
    let store = MemoryStore::new();
    let tool = Tool::new("secretive", json!({ "type": "object" }), |_: Context, _: Json| async { "done" })
        .cache(CachePolicy::private(MINUTE));
    let client =
        Server::new("s").storage(store.clone()).tool(tool).with(ResponseCache::new()).test_client().unwrap();
    client.call_tool("secretive", json!({ "token": "hunter2" })).await.unwrap();
    let names: Vec<String> = {
        let mut scan = store.scan_all(kv_core::Scan::under(""));
        let mut names = Vec::new();
        while let Some(item) = scan.next().await.unwrap() {
            names.push(format!("{}/{}", item.collection, item.id));
        }
        names
    };
    assert!(names.iter().any(|name| name.contains("cache/tools")), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("hunter2") && !name.contains("secretive")), "{names:?}");
}

#[tokio::test]
async fn a_name_that_no_component_has_is_refused_when_the_server_is_built() {
    let policy = CachePolicy::private(MINUTE);
    for cache in [
        ResponseCache::new().never(Cached::Tools, ["cuont"]), // misspelt
        ResponseCache::new().only(Cached::Prompts, ["count"]),
        ResponseCache::new().declare(Cached::Resources, "count://", policy),
    ] {
        let error = Server::new("s").with(cache).test_client().unwrap_err();
        assert!(error.to_string().contains("none of this server's"), "{error}");
    }
}

const VIEW: &str = "com.example/view";

#[tokio::test]
async fn who_lacks_what_a_tool_needs_is_refused_whatever_is_cached() {
    let tool = Tool::new("view", json!({ "type": "object" }), |_: Context, _: Json| async { "seen" });
    let tool = tool.requires(Capability::Extension(VIEW)).cache(CachePolicy::public(MINUTE));
    let cache = ResponseCache::new();
    let statistics = cache.statistics();
    let client = Server::new("s").tool(tool).with(cache).test_client().unwrap();
    let able = client.another().capabilities(json!({ "extensions": { VIEW: {} } }));
    for _ in 0..2 {
        let refused = client.another().call_tool("view", json!({})).await.unwrap_err();
        assert_eq!(refused.code, -32_021, "{refused}");
        able.call_tool("view", json!({})).await.unwrap();
    }
    assert_eq!((statistics.read().tools.hits, statistics.read().tools.misses), (1, 1));
}

#[tokio::test]
async fn what_a_client_can_do_tells_its_own_cached_answers_apart_and_public_ones_do_not_depend_on_it() {
    for (policy, with_extension) in
        [(CachePolicy::private(MINUTE), "a view"), (CachePolicy::public(MINUTE), "plain text")]
    {
        let tool = Tool::new("view", json!({ "type": "object" }), |ctx: Context, _: Json| async move {
            if ctx.client_extension(VIEW).is_some() { "a view" } else { "plain text" }
        });
        let client =
            Server::new("s").tool(tool.cache(policy)).with(ResponseCache::new()).test_client().unwrap();
        let able = client.another().capabilities(json!({ "extensions": { VIEW: {} } }));
        for _ in 0..2 {
            for (client, expected) in [(&able, with_extension), (&client, "plain text")] {
                let answer = client.call_tool("view", json!({})).await.unwrap();
                assert_eq!(answer["content"][0]["text"], expected);
            }
        }
    }
}
