//! What a tool may return, and what the client gets of it.

use std::borrow::Cow;

use mcp_server::protocol::{Content, Json, Revision, ToolResult};
use mcp_server::{IntoTool, tool};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{called, listed, with_tool};

/// How many there are.
#[derive(Serialize, JsonSchema)]
struct Stats {
    /// of all
    count: u64,
    mean: Option<f64>,
}

/// Described by nothing but its JSON.
#[derive(Serialize)]
struct Opaque {
    x: u8,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Either {
    Found(Stats),
    Nothing(String),
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Circle { radius: f64 },
    Square { side: f64 },
}

#[derive(Serialize, JsonSchema)]
struct Tree {
    children: Vec<Tree>,
}

#[tool]
fn shape() -> Shape {
    Shape::Square { side: 1.5 }
}

#[tool]
fn round() -> Shape {
    Shape::Circle { radius: 1.0 }
}

#[tool]
fn tree() -> Tree {
    Tree { children: vec![Tree { children: Vec::new() }] }
}

#[tool]
fn pair() -> (u8, bool) {
    (1, true)
}

#[tool]
fn nothing() {}

#[tool]
fn string() -> String {
    "a \"b\"".to_owned()
}

#[tool]
fn borrowed() -> &'static str {
    "b"
}

#[tool]
fn cow() -> Cow<'static, str> {
    Cow::Borrowed("c")
}

#[tool]
fn number() -> u32 {
    7
}

#[tool]
fn structured() -> Stats {
    Stats { count: 2, mean: None }
}

#[tool]
fn opaque() -> Opaque {
    Opaque { x: 1 }
}

#[tool]
fn list() -> Vec<Stats> {
    vec![structured::call()]
}

#[tool]
fn perhaps(there: bool) -> Option<Stats> {
    there.then(structured::call)
}

#[tool]
fn either(found: bool) -> Either {
    if found { Either::Found(structured::call()) } else { Either::Nothing("none".to_owned()) }
}

#[tool]
fn any() -> Value {
    json!({ "x": [1] })
}

#[tool]
fn content() -> Content {
    Content::image(vec![1, 2, 3], "image/png")
}

#[tool]
fn contents() -> Vec<Content> {
    vec![Content::text("one"), Content::text("two")]
}

#[tool]
fn whole() -> ToolResult {
    ToolResult::error("no").with_meta(Json::from(json!({ "x": 1 })))
}

#[tool]
#[expect(clippy::unnecessary_wraps, reason = "the test is about the type")]
fn in_result() -> Result<Stats, String> {
    Ok(structured::call())
}

fn texts(texts: &[&str]) -> Value {
    texts.iter().map(|text| json!({ "type": "text", "text": text })).collect()
}

/// Content and structured content on 2025-11-25.
async fn both<Kind>(tool: impl IntoTool<Kind>, arguments: Value) -> (Value, Value) {
    let mut result = called(tool, arguments).await;
    (result["content"].take(), result["structuredContent"].take())
}

#[tokio::test]
async fn nothing_is_an_empty_result() {
    assert_eq!(both(nothing, json!({})).await, (json!([]), Value::Null));
}

#[tokio::test]
async fn text_is_sent_as_it_is_and_structured() {
    for (tool, expected) in [(string(), "a \"b\""), (borrowed(), "b"), (cow(), "c")] {
        assert_eq!(both(tool, json!({})).await, (texts(&[expected]), json!({ "result": expected })));
    }
    assert_eq!(listed(&with_tool(borrowed), "tools/list").await["outputSchema"], json!({ "type": "string" }));
}

#[tokio::test]
async fn a_number_is_sent_as_text_and_structured() {
    assert_eq!(both(number, json!({})).await, (texts(&["7"]), json!({ "result": 7 })));
}

#[tokio::test]
async fn an_object_is_structured_and_described() {
    let expected = json!({ "count": 2, "mean": null });
    for tool in [structured(), in_result()] {
        let definition = listed(&with_tool(tool.clone()).revision(Revision::V2025_11_25), "tools/list").await;
        let schema = json!({
            "type": "object",
            "description": "How many there are.",
            "properties": {
                "count": { "type": "integer", "minimum": 0, "description": "of all" },
                "mean": { "type": ["number", "null"] },
            },
            "required": ["count", "mean"],
        });
        assert_eq!(definition["outputSchema"], schema);
        assert_eq!(both(tool, json!({})).await, (texts(&[&expected.to_string()]), expected.clone()));
    }
}

