//! What the benches of MCP servers serve, over stdio or `--http ADDR`: small tools, a template, a prompt.

use mcp_server::{Result, Server, prompt, resource, tool};

/// What is known of some numbers.
#[derive(serde::Serialize, schemars::JsonSchema)]
struct Stats {
    /// How many there are.
    count: usize,
    /// Their sum.
    sum: f64,
    /// Their mean; 0 where there are none.
    mean: f64,
}

/// Answers what it is told.
#[tool(read_only)]
async fn echo(
    /** what to answer */
    text: String,
) -> String {
    text
}

/// Adds two whole numbers.
#[tool(read_only)]
async fn add(
    /** the first */
    a: i64,
    /** the second */
    b: i64,
) -> i64 {
    a.saturating_add(b)
}

/// Counts, sums and averages numbers.
#[tool(read_only)]
async fn stats(
    /** the numbers */
    values: Vec<f64>,
) -> Stats {
    let (count, sum) = (values.len(), values.iter().sum());
    #[expect(clippy::cast_precision_loss, reason = "nobody sends 2^52 numbers")]
    let mean = if count == 0 { 0.0 } else { sum / count as f64 };
    Stats { count, sum, mean }
}

/// One item of a bench.
#[resource("bench://item/{id}")]
async fn item(
    /** which item */
    id: String,
) -> String {
    format!("item {id}")
}

/// Greets somebody.
#[prompt]
async fn greet(
    /** whom to greet */
    name: String,
) -> String {
    format!("Greet {name} warmly.")
}

#[tokio::main]
async fn main() -> Result<()> {
    let server = Server::new("bench").tool(echo).tool(add).tool(stats).resource(item).prompt(greet);
    larder_examples::serve(server).await
}
