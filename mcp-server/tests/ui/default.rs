//! Defaults of another type.

use mcp_server::{prompt, tool};

#[tool]
async fn number(#[arg(default = "ten")] limit: u32) {}

#[tool]
async fn text(#[arg(default = 10)] limit: String) {}

#[prompt]
async fn in_a_prompt(#[arg(default = 'x')] limit: u32) -> String {
    limit.to_string()
}

fn main() {}
