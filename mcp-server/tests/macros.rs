//! Functions with `#[tool]`, `#[resource]` and `#[prompt]`, and the same by hand, seen by a client.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

#[path = "macros/asked.rs"]
mod asked;
#[path = "macros/by_hand.rs"]
mod by_hand;
#[path = "macros/completions.rs"]
mod completions;
#[path = "macros/errors.rs"]
mod errors;
#[path = "macros/given.rs"]
mod given;
#[path = "macros/headers.rs"]
mod headers;
#[path = "macros/prompts.rs"]
mod prompts;
#[path = "macros/resources.rs"]
mod resources;
#[path = "macros/returns.rs"]
mod returns;
#[path = "macros/tools.rs"]
mod tools;

use mcp_server::protocol::Revision;
use mcp_server::{IntoPrompt, IntoResource, IntoTool, Server, TestClient};
use serde_json::{Value, json};

/// A client of a server with this tool alone.
fn with_tool<Kind>(tool: impl IntoTool<Kind>) -> TestClient {
    Server::new("test").tool(tool).test_client().unwrap()
}

/// A client of a server with this resource alone.
fn with_resource<Kind>(resource: impl IntoResource<Kind>) -> TestClient {
    Server::new("test").resource(resource).test_client().unwrap()
}

/// A client of a server with this prompt alone.
fn with_prompt<Kind>(prompt: impl IntoPrompt<Kind>) -> TestClient {
    Server::new("test").prompt(prompt).test_client().unwrap()
}

/// The one definition of a list.
async fn listed(client: &TestClient, method: &str) -> Value {
    let mut result = client.request(method, json!({})).await.unwrap();
    let field = match method {
        "resources/templates/list" => "resourceTemplates",
        _ => method.strip_suffix("/list").unwrap(),
    };
    let mut items = result[field].take();
    assert_eq!(items.as_array().unwrap().len(), 1);
    items[0].take()
}

/// What a call answers, but for what every result carries.
async fn called<Kind>(tool: impl IntoTool<Kind>, arguments: Value) -> Value {
    let tool = tool.into_tool();
    let name = tool.name().to_owned();
    let result = with_tool(tool).revision(Revision::V2025_11_25).call_tool(&name, arguments).await;
    result.unwrap()
}

/// The text of the first block of a tool's result.
fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}
