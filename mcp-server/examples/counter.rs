//! Values that a handler is given, and values that it keeps.
//!
//! `cargo run -p mcp-server --example counter` serves stdio.

use std::time::Instant;

use mcp_server::{Context, Server, State, StateError, tool};

/// What the whole server shares.
struct Started(Instant);

/// Counts the calls of this session: on 2026-07-28, which has no sessions, of this user.
#[tool]
async fn count(
    /// how many to add
    #[arg(default = 1)]
    by: u64,
    ctx: Context,
) -> Result<u64, StateError> {
    let state = ctx.state();
    let count = state.get::<u64>("count").await?.unwrap_or_default() + by;
    state.set("count", &count).await?;
    Ok(count)
}

/// Tells for how many seconds the server has been running.
#[tool(read_only)]
async fn uptime(started: State<Started>) -> u64 {
    started.0.elapsed().as_secs()
}

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    Server::new("counter").state(Started(Instant::now())).tool(count).tool(uptime).run().await
}