#[tokio::test]
async fn what_has_no_schema_is_structured_without() {
    assert_eq!(both(opaque, json!({})).await, (texts(&[r#"{"x":1}"#]), json!({ "x": 1 })));
    assert_eq!(listed(&with_tool(opaque), "tools/list").await.get("outputSchema"), None);
    assert_eq!(both(any, json!({})).await, (texts(&[r#"{"x":[1]}"#]), json!({ "x": [1] })));
    assert_eq!(listed(&with_tool(any), "tools/list").await.get("outputSchema"), None);
}

#[tokio::test]
async fn a_list_stands_under_result_before_2026() {
    let stats = json!([{ "count": 2, "mean": null }]);
    assert_eq!(both(list, json!({})).await, (texts(&[&stats.to_string()]), json!({ "result": stats })));
    let today = with_tool(list).call_tool("list", json!({})).await.unwrap();
    assert_eq!(today["structuredContent"], stats);
    let definition = listed(&with_tool(list).revision(Revision::V2025_06_18), "tools/list").await;
    let schema = &definition["outputSchema"];
    assert_eq!(schema["properties"]["result"]["items"], json!({ "$ref": "#/$defs/Stats" }));
    assert_eq!(schema["$defs"]["Stats"]["type"], "object");
}

#[tokio::test]
async fn a_value_that_may_be_an_object_fits_its_schema_either_way() {
    let stats = json!({ "count": 2, "mean": null });
    assert_eq!(both(perhaps, json!({ "there": true })).await.1, stats);
    assert_eq!(both(perhaps, json!({ "there": false })).await, (texts(&["null"]), json!({ "result": null })));
    assert_eq!(both(either, json!({ "found": true })).await.1, stats);
    assert_eq!(
        both(either, json!({ "found": false })).await,
        (texts(&["none"]), json!({ "result": "none" }))
    );
    for tool in [perhaps(), either()] {
        let definition = listed(&with_tool(tool).revision(Revision::V2025_11_25), "tools/list").await;
        let schema = &definition["outputSchema"];
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["anyOf"].as_array().unwrap().len(), 2);
        assert_eq!(schema["anyOf"][1]["required"], json!(["result"]));
        assert_eq!(schema["$defs"]["Stats"]["type"], "object");
    }
}

#[tokio::test]
async fn what_is_always_an_object_is_not_wrapped() {
    assert_eq!(both(shape, json!({})).await.1, json!({ "square": { "side": 1.5 } }));
    assert_eq!(both(round, json!({})).await.1, json!({ "circle": { "radius": 1.0 } }));
    assert_eq!(both(tree, json!({})).await.1, json!({ "children": [{ "children": [] }] }));
    for (tool, variants) in [(shape(), Some(2)), (tree(), None)] {
        let definition = listed(&with_tool(tool).revision(Revision::V2025_11_25), "tools/list").await;
        let schema = &definition["outputSchema"];
        assert_eq!(schema["type"], "object", "{schema}");
        assert_eq!(schema["oneOf"].as_array().map(Vec::len), variants, "{schema}");
        assert_eq!(schema.get("anyOf"), None, "{schema}");
    }
}

#[tokio::test]
async fn what_is_never_an_object_is_always_wrapped() {
    assert_eq!(both(pair, json!({})).await.1, json!({ "result": [1, true] }));
    let definition = listed(&with_tool(pair).revision(Revision::V2025_11_25), "tools/list").await;
    let schema = &definition["outputSchema"];
    assert_eq!((&schema["required"], schema.get("anyOf")), (&json!(["result"]), None));
}

#[tokio::test]
async fn content_is_sent_as_it_is() {
    let image = json!([{ "type": "image", "data": "AQID", "mimeType": "image/png" }]);
    assert_eq!(both(content, json!({})).await, (image, Value::Null));
    assert_eq!(both(contents, json!({})).await, (texts(&["one", "two"]), Value::Null));
    let result = called(whole, json!({})).await;
    assert_eq!(result["isError"], true);
    assert_eq!(result["_meta"]["x"], 1);
    assert_eq!(result["content"], texts(&["no"]));
}
