//! One server, seen in every revision: what a list promises is what a call keeps.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use mcp_server::protocol::{
    Content, Json, PromptMessage, PromptResult, ReadResult, ResourceContents, Revision, ToolResult,
};
use mcp_server::{
    Answer, Middleware, Next, Operation, Prompt, Reply, Request, Resource, ResourceTemplate, Server,
    TestClient, Tool,
};
use serde_json::{Value, json};

fn tool(name: &str, output: Value, result: ToolResult) -> Tool {
    Tool::new(name, Json::from(json!({"type": "object"})), move |_, _| {
        let result = result.clone();
        async move { result }
    })
    .output_schema(Json::from(output))
}

fn server() -> Server {
    let structured = |value: Value| ToolResult::structured(Json::from(value));
    Server::new("forms")
        .version("1.0.0")
        .tool(tool("count", json!({"type": "integer"}), structured(json!(3))))
        .tool(tool("list", json!({"type": "array"}), structured(json!([1, 2]))))
        .tool(tool(
            "either",
            json!({"anyOf": [{"type": "object"}, {"type": "null"}]}),
            structured(json!({"a": 1})),
        ))
        .tool(tool("object", json!({"type": "object"}), structured(json!({"a": 1}))))
        .resource(Resource::new("x://all", |_, reading| async move {
            ReadResult::new([ResourceContents::text(reading.uri(), "all")])
        }))
        .resource(
            ResourceTemplate::new("x://one/{id}", |_, reading, _| async move {
                ReadResult::new([ResourceContents::text(reading.uri(), "one")])
            })
            .unwrap(),
        )
        .prompt(Prompt::new("ask", [], |_, _| async {
            PromptResult::new([PromptMessage::new(
                mcp_server::protocol::Role::User,
                Content::audio(vec![0; 4], "audio/wav"),
            )])
        }))
}

fn client(revision: Revision) -> TestClient {
    server().test_client().unwrap().revision(revision)
}

#[tokio::test]
async fn structured_content_is_what_the_listed_schema_says_in_every_revision() {
    for revision in Revision::ALL {
        let client = client(revision);
        let listed = client.request("tools/list", json!({})).await.unwrap();
        for tool in listed["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            let result = client.call_tool(name, json!({})).await.unwrap();
            let (schema, content) = (tool.get("outputSchema"), result.get("structuredContent"));
            assert_eq!(schema.is_some(), content.is_some(), "{revision} {name}");
            let old = matches!(revision, Revision::V2024_11_05 | Revision::V2025_03_26);
            assert_eq!(schema.is_none(), old, "{revision} {name}");
            let Some((schema, content)) = schema.zip(content) else { continue };
            if revision == Revision::V2026_07_28 {
                assert_eq!(content.is_object(), matches!(name, "object" | "either"), "{revision} {name}");
                continue;
            }
            assert_eq!(schema["type"], "object", "{revision} {name}: older clients refuse another root");
            let wrapped = schema["required"] == json!(["result"]);
            assert_eq!(content.get("result").is_some(), wrapped, "{revision} {name}");
        }
    }
}

