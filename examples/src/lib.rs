//! What the example programs share: where they serve, from their arguments.

use mcp_server::{Result, Server};

/// Serves `server` as the arguments say: `--http ADDR` or `--stdio`, which is the default.
///
/// # Errors
/// What building and serving answers.
pub async fn serve(server: Server) -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let http = arguments.iter().position(|argument| argument == "--http");
    if let Some(at) = http {
        let address = arguments.get(at + 1).map_or("127.0.0.1:8000", String::as_str);
        return server.serve_http(address).await;
    }
    server.run().await
}

#[cfg(test)]
use larder as _; // the README's second program uses it

/// What the README shows, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
