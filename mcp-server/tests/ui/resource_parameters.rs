//! Parameters of the template that are not the function's arguments, and the other way round.

use mcp_server::{Context, resource};

#[resource("user://{id}/{page}")]
fn not_taken(id: String, context: Context) -> String {
    id
}

#[resource("user://{id}")]
fn not_there(id: String, page: u32) -> String {
    id
}

#[resource("user://all")]
fn plain(id: String) -> String {
    id
}

#[resource("user://{id}{?page}")]
fn not_optional(id: String, page: u32) -> String {
    id
}

fn main() {}
