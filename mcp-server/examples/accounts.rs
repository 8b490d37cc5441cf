//! Known callers, a right that one of them lacks, and answers that are used again.
//!
//! `cargo run -p mcp-server --example accounts` serves `http://127.0.0.1:8000/mcp`; send `Authorization: Bearer a-token`
//! or `b-token`. Real tokens come from where secrets are kept, never from the source.

use std::time::Duration;

use mcp_server::protocol::Json;
use mcp_server::{
    CachePolicy, Context, Logging, Principal, Refusal, Request, ResponseCache, Server, StateError,
    StaticTokens, Tool, tool,
};
use serde_json::json;

/// The balance of who asks. Each caller has an answer of their own, used again for ten seconds.
#[tool(read_only, cache = "10s")]
async fn balance(ctx: Context) -> Result<String, StateError> {
    let name = ctx.principal()?.subject().unwrap_or("nobody");
    Ok(format!("{name} has 12 coins"))
}

/// Everybody's balances, for the treasurer alone: others neither see it in the list nor can call it.
fn balances() -> Tool {
    let any = json!({ "type": "object" });
    Tool::new("balances", any, |_: Context, _: Json| async { "ada 12, bob 7" })
        .description("The balances of all accounts.")
        .cache(CachePolicy::private(Duration::from_secs(10)))
        .check(treasurer)
}

/// Asked before every use, also before a cached answer: a right that is withdrawn ends at once.
fn treasurer(request: &Request) -> std::future::Ready<Result<(), Refusal>> {
    let is_treasurer = request.principal.subject() == Some("ada");
    std::future::ready(is_treasurer.then_some(()).ok_or_else(|| Refusal::new("this is for the treasurer")))
}

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    let callers = StaticTokens::new()
        .token("a-token", Principal::user("example", "ada"))
        .token("b-token", Principal::user("example", "bob"));
    Server::new("accounts")
        .authenticate(callers)
        .with(Logging::new())
        .with(ResponseCache::new())
        .tool(balance)
        .tool(balances())
        .serve_http("127.0.0.1:8000")
        .await
}
