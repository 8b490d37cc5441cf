//! Whose answers are whose.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use kv_memory::MemoryStore;
use larder_tests::faults::Faulty;
use larder_tests::http::HttpRequest;
use mcp_server::protocol::PromptMessage;
use mcp_server::{
    CachePolicy, Context, Middleware, Principal, Prompt, PromptArgument, Refusal, Request, Resource,
    ResponseCache, Server, StaticTokens, TestClient, Tool,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{MINUTE, Runs, cached, called};

/// Who may do what, changed while the server runs.
#[derive(Clone, Default)]
struct Rights(Arc<Mutex<BTreeSet<String>>>);

impl Rights {
    fn of(users: &[&str]) -> Self {
        Self(Arc::new(Mutex::new(users.iter().map(|user| (*user).to_owned()).collect())))
    }

    fn withdraw(&self, user: &str) {
        self.0.lock().unwrap().remove(user);
    }

    fn decide(&self, request: &Request) -> Result<(), Refusal> {
        let allowed = request.principal.subject().is_some_and(|user| self.0.lock().unwrap().contains(user));
        if allowed { Ok(()) } else { Err(Refusal::new("this needs another right")) }
    }
}

impl Middleware for Rights {
    async fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        match request.operation.method() {
            "tools/call" | "resources/read" | "prompts/get" => self.decide(request),
            _ => Ok(()),
        }
    }
}

fn user(name: &str) -> Principal {
    Principal::user("test", name)
}

/// A server on HTTP with tokens for Ada and Bob.
async fn served(server: Server) -> SocketAddr {
    let tokens = StaticTokens::new().token("ada's", user("ada")).token("bob's", user("bob"));
    let service = server.authenticate(tokens).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { service.serve_listener(listener).await });
    address
}

/// A request of 2026-07-28 under this token and with this session header.
async fn asked(
    address: SocketAddr,
    token: &str,
    method: &str,
    mut params: Value,
    session: Option<&str>,
) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {},
    });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request = HttpRequest::post(message.to_string())
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method)
        .header("authorization", &format!("Bearer {token}"));
    if let Some(target) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
        request = request.header("mcp-name", target);
    }
    if let Some(session) = session {
        request = request.header("mcp-session-id", session);
    }
    request.fetch(address).await.messages().pop().unwrap()
}

#[tokio::test]
async fn scenario_01_nobody_sees_the_list_of_another() {
    let rights = Rights::of(&["ada"]);
    let guarded = Tool::new("guarded", json!({ "type": "object" }), |_, _| async { "x" })
        .check(move |request| std::future::ready(rights.decide(request)));
    let open = Tool::new("open", json!({ "type": "object" }), |_, _| async { "x" });
    let address = served(cached("scenarios").0.tool(guarded).tool(open)).await;
    for _ in 0..2 {
        for (token, expected) in [("ada's", &["guarded", "open"][..]), ("bob's", &["open"])] {
            let list = asked(address, token, "tools/list", json!({}), None).await;
            let names: Vec<_> =
                list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
            assert_eq!(names, expected);
            assert_eq!(list["result"]["cacheScope"], "private");
        }
    }
}

/// A server whose answers say who asked.
fn telling(runs: &Runs) -> Server {
    let who = |ctx: &Context| ctx.principal().unwrap().subject().unwrap_or("nobody").to_owned();
    let (one, two, three) = (runs.clone(), runs.clone(), runs.clone());
    let policy = CachePolicy::private(MINUTE);
    let tool = Tool::new("who", json!({ "type": "object" }), move |ctx: Context, _| {
        one.count();
        async move { who(&ctx) }
    });
    let resource = Resource::new("who://me", move |ctx: Context, reading| {
        two.count();
        async move { reading.text(who(&ctx), "text/plain") }
    });
    let prompt = Prompt::new("who", [PromptArgument::optional("a")], move |ctx: Context, _| {
        three.count();
        async move { PromptMessage::user(who(&ctx)) }
    });
    let server = cached("scenarios").0;
    server.tool(tool.cache(policy)).resource(resource.cache(policy)).prompt(prompt.cache(policy))
}

#[tokio::test]
async fn scenario_02_nobody_gets_the_answer_of_another() {
    let runs = Runs::default();
    let address = served(telling(&runs)).await;
    for _ in 0..2 {
        for (token, name) in [("ada's", "ada"), ("bob's", "bob")] {
            let call =
                asked(address, token, "tools/call", json!({ "name": "who", "arguments": {} }), None).await;
            assert_eq!(call["result"]["content"][0]["text"], name);
            let read = asked(address, token, "resources/read", json!({ "uri": "who://me" }), None).await;
            assert_eq!(read["result"]["contents"][0]["text"], name);
            assert_eq!(read["result"]["cacheScope"], "private");
            let got = asked(address, token, "prompts/get", json!({ "name": "who" }), None).await;
            assert_eq!(got["result"]["messages"][0]["content"]["text"], name);
        }
    }
    assert_eq!(runs.read(), 6); // once each, for each of the two
}

