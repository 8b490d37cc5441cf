//! Arguments that clients repeat in headers: how they are shown, and what is refused when the server is built.

use mcp_server::{Context, IntoTool, Server, Tool, tool};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{called, listed, text, with_tool};

/// Where a query runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Region {
    /// Frankfurt
    EuCentral,
    UsWest,
}

#[tool]
fn query(
    /// where
    #[arg(header = "Region")]
    region: Option<Region>,
    #[arg(header = "X.Rows_9", rename = "max-rows", default = 10)] rows: u32,
    #[arg(header = "Dry")] dry: bool,
    #[arg(header = "Note", default)] note: Option<String>,
    sql: String,
) -> String {
    format!("{sql} {region:?} {rows} {dry} {note:?}")
}

#[tokio::test]
async fn the_header_stands_in_the_schema_of_its_argument() {
    let definition = listed(&with_tool(query), "tools/list").await;
    let schema = &definition["inputSchema"];
    let mut properties = schema["properties"].clone();
    let region = properties["region"].take();
    assert_eq!((&region["type"], &region["description"]), (&json!("string"), &json!("where")));
    assert_eq!(region["x-mcp-header"], "Region");
    assert!(region.to_string().contains("eu-central") && !region.to_string().contains("null"), "{region}");
    let expected = json!({
        "region": null,
        "max-rows": { "type": "integer", "minimum": 0, "default": 10, "x-mcp-header": "X.Rows_9" },
        "dry": { "type": "boolean", "x-mcp-header": "Dry" },
        "note": { "type": "string", "x-mcp-header": "Note" },
        "sql": { "type": "string" },
    });
    assert_eq!(properties, expected);
    assert_eq!((&schema["required"], schema.get("$defs")), (&json!(["dry", "sql"]), None));
}

#[tokio::test]
async fn without_http_the_arguments_are_those_of_any_tool() {
    for (arguments, expected) in [
        (json!({ "sql": "s", "dry": true }), "s None 10 true None"),
        (json!({ "sql": "s", "dry": false, "region": null, "note": null }), "s None 10 false None"),
        (
            json!({ "sql": "s", "dry": false, "region": "us-west", "max-rows": 3 }),
            "s Some(UsWest) 3 false None",
        ),
        (
            json!({ "sql": "s", "dry": false, "region": "eu-central", "note": "n" }),
            "s Some(EuCentral) 10 false Some(\"n\")",
        ),
    ] {
        assert_eq!(text(&called(query, arguments).await), expected);
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct Target {
    #[schemars(extend("x-mcp-header" = "Zone"))]
    zone: String,
}

#[derive(Deserialize, JsonSchema)]
struct Query {
    target: Target,
    #[schemars(extend("x-mcp-header" = "Rows"))]
    rows: Option<u32>,
}

fn by_hand() -> Tool {
    Tool::typed("by_hand", |_: Context, query: Query| async move {
        format!("{} {:?}", query.target.zone, query.rows)
    })
}

#[tokio::test]
async fn a_type_of_ones_own_declares_headers_too() {
    let definition = listed(&with_tool(by_hand()), "tools/list").await;
    let schema = &definition["inputSchema"]["properties"];
    assert_eq!(schema["target"]["properties"]["zone"]["x-mcp-header"], "Zone");
    assert_eq!(schema["rows"]["x-mcp-header"], "Rows");
    let result = called(by_hand(), json!({ "target": { "zone": "b" }, "rows": 7 })).await;
    assert_eq!(text(&result), "b Some(7)");
}

/// Why a server with this tool is not built.
fn refused<Kind>(tool: impl IntoTool<Kind>) -> String {
    Server::new("test").tool(tool).build().expect_err("built").to_string()
}

/// An alias hides the type from the macro, not from the server.
type Fraction = f64;

#[tool]
fn score(#[arg(header = "Score")] score: Fraction) -> f64 {
    score
}

#[tool]
fn place(#[arg(header = "Place")] place: Place) -> f64 {
    place.latitude + place.longitude
}

#[derive(Deserialize, JsonSchema)]
struct Place {
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Defined {
    #[schemars(extend("x-mcp-header" = "Zone"))]
    zone: String,
}

#[derive(Deserialize, JsonSchema)]
struct Refers {
    target: Defined,
    others: Vec<Defined>,
}

#[test]
fn what_clients_would_leave_out_is_refused_by_tool_and_argument_with_the_remedy() {
    for (error, tool, argument) in [(refused(score), "score", "score"), (refused(place), "place", "place")] {
        assert!(error.contains(&format!("the tool {tool:?} repeats the argument {argument:?}")), "{error}");
        assert!(error.contains("make one of them its \"type\""), "{error}");
    }
    let refers = Tool::typed("refers", |_: Context, query: Refers| async move {
        format!("{} {}", query.target.zone, query.others.iter().map(|other| &*other.zone).collect::<String>())
    });
    let error = refused(refers);
    assert!(
        error.contains("the tool \"refers\" has \"x-mcp-header\" at \"$defs.Defined.properties.zone\""),
        "{error}"
    );
    assert!(error.contains("#[schemars(inline)]"), "{error}");
    let schema = |header: Value| {
        let property = json!({ "type": "string", "x-mcp-header": header });
        json!({ "type": "object", "properties": { "a": property } })
    };
    for header in [json!(""), json!("two words"), json!(7)] {
        let tool = Tool::new("raw", schema(header), |_: Context, _| async { "never" });
        let error = refused(tool);
        assert!(
            error.contains("the tool \"raw\" repeats the argument \"a\"") && error.contains("letters"),
            "{error}"
        );
    }
}
