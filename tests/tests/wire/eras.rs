//! Which revision a message is served under (2026-07-28, basic/versioning and basic/transports/streamable-http;
//! 2025-11-25, basic/lifecycle and basic/transports).

use larder_tests::http::HttpRequest;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::harness::{Harness, Shown, Transport, only};

const INVALID_REQUEST: i64 = -32_600;
const INVALID_PARAMS: i64 = -32_602;
const METHOD_NOT_FOUND: i64 = -32_601;
const HEADER_MISMATCH: i64 = -32_020;
const UNSUPPORTED_VERSION: i64 = -32_022;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

pub(crate) async fn initialize_agrees_on_the_version_asked_for_or_the_newest_with_a_handshake(
    h: Harness,
) -> Shown {
    only(h.transport != Transport::Memory, "the client in memory shakes hands by itself")?;
    let (site, _) = h.fixture().await;
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("draft", "2025-11-25"),
    ] {
        let reply = site.stranger(json!({}), None).initialize(asked).await;
        let result = reply.result();
        assert_eq!(result["protocolVersion"], agreed, "{asked}");
        assert_eq!(result["serverInfo"], json!({ "name": "fixture", "version": "1.2.3" }));
        assert_eq!(result["instructions"], "Only for tests.");
        let session = reply.http.as_ref().map(|http| http.header("mcp-session-id").unwrap().to_owned());
        assert_eq!(session.is_some(), h.is_http());
    }
    Ok(())
}

pub(crate) async fn initialize_without_a_version_is_refused(h: Harness) -> Shown {
    only(h.transport != Transport::Memory, "the client in memory shakes hands by itself")?;
    let (site, _) = h.fixture().await;
    let client = site.stranger(json!({}), None);
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    client.begin_message(&message).await.answer().await.assert_error(INVALID_PARAMS, 200);
    Ok(())
}

pub(crate) async fn discover_tells_versions_capabilities_and_who_answers(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let result = client.result("server/discover", json!({})).await;
    let all = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
    assert_eq!(result["supportedVersions"], json!(all));
    assert_eq!(
        result["capabilities"],
        json!({ "logging": {}, "prompts": {}, "resources": { "subscribe": true }, "tools": {} })
    );
    assert_eq!(result["instructions"], "Only for tests.");
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "fixture");
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("public")));
    Ok(())
}

/// 2026-07-28, server/tools, "Listing Tools": what is listed depends on who asks, and on nothing that was asked before.
pub(crate) async fn a_list_is_the_same_on_every_connection(h: Harness) -> Shown {
    h.only_stateless()?;
    let (site, _) = h.fixture().await;
    let (one, other) = (site.client().await, site.client_of(json!({ "elicitation": {} }), None).await);
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        let first = one.result(method, json!({})).await;
        one.request("tools/call", json!({ "name": "say", "arguments": {} })).await;
        assert_eq!(one.result(method, json!({})).await, first, "{method}");
        assert_eq!(other.result(method, json!({})).await, first, "{method}");
    }
    Ok(())
}

pub(crate) async fn extensions_are_told_as_they_were_declared(h: Harness) -> Shown {
    only(h.transport != Transport::Memory || h.is_stateless(), "its client keeps the answer")?;
    let (site, _) =
        h.fixture_with(|server| server.extension("com.example/view", json!({ "depth": 2 }))).await;
    let declared = async |capabilities: Value| {
        let stranger = site.stranger(capabilities, None);
        let told = if h.is_stateless() {
            stranger.result("server/discover", json!({})).await
        } else {
            stranger.initialize(h.revision.as_str()).await.result()
        };
        told["capabilities"]["extensions"].clone()
    };
    let view = json!({ "com.example/view": { "depth": 2 } });
    assert_eq!(declared(json!({ "extensions": {} })).await, view);
    // A handshake knew none, so only who names some is told.
    assert_eq!(declared(json!({})).await, if h.is_stateless() { view } else { Value::Null });
    let (plain, _) = h.fixture().await;
    let told = plain.stranger(json!({ "extensions": {} }), None);
    if h.is_stateless() {
        let told = told.result("server/discover", json!({})).await;
        assert_eq!(told["capabilities"].get("extensions"), None);
    }
    Ok(())
}

pub(crate) async fn methods_of_the_handshake_are_unknown_on_2026_07_28(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let methods = ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    for method in methods {
        let params = json!({ "protocolVersion": "2026-07-28", "capabilities": {}, "level": "info", "uri": "note://text" });
        let message = client.message(7, method, params);
        let reply = if h.is_http() {
            let request = client.post(message.to_string().as_bytes()).without("mcp-name");
            client.fetch(request).await
        } else {
            client.begin_message(&message).await.answer().await
        };
        reply.assert_error(METHOD_NOT_FOUND, 404);
    }
    Ok(())
}

pub(crate) async fn methods_of_2026_07_28_are_unknown_in_a_session(h: Harness) -> Shown {
    h.only_handshake()?;
    let (client, _) = h.client().await;
    for (method, params) in
        [("server/discover", json!({})), ("subscriptions/listen", json!({ "notifications": {} }))]
    {
        client.request(method, params).await.assert_error(METHOD_NOT_FOUND, 200);
    }
    Ok(())
}

