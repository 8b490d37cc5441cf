//! What is cached, under which key, and what a hit looks like.

use std::sync::Arc;

use bytes::Bytes;
use kv_core::{Scan, StoreExt as _};
use kv_memory::MemoryStore;
use larder_tests::effects::Effects;
use mcp_server::protocol::{
    Content, Failure, Icon, InputRequired, PromptMessage, PromptResult, ReadResult, ResourceContents,
    Revision, ToolResult,
};
use mcp_server::{
    Answer, CachePolicy, Cached, Context, Middleware, Next, Operation, Prompt, PromptArgument, Request,
    Resource, ResponseCache, Server, Tool,
};
use serde_json::{Value, json};

use crate::{MINUTE, Runs, cached, called, client_of, counted, uncached};

#[tokio::test]
async fn scenario_03_the_order_of_keys_makes_no_other_call() {
    let (tool, runs) = counted("t");
    let (client, statistics) = client_of(tool);
    let message = |arguments: &str| {
        let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
        format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{arguments},"_meta":{{{meta}}}}}}}"#
        )
    };
    let mut answers = Vec::new();
    for arguments in [r#"{"a":1,"b":{"c":[2],"d":3}}"#, r#"{ "b": {"d":3, "c":[2]}, "a": 1 }"#] {
        answers.extend(client.raw(message(arguments).as_bytes()).await.unwrap());
    }
    assert_eq!(answers[0]["result"], answers[1]["result"]);
    assert_eq!((runs.read(), statistics.read().tools.hits), (1, 1));
}

#[tokio::test]
async fn scenario_04_other_arguments_are_another_call() {
    let (tool, runs) = counted("t");
    let (client, _) = client_of(tool);
    let all = [
        json!({ "a": 1 }),
        json!({ "a": "1" }),
        json!({ "a": [1] }),
        json!({ "b": 1 }),
        json!({}),
        json!({ "a": null }),
    ];
    for arguments in &all {
        called(&client, "t", arguments.clone()).await;
    }
    assert_eq!(runs.read(), 6);
}

#[tokio::test]
async fn scenario_06_a_failed_call_runs_again() {
    let runs = Runs::default();
    let (one, two) = (runs.clone(), runs.clone());
    let told = Tool::new("told", json!({ "type": "object" }), move |_, _| {
        one.count();
        async { ToolResult::error("no") }
    });
    let failed = Tool::new("failed", json!({ "type": "object" }), move |_, _| {
        two.count();
        async { Err::<String, _>(Failure::invalid_params("no")) }
    });
    let policy = CachePolicy::private(MINUTE);
    let (server, statistics) = cached("scenarios");
    let client = server.tool(told.cache(policy)).tool(failed.cache(policy)).test_client().unwrap();
    for _ in 0..2 {
        assert_eq!(client.call_tool("told", json!({})).await.unwrap()["isError"], true);
        client.call_tool("failed", json!({})).await.unwrap_err();
    }
    assert_eq!((runs.read(), statistics.read().tools.puts), (4, 0));
}

#[tokio::test]
async fn scenario_08_a_list_is_whole_each_time() {
    let (tool, _) = counted("t");
    let tool = tool
        .title("Title")
        .description("What it does")
        .tag("one")
        .meta(json!({ "own": 1 }))
        .icon(Icon::new("https://example.com/i.png"))
        .read_only(true)
        .output_schema(Some(json!({ "type": "object" }).into()));
    let (client, _) = client_of(tool);
    let first = client.request("tools/list", json!({})).await.unwrap();
    let definition = &first["tools"][0];
    for field in ["title", "description", "inputSchema", "outputSchema", "annotations", "icons", "_meta"] {
        assert!(!definition[field].is_null(), "{field}: {definition}");
    }
    assert_eq!(definition["_meta"], json!({ "own": 1, "larder/tags": ["one"] }));
    assert_eq!(client.another().request("tools/list", json!({})).await.unwrap(), first);
}

