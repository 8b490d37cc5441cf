use mcp_server::{Server, resource, tool};

/// Adds two numbers.
#[tool]
fn add(/** the first */ a: f64, /** the second */ b: f64) -> f64 { a + b }

/// What this server is for.
#[resource("about://server")]
fn about() -> &'static str { "It adds numbers." }

#[tokio::main]
async fn main() -> mcp_server::Result<()> {
    Server::new("calc").tool(add).resource(about).serve_http("127.0.0.1:8000").await
}
