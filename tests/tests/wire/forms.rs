//! The forms of results (2026-07-28, basic/index, server/tools and server/utilities/caching; 2025-06-18, server/tools).

use mcp_server::protocol::Revision;
use mcp_server::{Logging, Principal, Refusal, Server, StaticTokens, Tool};
use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::harness::{Harness, Shown};

pub(crate) async fn structured_content_is_what_its_revision_can_carry(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let number = client.call("add", json!({ "a": 1, "b": 2 })).await;
    let object = client.call("stats", json!({ "values": [1, 2.5] })).await;
    assert_eq!(text(&number), "3"); // a copy for clients that read only text
    assert_eq!(serde_json::from_str::<Value>(text(&object)).unwrap(), json!({ "count": 2, "sum": 3.5 }));
    let (of_number, of_object) = match h.revision {
        Revision::V2024_11_05 | Revision::V2025_03_26 => (Value::Null, Value::Null),
        Revision::V2026_07_28 => (json!(3), json!({ "count": 2, "sum": 3.5 })),
        _ => (json!({ "result": 3 }), json!({ "count": 2, "sum": 3.5 })),
    };
    assert_eq!(number.get("structuredContent").unwrap_or(&Value::Null), &of_number);
    assert_eq!(object.get("structuredContent").unwrap_or(&Value::Null), &of_object);
    Ok(())
}

pub(crate) async fn an_output_schema_describes_what_is_sent(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let tools = client.result("tools/list", json!({})).await["tools"].clone();
    let find =
        |name: &str| tools.as_array().unwrap().iter().find(|tool| tool["name"] == name).unwrap().clone();
    let (number, object) = (find("add"), find("stats"));
    if !h.is_structured() {
        assert_eq!((number.get("outputSchema"), object.get("outputSchema")), (None, None));
        return Ok(());
    }
    assert_eq!(object["outputSchema"]["required"], json!(["count", "sum"]));
    let schema = &number["outputSchema"];
    if h.is_stateless() {
        assert_eq!(schema["type"], "integer");
    } else {
        assert_eq!((&schema["type"], &schema["required"]), (&json!("object"), &json!(["result"])));
        assert_eq!(schema["properties"]["result"]["type"], "integer");
    }
    assert_eq!(find("linked").get("outputSchema"), None); // nothing is known of it
    assert_eq!(number["inputSchema"]["additionalProperties"], false);
    Ok(())
}

pub(crate) async fn blocks_that_a_revision_has_not_become_text(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let result = client.call("linked", json!({})).await;
    let blocks: Vec<&str> =
        result["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    let expected = match h.revision {
        Revision::V2024_11_05 => ["text", "text", "image"],
        Revision::V2025_03_26 => ["text", "audio", "image"],
        _ => ["resource_link", "audio", "image"],
    };
    assert_eq!(blocks, expected);
    if !h.is_structured() {
        assert_eq!(result["content"][0]["text"], "the note: note://text");
    }
    let prompt = client.result("prompts/get", json!({ "name": "sounding" })).await;
    let sound = &prompt["messages"][0]["content"]["type"];
    assert_eq!(sound, if h.revision == Revision::V2024_11_05 { "text" } else { "audio" });
    assert_eq!(
        result["content"][2],
        json!({ "type": "image", "data": "cGljdHVyZQ==", "mimeType": "image/png" })
    );
    assert_eq!(result["_meta"]["own"], 1);
    Ok(())
}

pub(crate) async fn a_resource_is_text_or_base64(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let cases = [
        ("note://text", json!({ "uri": "note://text", "mimeType": "text/plain", "text": "a note" })),
        (
            "note://blob",
            json!({ "uri": "note://blob", "mimeType": "application/octet-stream", "blob": "AAEC/w==" }),
        ),
        ("item://7", json!({ "uri": "item://7", "text": "item 7" })),
    ];
    for (uri, expected) in cases {
        assert_eq!(
            client.result("resources/read", json!({ "uri": uri })).await["contents"],
            json!([expected])
        );
    }
    Ok(())
}