#[tokio::test]
async fn scenario_09_bytes_stay_bytes_also_under_a_type_of_text() {
    let runs = Runs::default();
    let counter = runs.clone();
    let resource = Resource::new("file://latin1", move |_, reading| {
        counter.count();
        async move { reading.blob(Bytes::from_static(&[0xe4, 0, 0xff]), "text/plain") }
    });
    let (server, _) = cached("scenarios");
    let client = server.resource(resource.cache(CachePolicy::private(MINUTE))).test_client().unwrap();
    let (first, second) = (
        client.read_resource("file://latin1").await.unwrap(),
        client.read_resource("file://latin1").await.unwrap(),
    );
    let expected = json!([{ "uri": "file://latin1", "mimeType": "text/plain", "blob": "5AD/" }]);
    assert_eq!((&first["contents"], &second["contents"], runs.read()), (&expected, &expected, 1));
}

fn prompt(runs: &Runs) -> Prompt {
    let counter = runs.clone();
    Prompt::new("p", [PromptArgument::optional("name")], move |_, _| {
        counter.count();
        async {
            let mut result =
                PromptResult::new([PromptMessage::user("hello"), PromptMessage::assistant("yes?")]);
            result.description = Some("a talk".to_owned());
            result
        }
    })
    .cache(CachePolicy::private(MINUTE))
}

#[tokio::test]
async fn scenario_10_a_prompt_from_the_cache_has_description_and_roles() {
    let runs = Runs::default();
    let (server, _) = cached("scenarios");
    let client = server.prompt(prompt(&runs)).test_client().unwrap();
    let first = client.get_prompt("p", json!({ "name": "x" })).await.unwrap();
    assert_eq!(first["description"], "a talk");
    assert_eq!(
        (&first["messages"][0]["role"], &first["messages"][1]["role"]),
        (&json!("user"), &json!("assistant"))
    );
    assert_eq!(client.get_prompt("p", json!({ "name": "x" })).await.unwrap(), first);
    assert_eq!(runs.read(), 1);
}

#[tokio::test]
async fn scenario_11_each_method_is_served_by_a_cold_cache() {
    let (tool, _) = counted("t");
    let note = Resource::new("note://a", |_, reading| async move { reading.text("a", "text/plain") });
    for revision in Revision::ALL {
        let (server, _) = cached("scenarios");
        let server = server.tool(tool.clone()).prompt(prompt(&Runs::default()));
        let server = server.resource(note.clone().cache(CachePolicy::private(MINUTE)));
        let client = server.test_client().unwrap().revision(revision);
        for (method, params) in [
            ("tools/list", json!({})),
            ("resources/list", json!({})),
            ("prompts/list", json!({})),
            ("tools/call", json!({ "name": "t" })),
            ("resources/read", json!({ "uri": "note://a" })),
            ("prompts/get", json!({ "name": "p" })),
        ] {
            assert!(client.request(method, params).await.is_ok(), "{method} on {revision}");
        }
    }
}

#[tokio::test]
async fn scenario_12_nothing_of_a_request_stands_in_a_key() {
    let store = MemoryStore::new();
    let (tool, _) = counted("my-tool");
    let note =
        Resource::new("note://secret-note", |_, reading| async move { reading.text("a", "text/plain") });
    let (server, _) = cached("scenarios");
    let server = server.storage(store.clone()).tool(tool).prompt(prompt(&Runs::default()));
    let server = server.resource(note.cache(CachePolicy::private(MINUTE)));
    let client =
        server.test_client().unwrap().principal(mcp_server::Principal::user("issuer", "ada@example.com"));
    called(&client, "my-tool", json!({ "password": "hunter2" })).await;
    client.read_resource("note://secret-note").await.unwrap();
    client.get_prompt("p", json!({ "name": "Grace" })).await.unwrap();
    let mut ids = Vec::new();
    let mut pages = store.scan_all(Scan::under(""));
    while let Some(item) = pages.next().await.unwrap() {
        ids.push(format!("{item:?}"));
    }
    assert!(ids.len() >= 3, "{ids:?}");
    for id in ids {
        for clear in ["my-tool", "password", "hunter2", "secret-note", "Grace", "ada", "issuer"] {
            assert!(!id.contains(clear), "{clear} in {id}");
        }
    }
}

