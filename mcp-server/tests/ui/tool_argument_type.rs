//! A type that the client cannot send.

use mcp_server::tool;

struct Database;

#[tool]
async fn query(database: Database) {}

fn main() {}
