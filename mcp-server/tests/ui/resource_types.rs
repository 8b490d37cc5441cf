//! Types that are no parameter and no contents.

use mcp_server::resource;

struct Id;

#[resource("user://{id}")]
fn parameter(id: Id) -> String {
    String::new()
}

#[resource("user://all")]
fn contents() -> Id {
    Id
}

fn main() {}
