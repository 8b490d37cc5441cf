//! A type that cannot be sent to the client.

use mcp_server::tool;

struct Row;

#[tool]
async fn query() -> Row {
    Row
}

#[tool]
async fn query_or_not() -> Result<Row, String> {
    Ok(Row)
}

fn main() {}