/// Asks a question in place of each first answer.
struct Asking(Runs);

impl Middleware for Asking {
    async fn handle(&self, mut request: Request, next: Next) -> Answer {
        if !matches!(request.operation, Operation::CallTool { .. }) || self.0.count().is_multiple_of(2) {
            request.take_resumed(); // our own state, of which the tool knows nothing
            return next.run(request).await;
        }
        let questions = json!({ "q": { "method": "elicitation/create", "params": {} } });
        Answer::Asked(InputRequired::new(questions.into(), Some("state".to_owned())))
    }
}

#[tokio::test]
async fn scenario_13_what_asks_for_input_is_neither_read_nor_written() {
    let (tool, runs) = counted("t");
    let asked = Runs::default();
    let (server, statistics) = cached("scenarios");
    let client = server.with(Asking(asked.clone())).tool(tool).test_client().unwrap();
    for flow in 1..=2 {
        let question = client.call_tool("t", json!({})).await.unwrap();
        assert_eq!(question["resultType"], "input_required", "flow {flow}");
        let answers =
            json!({ "name": "t", "arguments": {}, "inputResponses": { "q": {} }, "requestState": "state" });
        let done = client.request("tools/call", answers).await.unwrap();
        assert_eq!(done["resultType"], "complete");
    }
    let only_state = json!({ "name": "t", "arguments": {}, "requestState": "state" });
    assert_eq!(client.request("tools/call", only_state).await.unwrap()["resultType"], "input_required");
    assert_eq!((runs.read(), asked.read()), (2, 5));
    assert_eq!((statistics.read().tools.puts, statistics.read().tools.hits), (0, 0));
}

#[tokio::test]
async fn scenario_17_what_is_too_large_is_sent_and_not_kept() {
    let (tool, runs) = counted("t");
    let cache = ResponseCache::new().max_item_bytes(1_000);
    let statistics = cache.statistics();
    let client = Server::new("scenarios").with(cache).tool(tool).test_client().unwrap();
    for run in 1..=2 {
        let large = called(&client, "t", json!({ "text": "x".repeat(2_000) })).await;
        assert!(large.ends_with(&format!("run {run}")));
    }
    let tools = statistics.read().tools;
    assert_eq!((runs.read(), tools.puts, tools.oversized), (2, 0, 2));
}

#[test]
fn scenario_21_a_lifetime_of_zero_is_refused_when_the_server_is_built() {
    let zero = CachePolicy::private(std::time::Duration::ZERO);
    let (tool, runs) = uncached("t");
    let by_name = ResponseCache::new().declare(Cached::Tools, "t", zero);
    let refused = Server::new("scenarios").with(by_name).tool(tool.clone()).build().unwrap_err().to_string();
    assert!(refused.contains("\"t\"") && refused.contains("more than zero"), "{refused}");
    let (server, _) = cached("scenarios");
    let refused = server.tool(tool.cache(zero)).build().unwrap_err().to_string();
    assert!(refused.contains("\"t\""), "{refused}");
    assert_eq!(runs.read(), 0);
}

/// A setting that has another name does not compile: settings are methods. What is left to get wrong is what they name.
#[test]
fn scenario_22_a_setting_for_what_the_server_has_not_is_refused_when_it_is_built() {
    let policy = CachePolicy::private(MINUTE);
    let settings: [fn(Cached, &str, CachePolicy) -> ResponseCache; 3] = [
        |kind, name, policy| ResponseCache::new().declare(kind, name, policy),
        |kind, name, _| ResponseCache::new().only(kind, [name]),
        |kind, name, _| ResponseCache::new().never(kind, [name]),
    ];
    let note = || Resource::new("note://a", |_, reading| async move { reading.text("a", "text/plain") });
    let built = |cache: ResponseCache| {
        let server = Server::new("scenarios").with(cache);
        server.tool(uncached("t").0).resource(note()).prompt(prompt(&Runs::default())).build()
    };
    for (kind, has) in [(Cached::Tools, "t"), (Cached::Resources, "note://a"), (Cached::Prompts, "p")] {
        for (number, setting) in settings.iter().enumerate() {
            built(setting(kind, has, policy)).unwrap();
            for has_not in ["T", "tt", "note://b", ""] {
                let refused = built(setting(kind, has_not, policy)).unwrap_err().to_string();
                let told =
                    refused.contains(&format!("{has_not:?}")) && refused.contains(&format!("{kind:?}"));
                assert!(told, "setting {number}: {refused}");
            }
        }
    }
}