/// Every method that has a result, with what it takes, and whether its result can be cached.
fn methods(h: Harness) -> Vec<(&'static str, Value, bool)> {
    let mut methods = vec![
        ("tools/list", json!({}), true),
        ("prompts/list", json!({}), true),
        ("resources/list", json!({}), true),
        ("resources/templates/list", json!({}), true),
        ("resources/read", json!({ "uri": "note://text" }), true),
        ("resources/read", json!({ "uri": "note://shared" }), true),
        ("tools/call", json!({ "name": "echo", "arguments": { "text": "x" } }), false),
        ("tools/call", json!({ "name": "refuse", "arguments": {} }), false),
        ("tools/call", json!({ "name": "linked", "arguments": {} }), false),
        ("prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } }), false),
    ];
    if h.is_stateless() {
        methods.push(("server/discover", json!({}), true));
    } else {
        methods.push(("ping", json!({}), false));
        methods.push(("logging/setLevel", json!({ "level": "info" }), false));
    }
    methods
}

pub(crate) async fn every_result_says_that_it_is_complete_and_who_answers(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for (method, params, _) in methods(h) {
        let result = client.result(method, params).await;
        let server = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
        if h.is_stateless() {
            assert_eq!(result["resultType"], "complete", "{method}");
            assert_eq!(server, &json!({ "name": "fixture", "version": "1.2.3" }), "{method}");
        } else {
            assert_eq!((result.get("resultType"), server), (None, &Value::Null), "{method}");
        }
    }
    Ok(())
}

pub(crate) async fn hints_stand_on_the_six_cacheable_results_only(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for (method, params, cacheable) in methods(h) {
        let result = client.result(method, params.clone()).await;
        let hints = (result.get("ttlMs"), result.get("cacheScope"));
        if h.is_stateless() && cacheable {
            // What a resource's handler answers may depend on who asks, unless its author says that it does not.
            let own = method == "resources/read" && params["uri"] != "note://shared";
            assert_eq!(hints.1, Some(&json!(if own { "private" } else { "public" })), "{method} {params}");
            let ttl = if params["uri"] == "note://shared" { 60_000 } else { 0 }; // as declared
            assert_eq!(hints.0, Some(&json!(ttl)), "{method} {params}");
        } else {
            assert_eq!(hints, (None, None), "{method}");
        }
    }
    Ok(())
}

/// The scopes of a list and of a resource.
async fn scopes(client: &Client) -> (Value, Value) {
    let list = client.result("tools/list", json!({})).await;
    let read = client.result("resources/read", json!({ "uri": "note://shared" })).await;
    (list["cacheScope"].clone(), read["cacheScope"].clone())
}

pub(crate) async fn what_may_differ_from_caller_to_caller_is_private(h: Harness) -> Shown {
    h.only_stateless()?;
    let private = (json!("private"), json!("private"));
    let of_fixture = scopes(&h.client().await.0).await;
    assert_eq!(of_fixture, (json!("public"), json!("public")));
    let (site, _) = h.fixture_with(|server| server.with(Logging::new())).await;
    assert_eq!(scopes(&site.client().await).await, private);
    let tokens = StaticTokens::new().token("t", Principal::user("test", "ada"));
    let (site, _) = h.fixture_with(|server| server.authenticate(tokens)).await;
    assert_eq!(scopes(&site.client_of(json!({}), Some("t")).await).await, private);
    let hidden = Tool::new("hidden", json!({ "type": "object" }), |_, _| async { "secret" })
        .check(|_| async { Err(Refusal::new("not for you")) });
    let (site, _) = h.fixture_with(|server| server.tool(hidden)).await;
    assert_eq!(scopes(&site.client().await).await.0, "private");
    Ok(())
}

pub(crate) async fn what_a_caller_may_not_use_is_neither_listed_nor_served(h: Harness) -> Shown {
    let hidden = Tool::new("hidden", json!({ "type": "object" }), |_, _| async { "secret" })
        .check(|_| async { Err(Refusal::new("not for you")) });
    let shown = Tool::new("shown", json!({ "type": "object" }), |_, _| async { "open" });
    let client = h.serve(Server::new("checked").tool(hidden).tool(shown)).await.client().await;
    let tools = client.result("tools/list", json!({})).await;
    assert_eq!(tools["tools"].as_array().unwrap().len(), 1);
    let refused = client.request("tools/call", json!({ "name": "hidden", "arguments": {} })).await;
    assert!(refused.message.get("error").is_some() && !refused.text.contains("secret"), "{refused:?}");
    assert_eq!(text(&client.call("shown", json!({})).await), "open");
    Ok(())
}