#[tokio::test]
async fn scenario_07_lists_ask_no_store() {
    let (store, switches) = Faulty::new(MemoryStore::new());
    let hidden = Tool::new("hidden", json!({ "type": "object" }), |_, _| async { "x" })
        .check(|_| async { Err(Refusal::new("not for you")) });
    let client = cached("scenarios").0.storage(store).tool(hidden).test_client().unwrap();
    for _ in 0..2 {
        assert_eq!(client.request("tools/list", json!({})).await.unwrap()["tools"], json!([]));
    }
    assert_eq!((switches.reads(), switches.writes()), (0, 0));
}

#[tokio::test]
async fn scenario_29_a_right_that_is_withdrawn_is_gone_from_the_cache_too() {
    let tool = || {
        Tool::new("t", json!({ "type": "object" }), |_, _| async { "x" }).cache(CachePolicy::private(MINUTE))
    };
    let servers: [fn(Server, Rights) -> Server; 3] = [
        |server, rights| server.with(rights).with(ResponseCache::new()),
        |server, rights| server.with(ResponseCache::new()).with(rights),
        |server, _| server.with(ResponseCache::new()),
    ];
    for (arrangement, arranged) in servers.into_iter().enumerate() {
        let rights = Rights::of(&["ada"]);
        let server = arranged(Server::new("scenarios"), rights.clone());
        let own = rights.clone();
        let checked = match arrangement {
            2 => tool().check(move |request| std::future::ready(own.decide(request))),
            _ => tool(),
        };
        let client: TestClient = server.tool(checked).test_client().unwrap().principal(user("ada"));
        for _ in 0..2 {
            assert_eq!(called(&client, "t", json!({})).await, "x");
        }
        rights.withdraw("ada");
        let refused = client.call_tool("t", json!({})).await.unwrap_err();
        assert_eq!(refused.message, "this needs another right", "arrangement {arrangement}");
        let list = client.request("tools/list", json!({})).await.unwrap();
        assert_eq!(list["tools"].as_array().unwrap().len(), usize::from(arrangement != 2));
    }
}

#[tokio::test]
async fn scenario_31_neither_completion_nor_a_list_reveals_what_is_hidden() {
    let rights = Rights::of(&["ada"]);
    let own = rights.clone();
    let guarded = Prompt::new("guarded", [PromptArgument::required("a")], |_, _| async { "x" })
        .cache(CachePolicy::public(MINUTE))
        .complete_from("a", ["secret"])
        .check(move |request| std::future::ready(own.decide(request)));
    let open = Prompt::new("open", [PromptArgument::required("a")], |_, _| async { "x" });
    let server = cached("scenarios").0.prompt(guarded).prompt(open.complete_from("a", ["shared"]));
    let address = served(server).await;
    let completed = async |token: &str, name: &str| {
        let params = json!({
            "ref": { "type": "ref/prompt", "name": name }, "argument": { "name": "a", "value": "" },
        });
        asked(address, token, "completion/complete", params, None).await
    };
    let hidden = json!({ "code": -32_602, "message": "unknown prompt: guarded" });
    for round in 0..2 {
        let hers = completed("ada's", "guarded").await;
        assert_eq!(hers["result"]["completion"]["values"], json!(["secret"]), "round {round}");
        assert_eq!(completed("bob's", "guarded").await["error"], hidden);
        assert_eq!(completed("bob's", "open").await["result"]["completion"]["values"], json!(["shared"]));
        for (token, expected) in [("ada's", &["guarded", "open"][..]), ("bob's", &["open"])] {
            let list = asked(address, token, "prompts/list", json!({}), None).await;
            let prompts = list["result"]["prompts"].as_array().unwrap();
            assert_eq!(prompts.iter().map(|prompt| &prompt["name"]).collect::<Vec<_>>(), expected);
        }
    }
    rights.withdraw("ada");
    assert_eq!(completed("ada's", "guarded").await["error"], hidden);
}

#[tokio::test]
async fn scenario_35_the_same_session_header_is_not_the_same_state() {
    let tool = Tool::new(
        "own",
        json!({ "type": "object" }),
        |ctx: Context, arguments: mcp_server::protocol::Json| async move {
            let wanted: Value = arguments.to().unwrap_or_default();
            if let Some(text) = wanted["set"].as_str() {
                ctx.state().set("text", text).await?;
            }
            let kept: Option<String> = ctx.state().get("text").await?;
            Ok::<_, mcp_server::StateError>(kept.unwrap_or_else(|| "nothing".to_owned()))
        },
    );
    let address = served(Server::new("scenarios").tool(tool)).await;
    let own = async |token: &str, arguments: Value| {
        let params = json!({ "name": "own", "arguments": arguments });
        let answer = asked(address, token, "tools/call", params, Some("the-same")).await;
        answer["result"]["content"][0]["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(own("ada's", json!({ "set": "hers" })).await, "hers");
    assert_eq!(own("bob's", json!({})).await, "nothing");
    assert_eq!(own("bob's", json!({ "set": "his" })).await, "his");
    assert_eq!(own("ada's", json!({})).await, "hers");
}
