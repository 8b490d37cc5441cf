//! What is refused, with which code and sentence (server/tools, server/resources, server/prompts).

use larder_tests::faults::SECRET;
use mcp_server::protocol::Revision;
use mcp_server::{Dynamic, Server, tool};
use serde_json::{Value, json};

use crate::client::text;
use crate::harness::{Harness, Shown, only};

const INVALID_REQUEST: i64 = -32_600;
const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
const INTERNAL_ERROR: i64 = -32_603;
const RESOURCE_NOT_FOUND: i64 = -32_002;
const MISSING_CAPABILITY: i64 = -32_021;

#[tool]
async fn alone() -> &'static str {
    "alone"
}

pub(crate) async fn an_unknown_method_is_named_in_a_sentence(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for method in ["tools/nonsense", "vendor/any", "rpc.discover", "tools/call ", ""] {
        let reply = client.request(method, json!({})).await;
        if h.is_http() && h.is_stateless() && method.trim() != method {
            continue; // its header cannot repeat it
        }
        reply.assert_error(METHOD_NOT_FOUND, if h.is_stateless() { 404 } else { 200 });
        let message = reply.message["error"]["message"].as_str().unwrap();
        assert!(message.starts_with("method not found") && message.contains(method), "{message}");
    }
    Ok(())
}

pub(crate) async fn a_method_of_a_capability_that_is_not_declared_is_unknown(h: Harness) -> Shown {
    let client = h.serve(Server::new("bare").tool(alone).client_logging(false)).await.client().await;
    let status = if h.is_stateless() { 404 } else { 200 };
    let undeclared = [
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "x" })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "note://x" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": "a", "value": "" } }),
        ),
        ("logging/setLevel", json!({ "level": "info" })),
        ("resources/subscribe", json!({ "uri": "note://x" })),
        ("subscriptions/listen", json!({ "notifications": {} })),
    ];
    for (method, params) in undeclared {
        let message = client.message(7, method, params);
        let mut request = client.post(message.to_string().as_bytes());
        if method == "resources/subscribe" {
            request = request.without("mcp-name");
        }
        let reply = if h.is_http() {
            client.fetch(request).await
        } else {
            client.begin_message(&message).await.answer().await
        };
        assert_eq!(reply.message["error"]["code"], METHOD_NOT_FOUND, "{method}: {reply:?}");
        assert_eq!(reply.status.unwrap_or(status), status, "{method}");
    }
    let empty = h.serve(Server::new("empty")).await.client().await;
    let call = empty.request("tools/call", json!({ "name": "alone" })).await;
    call.assert_error(METHOD_NOT_FOUND, status);
    Ok(())
}

pub(crate) async fn capabilities_follow_from_what_is_registered(h: Harness) -> Shown {
    only(
        h.transport != crate::harness::Transport::Memory || h.is_stateless(),
        "its client keeps the answer",
    )?;
    for (server, expected) in [
        (Server::new("bare").tool(alone).client_logging(false), json!({ "tools": {} })),
        (Server::new("empty"), json!({ "logging": {} })),
        (
            Server::new("later").client_logging(false).dynamic(Dynamic::TOOLS | Dynamic::RESOURCES),
            json!({ "tools": { "listChanged": true }, "resources": { "listChanged": true, "subscribe": true } }),
        ),
    ] {
        let client = h.serve(server).await.stranger(json!({}), None);
        let result = if h.is_stateless() {
            client.result("server/discover", json!({})).await
        } else {
            client.initialize(h.revision.as_str()).await.result()
        };
        assert_eq!(result["capabilities"], expected);
    }
    Ok(())
}

pub(crate) async fn an_unknown_tool_or_prompt_is_an_invalid_param(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for (method, kind) in [("tools/call", "tool"), ("prompts/get", "prompt")] {
        let reply = client.request(method, json!({ "name": "nope" })).await;
        reply.assert_error(INVALID_PARAMS, 200);
        assert_eq!(reply.message["error"]["message"], format!("unknown {kind}: nope"));
    }
    Ok(())
}

pub(crate) async fn an_unknown_resource_has_the_code_of_its_revision(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for uri in ["note://unknown", "nonsense", "note://nothing"] {
        let reply = client.request("resources/read", json!({ "uri": uri })).await;
        reply.assert_error(if h.is_stateless() { INVALID_PARAMS } else { RESOURCE_NOT_FOUND }, 200);
        assert_eq!(reply.message["error"]["data"], json!({ "uri": uri }));
    }
    Ok(())
}

pub(crate) async fn a_missing_argument_of_a_prompt_is_an_invalid_param(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let reply =
        client.request("prompts/get", json!({ "name": "greet", "arguments": { "tone": "coldly" } })).await;
    reply.assert_error(INVALID_PARAMS, 200);
    assert!(reply.message["error"]["message"].as_str().unwrap().contains("name"), "{reply:?}");
    let got = client.result("prompts/get", json!({ "name": "greet", "arguments": { "name": "Ada" } })).await;
    assert_eq!(
        got["messages"],
        json!([{ "role": "user", "content": { "type": "text", "text": "Greet Ada warmly." } }])
    );
    Ok(())
}