#[tokio::test]
async fn scenario_25_nothing_is_cached_that_nobody_gave_a_lifetime() {
    let (plain, plain_runs) = uncached("plain");
    let (marked, marked_runs) = uncached("marked");
    let (server, statistics) = cached("scenarios");
    let client = server.tool(plain).tool(marked.read_only(true).idempotent(true)).test_client().unwrap();
    for _ in 0..2 {
        called(&client, "plain", json!({})).await;
        called(&client, "marked", json!({})).await;
    }
    assert_eq!((plain_runs.read(), marked_runs.read(), statistics.read().tools.misses), (2, 2, 0));
}

/// A tool that waits for `open:k`, then answers or fails.
fn held(effects: &Effects, runs: &Runs, fails: bool) -> Tool {
    let (effects, runs) = (effects.clone(), runs.clone());
    let tool = Tool::new("held", json!({ "type": "object" }), move |_: Context, _| {
        let (effects, run) = (effects.clone(), runs.count());
        async move {
            effects.mark("began");
            effects.passed("open").await;
            if fails { ToolResult::error("failed") } else { ToolResult::text(format!("run {run}")) }
        }
    });
    tool.cache(CachePolicy::private(MINUTE))
}

#[tokio::test(start_paused = true)]
async fn scenario_26_callers_at_once_share_one_run() {
    for fails in [false, true] {
        let (effects, runs) = (Effects::default(), Runs::default());
        let (client, statistics) = client_of(held(&effects, &runs, fails));
        let calls: Vec<_> = (0..16)
            .map(|_| {
                let client = client.another();
                tokio::spawn(async move { client.call_tool("held", json!({})).await.unwrap() })
            })
            .collect();
        effects.passed("began").await;
        tokio::time::sleep(MINUTE / 60).await; // everybody waits by now
        effects.mark("open");
        for call in calls {
            let result = call.await.unwrap();
            let expected = if fails { "failed" } else { "run 1" };
            assert_eq!(result["content"][0]["text"], expected);
        }
        assert_eq!((runs.read(), statistics.read().tools.puts), (1, u64::from(!fails)));
        client.call_tool("held", json!({})).await.unwrap();
        assert_eq!(runs.read(), if fails { 2 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn a_shared_run_goes_on_when_the_caller_that_began_it_leaves() {
    let (effects, runs) = (Effects::default(), Runs::default());
    let (client, _) = client_of(held(&effects, &runs, false));
    let (first, second) = (Arc::new(client.another()), client.another());
    let leaving = tokio::spawn({
        let first = Arc::clone(&first);
        async move { first.call_tool("held", json!({})).await.map(drop) }
    });
    effects.passed("began").await;
    let staying = tokio::spawn(async move { second.call_tool("held", json!({})).await.unwrap() });
    tokio::time::sleep(MINUTE / 60).await;
    first.notify("notifications/cancelled", json!({ "requestId": 1 })).await.unwrap();
    tokio::time::sleep(MINUTE / 60).await;
    effects.mark("open");
    assert_eq!(staying.await.unwrap()["content"][0]["text"], "run 1");
    assert_eq!(runs.read(), 1);
    assert_eq!(leaving.await.unwrap().unwrap_err().code, 0); // nothing was sent to it
}

#[tokio::test]
async fn scenario_27_servers_on_one_store_never_answer_for_each_other() {
    let store = MemoryStore::new();
    let (one, two) = (counted("t"), counted("t"));
    let client = |name: &str, tool| cached(name).0.storage(store.clone()).tool(tool).test_client().unwrap();
    let (first, second) =
        (client("one", one.0.description("the same")), client("two", two.0.description("the same")));
    for client in [&first, &second, &first, &second] {
        assert!(called(client, "t", json!({ "a": 1 })).await.ends_with("run 1"));
    }
    assert_eq!((one.1.read(), two.1.read()), (1, 1));
}

#[tokio::test]
async fn scenario_28_exclusion_goes_before_inclusion_and_no_inclusion_is_no_limit() {
    let run = async |cache: ResponseCache| {
        let (tool, tools) = counted("t");
        let (resources, prompts) = (Runs::default(), Runs::default());
        let counter = resources.clone();
        let note = Resource::new("note://a", move |_, _| {
            counter.count();
            async { ReadResult::new([ResourceContents::text("note://a", "a")]) }
        });
        let server = Server::new("scenarios").with(cache).tool(tool).prompt(prompt(&prompts));
        let client = server.resource(note.cache(CachePolicy::private(MINUTE))).test_client().unwrap();
        for _ in 0..2 {
            called(&client, "t", json!({})).await;
            client.read_resource("note://a").await.unwrap();
            client.get_prompt("p", json!({})).await.unwrap();
        }
        (tools.read(), resources.read(), prompts.read())
    };
    let none: [&str; 0] = [];
    let empty = ResponseCache::new()
        .only(Cached::Tools, none)
        .only(Cached::Resources, none)
        .only(Cached::Prompts, none);
    assert_eq!(run(empty).await, (1, 1, 1));
    let both = ResponseCache::new()
        .only(Cached::Tools, ["t"])
        .never(Cached::Tools, ["t"])
        .only(Cached::Resources, ["note://a"])
        .never(Cached::Resources, ["note://a"])
        .never(Cached::Prompts, ["p"]);
    assert_eq!(run(both).await, (2, 2, 2));
}

#[tokio::test]
async fn scenario_32_statistics_can_be_read_at_any_time_and_add_up() {
    let (tool, _) = counted("t");
    let (client, statistics) = client_of(tool);
    assert_eq!(statistics.read(), mcp_server::CacheStatistics::default());
    for argument in [1, 1, 2, 1] {
        called(&client, "t", json!({ "a": argument })).await;
    }
    let read = statistics.read();
    assert_eq!((read.tools.hits, read.tools.misses, read.tools.puts), (2, 2, 2));
    assert_eq!((read.resources, read.prompts), Default::default());
}

#[tokio::test]
async fn scenario_33_a_hit_cannot_be_told_from_a_miss() {
    let runs = Runs::default();
    for revision in Revision::ALL {
        let (counter, own) = (runs.clone(), runs.clone());
        let rich = Tool::new("rich", json!({ "type": "object" }), move |_, _| {
            counter.count();
            let link = Content::ResourceLink {
                uri: "note://a".into(),
                name: "a".into(),
                description: None,
                mime_type: None,
            };
            let mut result =
                ToolResult::content([Content::text("ä\n"), link, Content::audio(&b"la"[..], "audio/wav")]);
            result.structured = Some(json!([1, { "b": null }]).into());
            async move { result.with_meta(json!({ "own": { "x": 1 } }).into()) }
        });
        let note = Resource::new("note://a", move |_, reading| {
            own.count();
            async move { reading.text("a", "text/plain") }
        });
        let (server, _) = cached("scenarios");
        let policy = CachePolicy::private(MINUTE);
        let server = server.tool(rich.cache(policy)).resource(note.cache(policy)).prompt(prompt(&runs));
        let client = server.test_client().unwrap().revision(revision);
        let before = runs.read();
        let mut seen: Vec<[Value; 3]> = Vec::new();
        for _ in 0..2 {
            let mut read = client.read_resource("note://a").await.unwrap();
            if let Some(left) = read.get_mut("ttlMs") {
                assert!((50_000..=60_000).contains(&left.take().as_u64().unwrap()));
            }
            let tool = client.call_tool("rich", json!({})).await.unwrap();
            seen.push([read, tool, client.get_prompt("p", json!({})).await.unwrap()]);
        }
        assert_eq!(seen[0], seen[1], "{revision}");
        assert_eq!(runs.read() - before, 3, "{revision}");
    }
}
