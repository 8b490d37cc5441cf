//! The smallest useful MCP server: one tool with two documented arguments, one resource, HTTP (or stdio).
use mcp_server::{Server, resource, tool};

/// Adds two numbers.
#[tool]
fn add(
    /** the first */
    a: f64,
    /** the second */
    b: f64,
) -> f64 {
    a + b
}

/// What this server is for.
#[resource("about://server")]
fn about() -> &'static str {
    "It adds numbers."
}

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    let server = Server::new("hello").tool(add).resource(about);
    if std::env::args().any(|argument| argument == "--stdio") {
        return server.run().await;
    }
    server.serve_http("127.0.0.1:8000").await
}