pub(crate) async fn arguments_that_do_not_fit_are_told_to_the_model(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for (arguments, told) in [
        (json!({ "a": 1 }), "missing argument `b`"),
        (json!({ "a": 1, "b": "2" }), "argument `b`"),
        (json!({ "a": 1, "b": 2.5 }), "argument `b`"),
        (json!({ "a": 1, "b": 2, "c": 3 }), "unknown argument `c`"),
    ] {
        let result = client.call("add", arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        assert!(text(&result).contains(told), "{result}");
        assert_eq!(result.get("structuredContent"), None);
    }
    let open = client.call("anything", json!({ "whatever": 1 })).await;
    assert_eq!(open.get("isError"), None); // its schema allows more
    Ok(())
}

pub(crate) async fn a_tool_that_fails_answers_an_error_for_the_model(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let result = client.call("refuse", json!({})).await;
    assert_eq!((text(&result), &result["isError"]), ("the shelf is empty", &json!(true)));
    Ok(())
}

pub(crate) async fn no_text_of_a_backend_reaches_a_client(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let call = client.request("tools/call", json!({ "name": "leak", "arguments": {} })).await;
    assert_eq!((text(&call.result()), &call.result()["isError"]), ("internal error", &json!(true)));
    let read = client.request("resources/read", json!({ "uri": "note://leaking" })).await;
    read.assert_error(INTERNAL_ERROR, 200);
    assert_eq!(read.message["error"], json!({ "code": INTERNAL_ERROR, "message": "internal error" }));
    assert!(!call.text.contains(SECRET) && !read.text.contains(SECRET));
    Ok(())
}

pub(crate) async fn a_capability_that_the_client_lacks_is_named(h: Harness) -> Shown {
    let (site, _) = h.fixture().await;
    let client = site.client().await;
    let reply = client.request("tools/call", json!({ "name": "asking", "arguments": {} })).await;
    if h.is_stateless() {
        reply.assert_error(MISSING_CAPABILITY, 400);
    } else {
        reply.assert_error(INVALID_REQUEST, 200);
    }
    assert_eq!(
        reply.message["error"]["data"],
        json!({ "requiredCapabilities": { "elicitation": { "form": {} } } })
    );
    let able = site.client_of(json!({ "elicitation": {} }), None).await;
    let reply = able.request("tools/call", json!({ "name": "asking", "arguments": {} })).await;
    if matches!(h.revision, Revision::V2024_11_05 | Revision::V2025_03_26) {
        reply.assert_error(INVALID_REQUEST, 200); // these have no such thing, whatever a client declares
    } else {
        assert_eq!(text(&reply.result()), "asked");
    }
    Ok(())
}

pub(crate) async fn ping_is_answered_by_an_empty_object(h: Harness) -> Shown {
    h.only_handshake()?;
    let (client, _) = h.client().await;
    assert_eq!(client.result("ping", json!({})).await, json!({}));
    let without = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
    assert_eq!(client.begin_message(&without).await.answer().await.result(), json!({}));
    Ok(())
}

pub(crate) async fn what_a_client_sent_is_repeated_by_its_beginning_only(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let long = "x".repeat(3000);
    for (method, params) in [
        ("tools/call", json!({ "name": long })),
        ("tools/call", json!({ "name": "add", "arguments": { long.clone(): 1, "a": 1, "b": 2 } })),
        ("resources/read", json!({ "uri": format!("note://{long}") })),
    ] {
        let reply = client.request(method, params).await;
        assert!(reply.text.len() < 1000 && reply.message != Value::Null, "{}", reply.text.len());
    }
    Ok(())
}

pub(crate) async fn a_handler_that_panics_fails_its_own_request_only(h: Harness) -> Shown {
    let (client, effects) = h.client().await;
    let held = client.begin_call("hold", json!({ "key": "k" })).await;
    effects.wait("began:k").await;
    for (method, params) in [
        ("tools/call", json!({ "name": "panics_at_once", "arguments": {} })),
        ("tools/call", json!({ "name": "panics_later", "arguments": {} })),
        ("tools/call", json!({ "name": "panics_on_a_thread", "arguments": {} })),
        ("resources/read", json!({ "uri": "note://panicking" })),
    ] {
        let reply = client.request(method, params).await;
        reply.assert_error(INTERNAL_ERROR, 200);
        assert!(!reply.text.contains(SECRET), "{reply:?}");
    }
    effects.open("k");
    assert_eq!(text(&held.answer().await.result()), "held k");
    Ok(())
}

pub(crate) async fn metadata_of_tasks_is_passed_over(h: Harness) -> Shown {
    h.only_handshake()?;
    let (client, _) = h.client().await;
    let params = json!({ "name": "echo", "arguments": { "text": "x" }, "task": { "ttl": 60_000 } });
    assert_eq!(text(&client.result("tools/call", params).await), "x");
    Ok(())
}
