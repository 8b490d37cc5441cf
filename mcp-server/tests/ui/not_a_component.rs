//! What is given to the server without its attribute.

use mcp_server::Server;

async fn add(a: f64, b: f64) -> f64 {
    a + b
}

fn config() -> String {
    String::new()
}

async fn profile(id: u32) -> String {
    id.to_string()
}

fn greet(name: String) -> String {
    name
}

fn main() {
    let _ = Server::new("calc").tool(add);
    let _ = Server::new("calc").tool("add");
    let _ = Server::new("calc").resource(config);
    let _ = Server::new("calc").resource(profile);
    let _ = Server::new("calc").prompt(greet);
    let _ = Server::new("calc").prompt(|| "x");
    let _ = Server::new("calc").build().map(|service| service.components().add_tool(add));
}
