//! Arguments of tools: names, schemas, defaults, and what is said of those that do not fit.

use mcp_server::protocol::Revision;
use mcp_server::tool;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{called, listed, text, with_tool};

/// Adds two numbers.
///
/// Both are finite.
#[tool]
async fn add(
    /// first number
    a: f64,
    /// second number,
    /// added to the first
    b: f64,
) -> f64 {
    a + b
}

#[tokio::test]
async fn the_definition_of_a_tool_comes_from_the_function() {
    let expected = json!({
        "name": "add",
        "description": "Adds two numbers.\n\nBoth are finite.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "a": { "type": "number", "description": "first number" },
                "b": { "type": "number", "description": "second number,\nadded to the first" },
            },
            "required": ["a", "b"],
            "additionalProperties": false,
        },
        "outputSchema": { "type": "number" },
    });
    assert_eq!(listed(&with_tool(add), "tools/list").await, expected);
}

#[tokio::test]
async fn the_output_schema_follows_the_revision() {
    let of = async |revision| {
        listed(&with_tool(add).revision(revision), "tools/list").await["outputSchema"].take()
    };
    let wrapped = json!({
        "type": "object", "properties": { "result": { "type": "number" } }, "required": ["result"],
    });
    assert_eq!(of(Revision::V2024_11_05).await, Value::Null);
    assert_eq!(of(Revision::V2025_03_26).await, Value::Null);
    assert_eq!(of(Revision::V2025_06_18).await, wrapped);
    assert_eq!(of(Revision::V2025_11_25).await, wrapped);
    assert_eq!(of(Revision::V2026_07_28).await, json!({ "type": "number" }));
}

#[tokio::test]
async fn the_body_stays_callable() {
    assert!((add::call(1.0, 2.0).await - 3.0).abs() < f64::EPSILON);
}

#[tool(
    name = "shelf.list-all",
    title = "List",
    description = "Instead of the comment",
    tags("one", "two"),
    read_only,
    idempotent,
    open_world = false,
    output_schema = off
)]
/// The comment
fn list() -> u8 {
    let list = 1; // a variable may have the tool's name
    list
}

