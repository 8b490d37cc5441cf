//! HTTP, request by request: who comes in, what is shared, what ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use mcp_server::protocol::Json;
use mcp_server::{
    Authenticate, CachePolicy, Context, Denied, Principal, Resource, ResponseCache, Server, StaticTokens,
    Tool, Verified, tool,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tower::ServiceExt as _;

const MINUTE: Duration = Duration::from_secs(60);

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        let data = self.body.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or(&self.body);
        serde_json::from_str(data).unwrap_or_default()
    }
}

async fn post(router: &Router, headers: &[(&str, &str)], body: Value) -> Reply {
    let mut request =
        Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Reply { status: parts.status, headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
}

/// A session of `version` with nobody in particular; its id.
async fn session(router: &Router, version: &str) -> String {
    let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "c", "version": "1" } });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let reply = post(router, &[], body).await;
    reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
}

fn call(id: u64, name: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name } })
}

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

async fn modern(router: &Router, method: &str, name: &str, mut params: Value) -> Reply {
    params["_meta"] = meta();
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", method), ("mcp-name", name)];
    post(router, &headers, json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await
}

/// What the session's state holds, written there by its first call.
fn whose() -> Tool {
    let callers = Arc::new(AtomicUsize::new(0));
    let tool = Tool::new("whose", json!({ "type": "object" }), move |context: Context, _: Json| {
        let caller = callers.fetch_add(1, Ordering::SeqCst);
        async move {
            let state = context.state();
            let known = state.get::<String>("secret").await?;
            let secret = known.unwrap_or_else(|| format!("secret of caller {caller}"));
            state.set("secret", &secret).await.map(|()| secret)
        }
    });
    tool.cache(CachePolicy::private(MINUTE))
}

#[tokio::test]
async fn what_a_session_of_nobody_in_particular_keeps_reaches_no_other_session_through_the_cache() {
    let router = Server::new("s").tool(whose()).with(ResponseCache::new()).into_router().unwrap();
    let mut told = Vec::new();
    for _ in 0..2 {
        let session = session(&router, "2025-11-25").await;
        for _ in 0..2 {
            let reply = post(&router, &[("mcp-session-id", &session)], call(1, "whose")).await.json();
            told.push(reply["result"]["content"][0]["text"].clone());
        }
    }
    assert_eq!((&told[0], &told[2]), (&told[1], &told[3]), "each session has its own: {told:?}");
    assert_ne!(told[0], told[2]);
}

#[tokio::test]
async fn nothing_private_is_cached_for_callers_without_name_and_session() {
    let calls = Arc::new(AtomicUsize::new(0));
    let router = counting(&calls);
    for (name, expected) in [("private", ["call 0", "call 1"]), ("public", ["call 2", "call 2"])] {
        for text in expected {
            let reply = modern(&router, "tools/call", name, json!({ "name": name })).await.json();
            assert_eq!(reply["result"]["content"][0]["text"], text, "{name}");
        }
    }
}

#[tokio::test]
async fn callers_without_name_and_session_join_no_private_run_of_each_other() {
    let (both, calls) = (Arc::new(tokio::sync::Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&calls);
    let tool = Tool::new("met", json!({ "type": "object" }), move |_: Context, _: Json| {
        let (both, call) = (Arc::clone(&both), counter.fetch_add(1, Ordering::SeqCst));
        async move {
            both.wait().await; // ends only if both callers run it
            format!("call {call}")
        }
    });
    let server = Server::new("s").tool(tool.cache(CachePolicy::private(MINUTE))).with(ResponseCache::new());
    let router = server.into_router().unwrap();
    let call = || modern(&router, "tools/call", "met", json!({ "name": "met" }));
    let (one, other) = tokio::time::timeout(MINUTE, async { tokio::join!(call(), call()) }).await.unwrap();
    assert_ne!(one.json()["result"]["content"], other.json()["result"]["content"]);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

/// A server with a response cache and two tools that count all calls, `private` and `public`.
fn counting(calls: &Arc<AtomicUsize>) -> Router {
    let tool = |name: &str, policy| {
        let calls = Arc::clone(calls);
        let tool = Tool::new(name, json!({ "type": "object" }), move |_: Context, _: Json| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move { format!("call {call}") }
        });
        tool.cache(policy)
    };
    let server = Server::new("s").tool(tool("private", CachePolicy::private(MINUTE)));
    let server = server.tool(tool("public", CachePolicy::public(MINUTE))).with(ResponseCache::new());
    server.into_router().unwrap()
}

#[tokio::test]
async fn a_resource_with_a_check_is_never_told_to_be_everybodys() {
    let read = |uri: &str| Resource::new(uri, |_, _| async { "x" }).cache(CachePolicy::public(MINUTE));
    let checked = read("r://checked").check(|_| async { Ok(()) });
    let router = Server::new("s").resource(read("r://open")).resource(checked).into_router().unwrap();
    for (uri, scope) in [("r://open", "public"), ("r://checked", "private")] {
        let reply = modern(&router, "resources/read", uri, json!({ "uri": uri })).await;
        assert_eq!(reply.json()["result"]["cacheScope"], scope, "{}", reply.body);
    }
}

#[tokio::test]
async fn who_asks_is_out_of_reach_of_a_public_component_in_its_headers_too() {
    let told = |name: &str| {
        Tool::new(name, json!({ "type": "object" }), |context: Context, _: Json| async move {
            let headers = context.extensions().get::<HeaderMap>();
            headers.map_or("no headers", |_| "headers")
        })
    };
    let public = told("public").cache(CachePolicy::public(MINUTE));
    let router = Server::new("s").tool(public).tool(told("private")).into_router().unwrap();
    for (name, expected) in [("public", "no headers"), ("private", "headers")] {
        let reply = modern(&router, "tools/call", name, json!({ "name": name })).await;
        assert_eq!(reply.json()["result"]["content"][0]["text"], expected);
    }
}

#[tokio::test]
async fn a_batch_holds_no_request_of_2026_07_28() {
    #[tool]
    async fn fine() -> &'static str {
        "fine"
    }
    let router = Server::new("s").tool(fine).into_router().unwrap();
    let session = session(&router, "2025-03-26").await;
    let mut modern = call(1, "fine");
    modern["params"]["_meta"] = meta();
    let reply = post(&router, &[("mcp-session-id", &session)], json!([modern, call(2, "fine")])).await.json();
    assert_eq!(reply[0]["error"]["code"], -32600, "{reply}");
    assert_eq!(reply[1]["result"]["content"][0]["text"], "fine");
}

/// Tells when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Never answers; tells that it runs, and when it was dropped.
fn endless(running: &Arc<tokio::sync::Notify>, dropped: &Arc<AtomicBool>) -> Tool {
    let (running, dropped) = (Arc::clone(running), Arc::clone(dropped));
    Tool::new("endless", json!({ "type": "object" }), move |_: Context, _: Json| {
        let (running, dropped) = (Arc::clone(&running), Dropped(Arc::clone(&dropped)));
        async move {
            running.notify_one();
            std::future::pending::<()>().await;
            drop(dropped);
            ""
        }
    })
}

#[tokio::test]
async fn what_came_in_by_one_endpoint_of_a_service_is_cancelled_by_another() {
    let (running, dropped) = (Arc::new(tokio::sync::Notify::new()), Arc::default());
    let service = Server::new("s").tool(endless(&running, &dropped)).build().unwrap();
    let (one, other) = (service.router(), service.router());
    let session = session(&one, "2025-11-25").await;
    let headers = [("mcp-session-id", session.as_str())];
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    let cancel = async {
        running.notified().await;
        tokio::task::yield_now().await;
        post(&other, &headers, cancelled).await
    };
    let (reply, _) = tokio::join!(post(&one, &headers, call(7, "endless")), cancel);
    assert_eq!(reply.body, "");
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn who_uses_an_id_twice_cancels_both_requests() {
    let (running, dropped) = (Arc::new(Notify::new()), Arc::default());
    let (running_too, dropped_too) = (Arc::new(Notify::new()), Arc::default());
    let other = Tool::new("other", json!({ "type": "object" }), {
        let (running, dropped) = (Arc::clone(&running_too), Arc::clone(&dropped_too));
        move |_: Context, _: Json| {
            let (running, dropped) = (Arc::clone(&running), Dropped(Arc::clone(&dropped)));
            async move {
                let _dropped = dropped;
                running.notify_one();
                std::future::pending::<&str>().await
            }
        }
    });
    let router = Server::new("s").tool(endless(&running, &dropped)).tool(other).into_router().unwrap();
    let session = session(&router, "2025-11-25").await;
    let headers = [("mcp-session-id", session.as_str())];
    let cancelled =
        json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    let cancel = async {
        running.notified().await;
        running_too.notified().await;
        tokio::task::yield_now().await;
        post(&router, &headers, cancelled).await
    };
    let both = futures_util::future::join(
        post(&router, &headers, call(7, "endless")),
        post(&router, &headers, call(7, "other")),
    );
    let (replies, _) = tokio::time::timeout(MINUTE, async { tokio::join!(both, cancel) }).await.unwrap();
    assert_eq!((&*replies.0.body, &*replies.1.body), ("", ""));
    assert!(dropped.load(Ordering::SeqCst) && dropped_too.load(Ordering::SeqCst));
}

/// Knows everybody, for a moment.
struct Shortly;

impl Authenticate for Shortly {
    async fn authenticate(&self, _: &Parts) -> Result<Verified, Denied> {
        let until = Instant::now() + Duration::from_millis(100);
        Ok(Verified::from(Principal::user("test", "alice")).until(until))
    }
}

#[tokio::test]
async fn a_request_ends_with_the_proof_of_who_asks_and_says_so() {
    for version in ["2025-11-25", "2026-07-28"] {
        let (running, dropped) = (Arc::new(tokio::sync::Notify::new()), Arc::default());
        let server = Server::new("s").tool(endless(&running, &dropped)).authenticate(Shortly);
        let router = server.into_router().unwrap();
        let reply = if version == "2026-07-28" {
            modern(&router, "tools/call", "endless", json!({ "name": "endless" })).await
        } else {
            let session = session(&router, version).await;
            post(&router, &[("mcp-session-id", &session)], call(1, "endless")).await
        };
        assert_eq!(reply.json()["error"]["code"], -32603, "{version}: {}", reply.body);
        assert!(reply.body.contains("expired"), "{version}: {}", reply.body);
        tokio::task::yield_now().await;
        assert!(dropped.load(Ordering::SeqCst), "{version}: nobody can get what it answers");
    }
}

/// Knows everybody, for no longer than it takes to say so.
struct Expired;

impl Authenticate for Expired {
    async fn authenticate(&self, _: &Parts) -> Result<Verified, Denied> {
        Ok(Verified::from(Principal::user("test", "alice")).until(Instant::now()))
    }
}

#[tokio::test]
async fn a_request_whose_proof_has_ended_before_it_ran_does_not_run() {
    let ran = Arc::new(AtomicBool::new(false));
    let effect = Arc::clone(&ran);
    let at_once = Tool::new("at_once", json!({ "type": "object" }), move |_: Context, _: Json| {
        effect.store(true, Ordering::SeqCst);
        async { "done" }
    });
    let router = Server::new("s").tool(at_once).authenticate(Expired).into_router().unwrap();
    let reply = modern(&router, "tools/call", "at_once", json!({ "name": "at_once" })).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED, "{}", reply.body);
    assert_eq!(reply.headers["www-authenticate"], "Bearer error=\"invalid_token\"");
    assert!(!ran.load(Ordering::SeqCst));
}

/// Knows everybody, until their body has arrived.
struct UntilRead(Arc<Notify>);

impl Authenticate for UntilRead {
    async fn authenticate(&self, _: &Parts) -> Result<Verified, Denied> {
        self.0.notify_one();
        Ok(Verified::from(Principal::user("test", "alice")).until(Instant::now() + MOMENT))
    }
}

/// How long a proof holds that ends while the body arrives.
const MOMENT: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_request_whose_body_takes_longer_than_its_proof_holds_does_not_run() {
    let (come_in, ran) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let effect = Arc::clone(&ran);
    let at_once = Tool::new("at_once", json!({ "type": "object" }), move |_: Context, _: Json| {
        effect.store(true, Ordering::SeqCst);
        async { "done" }
    });
    let server = Server::new("s").tool(at_once).authenticate(UntilRead(Arc::clone(&come_in)));
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "at_once", "_meta": meta() },
    });
    let late = futures_util::stream::once(async move {
        come_in.notified().await;
        tokio::time::sleep(MOMENT).await;
        Ok::<_, std::convert::Infallible>(body.to_string())
    });
    let request =
        Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "tools/call");
    let request = request.header("mcp-name", "at_once").body(Body::from_stream(late)).unwrap();
    let response = server.into_router().unwrap().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!ran.load(Ordering::SeqCst));
}

