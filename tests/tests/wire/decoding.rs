//! From bytes to a message (2025-11-25 and 2026-07-28, basic, "Messages"; JSON-RPC 2.0, section 5.1).

use serde_json::{Value, json};

use crate::client::{Client, text};
use crate::harness::{Harness, Shown, only};

const PARSE_ERROR: i64 = -32_700;
const INVALID_REQUEST: i64 = -32_600;
const INVALID_PARAMS: i64 = -32_602;

/// The message is refused with `code` and 400, under the id `id` (null is none at all).
async fn refused(client: &Client, bytes: &[u8], code: i64, id: &Value) {
    let reply = client.send(bytes).await;
    let what = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into_owned();
    assert_eq!((reply.code(), reply.status.unwrap_or(400)), (code, 400), "{what}: {reply:?}");
    assert_eq!(reply.message.get("id").unwrap_or(&Value::Null), id, "{what}: {reply:?}");
    assert!(!id.is_null() || reply.message.get("id").is_none(), "an id of null: {reply:?}");
    assert_eq!(reply.message["jsonrpc"], "2.0");
}

pub(crate) async fn what_is_not_json_is_a_parse_error_without_an_id(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let bytes: [&[u8]; 8] = [
        b"{",
        b"nonsense",
        br#"{"jsonrpc":"2.0","id":1,"method":"ping""#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping"} trailing"#,
        br#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#,
        br#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#,
        b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}",
        b"[1,",
    ];
    for bytes in bytes {
        refused(&client, bytes, PARSE_ERROR, &Value::Null).await;
    }
    Ok(())
}

