//! Headers that repeat a tool's arguments (2026-07-28, basic/transports/streamable-http, "Custom Headers from Tool
//! Parameters").

use larder_tests::effects::Effects;
use larder_tests::http::HttpRequest;
use mcp_server::{Context, Refusal, Server, State, Tool, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, Reply, text};
use crate::harness::{Harness, Shown, only};

const HEADER_MISMATCH: i64 = -32_020;

/// Says what it was called with.
#[tool]
async fn query(
    /** where */
    #[arg(header = "Region")]
    region: Option<String>,
    #[arg(header = "Rows")] rows: Option<i128>,
    #[arg(header = "Dry")] dry: Option<bool>,
    sql: Option<String>,
    effects: State<Effects>,
) -> String {
    effects.mark("ran");
    format!("{region:?} {rows:?} {dry:?} {sql:?}")
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct Target {
    #[schemars(extend("x-mcp-header" = "Zone"))]
    zone: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Placed {
    target: Option<Target>,
    zone: Option<String>,
}

/// A tool by hand, whose header repeats what is inside an argument.
fn place() -> Tool {
    Tool::typed("place", |_: Context, placed: Placed| async move {
        format!("{:?} {:?}", placed.target.and_then(|target| target.zone), placed.zone)
    })
}

/// A client of a server with both.
async fn client(h: Harness) -> (Client, Effects) {
    let effects = Effects::default();
    let server = Server::new("mirror").state(effects.clone()).tool(query).tool(place());
    (h.serve(server).await.client().await, effects)
}

/// The same where such headers are looked at.
async fn strict(h: Harness) -> Result<(Client, Effects), crate::harness::NotShown> {
    h.only_stateless()?;
    h.only_http()?;
    Ok(client(h).await)
}

/// A call whose arguments are this text.
fn call(client: &Client, tool: &str, arguments: &str) -> HttpRequest {
    let message = client.message(7, "tools/call", json!({ "name": tool, "arguments": "HERE" })).to_string();
    client.post(message.replace("\"HERE\"", arguments).as_bytes())
}

async fn called(client: &Client, headers: &[(&str, &str)], arguments: &str) -> Reply {
    let request = call(client, "query", arguments);
    client.fetch(headers.iter().fold(request, |request, (name, value)| request.also(name, value))).await
}

/// Refused, and the message names the header.
fn assert_refused(reply: &Reply, header: &str) {
    reply.assert_error(HEADER_MISMATCH, 400);
    let message = reply.message["error"]["message"].as_str().unwrap();
    assert_eq!(reply.message["id"], 7);
    assert!(message.starts_with("header mismatch: ") && message.contains(header), "{message}");
}

pub(crate) async fn a_declared_header_stands_in_the_schema_of_its_argument(h: Harness) -> Shown {
    let (client, _) = client(h).await;
    let list = client.result("tools/list", json!({})).await;
    let of = |tool: &str| {
        let tools = list["tools"].as_array().unwrap();
        let tool = tools.iter().find(|listed| listed["name"] == tool).unwrap();
        tool["inputSchema"]["properties"].clone()
    };
    let region = json!({ "type": "string", "description": "where", "x-mcp-header": "Region" });
    assert_eq!(of("query")["region"], region);
    assert_eq!(of("query")["rows"]["x-mcp-header"], "Rows");
    assert_eq!(of("query")["sql"].get("x-mcp-header"), None);
    assert_eq!(of("place")["target"]["properties"]["zone"]["x-mcp-header"], "Zone");
    Ok(())
}

pub(crate) async fn a_declared_header_is_there_exactly_where_its_argument_has_a_value(h: Harness) -> Shown {
    let (client, effects) = strict(h).await?;
    for arguments in ["{}", r#"{"region":null,"rows":null,"dry":null}"#] {
        let none = called(&client, &[], arguments).await.result();
        assert_eq!(text(&none), "None None None None");
    }
    let eu = ("Mcp-Param-Region", "eu");
    let given = called(&client, &[eu], r#"{"region":"eu","sql":"s"}"#).await.result();
    assert_eq!(text(&given), r#"Some("eu") None None Some("s")"#);
    assert!(effects.has("ran"));
    for (headers, arguments, header) in [
        (&[][..], r#"{"region":"eu"}"#, "Mcp-Param-Region is missing"),
        (&[eu], r#"{"region":"eu","rows":1}"#, "Mcp-Param-Rows is missing"),
        (&[eu], "{}", "Mcp-Param-Region is there"),
        (&[eu], r#"{"region":null}"#, "Mcp-Param-Region is there"),
        (&[("Mcp-Param-Region", "null")], r#"{"region":null}"#, "Mcp-Param-Region is there"),
        (&[("Mcp-Param-Region", "")], "{}", "Mcp-Param-Region is there"),
    ] {
        assert_refused(&called(&client, headers, arguments).await, header);
    }
    let without = call(&client, "query", "{}").body(json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": client.with_meta(json!({ "name": "query" })),
    }).to_string());
    client.fetch(without.clone()).await.result();
    assert_refused(&client.fetch(without.header("mcp-param-dry", "true")).await, "Mcp-Param-Dry");
    Ok(())
}

pub(crate) async fn a_declared_header_says_what_its_argument_says(h: Harness) -> Shown {
    let (client, _) = strict(h).await?;
    for (header, value, arguments) in [
        ("mcp-param-region", "eu", r#"{"region":"eu"}"#),
        ("MCP-PARAM-REGION", "  eu\t", r#"{"region":"eu"}"#),
        ("mcp-param-region", "", r#"{"region":""}"#),
        ("mcp-param-region", "=?base64?SGVsbG8sIOS4lueVjA==?=", r#"{"region":"Hello, 世界"}"#),
        ("mcp-param-region", "=?base64?IHBhZGRlZCA=?=", r#"{"region":" padded "}"#),
        ("mcp-param-region", "SGVsbG8=", r#"{"region":"SGVsbG8="}"#),
        ("mcp-param-rows", "42.0", r#"{"rows":42}"#),
        ("mcp-param-rows", "-7", r#"{"rows":-7}"#),
        ("mcp-param-rows", "18446744073709551616", r#"{"rows":18446744073709551616}"#),
        ("mcp-param-dry", "true", r#"{"dry":true}"#),
        ("mcp-param-dry", "false", r#"{"dry":false}"#),
    ] {
        let reply = called(&client, &[(header, value)], arguments).await;
        assert_ne!(text(&reply.result()), "None None None None", "{value:?} for {arguments}");
    }
    for (header, value, arguments) in [
        ("Mcp-Param-Region", "us", r#"{"region":"eu"}"#),
        ("Mcp-Param-Region", "EU", r#"{"region":"eu"}"#),
        ("Mcp-Param-Region", "padded", r#"{"region":" padded "}"#),
        ("Mcp-Param-Region", "=?base64?SGVsbG8?=", r#"{"region":"Hello"}"#),
        ("Mcp-Param-Region", "=?base64?SGVs!!!bG8=?=", r#"{"region":"Hello"}"#),
        ("Mcp-Param-Region", "=?base64?SGVsbG9=?=", r#"{"region":"Hello"}"#),
        ("Mcp-Param-Region", "naïve", r#"{"region":"naïve"}"#),
        ("Mcp-Param-Rows", "18446744073709551615", r#"{"rows":18446744073709551616}"#),
        ("Mcp-Param-Rows", "9007199254740992", r#"{"rows":9007199254740993}"#),
        ("Mcp-Param-Rows", "+42", r#"{"rows":42}"#),
        ("Mcp-Param-Dry", "True", r#"{"dry":true}"#),
        ("Mcp-Param-Dry", "1", r#"{"dry":true}"#),
    ] {
        assert_refused(&called(&client, &[(header, value)], arguments).await, header);
    }
    Ok(())
}

pub(crate) async fn a_header_repeats_what_stands_at_its_path_alone(h: Harness) -> Shown {
    let (client, _) = strict(h).await?;
    let sent = |zone: &str, arguments: &str| call(&client, "place", arguments).header("mcp-param-zone", zone);
    let reply = client.fetch(sent("b", r#"{"target":{"zone":"b"},"zone":"c"}"#)).await;
    assert_eq!(text(&reply.result()), r#"Some("b") Some("c")"#);
    let outside = client.fetch(call(&client, "place", r#"{"target":null,"zone":"c"}"#)).await;
    assert_eq!(text(&outside.result()), r#"None Some("c")"#);
    assert_refused(&client.fetch(sent("c", r#"{"target":{"zone":"b"},"zone":"c"}"#)).await, "Mcp-Param-Zone");
    assert_refused(&client.fetch(sent("c", r#"{"zone":"c"}"#)).await, "`target.zone` has no value");
    Ok(())
}

pub(crate) async fn what_stands_twice_matches_nothing(h: Harness) -> Shown {
    let (client, effects) = strict(h).await?;
    let eu = ("mcp-param-region", "eu");
    assert_refused(
        &called(&client, &[eu, eu], r#"{"region":"eu"}"#).await,
        "Mcp-Param-Region is there twice",
    );
    for arguments in [
        r#"{"region":"eu","region":"us"}"#,
        r#"{"region":"us","region":"eu"}"#,
        r#"{"region":"eu","reg\u0069on":"us"}"#,
        r#"{"region":null,"region":"eu"}"#,
    ] {
        assert_refused(&called(&client, &[eu], arguments).await, "`region`");
    }
    let zone = call(&client, "place", r#"{"target":{"zone":"b"},"target":{"zone":"c"}}"#);
    assert_refused(&client.fetch(zone.header("mcp-param-zone", "b")).await, "`target.zone`");
    assert!(!effects.has("ran"));
    Ok(())
}

pub(crate) async fn a_mismatch_is_refused_before_anything_runs_and_repeats_no_value(h: Harness) -> Shown {
    let (client, effects) = strict(h).await?;
    let (long, longer) = ("x".repeat(16 << 10), "y".repeat(1 << 20));
    for (headers, arguments) in [
        (vec![("Mcp-Param-Region", &*long)], json!({ "region": longer })),
        (vec![("Mcp-Param-Region", &*long)], json!({})),
        (vec![], json!({ "region": longer })),
    ] {
        let reply = called(&client, &headers, &arguments.to_string()).await;
        assert_refused(&reply, "Mcp-Param-Region");
        assert!(
            reply.text.len() < 512 && !reply.text.contains("xx") && !reply.text.contains("yy"),
            "{reply:?}"
        );
    }
    assert!(!effects.has("ran"));
    Ok(())
}

pub(crate) async fn who_may_not_use_a_tool_learns_nothing_from_its_headers(h: Harness) -> Shown {
    h.only_stateless()?;
    h.only_http()?;
    let forbidden = query().check(|_| async { Err(Refusal::new("not for you")) });
    let server = Server::new("mirror").state(Effects::default()).tool(forbidden).tool(place());
    let client = h.serve(server).await.client().await;
    let right = called(&client, &[("mcp-param-region", "eu")], r#"{"region":"eu"}"#).await;
    right.assert_error(-32_600, 200);
    for (headers, arguments) in [
        (vec![("mcp-param-region", "us")], r#"{"region":"eu"}"#),
        (vec![], r#"{"region":"eu"}"#),
        (vec![("mcp-param-region", "eu")], r#"{"region":7}"#),
    ] {
        let wrong = called(&client, &headers, arguments).await;
        assert_eq!((&wrong.text, wrong.status), (&right.text, right.status), "{arguments}");
    }
    let zone = call(&client, "place", r#"{"target":{"zone":"b"}}"#);
    assert_refused(&client.fetch(zone).await, "Mcp-Param-Zone");
    Ok(())
}

pub(crate) async fn a_header_that_its_tool_does_not_declare_is_passed_over(h: Harness) -> Shown {
    let (client, _) = strict(h).await?;
    let odd = [
        ("mcp-param-zone", "b"),
        ("mcp-param-sql", "other"),
        ("mcp-param-x", "=?base64?!?="),
        ("mcp-param-x", "ü"),
    ];
    let reply = called(&client, &odd, r#"{"sql":"s"}"#).await;
    assert_eq!(text(&reply.result()), r#"None None None Some("s")"#);
    let unknown = call(&client, "unknown", r#"{"region":"eu"}"#).header("mcp-param-region", "us");
    client.fetch(unknown).await.assert_error(-32_602, 200);
    let list = client.message(7, "tools/list", json!({})).to_string();
    client.fetch(client.post(list.as_bytes()).header("mcp-param-region", "us")).await.result();
    Ok(())
}

pub(crate) async fn elsewhere_declared_headers_are_neither_asked_for_nor_compared(h: Harness) -> Shown {
    only(!(h.is_stateless() && h.is_http()), "2026-07-28 over HTTP compares them")?;
    let (client, _) = client(h).await;
    let arguments = json!({ "region": "eu", "rows": 7, "dry": true });
    let expected = r#"Some("eu") Some(7) Some(true) None"#;
    assert_eq!(text(&client.call("query", arguments.clone()).await), expected);
    if h.is_http() {
        let request = call(&client, "query", &arguments.to_string());
        let wrong = request.header("mcp-param-region", "us").header("mcp-param-dry", "=?base64?!?=");
        assert_eq!(text(&client.fetch(wrong).await.result()), expected);
    }
    Ok(())
}

pub(crate) async fn a_notification_is_asked_for_no_such_header(h: Harness) -> Shown {
    let (client, effects) = strict(h).await?;
    let params: Value = client.with_meta(json!({ "name": "query", "arguments": { "region": "eu" } }));
    let message = json!({ "jsonrpc": "2.0", "method": "tools/call", "params": params }).to_string();
    let reply = client.send(message.as_bytes()).await;
    assert_eq!((reply.status, &*reply.text), (Some(202), ""), "{reply:?}");
    assert!(!effects.has("ran"));
    Ok(())
}
