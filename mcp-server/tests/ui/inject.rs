//! A type that the server cannot give.

use mcp_server::tool;

#[tool]
async fn query(#[arg(inject)] limit: u32) {}

fn main() {}