pub(crate) async fn json_that_is_no_message_is_an_invalid_request(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let cases = [
        ("1", Value::Null),
        ("null", Value::Null),
        ("\"ping\"", Value::Null),
        ("{}", Value::Null),
        (r#"{"id":7,"method":"tools/list"}"#, json!(7)),
        (r#"{"jsonrpc":"1.0","id":7,"method":"tools/list"}"#, json!(7)),
        (r#"{"jsonrpc":2.0,"id":"a","method":"tools/list"}"#, json!("a")),
        (r#"{"jsonrpc":"2.0","id":7}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7,"method":8}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"tools/list"}"#, Value::Null),
        (r#"{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}"#, json!(7)),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, json!(7)),
    ];
    for (text, id) in cases {
        refused(&client, text.as_bytes(), INVALID_REQUEST, &id).await;
    }
    Ok(())
}

pub(crate) async fn an_id_is_a_string_or_an_integer_of_at_most_256_bytes(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let long = format!("\"{}\"", "x".repeat(255));
    for id in ["null", "1.5", "1e3", "true", "[]", "{}", r#""\ud800""#, r#""\udc00x""#, &*long] {
        let message = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        refused(&client, message.as_bytes(), INVALID_REQUEST, &Value::Null).await;
    }
    Ok(())
}

pub(crate) async fn an_id_comes_back_byte_for_byte(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let longest = format!("\"{}\"", "x".repeat(254));
    let ids = [
        "0",
        "-7",
        "123456789012345678901234567890",
        r#""\u0061\/""#,
        r#""ü""#,
        r#""""#,
        r#""1""#,
        &*longest,
    ];
    for id in ids {
        let params = client.with_meta(json!({}));
        let message = format!(r#"{{"jsonrpc":"2.0","id": {id} ,"method":"tools/list","params":{params}}}"#);
        let reply = client.send(message.as_bytes()).await;
        assert!(reply.message["result"]["tools"].is_array(), "{id}: {reply:?}");
        if h.transport == crate::harness::Transport::Memory {
            assert_eq!(reply.message["id"], serde_json::from_str::<Value>(id).unwrap()); // its client parses
        } else {
            assert!(reply.text.contains(&format!("\"id\":{id},")), "{id}: {}", &reply.text[..100]);
        }
    }
    Ok(())
}

pub(crate) async fn params_that_do_not_fit_are_invalid_under_the_id(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let cases = [
        ("tools/list", json!({ "cursor": 7 })),
        ("tools/call", json!({ "name": 7 })),
        ("tools/call", json!({})),
        ("tools/call", json!({ "name": "echo", "arguments": [] })),
        ("resources/read", json!({})),
        ("resources/read", json!({ "uri": {} })),
        ("prompts/get", json!({ "name": null })),
        ("prompts/get", json!({ "name": "greet", "arguments": "x" })),
    ];
    for (method, params) in cases {
        let reply = client.send(client.message(7, method, params).to_string().as_bytes()).await;
        reply.assert_error(INVALID_PARAMS, 200);
        assert_eq!(reply.message["id"], 7, "{reply:?}");
    }
    for params in [json!([]), json!("x"), json!(7)] {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list", "params": params });
        let reply = client.send(message.to_string().as_bytes()).await;
        // On 2026-07-28 such params have no `_meta`, which is what is refused first.
        reply.assert_error(INVALID_PARAMS, if h.is_stateless() { 400 } else { 200 });
        assert_eq!(reply.message["id"], 7, "{reply:?}");
    }
    Ok(())
}

pub(crate) async fn a_message_without_an_id_is_never_answered(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for method in
        ["notifications/initialized", "notifications/roots/list_changed", "vendor/any", "tools/list"]
    {
        let message = json!({ "jsonrpc": "2.0", "method": method });
        let reply = client.send(message.to_string().as_bytes()).await;
        assert!(reply.is_empty(), "{method}: {reply:?}");
        assert_eq!(reply.status.unwrap_or(202), 202, "{method}");
    }
    Ok(())
}

pub(crate) async fn an_answer_to_nothing_is_taken_in_a_session_and_refused_without(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    for answer in
        [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#]
    {
        let reply = client.send(answer.as_bytes()).await;
        if h.is_http() && h.is_stateless() {
            reply.assert_error(INVALID_REQUEST, 400);
        } else {
            assert!(reply.is_empty() && reply.status.unwrap_or(202) == 202, "{reply:?}");
        }
    }
    Ok(())
}

pub(crate) async fn a_message_over_4_mib_is_refused_and_the_next_is_served(h: Harness) -> Shown {
    only(h.transport != crate::harness::Transport::Memory, "no bytes are read in memory")?;
    let (client, _) = h.client().await;
    let message = client.message(
        7,
        "tools/call",
        json!({ "name": "echo", "arguments": { "text": "x".repeat(4 << 20) } }),
    );
    let reply = client.send(message.to_string().as_bytes()).await;
    reply.assert_error(INVALID_REQUEST, 413);
    assert!(reply.message.get("id").is_none(), "{reply:?}");
    assert_eq!(text(&client.call("echo", json!({ "text": "next" })).await), "next");
    Ok(())
}

pub(crate) async fn deep_nesting_costs_nobody_the_stack(h: Harness) -> Shown {
    let (client, _) = h.client().await;
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let params = client.with_meta(json!({ "name": "anything", "arguments": { "deep": "HERE" } }));
    let params = params.to_string().replace("\"HERE\"", &deep);
    let message = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{params}}}"#);
    let reply = if h.is_http() {
        // The client's own way to its headers parses with recursion.
        let shallow = client.message(7, "tools/call", json!({ "name": "anything" })).to_string();
        client.fetch_with(client.post(shallow.as_bytes()), message.as_bytes()).await
    } else {
        client.send(message.as_bytes()).await
    };
    assert_eq!(text(&reply.result()), "400009 bytes");
    assert_eq!(text(&client.call("echo", json!({ "text": "next" })).await), "next");
    Ok(())
}

pub(crate) async fn no_newline_stands_inside_a_message(h: Harness) -> Shown {
    h.only_lines()?;
    let (client, _) = h.client().await;
    let said = "one\ntwo\r\nthree\u{2028}";
    assert_eq!(text(&client.call("echo", json!({ "text": said })).await), said);
    Ok(())
}

pub(crate) async fn lines_may_be_blank_or_end_in_carriage_returns(h: Harness) -> Shown {
    h.only_lines()?;
    let (client, _) = h.client().await;
    let message = format!("\n  \n\r\n{}\r", client.message(7, "tools/list", json!({})));
    let reply = client.send(message.as_bytes()).await;
    assert!(reply.message["result"]["tools"].is_array(), "{reply:?}");
    Ok(())
}