pub(crate) async fn incomplete_metadata_is_refused_first(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let metas = [
        json!({ VERSION: "2026-07-28" }),
        json!({ CAPABILITIES: {} }),
        json!({ VERSION: null, CAPABILITIES: {} }),
        json!({ VERSION: 2026, CAPABILITIES: {} }),
        json!({ VERSION: "2026-07-28", CAPABILITIES: [] }),
        json!({ VERSION: "2026-07-28", CAPABILITIES: null }),
        json!({ VERSION: "1900-01-01" }),
    ];
    for meta in metas {
        let message =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": { "_meta": meta } });
        client.begin_message(&message).await.answer().await.assert_error(INVALID_PARAMS, 400);
        if h.is_http() {
            let bare = client
                .post(message.to_string().as_bytes())
                .without("mcp-protocol-version")
                .without("mcp-method");
            client.fetch(bare).await.assert_error(INVALID_PARAMS, 400);
        }
    }
    let good = json!({ VERSION: "2026-07-28", CAPABILITIES: {}, "progressToken": 1.5 });
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": { "_meta": good } });
    client.begin_message(&message).await.answer().await.assert_error(INVALID_PARAMS, 400);
    Ok(())
}

pub(crate) async fn headers_must_say_what_the_body_says(h: Harness) -> Shown {
    h.only_stateless()?;
    h.only_http()?;
    let (client, _) = h.client().await;
    let body =
        client.message(7, "tools/call", json!({ "name": "echo", "arguments": { "text": "x" } })).to_string();
    let good = client.post(body.as_bytes());
    let mismatched = [
        good.clone().without("mcp-protocol-version"),
        good.clone().without("mcp-method"),
        good.clone().without("mcp-name"),
        good.clone().header("mcp-protocol-version", "2025-11-25"),
        good.clone().header("mcp-method", "tools/list"),
        good.clone().header("mcp-method", "Tools/Call"),
        good.clone().header("mcp-name", "Echo"),
        good.clone().header("mcp-name", "=?base64?ZWNo?="),
        good.clone().header("mcp-name", "=?base64?ZWNobw?="),
        good.clone().also("mcp-name", "echo"),
    ];
    for request in mismatched {
        let what = format!("{request:?}");
        let reply = client.fetch(request).await;
        assert_eq!((reply.code(), reply.status), (HEADER_MISMATCH, Some(400)), "{what}");
        assert_eq!(reply.message["id"], 7);
    }
    let fitting = [
        good.clone(),
        good.clone().header("mcp-name", "=?base64?ZWNobw==?="),
        good.clone().header("mcp-name", "  echo\t"),
        good.header("mcp-method", " tools/call "),
    ];
    for request in fitting {
        client.fetch(request).await.result();
    }
    let uri = client.message(8, "resources/read", json!({ "uri": "item://größe" })).to_string();
    let request = client.post(uri.as_bytes()).header("mcp-name", "=?base64?aXRlbTovL2dyw7bDn2U=?=");
    client.fetch(request).await.result();
    Ok(())
}

pub(crate) async fn a_version_that_is_not_served_is_told_which_are(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    let served = client.result("server/discover", json!({})).await["supportedVersions"].clone();
    for version in ["1900-01-01", "2027-01-01", "2025-11-25", "draft"] {
        let meta = json!({ "_meta": { VERSION: version } });
        let message = client.message(7, "tools/list", meta).to_string();
        let reply = if h.is_http() {
            client.fetch(client.post(message.as_bytes()).header("mcp-protocol-version", version)).await
        } else {
            client.send(message.as_bytes()).await
        };
        reply.assert_error(UNSUPPORTED_VERSION, 400);
        assert_eq!(reply.message["error"]["data"], json!({ "supported": served, "requested": version }));
    }
    Ok(())
}

/// Whether the answer has the form of 2026-07-28.
fn is_modern(reply: &Reply) -> bool {
    reply.result()["resultType"] == "complete"
}

pub(crate) async fn both_eras_share_a_connection(h: Harness) -> Shown {
    only(!h.is_http(), "over HTTP each request has its own headers")?;
    let (client, _) = h.client().await;
    let modern = json!({ "_meta": { VERSION: "2026-07-28", CAPABILITIES: {} } });
    let probe = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": modern });
    assert!(is_modern(&client.begin_message(&probe).await.answer().await));
    if h.is_stateless() {
        client.initialize("2025-06-18").await.result();
    }
    let old = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {} });
    let new = json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": modern });
    for _ in 0..2 {
        assert!(!is_modern(&client.begin_message(&old).await.answer().await));
        assert!(is_modern(&client.begin_message(&new).await.answer().await));
    }
    Ok(())
}