#[tokio::test]
async fn each_result_has_what_its_revision_adds_and_nothing_more() {
    let requests = [
        ("tools/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("prompts/list", json!({}), true),
        ("resources/read", json!({"uri": "x://all"}), true),
        ("resources/read", json!({"uri": "x://one/7"}), true),
        ("prompts/get", json!({"name": "ask"}), false),
        ("tools/call", json!({"name": "count", "arguments": {}}), false),
    ];
    for revision in Revision::ALL {
        let client = client(revision);
        for (method, params, cacheable) in &requests {
            let result = client.request(method, params.clone()).await.unwrap();
            let modern = revision == Revision::V2026_07_28;
            assert_eq!(result.get("resultType").is_some(), modern, "{revision} {method}");
            let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"];
            assert_eq!(info == "forms", modern, "{revision} {method}");
            for hint in ["ttlMs", "cacheScope"] {
                assert_eq!(result.get(hint).is_some(), modern && *cacheable, "{revision} {method} {hint}");
            }
        }
    }
}

#[tokio::test]
async fn discover_is_cacheable_and_lists_every_revision() {
    let discovered = client(Revision::V2026_07_28).request("server/discover", json!({})).await.unwrap();
    let all: Vec<_> = Revision::ALL.iter().rev().map(|revision| revision.as_str()).collect();
    assert_eq!(discovered["supportedVersions"], json!(all));
    assert_eq!((&discovered["resultType"], &discovered["ttlMs"]), (&json!("complete"), &json!(0)));
    assert_eq!(discovered["cacheScope"], "public");
}

#[tokio::test]
async fn a_resource_that_is_not_there_has_the_code_of_the_revision() {
    for revision in Revision::ALL {
        let error = client(revision).read_resource("x://none").await.unwrap_err();
        let expected = if revision == Revision::V2026_07_28 { -32_602 } else { -32_002 };
        assert_eq!((error.code, &error.data["uri"]), (expected, &json!("x://none")), "{revision}");
    }
}

#[tokio::test]
async fn errors_repeat_no_more_of_a_name_a_uri_or_a_cursor_than_helps() {
    let long = "\u{1}ü".repeat(1 << 20);
    for revision in Revision::ALL {
        let client = client(revision);
        for (method, params) in [
            ("tools/call", json!({ "name": long })),
            ("prompts/get", json!({ "name": long })),
            ("resources/read", json!({ "uri": format!("x://one/{long}") })),
            ("tools/list", json!({ "cursor": long })),
            (long.as_str(), json!({})),
        ] {
            let error = client.request(method, params).await.unwrap_err();
            let told = error.message.len() + error.data.to_string().len();
            let method = method.get(..20.min(method.len()));
            assert!(error.code != 0 && told < 4_096, "{revision} {method:?}: {told} bytes");
        }
    }
}

/// Hides tools whose name begins with a letter, in lists that come as bytes.
struct Hide(char);

impl Middleware for Hide {
    async fn handle(&self, request: Request, next: Next) -> Answer {
        let operation = request.operation.clone();
        let answer = next.run(request).await;
        let Operation::List { .. } = operation else { return answer };
        let Answer::Done(reply) = &answer else { return answer };
        let Reply::List(mut page) = reply.typed(&operation) else { return answer };
        page.items.retain(|item| {
            let item: Value = item.to().unwrap_or_default();
            item["name"].as_str().is_some_and(|name| !name.starts_with(self.0))
        });
        Answer::Done(Reply::List(page))
    }
}

#[tokio::test]
async fn a_middleware_may_change_a_list_that_was_rendered_before() {
    for revision in Revision::ALL {
        let client = server().with(Hide('c')).test_client().unwrap().revision(revision);
        let listed = client.request("tools/list", json!({})).await.unwrap();
        let names: Vec<_> =
            listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, ["either", "list", "object"], "{revision}");
        let scope = listed.get("cacheScope");
        assert_eq!(scope, (revision == Revision::V2026_07_28).then_some(&json!("private")), "{revision}");
    }
}

/// What is no message gets a typed error, on a connection that goes on.
#[tokio::test]
async fn what_is_no_message_is_told_so_and_the_connection_goes_on() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let modern = |method: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}).to_string()
    };
    let cases = [
        ("{".to_owned(), -32_700),
        ("[]".to_owned(), -32_600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#.to_owned(), -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#.to_owned(), -32_602),
        (modern("initialize"), -32_601),
        (modern("ping"), -32_601),
        (modern("no/such"), -32_601),
        (modern("tools/list").replace("2026-07-28", "1900-01-01"), -32_022),
    ];
    let client = client(Revision::V2026_07_28);
    for (message, code) in cases {
        let answers = client.raw(message.as_bytes()).await.unwrap();
        assert_eq!(answers[0]["error"]["code"], code, "{message}: {answers:?}");
    }
    assert!(client.call_tool("count", json!({})).await.is_ok());
}