struct Broken;

impl Authenticate for Broken {
    async fn authenticate(&self, parts: &Parts) -> Result<Verified, Denied> {
        assert!(!parts.headers.contains_key("host"), "broken on purpose");
        Ok(Principal::local().into())
    }
}

#[tokio::test]
async fn an_authenticator_that_panics_lets_nobody_in_and_answers() {
    let router = Server::new("s").tool(whose()).authenticate(Broken).into_router().unwrap();
    let reply = modern(&router, "tools/list", "", json!({})).await;
    assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(reply.json()["error"], json!({ "code": -32603, "message": "internal error" }));
}

struct Hanging;

impl Authenticate for Hanging {
    async fn authenticate(&self, _: &Parts) -> Result<Verified, Denied> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_that_hangs_lets_nobody_in_and_is_given_up() {
    let router = Server::new("s").tool(whose()).authenticate(Hanging).into_router().unwrap();
    let begun = tokio::time::Instant::now();
    let reply = modern(&router, "tools/list", "", json!({})).await;
    assert_eq!(begun.elapsed().as_secs(), 600, "as long as a handler may take");
    assert_eq!(
        (reply.status, reply.headers.get("retry-after").is_some()),
        (StatusCode::SERVICE_UNAVAILABLE, true)
    );
    assert_eq!(reply.json()["error"], json!({ "code": -32603, "message": "internal error" }));
}

fn initialize() -> Value {
    let client = json!({ "name": "c", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 7, "method": "initialize", "params": params })
}

#[tokio::test]
async fn a_user_who_takes_every_session_there_is_for_one_locks_nobody_else_out() {
    let tokens = StaticTokens::new()
        .token("ada's", Principal::user("test", "ada"))
        .token("bob's", Principal::user("test", "bob"));
    let server = Server::new("s").authenticate(tokens).max_sessions(3).max_sessions_per_user(2);
    let router = server.into_router().unwrap();
    let begin = |token: &'static str| {
        let router = router.clone();
        async move { post(&router, &[("authorization", token)], initialize()).await }
    };
    let (ada, bob) = ("Bearer ada's", "Bearer bob's");
    let first = begin(ada).await;
    assert_eq!((first.status, begin(ada).await.status), (StatusCode::OK, StatusCode::OK));
    let refused = begin(ada).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.body);
    let error = &refused.json()["error"];
    assert_eq!((&refused.json()["id"], &error["code"]), (&json!(7), &json!(-32600)));
    assert!(error["message"].as_str().unwrap().contains("DELETE"), "{error}");
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1801).contains(&wait), "half an hour at most: {wait}");
    assert!(!refused.headers.contains_key("mcp-session-id"));

    assert_eq!(begin(bob).await.status, StatusCode::OK, "he has his own share");
    let full = begin(bob).await;
    assert_eq!(full.status, StatusCode::SERVICE_UNAVAILABLE, "{}", full.body);
    assert_eq!(full.json()["error"]["code"], -32603);
    assert!(full.headers.contains_key("retry-after") && full.body.contains("try again"), "{}", full.body);

    let end = Request::delete("/mcp").header("host", "localhost").header("authorization", ada);
    let end = end.header("mcp-session-id", &first.headers["mcp-session-id"]).body(Body::empty()).unwrap();
    assert_eq!(router.clone().oneshot(end).await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(begin(bob).await.status, StatusCode::OK, "what one gives back is free for all");
}

/// Handlers on threads of their own, held there until the end of the test.
static HELD: AtomicBool = AtomicBool::new(true);
static ON_THREADS: AtomicUsize = AtomicUsize::new(0);

#[tool]
fn held() -> &'static str {
    ON_THREADS.fetch_add(1, Ordering::SeqCst);
    while HELD.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(5));
    }
    "let go"
}

#[tokio::test]
async fn handlers_on_threads_hold_their_place_when_nobody_waits_any_more() {
    let router = Server::new("s").tool(held).max_concurrent_calls(2).into_router().unwrap();
    let call = || modern(&router, "tools/call", "held", json!({ "name": "held" }));
    for _ in 0..2 {
        let left = tokio::time::timeout(Duration::from_millis(50), call()).await;
        assert!(left.is_err(), "the caller leaves");
    }
    let refused = tokio::time::timeout(MINUTE, call()).await.unwrap();
    HELD.store(false, Ordering::SeqCst);
    assert!(refused.body.contains("too many requests"), "{}", refused.body);
    assert!(ON_THREADS.load(Ordering::SeqCst) <= 2);
}