pub(crate) async fn discover_may_come_before_initialize(h: Harness) -> Shown {
    h.only_handshake()?;
    only(h.transport != Transport::Memory, "the client in memory shakes hands by itself")?;
    let (site, _) = h.fixture().await;
    let mut client = site.stranger(json!({}), None);
    let modern = json!({ "_meta": { VERSION: "2026-07-28", CAPABILITIES: {} } });
    let probe = json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": modern });
    let reply = if h.is_http() {
        let request = client.post(probe.to_string().as_bytes());
        let request =
            request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", "server/discover");
        client.fetch(request).await
    } else {
        client.begin_message(&probe).await.answer().await
    };
    assert!(is_modern(&reply));
    client.shake_hands().await;
    assert!(!is_modern(&client.request("tools/list", json!({})).await));
    Ok(())
}

pub(crate) async fn before_initialize_a_connection_answers_ping_alone(h: Harness) -> Shown {
    h.only_lines()?;
    let (site, _) = h.fixture().await;
    let client = site.stranger(json!({}), None);
    let bare = |method: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": {} });
    assert_eq!(client.begin_message(&bare("ping")).await.answer().await.result(), json!({}));
    for method in ["tools/list", "logging/setLevel", "vendor/any"] {
        let reply = client.begin_message(&bare(method)).await.answer().await;
        assert!(reply.message.get("error").is_some(), "{method}: {reply:?}");
    }
    let tools = client.begin_message(&bare("tools/list")).await.answer().await;
    tools.assert_error(INVALID_REQUEST, 200);
    assert!(tools.message["error"]["message"].as_str().unwrap().contains("initialize"), "{tools:?}");
    Ok(())
}

pub(crate) async fn a_connection_is_initialized_once(h: Harness) -> Shown {
    h.only_handshake()?;
    only(!h.is_http(), "over HTTP each initialize begins a session of its own")?;
    let (client, _) = h.client().await;
    client.initialize("2024-11-05").await.assert_error(INVALID_REQUEST, 200);
    let tools = client.result("tools/list", json!({})).await;
    let structured = tools["tools"].as_array().unwrap().iter().any(|tool| tool.get("outputSchema").is_some());
    assert_eq!(structured, h.is_structured()); // it still speaks what was agreed on
    Ok(())
}

pub(crate) async fn a_session_decides_what_its_version_header_repeats(h: Harness) -> Shown {
    h.only_http()?;
    h.only_handshake()?;
    let (client, _) = h.client().await;
    let body = client
        .message(7, "tools/call", json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }))
        .to_string();
    let expected = client.fetch(client.post(body.as_bytes())).await.result();
    let without = client.post(body.as_bytes()).without("mcp-protocol-version");
    assert_eq!(client.fetch(without).await.result(), expected);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let request = client.post(body.as_bytes()).header("mcp-protocol-version", version);
        assert_eq!(client.fetch(request).await.result(), expected, "{version}");
    }
    for version in ["1900-01-01", "draft", ""] {
        let request = client.post(body.as_bytes()).header("mcp-protocol-version", version);
        let reply = client.fetch(request).await;
        assert_eq!(reply.status, Some(400), "{version:?}: {reply:?}");
        assert_eq!(reply.message["jsonrpc"], "2.0");
        let answer = json!({ "jsonrpc": "2.0", "id": "q", "result": {} }).to_string();
        let get = HttpRequest::new("GET", "").header("accept", "text/event-stream");
        let others = [
            HttpRequest::post(answer),
            HttpRequest::post(r#"[{"jsonrpc":"2.0","method":"notifications/x"}]"#),
            get,
            HttpRequest::new("DELETE", ""),
        ];
        for other in others {
            let refused = client.fetch(client.sign(other).header("mcp-protocol-version", version)).await;
            assert_eq!((refused.status, refused.message["jsonrpc"].as_str()), (Some(400), Some("2.0")));
        }
    }
    assert_eq!(
        client.fetch(client.post(body.as_bytes())).await.result(),
        expected,
        "the session has not ended"
    );
    Ok(())
}

pub(crate) async fn a_request_says_all_that_it_is_served_by(h: Harness) -> Shown {
    h.only_stateless()?;
    let (client, _) = h.client().await;
    // What one request declares is not remembered for the next.
    let able = json!({ "name": "asking", "arguments": {}, "_meta": { CAPABILITIES: { "elicitation": {} } } });
    client.result("tools/call", able).await;
    let unable = client.request("tools/call", json!({ "name": "asking", "arguments": {} })).await;
    unable.assert_error(-32_021, 400);
    let loud =
        json!({ "name": "say", "arguments": {}, "_meta": { "io.modelcontextprotocol/logLevel": "debug" } });
    assert_eq!(client.request("tools/call", loud).await.said.len(), 4);
    let quiet = client.request("tools/call", json!({ "name": "say", "arguments": {} })).await;
    assert_eq!(quiet.said, [] as [Value; 0]);
    // The name that a client gives itself changes nothing.
    let named = json!({ "_meta": { "io.modelcontextprotocol/clientInfo": { "name": "x", "version": "1" } } });
    let (with, without) =
        (client.result("tools/list", named).await, client.result("tools/list", json!({})).await);
    assert_eq!(with, without);
    Ok(())
}
