//! An error that cannot be told.

use mcp_server::tool;

struct Secret;

#[tool]
async fn query() -> Result<String, Secret> {
    Err(Secret)
}

fn main() {}