#[tokio::test]
async fn options_say_what_the_function_does_not() {
    let expected = json!({
        "name": "shelf.list-all",
        "title": "List",
        "description": "Instead of the comment",
        "inputSchema": { "type": "object", "properties": {}, "additionalProperties": false },
        "annotations": { "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false },
        "_meta": { "larder/tags": ["one", "two"] },
    });
    assert_eq!(listed(&with_tool(list), "tools/list").await, expected);
    assert_eq!(text(&called(list, json!({})).await), "1");
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    Up,
    Down,
}

#[derive(Deserialize, JsonSchema)]
struct Range {
    from: u32,
    to: Option<u32>,
}

/// An alias hides the `Option` from the macro, not from the compiler.
type Perhaps<T> = Option<T>;

#[tool]
fn page(
    #[arg(rename = "order-by", description = "which first")] order: Order,
    range: Range,
    note: Perhaps<String>,
    #[arg(default = 10)] limit: u8,
    #[arg(default = "default")] namespace: String,
    #[arg(default)] tags: Vec<String>,
    r#type: Option<String>,
) -> String {
    let order = match order {
        Order::Up => "up",
        Order::Down => "down",
    };
    format!("{order} {}-{:?} {note:?} {limit} {namespace} {tags:?} {:?}", range.from, range.to, r#type)
}

#[tokio::test]
async fn the_schema_has_names_defaults_and_definitions_without_formats_of_rust() {
    let mut definition = listed(&with_tool(page), "tools/list").await;
    let schema = definition["inputSchema"].take();
    assert_eq!(schema["required"], json!(["order-by", "range"]));
    assert_eq!(schema["properties"]["order-by"]["description"], "which first");
    assert_eq!(
        schema["properties"]["limit"],
        json!({ "type": "integer", "minimum": 0, "maximum": 255, "default": 10 })
    );
    assert_eq!(schema["properties"]["namespace"], json!({ "type": "string", "default": "default" }));
    assert_eq!(schema["properties"]["tags"]["default"], json!([]));
    assert_eq!(schema["properties"]["note"]["type"], json!(["string", "null"]));
    assert_eq!(schema["properties"]["type"]["type"], json!(["string", "null"]));
    assert_eq!(schema["properties"]["range"], json!({ "$ref": "#/$defs/Range" }));
    assert_eq!(schema["$defs"]["Range"]["properties"]["from"], json!({ "type": "integer", "minimum": 0 }));
    assert_eq!(schema.get("$schema"), None);
}

#[tokio::test]
async fn what_is_left_out_gets_its_default() {
    let least = json!({ "order-by": "up", "range": { "from": 1 } });
    assert_eq!(text(&called(page, least).await), "up 1-None None 10 default [] None");
    let all = json!({
        "order-by": "down", "range": { "from": 1, "to": 2 }, "note": null, "limit": 3, "namespace": "n",
        "tags": ["t"], "type": "x",
    });
    assert_eq!(text(&called(page, all).await), r#"down 1-Some(2) None 3 n ["t"] Some("x")"#);
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_named_to_the_model() {
    for (arguments, expected) in [
        (json!({ "a": 1 }), "invalid arguments: missing argument `b`"),
        (
            json!({ "a": 1, "b": "2" }),
            "invalid arguments: argument `b`: invalid type: string \"2\", expected f64",
        ),
        (json!({ "a": 1, "b": null }), "invalid arguments: argument `b`: invalid type: null, expected f64"),
        (
            json!({ "a": 1, "b": 2, "c": 3 }),
            "invalid arguments: unknown argument `c`: the arguments are `a`, `b`",
        ),
    ] {
        let result = called(add, arguments).await;
        assert_eq!((text(&result), &result["isError"]), (expected, &json!(true)));
    }
    let near = called(page, json!({ "order_by": "up" })).await;
    assert_eq!(text(&near), "invalid arguments: unknown argument `order_by`, did you mean `order-by`?");
    let within = called(page, json!({ "order-by": "up", "range": { "from": -1 } })).await;
    assert_eq!(
        text(&within),
        "invalid arguments: argument `range`: invalid value: integer `-1`, expected u32"
    );
    let none = called(list, json!({ "x": 1 })).await;
    assert_eq!(text(&none), "invalid arguments: unknown argument `x`: there are no arguments");
}

#[tokio::test]
async fn a_long_argument_that_does_not_fit_is_not_repeated_and_what_would_fit_is_told() {
    let long = "x".repeat(1 << 20);
    for (arguments, told) in [
        (json!({ "a": 1, "b": long }), "\", expected f64"),
        (json!({ "a": 1, "b": 2, long.clone(): 3 }), "the arguments are `a`, `b`"),
    ] {
        let result = called(add, arguments).await;
        let text = text(&result);
        assert!(text.len() < 2_048 && text.ends_with(told), "{} bytes: {}", text.len(), &text[..80]);
    }
}

#[tokio::test]
async fn an_argument_that_stands_twice_is_refused() {
    let message = br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add",
        "arguments":{"a":1,"a":2,"b":3}}}"#;
    let client = with_tool(add).revision(Revision::V2025_11_25);
    client.request("tools/list", json!({})).await.unwrap();
    let lines = client.raw(message).await.unwrap();
    let result = &lines[0]["result"];
    assert_eq!(text(result), "invalid arguments: argument `a` is given twice");
}

#[tool]
fn echo(echo: String, #[arg(rename = "context")] r#mod: Option<u8>, mut count: u8) -> String {
    count += 1;
    let module = r#mod;
    format!("{echo} {module:?} {count}")
}

#[tokio::test]
async fn an_argument_may_have_the_name_of_its_tool() {
    assert_eq!(text(&called(echo, json!({ "echo": "x", "count": 1 })).await), "x None 2");
}

#[tool]
fn anything(
    value: Value,
    map: std::collections::BTreeMap<String, (u8, bool)>,
    list: Vec<Option<char>>,
    small: u8,
    large: i64,
    flag: bool,
    half: f32,
    address: std::net::Ipv4Addr,
) -> String {
    format!("{value} {map:?} {list:?} {small} {large} {flag} {half} {address}")
}

#[tokio::test]
async fn any_type_that_can_be_read_and_described_is_an_argument() {
    let arguments = json!({
        "value": [1, { "x": null }], "map": { "k": [1, true] }, "list": ["ä", null], "small": 255,
        "large": -1, "flag": false, "half": 0.5, "address": "127.0.0.1",
    });
    let expected = r#"[1,{"x":null}] {"k": (1, true)} [Some('ä'), None] 255 -1 false 0.5 127.0.0.1"#;
    assert_eq!(text(&called(anything, arguments).await), expected);
    let definition = listed(&with_tool(anything), "tools/list").await;
    assert_eq!(definition["inputSchema"]["properties"]["address"]["format"], "ipv4");
}

mod shelves {
    use mcp_server::tool;

    /// Called as an item of another module, and by a type whose name a macro could take.
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct A(pub(super) u8);

    const DEFAULT: u8 = 3;

    #[tool]
    pub(super) fn shelf(
        slots: A,
        #[arg(default = A(DEFAULT))] map: A,
        #[arg(default = DEFAULT * 2)] index: u8,
    ) -> u8 {
        slots.0 + map.0 + index
    }
}

#[tokio::test]
async fn a_tool_of_another_module_takes_what_is_known_there() {
    assert_eq!(text(&called(shelves::shelf, json!({ "slots": 1 })).await), "10");
    assert_eq!(shelves::shelf::call(shelves::A(1), shelves::A(1), 1), 3);
    let definition = listed(&with_tool(shelves::shelf), "tools/list").await;
    let properties = &definition["inputSchema"]["properties"];
    assert_eq!(properties["index"]["default"], 6);
    assert_eq!(properties["map"].get("default"), None, "it cannot be written as JSON");
}

#[tokio::test]
async fn a_tool_may_stand_within_a_function() {
    #[derive(Deserialize, JsonSchema)]
    struct Local(u8);

    #[tool]
    async fn within(local: Local) -> u8 {
        local.0
    }

    assert_eq!(text(&called(within, json!({ "local": 7 })).await), "7");
}
