//! Schemas that reading the arguments does not enforce.

use mcp_server::protocol::{Json, ToolResult};
use mcp_server::{Context, Server, Tool};
use serde_json::json;

fn server() -> Server {
    let schema = json!({
        "type": "object",
        "properties": { "percent": { "type": "integer", "minimum": 0, "maximum": 100 } },
        "required": ["percent"],
    });
    let tool = Tool::new("dim", schema, |_: Context, _: Json| async { ToolResult::text("dimmed") });
    Server::new("lamp").tool(tool)
}

#[cfg(feature = "validate")]
#[tokio::test]
async fn a_schema_by_hand_is_enforced_and_values_are_not_repeated() {
    let client = server().test_client().unwrap();
    let done = client.call_tool("dim", json!({ "percent": 50 })).await.unwrap();
    assert_eq!(done["content"][0]["text"], "dimmed");
    for arguments in [json!({ "percent": 4242 }), json!({ "percent": "4242" }), json!({})] {
        let refused = client.call_tool("dim", arguments).await.unwrap();
        assert_eq!(refused["isError"], true);
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("invalid arguments: ") && !text.contains("4242"), "{text}");
    }
}

#[cfg(not(feature = "validate"))]
#[tokio::test]
async fn without_the_feature_a_schema_by_hand_is_refused_by_name() {
    let error = server().test_client().unwrap_err().to_string();
    assert!(error.contains("dim") && error.contains("feature `validate`"), "{error}");
}

#[cfg(feature = "validate")]
#[tokio::test]
async fn a_result_that_breaks_an_output_schema_by_hand_never_reaches_the_client() {
    let schema =
        json!({ "type": "object", "properties": { "percent": { "maximum": 100 } }, "required": ["percent"] });
    let tool = Tool::new("read", json!({ "type": "object" }), |_: Context, arguments: Json| async move {
        match arguments.to::<serde_json::Value>().unwrap()["answer"].clone() {
            serde_json::Value::Null => ToolResult::error("it is dark"),
            serde_json::Value::String(text) => ToolResult::text(text),
            answer => ToolResult::structured(answer.into()),
        }
    });
    let server = Server::new("lamp").tool(tool.output_schema(Json::from(schema)));
    let client = server.test_client().unwrap();
    let done = client.call_tool("read", json!({ "answer": { "percent": 50 } })).await.unwrap();
    assert_eq!(done["structuredContent"]["percent"], 50);
    assert_eq!(client.call_tool("read", json!({})).await.unwrap()["isError"], true);
    for answer in [json!({ "percent": 4242 }), json!({}), json!("no structure")] {
        let error = client.call_tool("read", json!({ "answer": answer })).await.unwrap_err();
        assert!(error.to_string().contains("internal error"), "{error}");
    }
}
