//! Sessions that handlers open, and what is kept for a user, by macros.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails fails its test")]

use mcp_server::protocol::Revision;
use mcp_server::{Context, Principal, Server, SessionId, StateError, TestClient, UserSession, tool};
use serde_json::{Value, json};

/// Opens a cart.
#[tool]
async fn open(ctx: Context) -> Result<SessionId, StateError> {
    Ok(ctx.open_session().await?.id().clone())
}

/// Puts something into a cart, and tells what is in there.
#[tool]
async fn put(
    /** the cart */
    cart: SessionId,
    what: String,
    ctx: Context,
) -> Result<u32, StateError> {
    let cart = ctx.session(&cart).await?;
    let count = cart.get::<u32>(&what).await?.unwrap_or_default() + 1;
    cart.set(&what, &count).await?;
    Ok(count)
}

/// Counts the visits of a user.
#[tool]
async fn visit(#[arg(inject)] user: UserSession) -> Result<u32, StateError> {
    let visits = user.get::<u32>("visits").await?.unwrap_or_default() + 1;
    user.set("visits", &visits).await?;
    Ok(visits)
}

/// Greets whoever comes.
#[tool]
async fn greet(#[arg(inject)] user: Option<UserSession>) -> &'static str {
    if user.is_some() { "welcome back" } else { "hello" }
}

fn client() -> TestClient {
    let server = Server::new("shop").tool(open).tool(put).tool(visit).tool(greet);
    server.test_client().unwrap().principal(Principal::user("test", "ada"))
}

async fn text(client: &TestClient, tool: &str, arguments: Value) -> String {
    let result = client.call_tool(tool, arguments).await.unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_model_comes_back_to_a_session_by_its_id() {
    for revision in [Revision::V2025_06_18, Revision::V2026_07_28] {
        let client = client().revision(revision);
        let cart = text(&client, "open", json!({})).await;
        let other = text(&client, "open", json!({})).await;
        for count in ["1", "2"] {
            assert_eq!(text(&client, "put", json!({ "cart": cart, "what": "tea" })).await, count);
        }
        assert_eq!(text(&client, "put", json!({ "cart": other, "what": "tea" })).await, "1");
        let unknown = client.call_tool("put", json!({ "cart": "f00d", "what": "tea" })).await.unwrap();
        let said = unknown["content"][0]["text"].as_str().unwrap();
        assert!(unknown["isError"] == true && said.starts_with("there is no such session"), "{unknown}");
        let malformed = client.call_tool("put", json!({ "cart": "a b", "what": "tea" })).await.unwrap();
        assert_eq!(malformed["isError"], true, "{malformed}");
    }
}

#[tokio::test]
async fn a_session_is_a_string_in_the_schema_and_an_injected_one_is_not_there() {
    let tools = client().request("tools/list", json!({})).await.unwrap();
    let schema_of = |name: &str| {
        let tools = tools["tools"].as_array().unwrap();
        tools.iter().find(|tool| tool["name"] == name).unwrap()["inputSchema"].clone()
    };
    assert_eq!(schema_of("put")["properties"]["cart"]["type"], "string");
    assert_eq!(schema_of("put")["required"], json!(["cart", "what"]));
    for injected in ["visit", "greet"] {
        assert!(schema_of(injected)["properties"].as_object().is_none_or(serde_json::Map::is_empty));
    }
}

#[tokio::test]
async fn what_is_kept_for_a_user_is_one_for_all_sessions_and_nobody_elses() {
    let ada = client();
    let in_session = ada.another().revision(Revision::V2025_11_25);
    assert_eq!(text(&ada, "visit", json!({})).await, "1");
    assert_eq!(text(&in_session, "visit", json!({})).await, "2");
    let bob = ada.another().principal(Principal::user("test", "bob"));
    assert_eq!(text(&bob, "visit", json!({})).await, "1");
    assert_eq!(text(&bob, "greet", json!({})).await, "welcome back");
    let nobody = ada.another().principal(Principal::anonymous());
    assert_eq!(text(&nobody, "greet", json!({})).await, "hello");
    let refused = nobody.call_tool("visit", json!({})).await;
    assert!(refused.is_err() || refused.unwrap()["isError"] == true);
}
