//! URIs that are none.

use mcp_server::resource;

#[resource]
fn missing() -> String {
    String::new()
}

#[resource(name = "x")]
fn missing_too() -> String {
    String::new()
}

#[resource("profile")]
fn without_scheme() -> String {
    String::new()
}

#[resource("user://{id")]
fn open(id: String) -> String {
    id
}

#[resource("user://id}")]
fn closed(id: String) -> String {
    id
}

#[resource("user://{a}{b}")]
fn adjacent(a: String, b: String) -> String {
    a + &b
}

#[resource("user://{a}/{a}")]
fn twice(a: String) -> String {
    a
}

#[resource("user://{?a}/x")]
fn query_within(a: Option<String>) -> String {
    a.unwrap_or_default()
}

#[resource("user://{user-id}")]
fn misnamed(user_id: String) -> String {
    user_id
}

#[resource("user://x", read_only)]
fn unknown_option() -> String {
    String::new()
}

fn main() {}
