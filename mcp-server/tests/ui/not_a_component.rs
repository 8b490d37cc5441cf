//! What is given to the server without its attribute.

use mcp_server::Server;

async fn add(a: f64, b: f64) -> f64 {
    a + b
}

fn config() -> String {
    String::new()
}

fn main() {
    let _ = Server::new("calc").tool(add);
    let _ = Server::new("calc").tool("add");
    let _ = Server::new("calc").resource(config);
    let _ = Server::new("calc").prompt(|| "x");
}
